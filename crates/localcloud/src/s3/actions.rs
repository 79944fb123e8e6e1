//! Every call there is: which request it is, its name in audit log and faults, and what may stand in its query.

use hyper::Method;

use super::Refusal;
use crate::query::Query;

macro_rules! actions {
    ($($variant:ident $name:literal $page:literal $writes:literal [$($parameter:literal),*];)*) => {
        /// A call.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Action { $(#[doc = $page] $variant),* }

        impl Action {
            /// Its name in audit log and faults.
            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// Whether it may change something.
            pub(super) fn mutates(self) -> bool {
                match self { $(Self::$variant => $writes),* }
            }

            fn parameters(self) -> &'static [&'static str] {
                match self { $(Self::$variant => &[$($parameter),*]),* }
            }
        }
    };
}

actions! {
    BucketCreate "s3-bucket-create" "API_CreateBucket" true [];
    BucketHead "s3-bucket-head" "API_HeadBucket" false [];
    ObjectsList "s3-objects-list" "API_ListObjectsV2" false
        ["list-type", "prefix", "delimiter", "start-after", "continuation-token", "max-keys", "encoding-type", "fetch-owner"];
    ObjectsDelete "s3-objects-delete" "API_DeleteObjects" true ["delete"];
    ObjectPut "s3-object-put" "API_PutObject" true [];
    ObjectGet "s3-object-get" "API_GetObject" false [];
    ObjectHead "s3-object-head" "API_HeadObject" false [];
    ObjectDelete "s3-object-delete" "API_DeleteObject" true [];
}

/// Which call a request is.
pub(super) fn find(method: &Method, bucket: &str, key: &str, query: &Query) -> Result<Action, Refusal> {
    let action = match (method.as_str(), key.is_empty()) {
        _ if bucket.is_empty() => return Err(Refusal::not_implemented("calls without a bucket")),
        ("PUT", true) => Action::BucketCreate,
        ("HEAD", true) => Action::BucketHead,
        ("GET", true) if query.get("list-type") == Some("2") => Action::ObjectsList,
        ("POST", true) if query.get("delete").is_some() => Action::ObjectsDelete,
        ("PUT", false) => Action::ObjectPut,
        ("GET", false) => Action::ObjectGet,
        ("HEAD", false) => Action::ObjectHead,
        ("DELETE", false) => Action::ObjectDelete,
        (method, is_bucket) => {
            let of = if is_bucket { "a bucket" } else { "an object" };
            return Err(Refusal::not_implemented(format!("{method} of {of} in this form")));
        }
    };
    // The name of the call, which Amazon's own clients add.
    let known = |name: &str| name == "x-id" || action.parameters().contains(&name);
    match query.pairs().find(|(name, _)| !known(name)) {
        Some((name, _)) => Err(Refusal::not_implemented(format!("the parameter `{name}` here"))),
        None => Ok(action),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The request syntax of the pages that the table names. What is another call (`?acl`, `?uploads`, lists of the first
    /// version) must not be taken for one of these.
    #[test]
    fn requests_are_told_apart_by_method_key_and_query() {
        let found = |method: Method, bucket, key, query| find(&method, bucket, key, &Query::parse(query));
        for (method, key, query, wanted) in [
            (Method::PUT, "", "", Action::BucketCreate),
            (Method::HEAD, "", "", Action::BucketHead),
            (Method::GET, "", "list-type=2&prefix=a", Action::ObjectsList),
            (Method::POST, "", "delete", Action::ObjectsDelete),
            (Method::PUT, "k", "x-id=PutObject", Action::ObjectPut),
            (Method::DELETE, "k", "", Action::ObjectDelete),
        ] {
            assert_eq!(found(method, "b", key, query).unwrap(), wanted);
        }
        for (method, bucket, key, query) in [
            (Method::GET, "", "", ""),
            (Method::GET, "b", "", "prefix=a"),
            (Method::GET, "b", "k", "acl"),
            (Method::PUT, "b", "k", "partNumber=1&uploadId=u"),
            (Method::POST, "b", "k", "uploads"),
            (Method::DELETE, "b", "", ""),
            (Method::GET, "b", "k", "versionId=1"),
        ] {
            assert_eq!(found(method, bucket, key, query).unwrap_err().code, "NotImplemented", "{query}");
        }
        assert!(Action::ObjectPut.mutates() && !Action::ObjectsList.mutates());
    }
}
