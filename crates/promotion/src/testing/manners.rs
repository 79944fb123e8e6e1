//! How the provider in memory behaves, and what goes wrong with it.

use flytypes::Digest;

use crate::model::{Millis, UnitId};

/// How the provider behaves.
#[derive(Debug, Clone)]
pub struct Manners {
    /// From start or update to started.
    pub boot: Millis,
    /// From started to the checks' first report.
    pub check: Millis,
    /// The checks' names, per unit.
    pub checks: Vec<String>,
    /// Digests whose checks never pass.
    pub sick: Vec<Digest>,
    /// Digests that never come up.
    pub broken: Vec<Digest>,
    /// Digests whose pull fails: an update answers well, and the unit goes back silently.
    pub unpullable: Vec<Digest>,
    /// Units whose host does not answer: they run on, and nobody can look at them or change them.
    pub unreachable: Vec<UnitId>,
    /// Units that their host has no room to start again.
    pub no_room: Vec<UnitId>,
    /// Whether nobody has room for one unit more.
    pub full: bool,
    /// How long ago it was what a look shows, but for nothing from before the first look or call.
    pub list_lag: Millis,
    /// Each edge's lag.
    pub lags: Vec<Millis>,
    /// How long a request takes.
    pub service: Millis,
    /// How long a release command takes.
    pub command: Millis,
    /// Digests whose release command ends with this code.
    pub exits: Vec<(Digest, i64)>,
    /// Nobody tells how a release command ended.
    pub forgets_exits: bool,
    /// For how long the machine of a release command is not shown after its making was answered.
    pub unshown: Millis,
}

impl Default for Manners {
    fn default() -> Self {
        Self {
            boot: Millis(400),
            check: Millis(300),
            checks: vec!["alive".to_owned()],
            sick: Vec::new(),
            broken: Vec::new(),
            unpullable: Vec::new(),
            unreachable: Vec::new(),
            no_room: Vec::new(),
            full: false,
            list_lag: Millis::ZERO,
            lags: vec![Millis(150), Millis(900)],
            service: Millis(300),
            command: Millis(700),
            exits: Vec::new(),
            forgets_exits: false,
            unshown: Millis::ZERO,
        }
    }
}

/// What goes wrong with the n-th call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It never reached the provider.
    NotSent,
    /// It was refused.
    Refused,
    /// It took effect, and the answer was lost.
    LostAnswer,
    /// It did not take effect, and the answer was lost.
    LostCall,
    /// It takes effect later, and the answer was lost.
    Late(Millis),
    /// It took effect twice.
    Twice,
}
