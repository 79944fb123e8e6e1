//! One range of bytes, as HTTP asks for it (RFC 9110, 14.1.2).

/// What a `Range` header asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Range {
    /// `[from, to)`.
    Part(u64, u64),
    /// Nothing that is there.
    Outside,
    /// Anything but one range of bytes is answered whole.
    Ignored,
}

impl Range {
    /// Reads the header of a request for something of `size` bytes.
    pub(crate) fn of(text: &str, size: u64) -> Self {
        let Some((from, to)) = text.strip_prefix("bytes=").and_then(|r| r.split_once('-')) else {
            return Self::Ignored;
        };
        let part = match (from.parse::<u64>(), to.parse::<u64>()) {
            (Ok(from), Ok(to)) if to >= from => (from, to.saturating_add(1).min(size)),
            (Ok(from), Err(_)) if to.is_empty() => (from, size),
            (Err(_), Ok(last)) if from.is_empty() && last > 0 => (size.saturating_sub(last), size),
            _ => return Self::Ignored,
        };
        if part.0 < part.1 { Self::Part(part.0, part.1) } else { Self::Outside }
    }
}

#[cfg(test)]
mod tests {
    use super::Range;

    /// RFC 9110, 14.1.2: first and last byte, an open end, the last N bytes; what ends before it begins is no range.
    #[test]
    fn the_three_forms_of_one_range() {
        for (text, wanted) in [
            ("bytes=0-9", Range::Part(0, 10)),
            ("bytes=5-", Range::Part(5, 20)),
            ("bytes=-5", Range::Part(15, 20)),
            ("bytes=15-99", Range::Part(15, 20)),
            ("bytes=-99", Range::Part(0, 20)),
            ("bytes=20-", Range::Outside),
            ("bytes=9-5", Range::Ignored),
            ("bytes=0-1,4-5", Range::Ignored),
            ("lines=0-1", Range::Ignored),
        ] {
            assert_eq!(Range::of(text, 20), wanted, "{text}");
        }
    }
}
