//! The journal in object storage.

mod anchors;
mod audit;
mod faults;
mod foreign;
mod served;
mod suite;

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::path::Path;
use promotion::model::{At, Millis, StoreId};
use promotion::ports::Clock;
use promotion::testing::VirtualClock;
use stores::bucket::{Bucket, Place, ServerTime};

/// The time of a storage in memory.
#[derive(Debug)]
struct Virtual(Arc<VirtualClock>);

impl ServerTime for Virtual {
    fn now(&self) -> Option<At> {
        Some(self.0.now())
    }

    fn resolution(&self) -> Millis {
        Millis(0)
    }
}

pub(super) fn clock() -> Arc<VirtualClock> {
    Arc::new(VirtualClock::new(At(1_800_000_000_000)))
}

pub(super) fn place(objects: Arc<dyn ObjectStore>, clock: &Arc<VirtualClock>) -> Place {
    Place::new(objects, Arc::new(Virtual(clock.clone())), Path::from("team/understudy"))
}

async fn open(place: &Place, runner: &str) -> Bucket {
    Bucket::open(place.clone(), runner, &StoreId::new("store-1").unwrap()).await.unwrap()
}
