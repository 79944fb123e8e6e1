//! Why a bucket cannot be used.

use promotion::ports::JournalError;

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The storage could not be read or written.
    #[error("{place} could not be used while {step}: {why}")]
    Refused {
        /// Where.
        place: String,
        /// What was being done.
        step: &'static str,
        /// What it said.
        why: String,
    },
    /// What is there is not ours, or of a later version.
    #[error("{place} holds something else than a store of format {known}: {why}")]
    Foreign {
        /// Where.
        place: String,
        /// Our format.
        known: u32,
        /// What is wrong with it.
        why: String,
    },
}

/// What a failed call means for the journal's callers.
pub(super) fn store(step: &'static str, error: &object_store::Error) -> JournalError {
    JournalError::Store { step, message: told(error) }
}

/// All that an error says, along its sources, once; of a storage's answer its code and message alone, for the rest may quote
/// what was sent, a session's token too.
pub(super) fn told(error: &object_store::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(next) = source {
        let next_text = next.to_string();
        if !text.contains(&next_text) {
            text.push_str(&format!(": {next_text}"));
        }
        source = next.source();
    }
    without_body(&text)
}

/// `text`, in which what stands between the first `<` and the last `>` is only the answer's `<Code>` and `<Message>`.
fn without_body(text: &str) -> String {
    let (Some(from), Some(to)) = (text.find('<'), text.rfind('>')) else { return text.to_owned() };
    if to < from {
        return text.to_owned();
    }
    let body = &text[from..=to];
    let of = |tag: &str| {
        let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
        let rest = &body[body.find(&open)? + open.len()..];
        let value = &rest[..rest.find(&close)?];
        (!value.contains('<')).then(|| value.to_owned())
    };
    let said: Vec<String> = ["Code", "Message"].into_iter().filter_map(of).collect();
    format!("{}{}{}", &text[..from], said.join(": "), &text[to + 1..])
}

#[cfg(test)]
mod tests {
    use super::without_body;

    #[test]
    fn p9_of_a_storages_answer_only_code_and_message_are_told() {
        let body = "Client error with status 400 Bad Request: <?xml version=\"1.0\"?>\n<Error><Code>ExpiredToken</Code>\
                    <Message>The provided token has expired.</Message><Token-0>c2Vzc2lvbg==</Token-0></Error>";
        assert_eq!(
            without_body(body),
            "Client error with status 400 Bad Request: ExpiredToken: The provided token has expired."
        );
        for odd in ["nothing of that kind", "<", ">a<", "<x>secret</x>", "<Code><Token>t</Token></Code>"] {
            assert!(!without_body(odd).contains("secret") && !without_body(odd).contains("Token"), "{odd}");
        }
    }
}
