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
    /// Whether something is compared, so that what comes out may be true or false.
    pub(super) compares: bool,
    /// Whether something else is taken where the first is empty.
    pub(super) has_default: bool,
}

impl Expressions {
    /// Each expression of a text in which they stand between `${{` and `}}`.
    pub(super) fn each(text: &str) -> Vec<Self> {
        let mut found = Vec::new();
        let mut rest = text;
        while let Some((_, after)) = rest.split_once("${{") {
            let end = end_of(after);
            found.push(Self::of(&after[..end]));
            rest = after.get(end..).unwrap_or_default();
        }
        found
    }

    /// All expressions of such a text together.
    pub(super) fn within(text: &str) -> Self {
        let mut all = Self::default();
        for one in Self::each(text) {
            let n_before = all.paths.len();
            all.paths.extend(one.paths);
            all.calls.extend(one.calls.into_iter().map(|(name, path)| (name, path.map(|n| n + n_before))));
            all.negated.extend(one.negated);
            all.compares |= one.compares;
            all.has_default |= one.has_default;
        }
        all
    }

    /// Of a condition, which is an expression as a whole where it marks none.
    pub(super) fn of_condition(text: &str) -> Self {
        if text.contains("${{") { Self::within(text) } else { Self::of(text) }
    }

    fn of(text: &str) -> Self {
        let mut found = Self::default();
        found.scan(text);
        found
    }

    /// Whether the function is called.
    pub(super) fn calls(&self, name: &str) -> bool {
        self.calls.iter().any(|(called, _)| called == name)
    }

    /// Whether it is called with `!` before it.
    pub(super) fn denies(&self, name: &str) -> bool {
        self.negated.iter().any(|denied| denied == name)
    }

    /// Whether it may hold after a failure. A condition that asks nothing of the kind holds only while all is well.
    pub(super) fn goes_on(&self) -> bool {
        let fails = self.calls("failure") && !self.denies("failure");
        self.calls("always") || self.calls("cancelled") || fails
    }

    /// Whether only true or false can come out.
    pub(super) fn is_truth(&self) -> bool {
        self.compares || ["contains", "startswith", "endswith"].iter().any(|name| self.calls(name))
    }

    /// The jobs of which it reads a result or an output; `*` is all of them.
    pub(super) fn asks_about(&self) -> Vec<&str> {
        let asked = self.paths.iter().filter(|path| path[0] == "needs" && path.len() > 2);
        asked.map(|path| path[1].as_str()).collect()
    }

    fn scan(&mut self, text: &str) {
        let bytes = text.as_bytes();
        let mut at = 0;
        let mut waiting: Option<usize> = None;
        let mut is_denied = false;
        while at < bytes.len() {
            let byte = bytes[at];
            if byte == b'\'' {
                at = skip_quoted(bytes, at);
                waiting = None;
            } else if byte.is_ascii_alphabetic() || byte == b'_' {
                let (path, end, inner) = path(text, at);
                at = end;
                let is_call = bytes[at..].iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'(');
                if is_call && path.len() == 1 {
                    let name = path.concat();
                    if is_denied {
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
                inner.into_iter().for_each(|inner| self.scan(inner));
            } else {
                at += 1;
                let next = bytes.get(at);
                waiting = waiting.filter(|_| !matches!(byte, b',' | b')'));
                self.compares |=
                    matches!(byte, b'=' | b'!') && next == Some(&b'=') || matches!(byte, b'<' | b'>');
                self.has_default |= byte == b'|' && next == Some(&b'|');
                if byte == b'!' && next != Some(&b'=') {
                    is_denied = true;
                    continue;
                }
                if byte.is_ascii_whitespace() || byte == b'(' {
                    continue;
                }
            }
            is_denied = false;
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

/// The path that begins at `at`, where it ends, and what is worked out within it.
fn path(text: &str, at: usize) -> (Vec<String>, usize, Vec<&str>) {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let name = |from: usize| {
        let len = text[from..].find(|c| !is_name(c)).unwrap_or(text.len() - from);
        (text[from..from + len].to_ascii_lowercase(), from + len)
    };
    let (first, mut at) = name(at);
    let mut parts = vec![first];
    let mut inner = Vec::new();
    loop {
        let rest = &text[at..];
        if rest.starts_with(".*") {
            parts.push("*".to_owned());
            at += 2;
        } else if rest.starts_with('.') && rest[1..].starts_with(is_name) {
            let (part, end) = name(at + 1);
            parts.push(part);
            at = end;
        } else if let Some((part, end)) = rest.strip_prefix("['").and_then(|inner| inner.split_once("']")) {
            parts.push(part.to_ascii_lowercase());
            at = text.len() - end.len();
        } else if let Some(len) = rest.strip_prefix('[').and_then(|_| closing(rest)) {
            parts.push("*".to_owned());
            inner.push(&rest[1..len]);
            at += len + 1;
        } else {
            return (parts, at, inner);
        }
    }
}

/// Where the bracket that begins the text is closed.
fn closing(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'\'' => {
                at = skip_quoted(bytes, at);
                continue;
            }
            b'[' => depth += 1,
            b']' if depth == 1 => return Some(at),
            b']' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    None
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
        assert_eq!(paths("${{ matrix[inputs.which].os }}"), ["matrix.*.os", "inputs.which"]);
        assert_eq!(paths("${{ github.event.commits[0].message }}"), ["github.event.commits.*.message"]);
        assert_eq!(paths("${{ a[b['c]'].d }}"), ["a", "b.c].d"], "one that nobody closed");
        assert_eq!(paths("${{ true && !false }} needs.a"), [""; 0], "no name, and outside of an expression");
        assert_eq!(paths("${{ needs.a.result"), ["needs.a.result"], "one that nobody closed");
    }

    #[test]
    fn a_condition_needs_no_marks_and_tells_what_it_calls() {
        let found = Expressions::of_condition("always() && !failure() && inputs.action == 'create'");
        assert_eq!(found.calls, [("always".to_owned(), None), ("failure".to_owned(), None)]);
        assert_eq!(found.negated, ["failure"]);
        assert!(found.goes_on());
        for denied in ["!failure()", "! failure()", "!(failure())", "always() && !( failure() )"] {
            assert!(Expressions::of_condition(denied).denies("failure"), "{denied}");
        }
        assert!(!Expressions::of_condition("x != failure()").denies("failure"));
        assert!(!Expressions::of_condition("!failure()").goes_on(), "it holds while nothing failed");
        assert!(Expressions::of_condition("${{ github.ref == 'x' }}").is_truth());
        assert!(!Expressions::within("${{ github.ref }}").is_truth());
        let list = Expressions::within("${{ fromJson(needs.a.outputs.list) }}");
        assert_eq!(list.calls, [("fromjson".to_owned(), Some(0))], "its argument is the first that is read");
        assert!(!Expressions::of_condition("github.ref != 'always()'").goes_on());
    }
}
