//! Commands on machines of their own: made at rest, found again, run once, told how they ended.

use std::collections::BTreeMap;

use crate::model::{Millis, OneOffRun, OneOffSpec, OneOffState, Place, UnitId, label};
use crate::ports::{Clock, OneOffs};

/// What the suite works on.
#[derive(Debug, Clone)]
pub struct OneOffFixture {
    /// A place without machines of commands.
    pub place: Place,
    /// A command that ends well, at once or soon.
    pub good: OneOffSpec,
    /// A command that ends with `code`.
    pub bad: OneOffSpec,
    /// Not 0.
    pub code: i64,
    /// A command that takes longer than all others of the suite; none where nothing does.
    pub slow: Option<OneOffSpec>,
    /// What the good command writes, once.
    pub line: String,
    /// The longest that anything may take.
    pub patience: Millis,
}

/// Every case. Leaves nothing behind that is still there.
pub async fn one_offs(port: &dyn OneOffs, fixture: &OneOffFixture, clock: &dyn Clock) {
    let suite = Suite { port, fixture, clock };
    assert_eq!(
        suite.there().await,
        [],
        "the place has no such machines, or the suite would end some of them"
    );
    suite.runs_once().await;
    suite.tells_the_exit_code().await;
    if let Some(slow) = &fixture.slow {
        suite.ends_what_runs(slow).await;
    }
    assert_eq!(suite.there().await, [], "nothing is left");
    let gone = UnitId::new("0123456789abcd").expect("a name");
    port.remove(&fixture.place, &gone).await.expect("what is not there needs not to be taken away");
    let state = port.observe_run(&fixture.place, &gone).await.expect("that it is gone is an answer");
    assert!(matches!(state, OneOffState::Ended { exit_code: None, .. }), "nobody knows how: {state:?}");
}

struct Suite<'a> {
    port: &'a dyn OneOffs,
    fixture: &'a OneOffFixture,
    clock: &'a dyn Clock,
}

impl Suite<'_> {
    async fn all(&self) -> Vec<OneOffRun> {
        self.port.observe_runs(&self.fixture.place).await.expect("machines can be looked at")
    }

    async fn there(&self) -> Vec<OneOffRun> {
        self.all().await.into_iter().filter(|run| run.is_there).collect()
    }

    async fn prepared(&self, spec: &OneOffSpec, key: &str) -> UnitId {
        let mut labels: BTreeMap<_, _> = spec.labels.clone();
        labels.insert(label::ONE_OFF.to_owned(), key.to_owned());
        let spec = OneOffSpec { labels: labels.clone(), ..spec.clone() };
        let run = self.port.prepare(&self.fixture.place, &spec).await.expect("a machine is made");
        self.until(&run, "it rests", |state| *state == OneOffState::Resting).await;
        let found: Vec<_> = self.there().await.into_iter().filter(|it| it.id == run).collect();
        assert_eq!(found.len(), 1, "it is found");
        assert_eq!((found[0].key(), &found[0].labels), (Some(key), &labels), "with what was written on it");
        run
    }

    async fn until(&self, run: &UnitId, what: &str, holds: impl Fn(&OneOffState) -> bool) -> OneOffState {
        let begun = self.clock.now();
        loop {
            let state = self.port.observe_run(&self.fixture.place, run).await.expect("it can be looked at");
            if holds(&state) {
                return state;
            }
            assert!(self.clock.now().since(begun) < self.fixture.patience, "{what}, not {state:?}");
            self.clock.sleep(Millis(50)).await;
        }
    }

    async fn ended(&self, run: &UnitId) -> Option<i64> {
        let state = self.until(run, "it ends", |state| matches!(state, OneOffState::Ended { .. })).await;
        match state {
            OneOffState::Ended { exit_code, .. } => exit_code,
            OneOffState::Coming | OneOffState::Resting | OneOffState::Running { .. } => None,
        }
    }

    async fn lines(&self, run: &UnitId, wanted: usize) -> Vec<String> {
        let begun = self.clock.now();
        loop {
            let lines = self.port.observe_log(&self.fixture.place, run).await.expect("the log can be read");
            let said: Vec<_> = lines.into_iter().filter(|line| line.contains(&self.fixture.line)).collect();
            if said.len() >= wanted || self.clock.now().since(begun) >= self.fixture.patience {
                return said;
            }
            self.clock.sleep(Millis(50)).await;
        }
    }

    async fn runs_once(&self) {
        let (port, place) = (self.port, &self.fixture.place);
        let run = self.prepared(&self.fixture.good, "p-1/api/one").await;
        let twin = self.prepared(&self.fixture.good, "p-1/api/one").await;
        assert_ne!(run, twin, "making is not idempotent: whoever repeats it blindly has two");
        self.clock.sleep(Millis(200)).await;
        assert_eq!(self.there().await.len(), 2, "neither runs by itself");
        for _ in 0..2 {
            port.remove(place, &twin).await.expect("what rests can be taken away, and again");
        }
        self.ended(&twin).await;
        port.start(place, &run).await.expect("it starts");
        port.start(place, &run).await.expect("it runs, or is over");
        assert_eq!(self.ended(&run).await, Some(0));
        port.start(place, &run).await.expect("a machine runs once, and that is no error");
        self.clock.sleep(Millis(200)).await;
        assert_eq!(self.ended(&run).await, Some(0), "it stays over");
        assert_eq!(self.lines(&run, 1).await.len(), 1, "it ran once, and what it said outlives it");
        assert!(!self.there().await.iter().any(|it| it.id == run), "its machine went with it");
    }

    async fn tells_the_exit_code(&self) {
        let run = self.prepared(&self.fixture.bad, "p-2/api/one").await;
        self.port.start(&self.fixture.place, &run).await.expect("it starts");
        assert_eq!(self.ended(&run).await, Some(self.fixture.code));
    }

    async fn ends_what_runs(&self, slow: &OneOffSpec) {
        let (port, place) = (self.port, &self.fixture.place);
        let run = self.prepared(slow, "p-3/api/one").await;
        port.start(place, &run).await.expect("it starts");
        self.until(&run, "it runs", |state| matches!(state, OneOffState::Running { .. })).await;
        port.remove(place, &run).await.expect("what runs can be ended");
        assert_ne!(self.ended(&run).await, Some(0), "it did not end well");
        port.remove(place, &run).await.expect("it is gone");
    }
}
