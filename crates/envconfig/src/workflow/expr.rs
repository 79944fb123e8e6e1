//! The expressions of a workflow: what they read and which functions they call.
//!
//! Source: GitHub, "Evaluate expressions in workflows and actions" and "Contexts reference". Names are compared without
//! regard to case, as there.

/// What a text reads and calls in its expressions.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Expressions {
    /// What is read: `needs.build.outputs.image` in parts, in lower case. A part that is worked out is `*`.
    pub(super) paths: Vec<Vec<String>>,
    /// Functions in lower case, and which of `paths` their first argument is, where it is one.
    pub(super) calls: Vec<(String, Option<usize>)>,
    /// Functions with `!` before them.
    pub(super) negated: Vec<String>,
}

impl Expressions {
    /// Of a text in which expressions stand between `${{` and `}}`.
    pub(super) fn within(text: &str) -> Self {
        let mut found = Self::default();
        let mut rest = text;
        while let Some((_, after)) = rest.split_once("${{") {
            let end = end_of(after);
            found.scan(&after[..end]);
            rest = after.get(end..).unwrap_or_default();
        }
        found
    }

    /// Of a condition, which is an expression as a whole where it marks none.
    pub(super) fn of_condition(text: &str) -> Self {
        if text.contains("${{") {
            return Self::within(text);
        }
        let mut found = Self::default();
        found.scan(text);
        found
    }

    /// Whether the function is called.
    pub(super) fn calls(&self, name: &str) -> bool {
        self.calls.iter().any(|(called, _)| called == name)
    }

    /// Whether it asks how other steps or jobs came out, so that it may go on after a failure.
    pub(super) fn goes_on(&self) -> bool {
        ["always", "failure", "cancelled"].iter().any(|name| self.calls(name))
    }

    fn scan(&mut self, text: &str) {
        let bytes = text.as_bytes();
        let mut at = 0;
        let mut waiting: Option<usize> = None;
        let mut is_negated = false;
        while at < bytes.len() {
            let byte = bytes[at];
            if byte == b'\'' {
                at = skip_quoted(bytes, at);
                waiting = None;
            } else if byte.is_ascii_alphabetic() || byte == b'_' {
                let (path, end) = path(text, at);
                at = end;
                let is_call = bytes[at..].iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'(');
                if is_call && path.len() == 1 {
                    let name = path.concat();
                    if is_negated {
                        self.negated.push(name.clone());
                    }
                    waiting = Some(self.calls.len());
                    self.calls.push((name, None));
                    at += bytes[at..].iter().position(|b| *b == b'(').map_or(0, |n| n + 1);
                } else if !matches!(path.concat().as_str(), "true" | "false" | "null") {
                    if let Some(call) = waiting.take() {
                        self.calls[call].1 = Some(self.paths.len());
                    }
                    self.paths.push(path);
                }
            } else {
                at += 1;
                if matches!(byte, b',' | b')') {
                    waiting = None;
                }
            }
            is_negated = byte == b'!' && bytes.get(at) != Some(&b'=');
        }
    }
}

/// Where the expression that begins the text ends.
fn end_of(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'\'' {
            at = skip_quoted(bytes, at);
        } else if bytes[at..].starts_with(b"}}") {
            return at;
        } else {
            at += 1;
        }
    }
    bytes.len()
}

/// Behind the text in quotes that begins at `at`; a quote within is written twice.
fn skip_quoted(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while at < bytes.len() {
        if bytes[at] != b'\'' {
            at += 1;
        } else if bytes.get(at + 1) == Some(&b'\'') {
            at += 2;
        } else {
            return at + 1;
        }
    }
    bytes.len()
}

/// The path that begins at `at`, and where it ends.
fn path(text: &str, at: usize) -> (Vec<String>, usize) {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let name = |from: usize| {
        let len = text[from..].find(|c| !is_name(c)).unwrap_or(text.len() - from);
        (text[from..from + len].to_ascii_lowercase(), from + len)
    };
    let (first, mut at) = name(at);
    let mut parts = vec![first];
    loop {
        let rest = &text[at..];
        if rest.starts_with(".*") {
            parts.push("*".to_owned());
            at += 2;
        } else if rest.starts_with('.') && rest[1..].starts_with(is_name) {
            let (part, end) = name(at + 1);
            parts.push(part);
            at = end;
        } else if let Some(inner) = rest.strip_prefix("['")
            && let Some(len) = inner.find("']")
        {
            parts.push(inner[..len].to_ascii_lowercase());
            at += len + 4;
        } else {
            if rest.starts_with('[') {
                // Worked out: whatever stands in it is read too.
                parts.push("*".to_owned());
            }
            return (parts, at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Expressions;

    fn paths(text: &str) -> Vec<String> {
        Expressions::within(text).paths.iter().map(|path| path.join(".")).collect()
    }

    #[test]
    fn what_is_read_is_found_however_it_is_written() {
        let text =
            "x ${{ needs.build.outputs.image }} y ${{ Needs['build'].Outputs.tag || steps.a-b.outputs.c }}";
        let wanted = ["needs.build.outputs.image", "needs.build.outputs.tag", "steps.a-b.outputs.c"];
        assert_eq!(paths(text), wanted);
        assert_eq!(
            paths("${{ 'needs.a.outputs.b }} it''s' }} ${{ github.sha }}"),
            ["github.sha"],
            "texts are none"
        );
        assert_eq!(paths("${{ github.event.commits.*.message }}"), ["github.event.commits.*.message"]);
        assert_eq!(paths("${{ matrix[inputs.which] }}"), ["matrix.*", "inputs.which"]);
        assert_eq!(paths("${{ true && !false }} needs.a"), [""; 0], "no name, and outside of an expression");
        assert_eq!(paths("${{ needs.a.result"), ["needs.a.result"], "one that nobody closed");
    }

    #[test]
    fn a_condition_needs_no_marks_and_tells_what_it_calls() {
        let found = Expressions::of_condition("always() && !failure() && inputs.action == 'create'");
        assert_eq!(found.calls, [("always".to_owned(), None), ("failure".to_owned(), None)]);
        assert_eq!(found.negated, ["failure"]);
        assert!(found.goes_on());
        let list = Expressions::within("${{ fromJson(needs.a.outputs.list) }}");
        assert_eq!(list.calls, [("fromjson".to_owned(), Some(0))], "its argument is the first that is read");
        assert!(!Expressions::of_condition("github.ref != 'always()'").goes_on());
    }
}
