//! Runs the journal's conformance suite against a bucket of yours: whether a storage keeps what it says of conditional
//! writes shows here, before a journal is put there.
//!
//! ```text
//! echo SECRET | cargo run -p stores --example conformance -- 's3://BUCKET/PREFIX?region=…&endpoint=…' KEY_ID
//! ```
//!
//! The prefix must be empty. It takes minutes, for leases are waited for, and what it wrote stays there.

#![expect(clippy::print_stdout, reason = "a program that says how it went")]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use promotion::conformance;
use promotion::model::{At, Millis, StoreId};
use promotion::ports::Clock;
use stores::bucket::{Bucket, Credentials, S3Address};

/// Storages tell whole seconds, so that leases last longer than the suite's short ones.
const SLOWER: u64 = 8;

#[derive(Debug)]
struct Waiting;

#[async_trait]
impl Clock for Waiting {
    fn now(&self) -> At {
        At(0)
    }

    fn elapsed(&self) -> Millis {
        Millis::ZERO
    }

    async fn sleep(&self, time: Millis) {
        tokio::time::sleep(Duration::from_millis(time.0 * SLOWER)).await;
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(url), Some(key_id)) = (args.next(), args.next()) else {
        return Err("give the bucket's address and the key's id; the key comes on stdin".into());
    };
    let mut secret = String::new();
    std::io::stdin().read_line(&mut secret)?;
    let credentials = Credentials { key_id, secret: secret.trim().into(), token: None };
    let address = S3Address::parse(&url)?;
    let open = async |runner: &str| -> Result<Arc<Bucket>, Box<dyn Error>> {
        let place = address.connect(&credentials)?;
        Ok(Arc::new(Bucket::open(place, runner, &StoreId::new("conformance")?).await?))
    };
    let (one, other) = (open("one").await?, open("other").await?);
    println!("{address}: one runner");
    conformance::journal(&*one, &Waiting).await;
    println!("{address}: two runners");
    conformance::journal_shared(one, other, &Waiting).await;
    println!("{address} conforms");
    Ok(())
}
