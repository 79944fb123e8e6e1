//! CreateBucket, HeadBucket, ListObjectsV2 and DeleteObjects.

use hyper::{StatusCode, header::LOCATION};

use super::{
    Call, Handled, Refusal, dates,
    list::{self, After, Page, Wanted},
    xml::{self, Xml},
};
use crate::{cloud::Cloud, http_io, registry::uploads::put as set};

/// The most keys of a page, and of a delete (API_ListObjectsV2, API_DeleteObjects).
const KEYS_MAX: usize = 1000;

/// API_CreateBucket. Where the bucket shall lie is not looked at: there is one place.
pub(super) fn create(cloud: &Cloud, call: &Call) -> Handled {
    if !cloud.s3.make_bucket(&call.bucket, &call.org)? {
        let why = format!("the bucket `{}` is yours already", call.bucket);
        return Err(Refusal::new(StatusCode::CONFLICT, "BucketAlreadyOwnedByYou", why));
    }
    let mut answer = http_io::plain(StatusCode::OK, "");
    set(&mut answer, LOCATION, &format!("/{}", call.bucket));
    Ok(answer)
}

/// API_HeadBucket: that it is there and the caller's was seen on the way here.
pub(super) fn head() -> Handled {
    Ok(http_io::plain(StatusCode::OK, ""))
}

/// API_ListObjectsV2.
pub(super) fn list(cloud: &Cloud, call: &Call) -> Handled {
    let get = |name: &str| call.query.get(name).filter(|value| !value.is_empty());
    let wrong = |why: String| Refusal::bad("InvalidArgument", why);
    let max = match get("max-keys").map(str::parse::<usize>) {
        None => KEYS_MAX,
        Some(Ok(n)) => n.min(KEYS_MAX),
        Some(Err(_)) => return Err(wrong(String::from("max-keys is no number"))),
    };
    let encoded = match get("encoding-type") {
        None => false,
        Some("url") => true,
        Some(_) => return Err(wrong(String::from("encoding-type is `url` where it is given"))),
    };
    // The place of the first page counts no more on later ones.
    let after = match (get("continuation-token"), get("start-after")) {
        (Some(token), _) => {
            After::read(token).ok_or_else(|| wrong(String::from("the continuation token is none of ours")))?
        }
        (None, Some(key)) => After::Key(key.to_owned()),
        (None, None) => After::Nothing,
    };
    let (prefix, delimiter) = (get("prefix").unwrap_or_default(), get("delimiter"));
    let wanted = Wanted { prefix, delimiter, after, max };
    let shown = |text: &str| if encoded { xml::percent(text, true) } else { text.to_owned() };
    let mut xml = Xml::new();
    xml.root("ListBucketResult");
    xml.text("Name", &call.bucket);
    xml.text("MaxKeys", &max.to_string());
    for (tag, name) in [("Prefix", "prefix"), ("Delimiter", "delimiter"), ("StartAfter", "start-after")] {
        if let Some(text) = call.query.get(name) {
            xml.text(tag, &shown(text));
        }
    }
    if encoded {
        xml.text("EncodingType", "url");
    }
    if let Some(token) = get("continuation-token") {
        xml.text("ContinuationToken", token);
    }
    cloud.s3.look(&call.bucket, |objects| write(&mut xml, &list::page(objects, &wanted), &shown))?;
    xml.close("ListBucketResult");
    Ok(xml.answer(StatusCode::OK))
}

fn write(xml: &mut Xml, page: &Page<'_>, shown: &impl Fn(&str) -> String) {
    xml.text("KeyCount", &page.n().to_string());
    xml.text("IsTruncated", if page.next.is_some() { "true" } else { "false" });
    if let Some(next) = &page.next {
        xml.text("NextContinuationToken", &next.token());
    }
    for object in &page.objects {
        xml.open("Contents");
        xml.text("Key", &shown(&object.key));
        xml.text("LastModified", &dates::listed(object.modified_s));
        xml.text("ETag", &object.etag);
        xml.text("Size", &object.size.to_string());
        xml.text("StorageClass", "STANDARD");
        xml.close("Contents");
    }
    for prefix in &page.prefixes {
        xml.open("CommonPrefixes");
        xml.text("Prefix", &shown(prefix));
        xml.close("CommonPrefixes");
    }
}

/// API_DeleteObjects: keys only; versions and conditions are not known. Its checksum is not looked at, for the signature
/// covers the body.
pub(super) fn delete(cloud: &Cloud, call: &Call) -> Handled {
    let malformed = || Refusal::bad("MalformedXML", format!("the body is no list of 1 to {KEYS_MAX} keys"));
    let body = std::str::from_utf8(&call.body).map_err(|_| malformed())?;
    if let Some(beyond) = ["VersionId", "ETag", "LastModifiedTime", "Size"]
        .into_iter()
        .find(|tag| body.contains(&format!("<{tag}>")))
    {
        return Err(Refusal::not_implemented(format!("{beyond} in a delete of many")));
    }
    let keys = xml::texts(body, "Key").filter(|keys| (1..=KEYS_MAX).contains(&keys.len()));
    let is_quiet = xml::texts(body, "Quiet").is_some_and(|quiet| quiet == ["true"]);
    let mut xml = Xml::new();
    xml.root("DeleteResult");
    for key in keys.ok_or_else(malformed)? {
        match cloud.s3.delete(&call.bucket, &key) {
            Ok(()) if is_quiet => {}
            Ok(()) => {
                xml.open("Deleted");
                xml.text("Key", &key);
                xml.close("Deleted");
            }
            Err(refusal) => {
                xml.open("Error");
                xml.text("Key", &key);
                xml.text("Code", refusal.code);
                xml.text("Message", &refusal.message);
                xml.close("Error");
            }
        }
    }
    xml.close("DeleteResult");
    Ok(xml.answer(StatusCode::OK))
}
