//! Why a text is not what it should be.

use std::fmt;

/// Why a text is no name, duration, address and so on. Never made for secrets: it holds the text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Malformed {
    /// What was read.
    pub text: String,
    /// What it should have been, with an article: "an app name".
    pub expected: &'static str,
    /// The rule it breaks.
    pub why: String,
    /// The possible words, where there is a fixed list of them.
    pub one_of: &'static [&'static str],
}

impl Malformed {
    /// `text` breaks the rule `why` of `expected`.
    pub(crate) fn new(text: &str, expected: &'static str, why: impl Into<String>) -> Self {
        Self { text: text.to_owned(), expected, why: why.into(), one_of: &[] }
    }

    /// `text` is none of `words`.
    pub(crate) fn none_of(text: &str, expected: &'static str, words: &'static [&'static str]) -> Self {
        Self {
            text: text.to_owned(),
            expected,
            why: format!(
                "it is one of {}",
                words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", ")
            ),
            one_of: words,
        }
    }

    /// "`x` is not an app name".
    pub fn what_is_wrong(&self) -> String {
        // A quote is for recognising the text, not for reading it: long ones are cut.
        const QUOTED_CHARS_MAX: usize = 60;
        let text = crate::reading::without_tokens(&self.text);
        let mut shown: String = text.chars().take(QUOTED_CHARS_MAX).collect();
        if shown.len() < text.len() {
            shown.push('…');
        }
        format!("`{}` is not {}", shown.escape_debug(), self.expected)
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what_is_wrong(), self.why)
    }
}

impl std::error::Error for Malformed {}
