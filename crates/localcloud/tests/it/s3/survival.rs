//! The server dies; what it answered is there, and whole.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::task::JoinSet;

use super::client::{S3, etag};
use crate::{
    support::{Client, Dir, Server, within},
    survival::{Killable, clean_up},
};

async fn s3_of(c: &Client) -> S3 {
    S3::at(c.get("/localcloud/v1/info").await["s3"].as_str().unwrap(), "tok-a").await
}

/// What slot `n` holds: a length of its own, so that a cut one is noticed.
fn content(n: usize) -> String {
    format!("{n}").repeat(1000 * (n % 7 + 1))
}

/// Killed in the middle of writes, again and again. Every write that was answered is there; the one that was not is there
/// whole or not at all; and what is there still keeps others off.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_survives_a_sigkill() {
    within(async {
        let dir = Dir::new();
        let (mut server, c) = Killable::start(dir.path()).await;
        let s3 = s3_of(&c).await;
        s3.put("/bucket", "").await;
        let (absent, mut next) = ([("if-none-match", "*")], 0);
        for round in 0..6_u64 {
            let (writer, n_done) = (s3.clone(), Arc::new(AtomicUsize::new(0)));
            let count = Arc::clone(&n_done);
            let mut writing = JoinSet::new();
            writing.spawn(async move {
                let mut n = next;
                while let Ok(answer) =
                    writer.try_send("PUT", &format!("/bucket/{n:06}"), &absent, content(n).as_bytes()).await
                {
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    n += 1;
                    count.fetch_add(1, Ordering::Relaxed);
                }
                n
            });
            while n_done.load(Ordering::Relaxed) < 5 {
                tokio::task::yield_now().await;
            }
            tokio::time::sleep(Duration::from_micros(700 * round)).await;
            server.kill();
            let answered = writing.join_all().await[0];
            let again;
            (server, again) = Killable::start(dir.path()).await;
            assert_eq!(s3_of(&again).await.url, s3.url, "the same port");
            for n in 0..=answered {
                let read = s3.get(&format!("/bucket/{n:06}")).await;
                match read.status {
                    200 => assert_eq!(
                        (read.text(), read.header("etag")),
                        (content(n), etag(content(n)).as_str())
                    ),
                    status => assert_eq!((status, n), (404, answered), "only the last may be missing"),
                }
            }
            let first = s3.send("PUT", "/bucket/000000", &absent, "late").await;
            first.refused(412, "PreconditionFailed");
            // The one without an answer may be there or not: the next round begins behind it.
            next = answered + 1;
            if s3.get(&format!("/bucket/{answered:06}")).await.status == 404 {
                s3.put(&format!("/bucket/{answered:06}"), content(answered)).await;
            }
        }
        server.kill();
        clean_up(dir.path()).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_taken_away_stays_away() {
    within(async {
        let s = Server::start().await;
        let s3 = S3::of(&s).await;
        s3.put("/bucket", "").await;
        let said = [("content-type", "text/plain"), ("x-amz-meta-who", "me")];
        s3.send("PUT", "/bucket/kept", &said, "kept").await;
        s3.put("/bucket/gone", "gone").await;
        s3.send("DELETE", "/bucket/gone", &[], "").await;
        let Server { dir, handle, .. } = s;
        handle.shutdown().await;
        let s = Server::start_on(dir, |_| {}).await;
        assert_eq!(s.handle.s3_url(), s3.url);
        let kept = s3.get("/bucket/kept").await;
        assert_eq!(
            (kept.text().as_str(), kept.header("content-type"), kept.header("x-amz-meta-who")),
            ("kept", "text/plain", "me")
        );
        s3.get("/bucket/gone").await.refused(404, "NoSuchKey");
        s3.with_token("tok-b").get("/bucket/kept").await.refused(403, "AccessDenied");
        s3.send("PUT", "/bucket", &[], "").await.refused(409, "BucketAlreadyOwnedByYou");
        s.end().await;
    })
    .await;
}
