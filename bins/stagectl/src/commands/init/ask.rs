//! Questions to whoever sits at the terminal.

use std::io::{BufRead, Write};
use std::str::FromStr;

use clikit::{Context, Failure};
use envconfig::{
    AppName,
    scaffold::{Answers, Missing, Survey},
};

use super::people;

/// Where questions go, and answers come from.
pub(super) struct Terminal<'a, R, W> {
    pub(super) context: &'a Context,
    pub(super) answers: R,
    pub(super) questions: W,
}

impl<R: BufRead, W: Write> Terminal<'_, R, W> {
    /// Asks until nothing is missing. What is only assumed is asked as well, with an answer that Enter takes.
    pub(super) fn what_is_missing(
        &mut self,
        survey: &Survey,
        mut answers: Answers,
    ) -> Result<Answers, Failure> {
        loop {
            let missing = survey.drafts(&answers).err().unwrap_or_default();
            match missing.first() {
                Some(Missing::Production(component)) => {
                    let question =
                        format!("production's app of `{component}` on Fly, which no other component has");
                    answers.production.insert(component.clone(), self.until(&question, None, app)?);
                }
                Some(Missing::Staging(component)) => {
                    let question = format!("staging's app of `{component}`, which is bound to nothing else");
                    answers.staging.insert(component.clone(), self.until(&question, None, app)?);
                }
                Some(Missing::Leads) => {
                    let context = self.context;
                    let question = "who may approve (FILE.pub of an SSH key, ssh:SHA256:… or github:ID)";
                    let lead = self.until(question, None, |text| {
                        people::named(context, text).map_err(|failure| failure.to_string())
                    })?;
                    people::add(&mut answers, lead);
                }
                Some(_) => return Err(refused(&missing)),
                None => {
                    let Some(assumed) = survey.assumed(&answers).into_iter().next() else {
                        return Ok(answers);
                    };
                    let question = format!("staging's app of `{}`", assumed.component);
                    let staging = self.until(&question, Some(assumed.staging.as_str()), app)?;
                    answers.staging.insert(assumed.component, staging);
                }
            }
        }
    }

    /// Asks again as long as the answer cannot be used.
    fn until<T>(
        &mut self,
        question: &str,
        usual: Option<&str>,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, Failure> {
        let nobody = || {
            Failure::usage(format!("nobody answered: {question}"))
                .with_hint("every answer is an option, too: `stagectl init --help`")
        };
        let shown = usual.map(|usual| format!(" [{usual}]")).unwrap_or_default();
        loop {
            let asked = write!(self.questions, "{question}{shown}: ").and_then(|()| self.questions.flush());
            let mut line = String::new();
            let n = asked.and_then(|()| self.answers.read_line(&mut line));
            if n.map_err(|error| nobody().with_source(error))? == 0 {
                return Err(nobody());
            }
            let line = line.trim();
            match read(if line.is_empty() { usual.unwrap_or_default() } else { line }) {
                Ok(answer) => return Ok(answer),
                Err(why) => {
                    let _told = writeln!(self.questions, "{why}");
                }
            }
        }
    }
}

fn app(text: &str) -> Result<AppName, String> {
    AppName::from_str(text).map_err(|error| error.to_string())
}

/// Where nobody can be asked.
pub(super) fn refused(missing: &[Missing]) -> Failure {
    let mut what = Vec::new();
    let mut options = Vec::new();
    for missing in missing {
        let (it, option) = match missing {
            Missing::Production(name) => (
                format!(
                    "production's app of `{name}`, which its fly.toml does not name, or another component has"
                ),
                format!("--app {name}=APP"),
            ),
            Missing::Staging(name) => (
                format!("an app for staging of `{name}` that is bound to nothing else"),
                format!("--staging-app {name}=APP"),
            ),
            Missing::Leads => ("who may approve".to_owned(), "--lead FILE.pub".to_owned()),
            _ => continue,
        };
        what.push(it);
        options.push(option);
    }
    Failure::usage(format!("this is not known: {}", what.join("; ")))
        .with_why("nothing here says it, and nobody was asked")
        .with_hint(format!("stagectl init {}", options.join(" ")))
}

#[cfg(test)]
mod tests {
    use envconfig::scaffold::Repository;

    use super::*;

    fn asked(fly: &str, said: &str) -> (Result<Answers, Failure>, String) {
        let mut repository = Repository::default();
        repository.texts.insert("fly.toml".to_owned(), fly.to_owned());
        let survey = Survey::of(&repository, &|_, _| Err("none".to_owned())).unwrap();
        let context = Context { terminals: clikit::Terminals::default(), ..Context::of_this_process() };
        let mut terminal = Terminal { context: &context, answers: said.as_bytes(), questions: Vec::new() };
        let answers = terminal.what_is_missing(&survey, Answers::default());
        (answers, String::from_utf8(terminal.questions).unwrap())
    }

    #[test]
    fn what_is_not_known_is_asked_until_it_can_be_used_and_enter_takes_the_guess() {
        let (answers, questions) = asked("", "Shop!\nshop\nnobody\ngithub:5\nshop\nshop-two\n");
        let answers = answers.unwrap();
        let one = |apps: &std::collections::BTreeMap<_, AppName>| {
            apps.values().map(AppName::to_string).collect::<Vec<_>>()
        };
        assert_eq!(
            (one(&answers.production), one(&answers.staging)),
            (vec!["shop".to_owned()], vec!["shop-two".to_owned()])
        );
        assert_eq!(answers.leads, ["github:5".parse().unwrap()]);
        assert_eq!(questions.matches("production's app of").count(), 2, "{questions}");
        assert_eq!(questions.matches("who may approve").count(), 2, "{questions}");
        assert_eq!(questions.matches("[shop-staging]: ").count(), 1, "{questions}");
    }

    #[test]
    fn an_end_of_input_is_no_answer() {
        let (answers, _) = asked("app = \"shop\"", "github:5\n");
        let failure = answers.unwrap_err();
        assert_eq!((failure.exit, failure.what.contains("staging's app")), (clikit::Exit::Usage, true));
    }
}
