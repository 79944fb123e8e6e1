//! What the protocol relies on, each with a switch, and how much goes wrong.

/// What the protocol relies on. With any of these off a promise must break, else the model proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    /// The provider refuses calls on a leased unit that show another number.
    pub(crate) fencing: bool,
    /// What a call shall do is looked for first, and found by its key: what is there is not made again.
    pub(crate) keys: bool,
    /// A call whose answer was lost is waited for before it is repeated and before a rollout is over.
    pub(crate) settle: bool,
    /// The store refuses appends and renewals under an epoch that is over.
    pub(crate) epoch: bool,
    /// The store refuses a step that was decided on an older chain.
    pub(crate) head: bool,
    /// A lease on units whose number nobody knows runs out soon.
    pub(crate) first_ttl: bool,
    /// The policy asks for a person.
    pub(crate) people: bool,
}

impl Rules {
    /// As it is.
    pub(crate) const ALL: Self = Self {
        fencing: true,
        keys: true,
        settle: true,
        epoch: true,
        head: true,
        first_ttl: true,
        people: true,
    };
}

/// How much there is, and how much goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Calls on the way there. A quarter of them makes units, the others change them.
    pub(crate) steps: u8,
    /// Runners that die, with a call in flight or without.
    pub(crate) crashes: u8,
    /// Leases on the environment that run out under a living runner.
    pub(crate) expiries: u8,
    /// Answers that never come to a living runner.
    pub(crate) lost: u8,
    /// How often the world is another one at rechecking than in the plan.
    pub(crate) drifts: u8,
}

/// Runners at once.
pub(crate) const RUNNERS: usize = 3;

/// Calls that are made, at the most: a bit each.
pub(crate) const STEPS_MAX: u8 = 16;
