//! Pages of keys over HTTP.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::client::{S3, etag, inside, inside_all};
use crate::support::{Server, within};

/// API_ListObjectsV2: at most 1000 keys a page whatever is asked for, in the order of their bytes, and a token for the rest.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_long_list_comes_in_pages() {
    within(async {
        let s = Server::start().await;
        let s3 = Arc::new(S3::of(&s).await);
        s3.put("/bucket", "").await;
        let mut tasks = JoinSet::new();
        for first in 0..16 {
            let s3 = Arc::clone(&s3);
            tasks.spawn(async move {
                for n in (first..1003).step_by(16) {
                    s3.put(&format!("/bucket/slot/{n:020}"), "").await;
                }
            });
        }
        tasks.join_all().await;
        s3.put("/bucket/other", "x").await;
        let first = s3.get("/bucket?list-type=2&max-keys=5000&prefix=slot%2F").await.text();
        let told = (inside(&first, "KeyCount"), inside(&first, "MaxKeys"), inside(&first, "IsTruncated"));
        assert_eq!(told, ("1000", "1000", "true"));
        let token = inside(&first, "NextContinuationToken");
        let target = format!("/bucket?continuation-token={token}&list-type=2&prefix=slot%2F");
        let second = s3.get(&target).await.text();
        let told = (
            inside(&second, "KeyCount"),
            inside(&second, "IsTruncated"),
            inside(&second, "ContinuationToken"),
        );
        assert_eq!(told, ("3", "false", token));
        assert!(!second.contains("NextContinuationToken"));
        let keys: Vec<&str> = [inside_all(&first, "Key"), inside_all(&second, "Key")].concat();
        assert_eq!(keys, (0..1003).map(|n| format!("slot/{n:020}")).collect::<Vec<_>>());
        let after = format!("/bucket?list-type=2&prefix=slot%2F&start-after=slot%2F{:020}", 1000);
        let list = s3.get(&after).await.text();
        assert_eq!(inside_all(&list, "Key"), [format!("slot/{:020}", 1001), format!("slot/{:020}", 1002)]);
        s.end().await;
    })
    .await;
}

/// API_ListObjectsV2: elements of an entry, common prefixes, `encoding-type=url`, and arguments that cannot be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_tells_what_a_head_tells() {
    within(async {
        let s = Server::start().await;
        let s3 = S3::of(&s).await;
        s3.put("/bucket", "").await;
        s3.put("/bucket/a%20b/1", "one").await;
        s3.put("/bucket/a%20b/2", "two").await;
        s3.put("/bucket/c", "three").await;
        let list = s3.get("/bucket?delimiter=%2F&encoding-type=url&list-type=2").await.text();
        assert_eq!((inside_all(&list, "Key"), inside(&list, "KeyCount")), (vec!["c"], "2"), "{list}");
        assert_eq!(inside(inside(&list, "CommonPrefixes"), "Prefix"), "a%20b/", "{list}");
        assert_eq!(
            (inside(&list, "Size"), inside(&list, "ETag")),
            ("5", &*etag("three").replace('"', "&quot;"))
        );
        let head = s3.send("HEAD", "/bucket/c", &[], "").await;
        let modified = jiff::fmt::rfc2822::parse(head.header("last-modified")).unwrap().timestamp();
        assert_eq!(inside(&list, "LastModified"), format!("{modified:.3}"));
        let plain = s3.get("/bucket?list-type=2&max-keys=1&prefix=a%20b%2F").await.text();
        assert_eq!((inside_all(&plain, "Key"), inside(&plain, "Prefix")), (vec!["a b/1"], "a b/"));
        for bad in
            ["list-type=2&max-keys=some", "continuation-token=x&list-type=2", "encoding-type=raw&list-type=2"]
        {
            s3.get(&format!("/bucket?{bad}")).await.refused(400, "InvalidArgument");
        }
        s.end().await;
    })
    .await;
}
