//! Masking of quoted lines: a value that is, or may be, a secret never reaches a message.

use super::Span;

/// From the first `=` of the line around `at` to its end; the whole line when it has none and opens no table.
pub(super) fn values_of_line(text: &str, at: usize) -> Span {
    let start = text[..at].rfind('\n').map_or(0, |n| n + 1);
    let end = text[at..].find('\n').map_or(text.len(), |n| at + n);
    let line = &text[start..end];
    match line.find('=') {
        Some(equals) => start + equals + 1..end,
        None if line.trim_start().starts_with('[') => end..end,
        None => start..end,
    }
}

/// The line `start..end` of `text` with every letter and digit inside one of `hidden` replaced by a dot, so that
/// columns stay where they are.
pub(super) fn masked(text: &str, line: Span, hidden: &[Span]) -> String {
    text[line.clone()]
        .char_indices()
        .map(|(offset, c)| {
            let at = line.start + offset;
            let secret = hidden.iter().any(|span| span.contains(&at));
            match c {
                '\t' => ' ',
                c if c.is_control() => '\u{fffd}',
                c if secret && (c.is_alphanumeric() || !c.is_ascii()) => '·',
                c => c,
            }
        })
        .collect()
}
