//! `WWW-Authenticate: Bearer realm="…",service="…",scope="…"` (RFC 9110, section 11.6.1; RFC 6750, section 3).

/// Where a registry gives out its short-lived tokens.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    pub(super) realm: String,
    pub(super) service: Option<String>,
    pub(super) scope: Option<String>,
}

/// Reads a Bearer challenge; any other scheme is none.
pub(super) fn parse(text: &str) -> Option<Challenge> {
    let (scheme, mut rest) = text.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let mut challenge = Challenge { realm: String::new(), service: None, scope: None };
    while let Some((key, tail)) = rest.trim_start_matches([' ', ',']).split_once('=') {
        let (value, after) = value(tail)?;
        match key.trim().to_ascii_lowercase().as_str() {
            "realm" => challenge.realm = value,
            "service" => challenge.service = Some(value),
            "scope" => challenge.scope = Some(value),
            _ => {}
        }
        rest = after;
    }
    (!challenge.realm.is_empty()).then_some(challenge)
}

/// A token or a quoted string at the start of `text`, and what follows.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ']).unwrap_or(text.len());
        return Some((text[..end].to_owned(), &text[end..]));
    };
    let (mut value, mut escaped) = (String::new(), false);
    for (offset, c) in quoted.char_indices() {
        match c {
            _ if escaped => {
                value.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => return Some((value, &quoted[offset + 1..])),
            _ => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bearer_challenges_are_read() {
        let challenge = parse(
            r#"Bearer realm="https://auth.example/token",service="r.example",scope="repository:a:pull,push""#,
        )
        .unwrap();
        assert_eq!(challenge.realm, "https://auth.example/token");
        assert_eq!(challenge.service.as_deref(), Some("r.example"));
        assert_eq!(challenge.scope.as_deref(), Some("repository:a:pull,push"));
        assert_eq!(parse(r#"bearer realm="a\"b" , other=1"#).unwrap().realm, "a\"b");
    }

    #[test]
    fn anything_else_is_none() {
        for text in
            ["", "Basic realm=\"x\"", "Bearer", "Bearer service=\"x\"", "Bearer realm=\"open", "Bearer realm"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
