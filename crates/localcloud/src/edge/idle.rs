//! What the proxy does by itself: it stops machines that are idle, and starts stopped ones for a request (fly.md 7).
//!
//! Every few minutes it looks at each app's machines region by region, and stops at most one in each: where several run,
//! when one fewer than all of them have their soft limit of requests to do; where one runs, when it has none. In the
//! primary region so many stay as `min_machines_running` says. None that is cordoned or has requests under way is
//! stopped. A lease is for those who deploy: the proxy does not ask for it.
//!
//! A machine cannot be frozen to disk here: where Fly suspends, it is stopped, as Fly does with what it cannot suspend.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use serde_json::json;
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::Edge;
use crate::{
    clock,
    cloud::Cloud,
    error::ApiError,
    machine::model::{Goal, Machine, State},
};

/// A request that finds nobody is held so long while a machine comes up.
const HELD: Duration = Duration::from_secs(30);
/// News of a machine that came up takes no longer than this to reach an edge, by default and then some; in microseconds.
const LATE_US: u64 = 2_000_000;
/// It asks again after this.
const AGAIN: Duration = Duration::from_millis(50);

/// An edge's wish that a machine of an app be started.
#[derive(Debug)]
pub(crate) struct Ask {
    app: String,
    region: String,
    /// Whether one is on its way; not wanted where others only have much to do.
    answer: Option<oneshot::Sender<bool>>,
}

/// Stops what is idle, every so often.
pub(crate) async fn watch(cloud: Arc<Cloud>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        for id in idle(&cloud) {
            // A disk that is full leaves it running until the next time.
            let _ = put_to_sleep(&cloud, &id);
        }
    }
}

/// Starts what edges ask for, until they are gone.
pub(crate) async fn start(cloud: Arc<Cloud>, mut asks: mpsc::UnboundedReceiver<Ask>) {
    while let Some(ask) = asks.recv().await {
        let is_coming = rouse(&cloud, &ask.app, &ask.region);
        if let Some(answer) = ask.answer {
            // Whoever asked may be gone.
            let _ = answer.send(is_coming);
        }
    }
}

/// One machine of each app and region that may be stopped now.
fn idle(cloud: &Cloud) -> Vec<String> {
    let world = cloud.lock();
    let mut spots: BTreeMap<(&str, &str), Vec<&Machine>> = BTreeMap::new();
    for m in world.machines.values().filter(|m| runs(m)) {
        spots.entry((&m.app, &m.region)).or_default().push(m);
    }
    let load = |m: &Machine| cloud.edges.counts.of(&m.id);
    let mut chosen = Vec::new();
    for ((_, region), machines) in spots {
        let routing: Vec<_> = machines.iter().filter_map(|m| Some((*m, m.spec().ok()?.routing))).collect();
        let is_full = |(m, routing): &&(&Machine, _)| {
            let routing: &crate::machine::routing::Routing = routing;
            routing.soft_limit.is_some_and(|limit| load(m) >= limit)
        };
        let n_full = routing.iter().filter(is_full).count();
        let is_primary = |primary: Option<&str>| {
            primary.or(cloud.regions.first().map(String::as_str)).is_some_and(|primary| primary == region)
        };
        let least = routing
            .iter()
            .map(|(_, routing)| if is_primary(routing.primary.as_deref()) { routing.min_running } else { 0 });
        let least = usize::try_from(least.max().unwrap_or(0)).unwrap_or(usize::MAX);
        // One more than those that have enough to do; the last one goes when it has nothing to do at all.
        let needed = if routing.len() > 1 { n_full + 1 } else { 0 };
        if routing.len() <= least.max(needed) {
            continue;
        }
        let may =
            |(m, routing): &&(&Machine, crate::machine::routing::Routing)| routing.autostop && load(m) == 0;
        chosen.extend(routing.iter().filter(may).map(|(m, _)| m.id.clone()).next());
    }
    chosen
}

/// In traffic, and up.
fn runs(m: &Machine) -> bool {
    m.state == State::Started && m.goal == Goal::Run && !m.cordoned
}

/// The proxy stops a machine that nobody needs.
pub(crate) fn put_to_sleep(cloud: &Cloud, id: &str) -> Result<(), ApiError> {
    let is_busy = cloud.edges.counts.of(id) > 0;
    let slept = cloud.change(id, |m| {
        if is_busy || !runs(m) || m.is_stuck() {
            return Ok(None);
        }
        (m.stop, m.goal, m.state) = (m.spec()?.stop, Goal::Rest, State::Stopping);
        m.event("stop", "stopping", "proxy", None);
        Ok(Some(m.app.clone()))
    })?;
    slept.iter().for_each(|app| tell(cloud, app, id, "stop"));
    Ok(())
}

/// The proxy starts a machine that somebody needs, if it still rests in traffic.
pub(crate) fn wake(cloud: &Cloud, id: &str) -> Result<(), ApiError> {
    let woken = cloud.change(id, |m| {
        if m.state != State::Stopped || m.goal != Goal::Rest || m.cordoned {
            return Ok(None);
        }
        (m.goal, m.state) = (Goal::Run, State::Starting);
        m.new_generation();
        m.event("start", "starting", "proxy", None);
        Ok(Some(m.app.clone()))
    })?;
    woken.iter().for_each(|app| tell(cloud, app, id, "start"));
    Ok(())
}

fn tell(cloud: &Cloud, app: &str, id: &str, did: &str) {
    cloud.audit.line(&json!({
        "at_us": clock::now_us(), "event": "proxy", "app": app, "machine": id, "did": did,
    }));
}

/// Whether a machine of `app` that the proxy may start comes up, or just goes down to be started again; it is started
/// where none does, one of the region first.
fn rouse(cloud: &Cloud, app: &str, region: &str) -> bool {
    let wanted = {
        let world = cloud.lock();
        let may = |m: &&Machine| !m.cordoned && m.spec().is_ok_and(|spec| spec.routing.autostart);
        let machines: Vec<&Machine> = world.machines_of(app).filter(may).collect();
        if machines.iter().any(|m| is_coming(m)) {
            return true;
        }
        let rests = machines.iter().filter(|m| m.state == State::Stopped && m.goal == Goal::Rest);
        rests.min_by_key(|m| (m.region != region, m.id.clone())).map(|m| m.id.clone())
    };
    wanted.is_some_and(|id| wake(cloud, &id).is_ok())
}

/// On its way up, or up so shortly that an edge may not have heard of it; or on its way to rest, from where it can be
/// started.
fn is_coming(m: &Machine) -> bool {
    let newest = m.events.iter().find(|event| event["status"] == "starting");
    let is_woken = newest.is_some_and(|event| event["source"] == "proxy");
    let since_us = m.running.as_ref().map_or(0, |running| running.since_us);
    match m.state {
        State::Starting => true,
        State::Started => is_woken && !m.passes() || clock::now_us() < since_us + LATE_US,
        State::Stopping => m.goal == Goal::Rest,
        _ => false,
    }
}

/// A request that no machine took, waiting for one.
#[derive(Debug)]
pub(super) struct Held(Option<Instant>);

impl Held {
    pub(super) const fn new() -> Self {
        Self(None)
    }

    /// Has a machine of `app` started and waits a little; false where none comes up, or none came for too long. What was
    /// tried is tried again: an edge learns late that a machine went and came.
    pub(super) async fn on(&mut self, edge: &Edge, app: &str, tried: &mut BTreeSet<String>) -> bool {
        let until = *self.0.get_or_insert_with(|| Instant::now() + HELD);
        if Instant::now() >= until {
            return false;
        }
        let (answer, is_coming) = oneshot::channel();
        let ask = Ask { app: app.to_owned(), region: edge.region.clone(), answer: Some(answer) };
        if edge.asks.send(ask).is_err() || !is_coming.await.unwrap_or(false) {
            return false;
        }
        tokio::time::sleep(AGAIN).await;
        tried.clear();
        true
    }
}

/// Lets another machine of `app` be started: the best one has enough to do.
pub(super) fn relieve(edge: &Edge, app: &str) {
    // Without anybody to start it, it does what it can.
    let _ = edge.asks.send(Ask { app: app.to_owned(), region: edge.region.clone(), answer: None });
}
