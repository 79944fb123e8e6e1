//! A client that others wrote signs as well.

use std::path::Path;

use localcloud::Orgs;
use tokio::process::Command;

use super::client::{etag, inside_all};
use crate::support::{Server, within};

/// curl(1), `--aws-sigv4`: provider, region and service; `--user` is the key's id and the key. Answers what was sent and the
/// status code behind it.
async fn curl(key: &str, url: &str, args: &[&str]) -> (String, String) {
    let user = format!("{}:{key}", Orgs::key_id("tok-a"));
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--aws-sigv4", "aws:amz:auto:s3", "--user", &user])
        // S3 wants it of every request, and not every version of curl sends it by itself.
        .args(["--header", "x-amz-content-sha256: UNSIGNED-PAYLOAD"])
        .args(["--write-out", "\n%{http_code}"])
        .args(args)
        .arg(url)
        .output()
        .await
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text} {}", String::from_utf8_lossy(&output.stderr));
    let (body, status) = text.rsplit_once('\n').unwrap();
    (status.to_owned(), body.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_writes_reads_lists_and_is_refused_with_another_key() {
    within(async {
        let s = Server::start().await;
        let at = |target: &str| format!("{}{target}", s.handle.s3_url());
        let file = s.dir.path().join("content");
        std::fs::write(&file, "from a file").unwrap();
        let upload = |file: &Path| file.to_str().unwrap().to_owned();
        let (status, _) = curl("tok-a", &at("/bucket"), &["-X", "PUT"]).await;
        assert_eq!(status, "200");
        let (status, said) =
            curl("tok-a", &at("/bucket/dir/a-file"), &["--upload-file", &upload(&file)]).await;
        assert_eq!(status, "200", "{said}");
        let absent = ["-X", "PUT", "--data-binary", "lost", "-H", "If-None-Match: *"];
        let (status, said) = curl("tok-a", &at("/bucket/dir/a-file"), &absent).await;
        assert!(status == "412" && said.contains("PreconditionFailed"), "{status} {said}");
        let read = curl("tok-a", &at("/bucket/dir/a-file"), &["-r", "5-"]).await;
        assert_eq!(read, (String::from("206"), String::from("a file")));
        let (_, head) = curl("tok-a", &at("/bucket/dir/a-file"), &["--head"]).await;
        assert!(head.to_lowercase().contains(&format!("etag: {}", etag("from a file"))), "{head}");
        let (status, list) = curl("tok-a", &at("/bucket?list-type=2&prefix=dir"), &[]).await;
        assert_eq!((status.as_str(), inside_all(&list, "Key")), ("200", vec!["dir/a-file"]), "{list}");
        let (status, said) = curl("tok-x", &at("/bucket/dir/a-file"), &[]).await;
        assert!(status == "403" && said.contains("SignatureDoesNotMatch"), "{status} {said}");
        s.end().await;
    })
    .await;
}
