//! Commands of a shell script, as far as their words tell.
//!
//! No shell: what is worked out (`$(…)`, variables, loops) stays as it is written. What only stands in a text is no command:
//! quoted words, comments, and what is fed to a program with `<<`.

/// A program and its words, quotes taken off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Command {
    words: Vec<String>,
}

/// What stands before a program without being one.
const BEFORE: &[&str] =
    &["if", "then", "else", "elif", "do", "while", "until", "!", "{", "(", "time", "sudo", "exec", "env"];

impl Command {
    /// The program, without its directory.
    pub(super) fn program(&self) -> &str {
        let first = self.words.first().map(String::as_str).unwrap_or_default();
        first.rsplit('/').next().unwrap_or(first)
    }

    /// As it is written, with its directory.
    pub(super) fn path(&self) -> &str {
        self.words.first().map(String::as_str).unwrap_or_default()
    }

    /// The words behind the program.
    pub(super) fn arguments(&self) -> &[String] {
        self.words.get(1..).unwrap_or_default()
    }

    /// The words behind a program and its verbs, if it is that; flags may stand between them, each with a value.
    pub(super) fn behind(&self, called: &[&str]) -> Option<&[String]> {
        let (program, verbs) = called.split_first()?;
        if self.program() != *program {
            return None;
        }
        let mut verbs = verbs.iter().peekable();
        let mut may_be_value = false;
        for (n, word) in self.arguments().iter().enumerate() {
            match verbs.peek() {
                None => return Some(&self.arguments()[n..]),
                Some(verb) if word == *verb => {
                    verbs.next();
                    may_be_value = false;
                }
                Some(_) if word.starts_with('-') => may_be_value = !word.contains('='),
                Some(_) if may_be_value => may_be_value = false,
                Some(_) => return None,
            }
        }
        verbs.peek().is_none().then_some(&[])
    }

    /// Whether it has one of these flags, alone or with a value.
    pub(super) fn has_flag(&self, flags: &[&str]) -> bool {
        self.words
            .iter()
            .any(|word| flags.contains(&word.split_once('=').map_or(word.as_str(), |(flag, _)| flag)))
    }

    /// The value of one of these flags.
    pub(super) fn flag(&self, flags: &[&str]) -> Option<&str> {
        self.words.iter().enumerate().find_map(|(n, word)| match word.split_once('=') {
            Some((flag, value)) if flags.contains(&flag) => Some(value),
            None if flags.contains(&word.as_str()) => self.words.get(n + 1).map(String::as_str),
            _ => None,
        })
    }
}

/// The commands of a script, in order.
pub(super) fn commands(script: &str) -> Vec<Command> {
    let script = without_fed(script).replace("\\\n", " ");
    let mut commands = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut is_comment = false;
    let mut chars = script.chars().peekable();
    while let Some(c) = chars.next() {
        if is_comment && c != '\n' {
            continue;
        }
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some('"'), '\\') | (None, '\\') => word.get_or_insert_default().extend(chars.next()),
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => is_comment = true,
            (None, '\n' | ';' | '|' | '&') => {
                is_comment = false;
                // `2>&1` and `&>` are no ends.
                let is_redirection = c == '&'
                    && (word.as_ref().is_some_and(|word| word.ends_with('>')) || chars.peek() == Some(&'>'));
                if is_redirection {
                    word.get_or_insert_default().push(c);
                    continue;
                }
                words.extend(word.take());
                finish(&mut words, &mut commands);
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    finish(&mut words, &mut commands);
    commands
}

fn finish(words: &mut Vec<String>, commands: &mut Vec<Command>) {
    let is_before = |word: &String| {
        let is_variable = word.split_once('=').is_some_and(|(name, _)| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        });
        is_variable || BEFORE.contains(&word.as_str())
    };
    let skipped = words.iter().take_while(|word| is_before(word)).count();
    let words: Vec<String> = words.drain(..).skip(skipped).collect();
    if !words.is_empty() {
        commands.push(Command { words });
    }
}

/// A script without the lines that are fed to programs: `<<EOF` to `EOF`.
fn without_fed(script: &str) -> String {
    let mut kept = String::new();
    let mut until: Option<String> = None;
    for line in script.lines() {
        if let Some(end) = &until {
            if line.trim() == end {
                until = None;
            }
            continue;
        }
        until = line.split_once("<<").and_then(|(_, rest)| {
            let rest = rest.trim_start_matches('-').trim_start().trim_start_matches(['"', '\'']);
            let len = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            let is_word = rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            is_word.then(|| rest[..len].to_owned())
        });
        kept.push_str(line);
        kept.push('\n');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::commands;

    fn shown(script: &str) -> Vec<String> {
        commands(script).iter().map(|command| command.words.join("|")).collect()
    }

    #[test]
    fn a_script_is_what_it_runs() {
        let script = "# fly deploy\nset -e; CI=1 cd api && flyctl deploy \\\n  -a \"runner staging\" | tee log # fly deploy\n";
        assert_eq!(shown(script), ["set|-e", "cd|api", "flyctl|deploy|-a|runner staging", "tee|log"]);
        assert_eq!(shown("echo \"then; fly deploy\" 2>&1"), ["echo|then; fly deploy|2>&1"], "a text is none");
        assert_eq!(
            shown("cat <<'EOF' > x\nfly deploy\nEOF\nif ! ./go.sh; then exit 1; fi"),
            ["cat|<<EOF|>|x", "./go.sh", "exit|1", "fi"]
        );
        assert_eq!(shown("echo a#b '#c' \"\""), ["echo|a#b|#c|"]);
        assert_eq!(shown("a \"open"), ["a|open\n"], "a quote that nobody closed");
        assert_eq!(shown(""), [""; 0]);
    }

    #[test]
    fn verbs_are_found_behind_flags_and_flags_have_values() {
        let command = |script: &str| commands(script).remove(0);
        assert!(command("/root/.fly/bin/fly deploy -i x").behind(&["fly", "deploy"]).is_some());
        assert!(command("flyctl -a runner deploy").behind(&["flyctl", "deploy"]).is_some());
        assert!(command("helm --namespace=prod upgrade api").behind(&["helm", "upgrade"]).is_some());
        assert!(command("fly apps deploy").behind(&["fly", "deploy"]).is_none());
        assert!(command("flyctl status").behind(&["flyctl", "deploy"]).is_none());
        let deploy = command("flyctl deploy --app=a --config b --image-label c");
        assert_eq!((deploy.flag(&["--app", "-a"]), deploy.flag(&["--config", "-c"])), (Some("a"), Some("b")));
        assert!(!deploy.has_flag(&["--image", "-i"]), "another flag that begins alike");
    }
}
