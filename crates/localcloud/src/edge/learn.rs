//! Late news: each piece takes effect when its own lag is over.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
};

use serde_json::json;
use tokio::{sync::mpsc, time::Instant};

use super::{Edge, view::News};
use crate::{audit::Audit, clock};

/// Order, when it takes effect, what.
pub(crate) type Late = (u64, Instant, News);

/// Takes over news as it becomes due, until the sender is gone.
pub(crate) async fn learn(edge: Arc<Edge>, mut late: mpsc::UnboundedReceiver<Late>, audit: Arc<Audit>) {
    let mut pending: BTreeMap<(Instant, u64), News> = BTreeMap::new();
    loop {
        let due = pending.keys().next().map(|(at, _)| *at);
        tokio::select! {
            got = late.recv() => match got {
                Some((order, at, news)) => drop(pending.insert((at, order), news)),
                None => return,
            },
            () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                if let Some(((_, order), news)) = pending.pop_first() {
                    apply(&edge, order, news, &audit);
                }
            }
        }
    }
}

fn apply(edge: &Edge, order: u64, news: News, audit: &Audit) {
    let (app, machine) = (news.app().to_owned(), news.machine().map(String::from));
    let routable = match &news {
        News::Machine(seen) => seen.routable(),
        News::Site(_) => true,
        News::SiteGone(_) => false,
    };
    if edge.view.lock().unwrap_or_else(PoisonError::into_inner).learn(order, news) {
        audit.line(&json!({
            "at_us": clock::now_us(), "event": "edge", "region": edge.region, "app": app, "machine": machine,
            "routable": routable,
        }));
    }
}
