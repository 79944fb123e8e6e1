//! Sizes as people write them: memory in binary units, volumes in decimal ones.

/// What a unit counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Base {
    /// `k` is 1024: memory.
    Binary,
    /// `k` is 1000: volumes.
    Decimal,
}

/// Largest size of any kind, so that no arithmetic can overflow: a million of the wanted unit.
const LARGEST: f64 = 1_000_000.0;

/// `text` in units of `base`³ (`Decimal`: GB) or `base`² (`Binary`: MB); a bare number is in that unit already.
///
/// `1gb`, `512MB`, `256Mi`, `1.5 GiB`: letters of any case; whether `i` is written makes no difference.
pub(super) fn parse(text: &str, base: Base) -> Option<u32> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    let unit = text[end..].trim_start().to_ascii_lowercase();
    let (k, wanted) = match base {
        Base::Binary => (1024.0, 2),
        Base::Decimal => (1000.0, 3),
    };
    let power = match unit.strip_suffix('b').unwrap_or(&unit).trim_end_matches('i') {
        "" if unit.is_empty() => wanted,
        "" if unit == "b" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        _ => return None,
    };
    let size = (number * f64::powi(k, power - wanted)).floor();
    // In range by the comparison, so the cast is exact.
    (0.0..=LARGEST).contains(&size).then_some(size as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// flyctl, internal/appconfig: memory in binary units → MiB, bare number MB; volumes decimal → GB, bare number GB.
    #[test]
    fn sizes_are_what_flyctl_takes_them_for() {
        let memory = [
            ("1gb", 1024),
            ("512MB", 512),
            ("256Mi", 256),
            ("2GiB", 2048),
            ("512", 512),
            ("1.5gb", 1536),
            ("524288k", 512),
        ];
        for (text, mb) in memory {
            assert_eq!(parse(text, Base::Binary), Some(mb), "{text}");
        }
        for (text, gb) in [("10gb", 10), ("3", 3), ("1tb", 1000), ("500mb", 0)] {
            assert_eq!(parse(text, Base::Decimal), Some(gb), "{text}");
        }
        for text in ["", "gb", "1x", "-1gb", "1 g b", "1ib2", "1e300gb", "..", "9999999999tb", "i"] {
            assert_eq!(parse(text, Base::Binary), None, "{text}");
        }
    }
}
