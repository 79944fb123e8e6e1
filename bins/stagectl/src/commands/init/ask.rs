//! Questions to whoever sits at the terminal.

use std::fmt::Display;
use std::io::{BufRead, Write};
use std::str::FromStr;

use clikit::Failure;
use envconfig::{
    AppName, Person,
    scaffold::{Answers, Missing, Survey},
};

/// Where questions go, and answers come from.
pub(super) struct Terminal<R, W> {
    pub(super) answers: R,
    pub(super) questions: W,
}

impl<R: BufRead, W: Write> Terminal<R, W> {
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
                    let app: AppName =
                        self.until(&format!("production's app of `{component}` on Fly"), None)?;
                    answers.production.insert(component.clone(), app);
                }
                Some(Missing::Staging(component)) => {
                    let app: AppName =
                        self.until(&format!("staging's app of `{component}`, another one"), None)?;
                    answers.staging.insert(component.clone(), app);
                }
                Some(Missing::Leads) => {
                    let question =
                        "who may approve (ssh:SHA256:… as `ssh-keygen -l` prints it, or github:ID)";
                    answers.leads.push(self.until::<Person>(question, None)?);
                }
                Some(_) => return Err(refused(&missing)),
                None => break,
            }
        }
        for assumed in survey.assumed(&answers) {
            let question = format!("staging's app of `{}`", assumed.component);
            let app: AppName = self.until(&question, Some(assumed.staging.as_str()))?;
            answers.staging.insert(assumed.component, app);
        }
        Ok(answers)
    }

    /// Asks again as long as the answer cannot be used.
    fn until<T: FromStr<Err: Display>>(&mut self, question: &str, usual: Option<&str>) -> Result<T, Failure> {
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
            match if line.is_empty() { usual.unwrap_or_default() } else { line }.parse() {
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    let _told = writeln!(self.questions, "{error}");
                }
            }
        }
    }
}

/// Where nobody can be asked.
pub(super) fn refused(missing: &[Missing]) -> Failure {
    let mut what = Vec::new();
    let mut options = Vec::new();
    for missing in missing {
        let (it, option) = match missing {
            Missing::Production(name) => (
                format!("production's app of `{name}`, which its fly.toml does not name"),
                format!("--app {name}=APP"),
            ),
            Missing::Staging(name) => {
                (format!("an app for staging of `{name}`"), format!("--staging-app {name}=APP"))
            }
            Missing::Leads => ("who may approve".to_owned(), "--lead FILE.pub".to_owned()),
            _ => continue,
        };
        what.push(it);
        options.push(option);
    }
    Failure::usage(format!("this is not known: {}", what.join("; ")))
        .with_why("nothing here says it, and there is no terminal to ask at")
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
        let mut terminal = Terminal { answers: said.as_bytes(), questions: Vec::new() };
        let answers = terminal.what_is_missing(&survey, Answers::default());
        (answers, String::from_utf8(terminal.questions).unwrap())
    }

    #[test]
    fn what_is_not_known_is_asked_until_it_can_be_used_and_enter_takes_the_guess() {
        let (answers, questions) = asked("", "Shop!\nshop\nnobody\ngithub:5\n\n");
        let answers = answers.unwrap();
        let one = |apps: &std::collections::BTreeMap<_, AppName>| {
            apps.values().map(AppName::to_string).collect::<Vec<_>>()
        };
        assert_eq!(
            (one(&answers.production), one(&answers.staging)),
            (vec!["shop".to_owned()], vec!["shop-staging".to_owned()])
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
