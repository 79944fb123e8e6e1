//! What one edge believes.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::PathBuf,
};

use serde_json::{Map, Value};

use super::counts::Counts;
use crate::machine::model::{Machine, State};

/// A machine as far as an edge cares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) id: String,
    pub(crate) app: String,
    region: String,
    started: bool,
    cordoned: bool,
    passing: bool,
    /// The proxy starts it for a request.
    autostart: bool,
    /// With so many requests under way it has enough to do.
    soft_limit: Option<usize>,
    endpoint: Option<SocketAddr>,
}

impl Seen {
    pub(crate) fn of(m: &Machine) -> Self {
        let started = m.state == State::Started;
        let routing = m.spec().map(|spec| spec.routing).unwrap_or_default();
        Self {
            id: m.id.clone(),
            app: m.app.clone(),
            region: m.region.clone(),
            started,
            cordoned: m.cordoned,
            passing: m.passes(),
            autostart: routing.autostart,
            soft_limit: routing.soft_limit,
            endpoint: if started { m.endpoint() } else { None },
        }
    }

    /// Whether requests of anybody may go there.
    pub(crate) fn routable(&self) -> bool {
        self.started && !self.cordoned && self.passing && self.endpoint.is_some()
    }
}

/// A site as far as an edge cares.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SiteSeen {
    pub(crate) site: String,
    pub(crate) version: String,
    pub(crate) digest: String,
    pub(crate) root: PathBuf,
    pub(crate) env: Map<String, Value>,
}

/// Something an edge learns.
#[derive(Debug, Clone)]
pub(crate) enum News {
    Machine(Seen),
    Site(SiteSeen),
    SiteGone(String),
}

impl News {
    /// The app or site it is about.
    pub(crate) fn app(&self) -> &str {
        match self {
            Self::Machine(seen) => &seen.app,
            Self::Site(seen) => &seen.site,
            Self::SiteGone(site) => site,
        }
    }

    /// The machine it is about.
    pub(crate) fn machine(&self) -> Option<&str> {
        match self {
            Self::Machine(seen) => Some(&seen.id),
            Self::Site(_) | Self::SiteGone(_) => None,
        }
    }
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) machine: String,
    pub(crate) address: SocketAddr,
    /// It is the best one there is, and has enough to do.
    pub(crate) is_full: bool,
}

/// Who asks for a target.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) app: &'a str,
    pub(crate) region: &'a str,
    /// Only this machine, cordoned or failing as it may be.
    pub(crate) machine: Option<&'a str>,
    /// Spreads equal candidates.
    pub(crate) turn: usize,
}

/// The beliefs of one edge; news that was overtaken by newer news is dropped.
#[derive(Debug, Default)]
pub(crate) struct View {
    machines: BTreeMap<String, (u64, Seen)>,
    sites: BTreeMap<String, (u64, Option<SiteSeen>)>,
}

impl View {
    /// Takes over `news`; false when something newer is known already.
    pub(crate) fn learn(&mut self, order: u64, news: News) -> bool {
        let known = match &news {
            News::Machine(seen) => self.machines.get(&seen.id).map(|(o, _)| *o),
            News::Site(seen) => self.sites.get(&seen.site).map(|(o, _)| *o),
            News::SiteGone(site) => self.sites.get(site).map(|(o, _)| *o),
        };
        if known.is_some_and(|known| known > order) {
            return false;
        }
        match news {
            News::Machine(seen) => drop(self.machines.insert(seen.id.clone(), (order, seen))),
            News::Site(seen) => drop(self.sites.insert(seen.site.clone(), (order, Some(seen)))),
            News::SiteGone(site) => drop(self.sites.insert(site, (order, None))),
        }
        true
    }

    /// The site of this name.
    pub(crate) fn site(&self, name: &str) -> Option<SiteSeen> {
        self.sites.get(name)?.1.clone()
    }

    /// The best machine not tried yet: own region first, then the fewest requests under way, then by turns.
    pub(crate) fn choose(
        &self,
        wanted: Wanted<'_>,
        tried: &BTreeSet<String>,
        counts: &Counts,
    ) -> Option<Target> {
        let fits = |seen: &&Seen| {
            seen.app == wanted.app
                && !tried.contains(&seen.id)
                && wanted.machine.map_or_else(|| seen.routable(), |id| seen.id == id && seen.started)
        };
        let all = self.machines.values().map(|(_, seen)| seen).filter(fits);
        let (near, far): (Vec<&Seen>, Vec<&Seen>) = all.partition(|seen| seen.region == wanted.region);
        let nearest = if near.is_empty() { far } else { near };
        let (n, counts) = (nearest.len().max(1), counts.read());
        let best = nearest
            .iter()
            .enumerate()
            .min_by_key(|(i, seen)| (counts.of(&seen.id), (i + n - wanted.turn % n) % n));
        best.and_then(|(_, seen)| {
            let is_full = seen.autostart && seen.soft_limit.is_some_and(|limit| counts.of(&seen.id) >= limit);
            Some(Target { machine: seen.id.clone(), address: seen.endpoint?, is_full })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(id: &str, region: &str, cordoned: bool) -> News {
        News::Machine(Seen {
            id: id.to_owned(),
            app: String::from("web"),
            region: region.to_owned(),
            started: true,
            cordoned,
            passing: true,
            autostart: false,
            soft_limit: None,
            endpoint: Some(SocketAddr::from(([127, 0, 0, 1], 1))),
        })
    }

    fn wanted(machine: Option<&str>) -> Wanted<'_> {
        Wanted { app: "web", region: "fra", machine, turn: 0 }
    }

    #[test]
    fn overtaken_news_is_dropped() {
        let mut view = View::default();
        assert!(view.learn(2, seen("a", "fra", true)));
        assert!(!view.learn(1, seen("a", "fra", false)));
        assert_eq!(view.choose(wanted(None), &BTreeSet::new(), &Counts::default()), None);
    }

    #[test]
    fn own_region_then_least_busy_and_force_reaches_the_cordoned() {
        let (mut view, counts) = (View::default(), std::sync::Arc::new(Counts::default()));
        for (order, news) in [
            seen("a", "ams", false),
            seen("b", "fra", false),
            seen("c", "fra", false),
            seen("d", "fra", true),
        ]
        .into_iter()
        .enumerate()
        {
            view.learn(order as u64, news);
        }
        let busy = counts.enter("b");
        let pick = |machine, tried: &[&str]| {
            let tried = tried.iter().map(|t| String::from(*t)).collect();
            view.choose(wanted(machine), &tried, &counts).map(|t| t.machine)
        };
        assert_eq!(pick(None, &[]).as_deref(), Some("c"));
        assert_eq!(pick(None, &["c"]).as_deref(), Some("b"));
        assert_eq!(pick(None, &["b", "c"]).as_deref(), Some("a"));
        assert_eq!(pick(Some("d"), &[]).as_deref(), Some("d"));
        drop(busy);
        assert_eq!(pick(None, &[]).as_deref(), Some("b"));
    }
}
