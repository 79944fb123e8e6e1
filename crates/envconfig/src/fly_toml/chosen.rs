//! What `[deploy]` decides where the project file says nothing.

use flytypes::GoDuration;

use super::FlyToml;
use crate::{
    Resolved,
    project::{MaxUnavailable, Strategy},
};

fn by_deploy<T>(value: T, key: &str) -> Resolved<T> {
    Resolved::default_of(
        value,
        format!("`[deploy] {key}` of its fly.toml says so, and the project file nothing"),
    )
}

impl FlyToml {
    /// How the component is changed: as `asked` in the project file, else as `[deploy] strategy` says, else by
    /// blue-green. With volumes there is no second fleet, and then it is rolling.
    pub fn strategy(&self, asked: Option<&Resolved<Strategy>>) -> Resolved<Strategy> {
        let said = asked.cloned().or_else(|| Some(by_deploy(self.deploy.strategy?, "strategy")));
        let wanted =
            said.unwrap_or_else(|| Resolved::default_of(Strategy::BlueGreen, "the component has no volumes"));
        if wanted.value == Strategy::BlueGreen && !self.mounts.is_empty() {
            let why = "it has volumes, and a volume belongs to one machine and cannot be in two fleets";
            return Resolved::default_of(Strategy::Rolling, why);
        }
        wanted
    }

    /// `[deploy] max_unavailable`.
    pub fn own_max_unavailable(&self) -> Option<Resolved<MaxUnavailable>> {
        Some(by_deploy(self.deploy.max_unavailable?, "max_unavailable"))
    }

    /// `[deploy] wait_timeout`; no time at all says nothing.
    pub fn own_wait_timeout(&self) -> Option<Resolved<GoDuration>> {
        let time = self.deploy.wait_timeout.filter(|time| *time > GoDuration::ZERO)?;
        Some(by_deploy(time, "wait_timeout"))
    }
}
