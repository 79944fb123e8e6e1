//! How a signature is worked out (API Reference, "Signature Calculations for the Authorization Header: Transferring
//! Payload in a Single Chunk"). Pure.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::xml::percent;
use crate::{query::Query, registry::store::hex};

/// What is signed of a request.
#[derive(Debug)]
pub(super) struct Signed<'a> {
    pub(super) method: &'a str,
    /// Not encoded.
    pub(super) path: &'a str,
    pub(super) query: &'a Query,
    /// Small names in their order, each with its values.
    pub(super) headers: &'a [(&'a str, Vec<String>)],
    /// As in `x-amz-content-sha256`.
    pub(super) payload: &'a str,
}

/// For whom a key signs: day, region; the service is `s3`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'a> {
    /// `20130524`.
    pub(super) day: &'a str,
    pub(super) region: &'a str,
}

/// Task 1, the canonical request.
pub(super) fn canonical(signed: &Signed<'_>) -> String {
    let mut pairs: Vec<(String, String)> =
        signed.query.pairs().map(|(name, value)| (percent(name, false), percent(value, false))).collect();
    pairs.sort_unstable();
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let line = |(name, values): &(&str, Vec<String>)| {
        let values: Vec<String> = values.iter().map(|value| one_space(value)).collect();
        format!("{name}:{}\n", values.join(","))
    };
    let headers: String = signed.headers.iter().map(line).collect();
    let names: Vec<&str> = signed.headers.iter().map(|(name, _)| *name).collect();
    format!(
        "{}\n{}\n{}\n{headers}\n{}\n{}",
        signed.method,
        percent(signed.path, true),
        pairs.join("&"),
        names.join(";"),
        signed.payload
    )
}

/// No space at the ends, and one in place of many.
fn one_space(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Task 2, the string to sign. `date` is `x-amz-date` as it was sent.
pub(super) fn to_sign(date: &str, scope: Scope<'_>, canonical: &str) -> String {
    let Scope { day, region } = scope;
    let hash = hex(&Sha256::digest(canonical));
    format!("AWS4-HMAC-SHA256\n{date}\n{day}/{region}/s3/aws4_request\n{hash}")
}

/// Task 3: whether `signature` is that of `text` with the key `secret`. Takes as long for a wrong one as for the right one.
pub(super) fn is_signed(secret: &str, scope: Scope<'_>, text: &str, signature: &[u8]) -> bool {
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in [scope.day, scope.region, "s3", "aws4_request"] {
        key = mac(&key, part).finalize().into_bytes().to_vec();
    }
    mac(&key, text).verify_slice(signature).is_ok()
}

fn mac(key: &[u8], text: &str) -> Hmac<Sha256> {
    let mac = Hmac::<Sha256>::new_from_slice(key);
    let mut mac = mac.unwrap_or_else(|_| unreachable!("because a key may be of any length (RFC 2104, 2)"));
    mac.update(text.as_bytes());
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    const DATE: &str = "20130524T000000Z";
    const SCOPE: Scope<'_> = Scope { day: "20130524", region: "us-east-1" };
    const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
    }

    fn check(signed: &Signed<'_>, signature: &str) {
        let text = to_sign(DATE, SCOPE, &canonical(signed));
        let mut signature = bytes(signature);
        assert!(is_signed(SECRET, SCOPE, &text, &signature), "{text}");
        assert!(!is_signed("another", SCOPE, &text, &signature));
        assert!(!is_signed(SECRET, Scope { region: "auto", ..SCOPE }, &text, &signature));
        signature[31] ^= 1;
        assert!(!is_signed(SECRET, SCOPE, &text, &signature));
        assert!(!is_signed(SECRET, SCOPE, &text, &[]));
    }

    fn header<'a>(name: &'a str, value: &str) -> (&'a str, Vec<String>) {
        (name, vec![value.to_owned()])
    }

    /// The page's "Example: GET Object", with the canonical request and the string to sign that it prints.
    #[test]
    fn the_example_of_get_object() {
        let headers = [
            header("host", "examplebucket.s3.amazonaws.com"),
            header("range", "bytes=0-9"),
            header("x-amz-content-sha256", NOTHING),
            header("x-amz-date", DATE),
        ];
        let signed = Signed {
            method: "GET",
            path: "/test.txt",
            query: &Query::default(),
            headers: &headers,
            payload: NOTHING,
        };
        assert_eq!(
            canonical(&signed),
            format!(
                "GET\n/test.txt\n\nhost:examplebucket.s3.amazonaws.com\nrange:bytes=0-9\nx-amz-content-sha256:{NOTHING}\n\
                 x-amz-date:{DATE}\n\nhost;range;x-amz-content-sha256;x-amz-date\n{NOTHING}"
            )
        );
        assert_eq!(
            to_sign(DATE, SCOPE, &canonical(&signed)),
            "AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n\
             7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972"
        );
        check(&signed, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
    }

    /// The page's "Example: PUT Object": a key with a character that is encoded, and a body.
    #[test]
    fn the_example_of_put_object() {
        let payload = hex(&Sha256::digest("Welcome to Amazon S3."));
        let headers = [
            header("date", "Fri, 24 May 2013 00:00:00 GMT"),
            header("host", "examplebucket.s3.amazonaws.com"),
            header("x-amz-content-sha256", &payload),
            header("x-amz-date", DATE),
            header("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ];
        let signed = Signed {
            method: "PUT",
            path: "/test$file.text",
            query: &Query::default(),
            headers: &headers,
            payload: &payload,
        };
        check(&signed, "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
    }

    /// The page's "Example: GET Bucket Lifecycle" and "Example: Get Bucket (List Objects)": a parameter without a value, and
    /// two that are not in their order.
    #[test]
    fn the_examples_with_a_query() {
        let headers = [
            header("host", "examplebucket.s3.amazonaws.com"),
            header("x-amz-content-sha256", NOTHING),
            header("x-amz-date", DATE),
        ];
        for (query, signature) in [
            ("lifecycle", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
            ("prefix=J&max-keys=2", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
        ] {
            let query = Query::parse(query);
            check(
                &Signed { method: "GET", path: "/", query: &query, headers: &headers, payload: NOTHING },
                signature,
            );
        }
    }
}
