//! A place for anchors: what was put first stays, and is found again by store, environment and record.

use crate::model::{EnvironmentName, StoreId};
use crate::ports::Anchors;

/// Every case, on a place without any anchor.
pub async fn anchors(anchors: &dyn Anchors) {
    let (one, other) = (id("store-1"), id("store-2"));
    let names = ["a/b", "production"].map(|name| EnvironmentName::new(name).expect("a name"));
    let [odd, production] = &names;
    assert_eq!(anchors.environments(&one).await.expect("an empty list"), []);
    assert_eq!(anchors.list(&one, production).await.expect("an empty list"), [0; 0]);
    assert_eq!(anchors.get(&one, production, 7).await.expect("nothing"), None);
    for (seq, text) in [(10, "ten"), (7, "seven"), (200, "many")] {
        anchors.put(&one, production, seq, text).await.expect("it is kept");
    }
    anchors.put(&one, odd, 7, "another chain").await.expect("it is kept");
    anchors.put(&other, production, 7, "another store").await.expect("it is kept");
    anchors.put(&one, production, 7, "forged").await.expect("what is there stays, and that is no error");
    assert_eq!(anchors.get(&one, production, 7).await.expect("read").as_deref(), Some("seven"));
    assert_eq!(anchors.get(&one, odd, 7).await.expect("read").as_deref(), Some("another chain"));
    assert_eq!(anchors.get(&other, production, 7).await.expect("read").as_deref(), Some("another store"));
    assert_eq!(anchors.list(&one, production).await.expect("a list"), [7, 10, 200], "by number");
    assert_eq!(anchors.environments(&one).await.expect("a list"), names);
    assert_eq!(anchors.environments(&other).await.expect("a list"), names[1..]);
}

fn id(text: &str) -> StoreId {
    StoreId::new(text).expect("a name")
}
