//! Who may ask: signatures, clocks, organisations.

use jiff::ToSpan;
use localcloud::{Orgs, Right, Scope};

use super::client::{S3, inside};
use crate::support::{Server, http, within};

/// API Reference, "Error responses": the code for each thing that can be wrong with a signature.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_was_signed_with_a_known_key_is_done() {
    within(async {
        let s = Server::start_with(|options| {
            let orgs = options.orgs.clone().with_scoped("tok-pull", "acme", Scope::new(Right::Pull));
            options.orgs = orgs.with_scoped("tok-web", "acme", Scope::new(Right::Deploy).of_app("web"));
        })
        .await;
        let good = S3::of(&s).await;
        good.put("/bucket", "").await;
        good.put("/bucket/key", "content").await;
        let refused = async |s3: S3, status: u16, code: &str| {
            let answer = s3.send("PUT", "/bucket/key", &[], "other").await;
            answer.refused(status, code);
            assert!(inside(&answer.text(), "RequestId").len() == 26 && !answer.text().contains("tok-a"));
        };
        refused(S3 { secret: String::from("tok-x"), ..good.clone() }, 403, "SignatureDoesNotMatch").await;
        refused(S3 { key_id: String::from("LCNOBODY"), ..good.clone() }, 403, "InvalidAccessKeyId").await;
        let elsewhere = Some(String::from("/bucket/other"));
        refused(S3 { target: elsewhere, ..good.clone() }, 403, "SignatureDoesNotMatch").await;
        let more = Some(String::from("/bucket/key?x-id=PutObject"));
        refused(S3 { target: more, ..good.clone() }, 403, "SignatureDoesNotMatch").await;
        let meta = vec![(String::from("x-amz-meta-a"), String::from("b"))];
        refused(S3 { unsigned: meta, ..good.clone() }, 403, "AccessDenied").await;
        let another = Some("0".repeat(64));
        refused(S3 { payload: another, ..good.clone() }, 400, "XAmzContentSHA256Mismatch").await;
        let streamed = Some(String::from("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"));
        refused(S3 { payload: streamed, ..good.clone() }, 501, "NotImplemented").await;
        for token in ["tok-pull", "tok-web"] {
            refused(good.with_token(token), 403, "AccessDenied").await;
        }
        http("PUT", &format!("{}/bucket/key", good.url), &[], "other")
            .await
            .unwrap()
            .refused(403, "AccessDenied");
        let bearer = [("authorization", "Bearer tok-a")];
        http("GET", &format!("{}/bucket/key", good.url), &bearer, "")
            .await
            .unwrap()
            .refused(400, "InvalidRequest");
        assert_eq!(good.get("/bucket/key").await.text(), "content", "nothing of it was done");

        let unsigned = S3 { payload: Some(String::from("UNSIGNED-PAYLOAD")), ..good.clone() };
        unsigned.put("/bucket/key", "unsigned").await;
        let amazon = S3 { region: String::from("us-east-1"), ..good.clone() };
        amazon.put("/bucket/key", "amazon").await;
        let audit = std::fs::read_to_string(s.handle.audit_path()).unwrap();
        assert!(audit.contains("s3-object-put") && !audit.contains("tok-"), "{audit}");
        s.end().await;
    })
    .await;
}

/// The error RequestTimeTooSkewed: "The difference between the request time and the server's time is too large", 15 minutes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_may_be_a_quarter_of_an_hour_off() {
    within(async {
        let s = Server::start().await;
        let s3 = S3::of(&s).await;
        s3.put("/bucket", "").await;
        for (minutes, wanted) in [(-16, 403), (-14, 200), (14, 200), (16, 403)] {
            let at = s3.at + minutes.minutes();
            let answer = S3 { at, ..s3.clone() }.send("HEAD", "/bucket", &[], "").await;
            assert_eq!(answer.status, wanted, "{minutes} minutes");
        }
        let late = S3 { at: s3.at - 1.hour(), ..s3.clone() };
        late.get("/bucket/key").await.refused(403, "RequestTimeTooSkewed");
        s.end().await;
    })
    .await;
}

/// API_CreateBucket: BucketAlreadyOwnedByYou and BucketAlreadyExists; a bucket of somebody else is AccessDenied.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_is_its_organisations_alone() {
    within(async {
        let s = Server::start_with(|options| {
            options.buckets.insert(String::from("ready"), String::from("acme"));
        })
        .await;
        let ours = S3::of(&s).await;
        let theirs = ours.with_token("tok-b");
        ours.put("/ready/key", "secret").await;
        assert_eq!(ours.send("HEAD", "/ready", &[], "").await.status, 200);
        assert_eq!(theirs.send("HEAD", "/ready", &[], "").await.status, 403);
        for (method, target) in [
            ("GET", "/ready/key"),
            ("PUT", "/ready/key"),
            ("DELETE", "/ready/key"),
            ("GET", "/ready?list-type=2"),
            ("POST", "/ready?delete="),
        ] {
            theirs.send(method, target, &[], "").await.refused(403, "AccessDenied");
        }
        theirs.send("PUT", "/ready", &[], "").await.refused(409, "BucketAlreadyExists");
        ours.send("PUT", "/ready", &[], "").await.refused(409, "BucketAlreadyOwnedByYou");
        ours.send("PUT", "/No", &[], "").await.refused(400, "InvalidBucketName");
        ours.get("/nowhere/key").await.refused(404, "NoSuchBucket");
        ours.send("PUT", "/nowhere/key", &[], "").await.refused(404, "NoSuchBucket");
        assert_eq!(ours.get("/ready/key").await.text(), "secret");
        s.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_for_nobody_is_no_option() {
    within(async {
        for (bucket, org, why) in
            [("ready", "nobody", "without a token"), ("No", "acme", "InvalidBucketName")]
        {
            let dir = crate::support::Dir::new();
            let mut options = crate::support::options(dir.path());
            options.buckets.insert(bucket.to_owned(), org.to_owned());
            let refused = localcloud::Localcloud::start(options).await.unwrap_err().to_string();
            assert!(refused.contains("buckets") && refused.contains(why), "{refused}");
        }
        assert_ne!(Orgs::key_id("tok-a"), Orgs::key_id("tok-b"));
    })
    .await;
}
