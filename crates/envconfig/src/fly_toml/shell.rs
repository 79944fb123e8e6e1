//! Splitting a command into words as a POSIX shell does, without expanding anything.

/// Why a command cannot be split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum SplitError {
    #[error("a quote is not closed")]
    Quote,
    #[error("it ends with a backslash")]
    Backslash,
}

/// The words of `command`: blanks separate, single quotes keep everything, double quotes keep all but `\"` and `\\`,
/// a backslash keeps the next character, and `#` at the start of a word begins a comment.
pub(super) fn split(command: &str) -> Result<Vec<String>, SplitError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = command.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => words.extend(word.take()),
            '#' if word.is_none() => while chars.next_if(|c| *c != '\n').is_some() {},
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next().ok_or(SplitError::Quote)? {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next().ok_or(SplitError::Quote)? {
                        '"' => break,
                        '\\' => match chars.next().ok_or(SplitError::Quote)? {
                            c @ ('"' | '\\' | '$' | '`') => word.push(c),
                            '\n' => {}
                            c => word.extend(['\\', c]),
                        },
                        c => word.push(c),
                    }
                }
            }
            '\\' => match chars.next().ok_or(SplitError::Backslash)? {
                '\n' => {}
                c => word.get_or_insert_default().push(c),
            },
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// POSIX.1-2024, Shell Command Language 2.2 "Quoting".
    #[test]
    fn commands_are_split_like_in_a_shell() {
        let table: [(&str, &[&str]); 9] = [
            ("", &[]),
            ("  bin/server  --port 8080 ", &["bin/server", "--port", "8080"]),
            ("sh -c 'echo \"a  b\"'", &["sh", "-c", "echo \"a  b\""]),
            (r#"a "b \"c\" \n" d"#, &["a", r#"b "c" \n"#, "d"]),
            (r"a\ b c", &["a b", "c"]),
            ("''", &[""]),
            ("a''b", &["ab"]),
            ("run # now", &["run"]),
            ("run a#b", &["run", "a#b"]),
        ];
        for (command, words) in table {
            assert_eq!(split(command).unwrap(), words, "{command}");
        }
        assert_eq!(split("a 'b"), Err(SplitError::Quote));
        assert_eq!(split("a \"b"), Err(SplitError::Quote));
        assert_eq!(split("a \\"), Err(SplitError::Backslash));
    }
}
