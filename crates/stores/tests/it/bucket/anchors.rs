//! Anchors in a bucket.

use std::sync::Arc;

use object_store::memory::InMemory;
use promotion::conformance;
use stores::bucket::BucketAnchors;

use super::{clock, place};

#[tokio::test]
async fn anchors_in_a_bucket_conform() {
    conformance::anchors(&BucketAnchors::new(place(Arc::new(InMemory::new()), &clock()))).await;
}
