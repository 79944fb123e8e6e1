//! Conditions of writes (User Guide, "Conditional writes"; API_PutObject) and of reads (API_GetObject). Pure.

use hyper::{
    HeaderMap,
    header::{HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE},
};

use super::{Refusal, dates, store::Object};

/// Under which condition an object is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    Always,
    /// `If-None-Match: *`: there is none of this key.
    Absent,
    /// `If-Match: ETAG`: the one that is there has this ETag.
    Is(String),
}

impl Condition {
    /// Reads a PutObject's headers. Both at once, and lists of ETags to be avoided, are not known to S3 either.
    pub(super) fn of_write(headers: &HeaderMap) -> Result<Self, Refusal> {
        match (text(headers, &IF_MATCH), text(headers, &IF_NONE_MATCH)) {
            (None, None) => Ok(Self::Always),
            (None, Some("*")) => Ok(Self::Absent),
            (Some(etag), None) => Ok(Self::Is(etag.to_owned())),
            (None, Some(_)) => Err(Refusal::not_implemented("an If-None-Match of a write other than *")),
            (Some(_), Some(_)) => Err(Refusal::not_implemented("If-Match and If-None-Match at once")),
        }
    }

    /// Whether it holds over what is there: 412 where it does not, and 404 where there is nothing to be compared.
    pub(super) fn check(&self, key: &str, there: Option<&Object>) -> Result<(), Refusal> {
        match (self, there) {
            (Self::Always, _) | (Self::Absent, None) => Ok(()),
            (Self::Absent, Some(_)) => Err(Refusal::precondition("If-None-Match")),
            (Self::Is(_), None) => Err(Refusal::no_key(key)),
            (Self::Is(etag), Some(object)) if bare(etag) == bare(&object.etag) => Ok(()),
            (Self::Is(_), Some(_)) => Err(Refusal::precondition("If-Match")),
        }
    }
}

/// Whether a read is answered in full; 304 where what the client has is still good. The order is that of RFC 9110, 13.2.2.
pub(super) fn is_wanted(headers: &HeaderMap, object: &Object) -> Result<bool, Refusal> {
    let since = |name: &HeaderName| text(headers, name).and_then(dates::read_http);
    match text(headers, &IF_MATCH) {
        Some(etags) if !names(etags, object) => return Err(Refusal::precondition("If-Match")),
        None if since(&IF_UNMODIFIED_SINCE).is_some_and(|then| object.modified_s > then) => {
            return Err(Refusal::precondition("If-Unmodified-Since"));
        }
        _ => {}
    }
    Ok(match text(headers, &IF_NONE_MATCH) {
        Some(etags) => !names(etags, object),
        None => since(&IF_MODIFIED_SINCE).is_none_or(|then| object.modified_s > then),
    })
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or_default().trim())
}

/// Whether a list of ETags, or `*`, means the object.
fn names(etags: &str, object: &Object) -> bool {
    etags == "*" || etags.split(',').any(|etag| bare(etag) == bare(&object.etag))
}

/// Without the quotes, which S3 does not insist on.
fn bare(etag: &str) -> &str {
    etag.trim().trim_matches('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|&(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    fn object() -> Object {
        Object { etag: String::from("\"abc\""), modified_s: 1_369_353_600, ..Object::default() }
    }

    /// User Guide, "Conditional writes": 412 where the ETag is another or the key is there, 404 where If-Match has nothing to
    /// compare with.
    #[test]
    fn writes() {
        let (there, code) =
            (object(), |checked: Result<(), Refusal>| checked.map_err(|refusal| refusal.code));
        let write = |name, value| Condition::of_write(&headers(&[(name, value)])).unwrap();
        let absent = write("if-none-match", "*");
        assert_eq!(code(absent.check("k", None)), Ok(()));
        assert_eq!(code(absent.check("k", Some(&there))), Err("PreconditionFailed"));
        let is = write("if-match", "\"abc\"");
        assert_eq!(code(is.check("k", Some(&there))), Ok(()));
        assert_eq!(code(is.check("k", None)), Err("NoSuchKey"));
        assert_eq!(code(write("if-match", "\"abd\"").check("k", Some(&there))), Err("PreconditionFailed"));
        assert_eq!(code(Condition::Always.check("k", Some(&there))), Ok(()));
        for odd in [vec![("if-none-match", "\"abc\"")], vec![("if-none-match", "*"), ("if-match", "\"abc\"")]]
        {
            assert_eq!(Condition::of_write(&headers(&odd)).unwrap_err().code, "NotImplemented");
        }
    }

    /// API_GetObject: If-Match with If-Unmodified-Since is decided by the first, If-None-Match with If-Modified-Since too.
    #[test]
    fn reads() {
        let (before, after) = ("Thu, 23 May 2013 00:00:00 GMT", "Sat, 25 May 2013 00:00:00 GMT");
        let read = |pairs: &[(&'static str, &str)]| {
            is_wanted(&headers(pairs), &object()).map_err(|refusal| refusal.status.as_u16())
        };
        assert_eq!(read(&[]), Ok(true));
        assert_eq!(read(&[("if-match", "\"x\", \"abc\"")]), Ok(true));
        assert_eq!(read(&[("if-match", "\"x\"")]), Err(412));
        assert_eq!(read(&[("if-unmodified-since", before)]), Err(412));
        assert_eq!(read(&[("if-unmodified-since", after)]), Ok(true));
        assert_eq!(read(&[("if-match", "*"), ("if-unmodified-since", before)]), Ok(true));
        assert_eq!(read(&[("if-none-match", "\"abc\"")]), Ok(false));
        assert_eq!(read(&[("if-modified-since", after)]), Ok(false));
        assert_eq!(read(&[("if-modified-since", before)]), Ok(true));
        assert_eq!(read(&[("if-none-match", "\"x\""), ("if-modified-since", after)]), Ok(true));
    }
}
