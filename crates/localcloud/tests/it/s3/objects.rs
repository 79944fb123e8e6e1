//! Objects: written, read in part, described, taken away.

use jiff::fmt::rfc2822;

use super::client::{S3, etag, inside, inside_all};
use crate::support::{Server, within};

/// API_PutObject, API_GetObject, API_HeadObject, API_DeleteObject: what a writer says is told again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_is_read_again() {
    within(async {
        let s = Server::start().await;
        let s3 = S3::of(&s).await;
        s3.put("/bucket", "").await;
        let content = b"0123456789".repeat(300_000);
        let said = [("cache-control", "no-store"), ("content-type", "text/plain"), ("x-amz-meta-who", "me")];
        let written = s3.send("PUT", "/bucket/a/key", &said, &content).await;
        assert_eq!((written.status, written.header("etag")), (200, etag(&content).as_str()));
        for method in ["GET", "HEAD"] {
            let read = s3.send(method, "/bucket/a/key", &[], "").await;
            assert_eq!((read.status, read.header("content-length")), (200, "3000000"), "{method}");
            assert!(read.body == if method == "GET" { content.clone() } else { Vec::new() });
            for (name, value) in said.iter().copied().chain([("etag", etag(&content).as_str())]) {
                assert_eq!(read.header(name), value, "{method}");
            }
            // RFC 9110, 8.8.2: Last-Modified is not later than Date; both are whole seconds.
            let time = |name| rfc2822::parse(read.header(name)).unwrap().timestamp();
            assert!(time("last-modified") <= time("date") && time("date") >= s3.at, "{method}");
        }
        s3.put("/bucket/a/key", "").await;
        let empty = s3.get("/bucket/a/key").await;
        let described =
            (empty.header("content-length"), empty.header("content-type"), empty.header("x-amz-meta-who"));
        assert_eq!(described, ("0", "binary/octet-stream", ""), "it is another object");
        for _ in 0..2 {
            assert_eq!(s3.send("DELETE", "/bucket/a/key", &[], "").await.status, 204, "gone is gone");
        }
        s3.get("/bucket/a/key").await.refused(404, "NoSuchKey");
        assert_eq!(s3.send("HEAD", "/bucket/a/key", &[], "").await.status, 404);
        s.end().await;
    })
    .await;
}

/// API_GetObject, `Range`: one range of bytes, 206; outside of the object InvalidRange, 416. Several are not supported.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_of_an_object_is_read() {
    within(async {
        let s = Server::start().await;
        let s3 = S3::of(&s).await;
        s3.put("/bucket", "").await;
        s3.put("/bucket/key", "0123456789").await;
        let read = async |range: &str| s3.send("GET", "/bucket/key", &[("range", range)], "").await;
        for (range, part, told) in [
            ("bytes=0-3", "0123", "bytes 0-3/10"),
            ("bytes=7-", "789", "bytes 7-9/10"),
            ("bytes=-2", "89", "bytes 8-9/10"),
            ("bytes=8-99", "89", "bytes 8-9/10"),
        ] {
            let answer = read(range).await;
            assert_eq!(
                (answer.status, answer.text().as_str(), answer.header("content-range")),
                (206, part, told)
            );
        }
        read("bytes=10-").await.refused(416, "InvalidRange");
        let many = read("bytes=0-1,4-5").await;
        assert_eq!((many.status, many.text().as_str()), (200, "0123456789"));
        s.end().await;
    })
    .await;
}

/// User Guide, "Naming Amazon S3 objects": any UTF-8 up to 1024 bytes, and no path of a file system.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_any_text() {
    within(async {
        let s = Server::start().await;
        let s3 = S3::of(&s).await;
        s3.put("/bucket", "").await;
        let long = "k".repeat(1024);
        let keys = [
            ("a%20b%2Bc", "a b+c"),
            ("%C3%A9/%252F", "é/%2F"),
            ("../../x", "../../x"),
            ("/a//b/", "/a//b/"),
            ("%3Ckey%3E%26%22", "&lt;key&gt;&amp;&quot;"),
            (long.as_str(), long.as_str()),
        ];
        for (encoded, _) in keys {
            // `/` is kept in what is signed; what the key itself has encoded is encoded once more.
            s3.put(&format!("/bucket/{encoded}"), encoded).await;
        }
        for (encoded, _) in keys {
            assert_eq!(s3.get(&format!("/bucket/{encoded}")).await.text(), encoded);
        }
        let list = s3.get("/bucket?list-type=2").await.text();
        let (listed, mut wanted) = (inside_all(&list, "Key"), keys.map(|(_, key)| key).to_vec());
        wanted.sort_unstable_by_key(|key| key.replace("&lt;", "<"));
        assert_eq!(listed, wanted, "{list}");
        s3.send("PUT", &format!("/bucket/{long}k"), &[], "").await.refused(400, "KeyTooLongError");
        s3.send("PUT", "/bucket/%FF", &[], "").await.refused(400, "InvalidURI");
        s.end().await;
    })
    .await;
}

/// API_DeleteObjects: each key is told, also one that was not there; with `Quiet` only what went wrong.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_are_taken_away_at_once() {
    within(async {
        let s = Server::start().await;
        let s3 = S3::of(&s).await;
        s3.put("/bucket", "").await;
        for key in ["a", "b%26c", "d"] {
            s3.put(&format!("/bucket/{key}"), key).await;
        }
        let delete = async |keys: &[&str], more: &str| {
            let objects: String =
                keys.iter().map(|key| format!("<Object><Key>{key}</Key></Object>")).collect();
            let body =
                format!("<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{objects}{more}</Delete>");
            s3.send("POST", "/bucket?delete=", &[("content-type", "application/xml")], body).await
        };
        let done = delete(&["a", "b&amp;c", "none"], "").await;
        assert_eq!((done.status, inside_all(&done.text(), "Key")), (200, vec!["a", "b&amp;c", "none"]));
        let left = s3.get("/bucket?list-type=2").await.text();
        assert_eq!(inside_all(&left, "Key"), ["d"]);
        let quiet = delete(&["d"], "<Quiet>true</Quiet>").await.text();
        assert!(quiet.contains("<DeleteResult") && inside(&quiet, "Key").is_empty(), "{quiet}");
        delete(&[], "").await.refused(400, "MalformedXML");
        delete(&["k"; 1001], "").await.refused(400, "MalformedXML");
        delete(&["d"], "<Object><Key>e</Key><VersionId>1</VersionId></Object>")
            .await
            .refused(501, "NotImplemented");
        s.end().await;
    })
    .await;
}

/// What is another call, or makes another object of it, is not taken for a plain one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_is_refused_by_name() {
    within(async {
        let s = Server::start().await;
        let s3 = S3::of(&s).await;
        s3.put("/bucket", "").await;
        s3.put("/bucket/key", "content").await;
        for (method, target, headers, word) in [
            ("GET", "/", vec![], "without a bucket"),
            ("GET", "/bucket", vec![], "GET of a bucket"),
            ("DELETE", "/bucket", vec![], "DELETE of a bucket"),
            ("GET", "/bucket/key?acl=", vec![], "`acl`"),
            ("POST", "/bucket/key?uploads=", vec![], "POST of an object"),
            ("PUT", "/bucket/copy", vec![("x-amz-copy-source", "/bucket/key")], "x-amz-copy-source"),
            (
                "PUT",
                "/bucket/key",
                vec![("x-amz-server-side-encryption", "AES256")],
                "server-side-encryption",
            ),
            ("DELETE", "/bucket/key", vec![("if-match", "\"x\"")], "If-Match of a delete"),
        ] {
            let answer = s3.send(method, target, &headers, "").await;
            answer.refused(501, "NotImplemented");
            assert!(inside(&answer.text(), "Message").contains(word), "{}", answer.text());
        }
        let digest = [("x-amz-checksum-sha256", "bm90IHRoZSBjb250ZW50")];
        s3.send("PUT", "/bucket/key", &digest, "other").await.refused(400, "BadDigest");
        assert_eq!(s3.get("/bucket/key").await.text(), "content");
        s.end().await;
    })
    .await;
}
