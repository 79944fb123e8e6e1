//! Foreign text in our messages: one line, short, without control characters.

/// Longest quotation, in characters.
const QUOTE_CHARS_MAX: usize = 200;

/// `text` on one line, shortened.
pub(crate) fn quote(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let clean: String = line.chars().filter(|c| !c.is_control()).collect();
    match clean.char_indices().nth(QUOTE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &clean[..end]),
        None => clean,
    }
}

/// One segment of a path, percent-encoded (RFC 3986, section 2.3 names what stays).
pub(crate) fn segment(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotations_are_short_and_on_one_line() {
        assert_eq!(quote("<html>\n  <b>502\u{7}</b>\n"), "<html> <b>502</b>");
        let long = quote(&"ä".repeat(1000));
        assert_eq!(long.chars().count(), QUOTE_CHARS_MAX + 1);
    }

    #[test]
    fn segments_cannot_break_out() {
        assert_eq!(segment("fly_x-1.2~"), "fly_x-1.2~");
        assert_eq!(segment("a/b?c#ä%"), "a%2Fb%3Fc%23%C3%A4%25");
    }
}
