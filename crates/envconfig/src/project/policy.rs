//! What a promotion from one environment to another demands, and how it is done.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{checklist::ChecklistItem, sarif::Sarif};
use crate::{
    GroupName, Malformed, Period, ProjectPath, Region, Resolved, SuiteName,
    text_value::{serde_as_text, word_value},
};

word_value! {
    /// How the machines of an app are replaced.
    Strategy, "a strategy", {
        /// A second fleet beside the first, then the traffic moves; needs an app without volumes.
        BlueGreen = "bluegreen",
        /// One after the other, in pools.
        Rolling = "rolling",
        /// The first machine of each group and region serves for a while before any other changes, then rolling.
        Canary = "canary",
        /// All at once.
        Immediate = "immediate",
    }
}

word_value! {
    /// Who goes next, where more than one release wants the same environment.
    Queue, "a rule of the queue", {
        /// In the order of asking.
        FirstCome = "first-come",
        /// What was asked for last: what waits gives way to it, what holds the environment goes to its end.
        NewestWins = "newest-wins",
        /// Nobody is let in while one is there.
        Refuse = "refuse",
    }
}

word_value! {
    /// What begins a promotion.
    Trigger, "a trigger", {
        /// Somebody, with `promote start`.
        Manual = "manual",
        /// What passed everything in the environment before, by the next `promote tick`.
        Automatic = "automatic",
    }
}

word_value! {
    /// Where the suites of a rehearsal run.
    Tests, "where suites run", {
        /// By the deploy, which signs what they say.
        WithDeploy = "with-deploy",
        /// In a step of their own that cannot sign; another one reads its report and does.
        Apart = "apart",
    }
}

/// The policy of one promotion path, every value with its provenance.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PromotionPolicy {
    /// Suites that must have passed in the source environment.
    pub suites: Resolved<Vec<SuiteName>>,
    /// Where they run in the source environment.
    pub tests: Resolved<Tests>,
    /// How old their attestations may be.
    pub attestation_max_age: Resolved<Period>,
    /// Files that the tests run on: evidence counts while they are the same.
    pub base_data: Resolved<Vec<ProjectPath>>,
    /// Who must agree.
    pub approvals: Approvals,
    /// What people look at first, each item checked off by somebody whom it names.
    pub checklist: Resolved<Vec<ChecklistItem>>,
    /// What a scan must have said first; absent means that none is asked for.
    pub sarif: Option<Resolved<Sarif>>,
    /// How machines are replaced; absent means by the component, see [`PromotionPolicy::strategy_for`].
    pub strategy: Option<Resolved<Strategy>>,
    /// How long the new fleet is watched after it took over.
    pub soak: Resolved<Period>,
    /// Pause between moving traffic and the next step, because edges learn of it late.
    pub settle: Resolved<Period>,
    /// Longest wait for connections of the old fleet to end.
    pub drain: Resolved<Period>,
    /// Longest wait for one machine to become healthy.
    pub wait_timeout: Resolved<Period>,
    /// How many machines may be away at once in a rolling update.
    pub max_unavailable: Resolved<MaxUnavailable>,
    /// How long the first machines of a canary serve before any other changes.
    pub bake: Resolved<Period>,
    /// Regions that change one wave after the other; regions that none names are the last one.
    pub waves: Resolved<Waves>,
    /// How long the old fleet is kept stopped, for a warm way back.
    pub park_for: Resolved<Period>,
    /// When promotions stop by themselves.
    pub breaker: Breaker,
    /// Who goes next.
    pub queue: Resolved<Queue>,
    /// What begins it. It says nothing of what a promotion must be, and so is no part of [`PolicyTerms`].
    pub trigger: Resolved<Trigger>,
}

/// Who must agree to a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Approvals {
    /// Distinct people, the requester not counted; 0 means nobody is asked.
    pub count: Resolved<u32>,
    /// The groups whose members may approve.
    pub from: Resolved<Vec<GroupName>>,
    /// How long an approval is valid.
    pub expires: Resolved<Period>,
}

/// When promotions into an environment stop by themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Breaker {
    /// Failed or rolled-back promotions that open the breaker, at least 1.
    pub failures: Resolved<u32>,
    /// Within this time.
    pub window: Resolved<Period>,
}

/// The values of a policy without their provenance: what goes into a plan and its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PolicyTerms {
    /// See [`PromotionPolicy::suites`].
    pub suites: Vec<SuiteName>,
    /// See [`PromotionPolicy::tests`].
    pub tests: Tests,
    /// See [`PromotionPolicy::attestation_max_age`].
    pub attestation_max_age: Period,
    /// See [`Approvals::count`].
    pub approvals_count: u32,
    /// See [`Approvals::from`].
    pub approvals_from: Vec<GroupName>,
    /// See [`Approvals::expires`].
    pub approvals_expires: Period,
    /// See [`PromotionPolicy::strategy`]; absent means by the component.
    pub strategy: Option<Strategy>,
    /// See [`PromotionPolicy::soak`].
    pub soak: Period,
    /// See [`PromotionPolicy::settle`].
    pub settle: Period,
    /// See [`PromotionPolicy::drain`].
    pub drain: Period,
    /// See [`PromotionPolicy::wait_timeout`].
    pub wait_timeout: Period,
    /// See [`PromotionPolicy::max_unavailable`].
    pub max_unavailable: MaxUnavailable,
    /// See [`PromotionPolicy::bake`].
    pub bake: Period,
    /// See [`PromotionPolicy::waves`].
    pub waves: Waves,
    /// See [`PromotionPolicy::park_for`].
    pub park_for: Period,
    /// See [`Breaker::failures`].
    pub breaker_failures: u32,
    /// See [`Breaker::window`].
    pub breaker_window: Period,
    /// See [`PromotionPolicy::queue`].
    pub queue: Queue,
}

impl PromotionPolicy {
    /// The strategy for a component: what the file says, else blue-green, or rolling where it has volumes, because
    /// a volume belongs to one machine and cannot be in two fleets.
    pub fn strategy_for(&self, has_volumes: bool) -> Resolved<Strategy> {
        match (&self.strategy, has_volumes) {
            (Some(strategy), _) => strategy.clone(),
            (None, false) => Resolved::default_of(Strategy::BlueGreen, "the component has no volumes"),
            (None, true) => Resolved::default_of(Strategy::Rolling, "the component has volumes"),
        }
    }

    /// The values alone.
    pub fn terms(&self) -> PolicyTerms {
        PolicyTerms {
            suites: self.suites.value.clone(),
            tests: self.tests.value,
            attestation_max_age: self.attestation_max_age.value,
            approvals_count: self.approvals.count.value,
            approvals_from: self.approvals.from.value.clone(),
            approvals_expires: self.approvals.expires.value,
            strategy: self.strategy.as_ref().map(|strategy| strategy.value),
            soak: self.soak.value,
            settle: self.settle.value,
            drain: self.drain.value,
            wait_timeout: self.wait_timeout.value,
            max_unavailable: self.max_unavailable.value,
            bake: self.bake.value,
            waves: self.waves.value.clone(),
            park_for: self.park_for.value,
            breaker_failures: self.breaker.failures.value,
            breaker_window: self.breaker.window.value,
            queue: self.queue.value,
        }
    }
}

/// Waves of regions; none means that all change together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Waves(pub Vec<Vec<Region>>);

impl fmt::Display for Waves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wave = |wave: &Vec<Region>| {
            let regions: Vec<String> = wave.iter().map(|region| format!("\"{region}\"")).collect();
            format!("[{}]", regions.join(", "))
        };
        let waves: Vec<String> = self.0.iter().map(wave).collect();
        f.pad(&format!("[{}]", waves.join(", ")))
    }
}

/// How many machines may be away at once: a number of machines, or a part of the fleet in steps of a thousandth.
///
/// As on Fly a number below 1 is a part of the fleet, rounded up, and from 1 on a number of machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MaxUnavailable(Amount);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Amount {
    Permille(u16),
    Machines(u32),
}

impl MaxUnavailable {
    /// flyctl's own default, a third.
    pub const FLYCTL_DEFAULT: Self = Self(Amount::Permille(330));

    /// So many machines; 0 becomes 1, because otherwise nothing would ever be updated.
    pub fn machines(n: u32) -> Self {
        Self(Amount::Machines(n.max(1)))
    }

    /// From a number as in fly.toml.
    ///
    /// # Errors
    /// Not above 0, not finite, or from 1 on not a whole number.
    pub fn from_number(number: f64) -> Result<Self, Malformed> {
        number.to_string().parse()
    }

    /// The number of machines, where it is one.
    pub const fn as_machines(self) -> Option<u32> {
        match self.0 {
            Amount::Machines(n) => Some(n),
            Amount::Permille(_) => None,
        }
    }

    /// The part of the fleet in thousandths, where it is one.
    pub const fn as_permille(self) -> Option<u16> {
        match self.0 {
            Amount::Permille(part) => Some(part),
            Amount::Machines(_) => None,
        }
    }

    /// For a fleet of `total` machines; at least 1.
    pub fn of(self, total: usize) -> usize {
        match self.0 {
            Amount::Permille(part) => total.saturating_mul(usize::from(part)).div_ceil(1000).max(1),
            Amount::Machines(n) => usize::try_from(n).unwrap_or(usize::MAX).max(1),
        }
    }
}

impl FromStr for MaxUnavailable {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || {
            let why = "it is a part of the fleet such as 0.33, in steps of 0.001, or a whole number of machines from 1";
            Malformed::new(text, "a number of machines", why)
        };
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        if !digits(whole) || !digits(part) {
            return Err(wrong());
        }
        let whole: u32 = whole.parse().map_err(|_| wrong())?;
        let part = part.trim_end_matches('0');
        match (whole, part) {
            (0, part) if (1..=3).contains(&part.len()) => {
                let permille = format!("{part:0<3}").parse().map_err(|_| wrong())?;
                Ok(Self(Amount::Permille(permille)))
            }
            (1.., "") => Ok(Self(Amount::Machines(whole))),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for MaxUnavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Amount::Permille(part) => f.pad(format!("0.{part:03}").trim_end_matches('0')),
            Amount::Machines(n) => n.fmt(f),
        }
    }
}

serde_as_text!(MaxUnavailable);

#[cfg(test)]
mod tests {
    use super::*;

    /// flyctl, internal/command/deploy: a number from 1 on is absolute, below it a part of the fleet, ceil(total × f).
    #[test]
    fn max_unavailable_counts_as_flyctl_does() {
        let of = |text: &str, total| text.parse::<MaxUnavailable>().unwrap().of(total);
        assert_eq!(of("0.33", 3), 1);
        assert_eq!(of("0.33", 4), 2);
        assert_eq!(of("0.5", 4), 2);
        assert_eq!(of("0.001", 5), 1);
        assert_eq!(of("1", 10), 1);
        assert_eq!(of("3.0", 10), 3);
        assert_eq!(MaxUnavailable::FLYCTL_DEFAULT.to_string(), "0.33");
        for bad in ["0", "0.0", "-1", "1.5", "0.0001", "", ".", "1e9", "NaN", "99999999999"] {
            assert!(bad.parse::<MaxUnavailable>().is_err(), "{bad}");
        }
    }
}
