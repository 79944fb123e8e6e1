//! The journal in PostgreSQL.

mod busy;
pub(super) mod faults;
mod fencing;
mod foreign;
mod opening;
mod suite;
mod tls;

use std::path::Path;

use promotion::model::StoreId;
use stores::postgres::{Address, Postgres};

pub(super) fn address(url: &str) -> Address {
    Address::parse(url, Path::new("/")).unwrap()
}

fn id(text: &str) -> StoreId {
    StoreId::new(text).unwrap()
}

async fn open(url: &str) -> Postgres {
    Postgres::open(&address(url), &id("store-1")).await.unwrap()
}
