//! Release commands: once, with the new image, before any machine is touched.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use promotion::engine::{Engine, Outcome, Ports};
use promotion::journal::{Entry, OneOffView};
use promotion::machine::Phase;
use promotion::model::{
    At, Kind, Millis, OneOffRun, OneOffSpec, OneOffState, Place, Plan, RollbackVerdict, UnitId, UnitState,
    label,
};
use promotion::ports::{Clock, OneOffs, PortError, Verdict};
use promotion::rollout::{Direction, UnitCall};
use promotion::testing::{Executed, Manners, Moment, Provider, Switch, World, env, name};

use super::failure;
use crate::story::{Asked, Story, releases, shape};

fn short(byte: u8) -> String {
    World::digest(byte).short().to_owned()
}

/// What ran in production with the release that comes.
fn ran(world: &World) -> Vec<Executed> {
    let place = World::place("production", "api");
    world.provider.executed().into_iter().filter(|it| it.place == place && it.digest == short(2)).collect()
}

async fn plan(asked: &Asked) -> Plan {
    let view = asked.world.bystander().view(&env("production")).await.unwrap();
    view.promotions[&asked.handle.id].state.facts.plan.clone().unwrap()
}

async fn journaled(asked: &Asked) -> OneOffView {
    let view = asked.world.bystander().view(&env("production")).await.unwrap();
    view.promotions[&asked.handle.id].one_offs[&name("api")].clone()
}

/// Calls that change a machine of the app; leases are none.
fn touched(world: &World, since: usize) -> usize {
    let calls = world.provider.calls().split_off(since);
    let is_lease = |call: &UnitCall| matches!(call, UnitCall::Lease { .. } | UnitCall::Unlease { .. });
    calls.iter().filter(|(_, call)| !is_lease(call)).count()
}

#[tokio::test]
async fn a_release_command_runs_once_and_before_any_machine_is_touched() {
    let asked = Story::Command.asked().await;
    let world = &asked.world;
    world.provider.set_secret(&World::place("production", "api"), "DATABASE_URL");
    asked.approve_when_asked().await;
    let planned = plan(&asked).await;
    assert_eq!(planned.preview[0].call, "run `bin/migrate up` once, on a machine of its own");
    let RollbackVerdict::Unknown(said) = &planned.target.rollback else {
        panic!("{:?}", planned.target.rollback)
    };
    assert!(
        said.starts_with("unknown: `bin/migrate up` of `api` may change what no rollback puts back"),
        "{said}"
    );
    assert_eq!(asked.play(&world.engine()).await.unwrap(), Outcome::Ended(Phase::Succeeded));

    let ran = ran(world);
    assert_eq!(ran.len(), 1, "{ran:?}");
    assert_eq!((ran[0].command.join(" "), ran[0].secrets), ("bin/migrate up".to_owned(), 1));
    let fleet = world.fleet("production", "api").await;
    let new: Vec<_> = fleet.units.iter().filter(|unit| unit.digest == Some(World::digest(2))).collect();
    assert_eq!(new.len(), 2);
    let over = ran[0].at.plus(Manners::default().command);
    assert!(new.iter().all(|unit| unit.version_since.unwrap() >= over), "they were made when it was over");
    let end = journaled(&asked).await.ended.unwrap();
    assert_eq!((end.exit_code, end.why), (Some(0), None));
    assert_eq!(end.log, ["+ bin/migrate up", "migrated 3 tables"]);
    assert_eq!(world.provider.commands_there(), 0);
}

#[tokio::test]
async fn one_that_fails_ends_the_promotion_before_any_machine_is_touched() {
    let asked = Story::CommandThatFails.asked().await;
    let (before, since) = (shape(&asked.world).await, asked.world.provider.calls().len());
    assert_eq!(asked.play(&asked.world.engine()).await.unwrap(), Outcome::Ended(Phase::RolledBack));
    assert_eq!(
        failure(&asked.world, &asked.handle.id).await,
        "`bin/migrate up` of `api` ended with exit code 3; no machine of the app was touched; it said: + bin/migrate \
         up / migrated 3 tables"
    );
    assert_eq!((touched(&asked.world, since), shape(&asked.world).await), (0, before));
    assert_eq!(journaled(&asked).await.ended.unwrap().exit_code, Some(3));
    assert_eq!((ran(&asked.world).len(), asked.world.provider.commands_there()), (1, 0));
}

/// fly.md 2.4: "wait destroyed within the release timeout".
#[tokio::test]
async fn one_that_does_not_end_is_ended_when_its_time_is_over() {
    let asked = Story::Command.asked().await;
    asked.world.provider.change(|manners| manners.command = Millis::secs(3600));
    let begun = asked.world.now();
    assert_eq!(asked.play(&asked.world.engine()).await.unwrap(), Outcome::Ended(Phase::RolledBack));
    let why = failure(&asked.world, &asked.handle.id).await;
    assert!(
        why.starts_with("`bin/migrate up` of `api`: it did not end within 10s, and was ended; no machine"),
        "{why}"
    );
    let took = asked.world.now().since(begun);
    assert!((Millis(10_000)..Millis(15_000)).contains(&took), "{took}");
    assert_eq!((ran(&asked.world).len(), asked.world.provider.commands_there()), (1, 0));

    // `none`: it may take as long as it likes, within the promotion's own time.
    let mut world = World::new(1, Manners::default());
    world.command.insert(World::migration()).timeout = None;
    world.provider.change(|manners| manners.command = Millis::secs(400));
    let (_, outcome) = world.put("production", Kind::Bootstrap, &releases().0).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Succeeded));
    assert_eq!(world.provider.executed().len(), 1, "a first release runs it, too");
}

/// Nobody runs it a second time on a guess.
#[tokio::test]
async fn one_whose_end_nobody_knows_is_not_run_again() {
    let asked = Story::Command.asked().await;
    asked.world.provider.change(|manners| manners.forgets_exits = true);
    assert_eq!(asked.play(&asked.world.engine()).await.unwrap(), Outcome::Ended(Phase::RolledBack));
    let why = failure(&asked.world, &asked.handle.id).await;
    assert!(why.starts_with("nobody knows how `bin/migrate up` of `api` ended"), "{why}");
    assert!(why.contains("for then it runs again"), "{why}");
    assert_eq!(ran(&asked.world).len(), 1);
}

/// fly.md 1.6: "Missing machine → 404: […] retry shortly when it was just created". A command that was never started has no
/// end that nobody knows; a machine that is not shown for longer than any look may be old is gone.
#[tokio::test]
async fn one_whose_machine_is_not_shown_at_once_is_waited_for() {
    for (unshown, end) in [(Millis(1_200), Phase::Succeeded), (Millis(60_000), Phase::RolledBack)] {
        let asked = Story::Command.asked().await;
        asked.world.provider.change(|manners| manners.unshown = unshown);
        let begun = asked.world.now();
        assert_eq!(asked.play(&asked.world.engine()).await.unwrap(), Outcome::Ended(end), "{unshown}");
        let n_ran = usize::from(end == Phase::Succeeded);
        assert_eq!(ran(&asked.world).len(), n_ran, "{unshown}: {}", asked.why().await);
        let took = asked.world.now().since(begun);
        assert!(took >= asked.world.limits.list_lag.min(unshown), "{unshown}: {took}");
        if end == Phase::RolledBack {
            let why = failure(&asked.world, &asked.handle.id).await;
            assert!(why.starts_with("nobody knows how `bin/migrate up` of `api` ended"), "{why}");
        }
    }
}

/// A person ends the promotion while the command runs and its runner is dead.
#[tokio::test]
async fn an_abort_ends_a_command_that_runs() {
    let asked = Story::Command.asked().await;
    asked.world.provider.change(|manners| manners.command = Millis::secs(120));
    let calm = asked.fork().await;
    let switch = calm.play_until(Moment::Never).await;
    let (start, _) = switch.seen().into_iter().find(|(_, what)| what == "start a command").unwrap();
    let (before, since) = (shape(&asked.world).await, asked.world.provider.calls().len());
    asked.play_until(Moment::After(start)).await;
    assert_eq!((asked.phase().await, asked.world.provider.commands_there()), (Phase::Deploying, 1));
    asked.world.abort(&asked.handle, "not today").await.unwrap();
    assert_eq!(asked.rescued().await, Phase::RolledBack);
    assert_eq!((touched(&asked.world, since), shape(&asked.world).await), (0, before));
    assert_eq!((ran(&asked.world).len(), asked.world.provider.commands_there()), (1, 0));
    let end = journaled(&asked).await.ended.unwrap();
    assert_eq!(end.why.as_deref(), Some("it was ended before it was known how it ends"));
}

/// What an earlier promotion left goes; what is somebody else's stays (P10).
#[tokio::test]
async fn p10_only_commands_of_ours_that_were_left_are_taken_away() {
    let asked = Story::Command.asked().await;
    let (world, place) = (&asked.world, World::place("production", "api"));
    let left = async |store: &str, environment: &str| {
        let labels = [
            (label::ONE_OFF, "p-0/api/release-command"),
            (label::STORE, store),
            (label::ENVIRONMENT, environment),
        ];
        let spec = OneOffSpec {
            job: World::migration(),
            image: world.component("production", "api", &World::digest(1)).image,
            secrets_version: None,
            labels: labels
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect::<BTreeMap<_, _>>(),
        };
        world.provider.prepare(&place, &spec).await.unwrap()
    };
    left("store-1", "production").await;
    let theirs = [left("store-2", "production").await, left("store-1", "elsewhere").await];
    assert_eq!(asked.play(&world.engine()).await.unwrap(), Outcome::Ended(Phase::Succeeded));
    let runs = world.provider.observe_runs(&place).await.unwrap();
    let there: Vec<_> = runs.into_iter().filter(|run| run.is_there).map(|run| run.id).collect();
    assert_eq!(there, theirs);
}

#[tokio::test]
async fn a_way_back_and_an_adoption_run_nothing() {
    let asked = Story::Command.asked().await;
    assert_eq!(asked.play(&asked.world.engine()).await.unwrap(), Outcome::Ended(Phase::Succeeded));
    let n_ran = asked.world.provider.executed().len();
    let of = asked.handle.id.clone();
    let (_, outcome) = asked.world.put("production", Kind::Rollback { of }, &releases().0).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Succeeded));
    assert_eq!(asked.world.provider.executed().len(), n_ran);
    let fleet = asked.world.fleet("production", "api").await;
    let serving = fleet.units.iter().filter(|unit| unit.state == UnitState::Started);
    assert!(serving.clone().all(|unit| unit.digest == Some(World::digest(1))) && serving.count() == 2);

    let mut asked = Story::Adopt.asked().await;
    asked.world.command = Some(World::migration());
    let (_, outcome) = asked.world.put("production", Kind::Adopt, &releases().0).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Succeeded));
    assert_eq!(asked.world.provider.executed(), []);
}

/// A provider that does not tell when a command began, as Fly does not while its machine is `starting` (fly.md 1.6).
#[derive(Debug)]
struct Timeless(Provider);

#[async_trait]
impl OneOffs for Timeless {
    async fn observe_runs(&self, place: &Place) -> Result<Vec<OneOffRun>, PortError> {
        self.0.observe_runs(place).await
    }
    async fn prepare(&self, place: &Place, spec: &OneOffSpec) -> Result<UnitId, PortError> {
        self.0.prepare(place, spec).await
    }
    async fn start(&self, place: &Place, run: &UnitId) -> Result<(), PortError> {
        self.0.start(place, run).await
    }
    async fn observe_run(&self, place: &Place, run: &UnitId) -> Result<OneOffState, PortError> {
        Ok(match self.0.observe_run(place, run).await? {
            OneOffState::Running { .. } => OneOffState::Running { since: None },
            other => other,
        })
    }
    async fn observe_log(&self, place: &Place, run: &UnitId) -> Result<Vec<String>, PortError> {
        self.0.observe_log(place, run).await
    }
    async fn remove(&self, place: &Place, run: &UnitId) -> Result<(), PortError> {
        self.0.remove(place, run).await
    }
}

/// The runner died before it started the machine, and nobody came for longer than the command may take: its time begins
/// when it is started, and it is not ended in the middle of its work.
#[tokio::test]
async fn one_that_was_chosen_long_ago_has_its_whole_time() {
    let asked = Story::Command.asked().await;
    let calm = asked.fork().await;
    let seen = calm.play_until(Moment::Never).await.seen();
    let (chosen, _) = seen.into_iter().find(|(_, what)| what == "write release command chosen").unwrap();
    asked.play_until(Moment::After(chosen)).await;
    assert_eq!((ran(&asked.world).len(), asked.world.provider.commands_there()), (0, 1));
    asked.world.clock.advance(Millis(31_000));
    let ports = asked.world.ports(&Switch::new(Moment::Never));
    let one_offs = Arc::new(Timeless(asked.world.provider.clone()));
    let engine = Engine::new(asked.world.options.clone(), Ports { one_offs, ..ports });
    engine.tick().await.unwrap();
    assert_eq!(asked.phase().await, Phase::Succeeded, "{}", asked.why().await);
    assert_eq!((ran(&asked.world).len(), asked.world.provider.commands_there()), (1, 0));
}

/// A provider that makes a machine twice, the second one later, when the answer is long there: fly.md 1.8 (408 "also seen
/// transiently on create"), 8.12 ("create isn't idempotent").
#[derive(Debug)]
struct Twin {
    provider: Provider,
    clock: Arc<dyn Clock>,
    after: Millis,
    due: Mutex<Option<(At, Place, OneOffSpec)>>,
}

impl Twin {
    /// What is due appears.
    async fn appear(&self) {
        let due = {
            let mut due = self.due.lock().unwrap();
            due.take_if(|(at, ..)| *at <= self.clock.now())
        };
        if let Some((_, place, spec)) = due {
            self.provider.prepare(&place, &spec).await.unwrap();
        }
    }
}

#[async_trait]
impl OneOffs for Twin {
    async fn observe_runs(&self, place: &Place) -> Result<Vec<OneOffRun>, PortError> {
        self.appear().await;
        self.provider.observe_runs(place).await
    }
    async fn prepare(&self, place: &Place, spec: &OneOffSpec) -> Result<UnitId, PortError> {
        let due = (self.clock.now().plus(self.after), place.clone(), spec.clone());
        self.due.lock().unwrap().get_or_insert(due);
        self.provider.prepare(place, spec).await
    }
    async fn start(&self, place: &Place, run: &UnitId) -> Result<(), PortError> {
        self.provider.start(place, run).await
    }
    async fn observe_run(&self, place: &Place, run: &UnitId) -> Result<OneOffState, PortError> {
        self.appear().await;
        self.provider.observe_run(place, run).await
    }
    async fn observe_log(&self, place: &Place, run: &UnitId) -> Result<Vec<String>, PortError> {
        self.provider.observe_log(place, run).await
    }
    async fn remove(&self, place: &Place, run: &UnitId) -> Result<(), PortError> {
        self.provider.remove(place, run).await
    }
}

/// P3: "a late duplicate create is adopted or destroyed": whatever appears within the client's own timeout is gone when the
/// promotion is over, and its command did not run a second time.
#[tokio::test]
async fn p3_a_commands_machine_that_appears_late_does_not_stay() {
    for story in [Story::Command, Story::CommandThatFails] {
        for after in [Millis(400), Millis(1_200), Millis(4_900)] {
            let asked = story.asked().await;
            let world = &asked.world;
            let ports = world.ports(&Switch::new(Moment::Never));
            let (provider, clock) = (world.provider.clone(), ports.clock.clone());
            let one_offs = Arc::new(Twin { provider, clock, after, due: Mutex::default() });
            let engine = Engine::new(world.options.clone(), Ports { one_offs: one_offs.clone(), ..ports });
            assert_eq!(asked.play(&engine).await.unwrap(), Outcome::Ended(story.end()), "{story:?} {after}");
            world.clock.advance(world.limits.client_timeout);
            one_offs.appear().await;
            let there = world.provider.commands_there();
            assert_eq!((ran(world).len(), there), (1, 0), "{story:?}: the second one after {after}");
        }
    }
}

/// P3: what may still appear of a command is waited for before anything is final. P5, P7: not while units wait for it.
#[tokio::test]
async fn the_way_back_does_not_wait_for_what_may_still_appear_of_a_command() {
    let mut world = World::new(1, Manners::default());
    world.limits.client_timeout = Millis::secs(60);
    let asked = Story::Command.asked_in(world).await;
    let world = &asked.world;
    world.suites.tell(&env("production"), "1.1.0", Verdict::Failed);
    assert_eq!(asked.play(&world.engine()).await.unwrap(), Outcome::Ended(Phase::RolledBack));
    let records = world.journal.read(&env("production"), 0).await.unwrap();
    let of_it = || records.iter().filter(|record| record.promotion.as_ref() == Some(&asked.handle.id));
    let at = |is_it: &dyn Fn(&Entry) -> bool| of_it().find(|record| is_it(&record.entry)).unwrap().at;
    let turned = at(&|entry| matches!(entry, Entry::Stepped { phase: Phase::RollingBack, .. }));
    let moved = at(&|entry| matches!(entry, Entry::Meant { direction: Direction::Back, .. }));
    let landed = at(&|entry| matches!(entry, Entry::OneOff { .. })).plus(world.limits.unseen());
    assert!(turned < landed && moved.since(turned) < Millis(2_000), "{}", moved.since(turned));
    assert!(world.now() >= landed, "and before it is over it is waited for");
}
