//! Conditional writes, alone and against each other.

use tokio::task::JoinSet;

use super::client::{S3, etag};
use crate::support::{Server, within};

/// Sixteen write at once under the same condition; the answers' status codes, sorted, and which one was done.
async fn race(s3: &S3, header: (&'static str, String)) -> (Vec<u16>, usize) {
    let mut tasks = JoinSet::new();
    for n in 0..16 {
        let (s3, header) = (s3.clone(), header.clone());
        tasks.spawn(async move {
            let headers = [(header.0, header.1.as_str())];
            (n, s3.send("PUT", "/bucket/slot", &headers, format!("writer {n}")).await.status)
        });
    }
    let answers = tasks.join_all().await;
    let (done, _) = *answers.iter().find(|(_, status)| *status == 200).unwrap();
    let mut statuses: Vec<u16> = answers.into_iter().map(|(_, status)| status).collect();
    statuses.sort_unstable();
    (statuses, done)
}

/// User Guide, "Conditional write behavior": of writes at the same time under one condition the first wins, and all others
/// are 412.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixteen_who_write_at_once_one_wins() {
    within(async {
        let s = Server::start().await;
        let s3 = S3::of(&s).await;
        s3.put("/bucket", "").await;
        let mut wanted = vec![412; 16];
        wanted[0] = 200;
        let (statuses, first) = race(&s3, ("if-none-match", String::from("*"))).await;
        assert_eq!(statuses, wanted);
        let there = s3.get("/bucket/slot").await;
        assert_eq!(there.text(), format!("writer {first}"));
        for _ in 0..8 {
            // The winner may not write what is there already: an ETag is the content's.
            s3.put("/bucket/slot", "between").await;
            let (statuses, winner) = race(&s3, ("if-match", etag("between"))).await;
            assert_eq!(statuses, wanted);
            assert_eq!(s3.get("/bucket/slot").await.text(), format!("writer {winner}"));
        }
        s.end().await;
    })
    .await;
}

/// User Guide, "Conditional writes": If-None-Match over what is there is 412, If-Match over another ETag 412 and over
/// nothing 404; what was refused leaves nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_condition_that_does_not_hold_changes_nothing() {
    within(async {
        let s = Server::start().await;
        let s3 = S3::of(&s).await;
        s3.put("/bucket", "").await;
        let write =
            async |header: (&str, &str), body: &str| s3.send("PUT", "/bucket/key", &[header], body).await;
        let one = etag("one");
        write(("if-match", &one), "lost").await.refused(404, "NoSuchKey");
        s3.get("/bucket/key").await.refused(404, "NoSuchKey");
        let first = write(("if-none-match", "*"), "one").await;
        assert_eq!((first.status, first.header("etag")), (200, one.as_str()));
        write(("if-none-match", "*"), "lost").await.refused(412, "PreconditionFailed");
        write(("if-match", &etag("else")), "lost").await.refused(412, "PreconditionFailed");
        assert_eq!(s3.get("/bucket/key").await.text(), "one");
        assert_eq!(write(("if-match", &one), "two").await.status, 200);
        write(("if-match", &one), "lost").await.refused(412, "PreconditionFailed");
        write(("if-none-match", &one), "lost").await.refused(501, "NotImplemented");
        assert_eq!(s3.send("DELETE", "/bucket/key", &[], "").await.status, 204);
        assert_eq!(write(("if-none-match", "*"), "three").await.status, 200, "it may be written anew");

        let read = async |header: (&str, &str)| s3.send("GET", "/bucket/key", &[header], "").await;
        let fresh = read(("if-none-match", &etag("three"))).await;
        assert_eq!((fresh.status, fresh.body.len(), fresh.header("etag")), (304, 0, etag("three").as_str()));
        read(("if-match", &one)).await.refused(412, "PreconditionFailed");
        assert_eq!(read(("if-match", &etag("three"))).await.text(), "three");
        s.end().await;
    })
    .await;
}
