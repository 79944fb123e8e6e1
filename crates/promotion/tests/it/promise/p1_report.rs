//! P1: suites that ran where nobody can sign are evidence once their report was held against what runs, and no other way.

use std::collections::BTreeMap;

use promotion::engine::{Attested, EngineError, Outcome};
use promotion::journal::{Draft, Entry, EnvironmentView, Record};
use promotion::machine::Phase;
use promotion::model::{
    Hash, Kind, Millis, ReadReport, SuiteName, SuiteRun, TestReport, Verdict, canonical, config_hash,
};
use promotion::testing::{Manners, Moment, Switch, World, env};

use crate::story::{releases, repair};

fn smoke() -> SuiteName {
    SuiteName::new("smoke").unwrap()
}

/// The suite's file on the checkout that is trusted.
fn files() -> BTreeMap<SuiteName, Hash> {
    BTreeMap::from([(smoke(), canonical::of_bytes(b"the suite"))])
}

/// What is on staging with it.
fn base_data() -> BTreeMap<String, Hash> {
    BTreeMap::from([("seed.sql".to_owned(), canonical::of_bytes(b"insert 1"))])
}

/// The second release runs on staging, and nobody tested it: suites run apart.
async fn untested() -> World {
    untested_in(World::new(1, Manners::default()), &[Kind::Bootstrap, Kind::Deploy]).await
}

/// The same in another world; only what is put there by one of `apart` leaves rules by which suites run apart.
async fn untested_in(world: World, apart: &[Kind]) -> World {
    let (first, second) = releases();
    world.put("production", Kind::Bootstrap, &first).await.unwrap();
    for (kind, release) in [(Kind::Bootstrap, &first), (Kind::Deploy, &second)] {
        let mut ask = world.ask("staging", kind.clone(), release);
        if apart.contains(&kind) {
            ask.policy.verify.clear();
        }
        ask.base_data = base_data();
        let handle = world.engine().request(ask).await.unwrap();
        assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
    }
    world
}

/// What the first step writes about what runs on staging now.
async fn report(world: &World, verdict: Verdict) -> TestReport {
    let view = world.bystander().view(&env("staging")).await.unwrap();
    let current = view.current().unwrap();
    let facts = &current.state.facts;
    world.clock.advance(Millis::secs(1));
    let (started, passed) = (world.now(), u32::from(verdict == Verdict::Passed));
    world.clock.advance(Millis::secs(30));
    let run = SuiteRun {
        suite: smoke(),
        file: files()[&smoke()].clone(),
        started,
        ended: world.now(),
        verdict,
        passed,
        failed: u32::from(verdict == Verdict::Failed),
        why: Vec::new(),
    };
    let suites = vec![run];
    TestReport {
        form: TestReport::FORM.to_owned(),
        store: world.journal.store_id().await.unwrap(),
        environment: env("staging"),
        deployment: current.id().clone(),
        release: facts.request.release.id(),
        config: config_hash(&facts.plan.as_ref().unwrap().target.components),
        version: facts.request.release.version.clone(),
        commit: facts.request.release.commit.clone(),
        components: facts.request.release.components.clone(),
        started,
        ended: world.now(),
        exit: TestReport::exit_of(&suites),
        suites,
    }
}

fn read(report: &TestReport) -> ReadReport {
    TestReport::read(report.text().as_bytes()).unwrap()
}

async fn attest(world: &World, report: &TestReport) -> Result<Attested, EngineError> {
    let max_age = Millis::secs(3600);
    world.engine().attest(&env("staging"), &read(report), &files(), max_age).await
}

/// Why the gate of evidence is closed; nothing where people are asked.
async fn closed(world: &World) -> Option<String> {
    let mut ask = world.ask("production", Kind::Promote, &releases().1);
    ask.base_data = base_data();
    ask.signed = world.word(&World::developer(), &ask.wish());
    let handle = world.engine().request(ask).await.unwrap();
    match handle.drive().await.unwrap() {
        Outcome::Waiting { .. } => {
            world.abort(&handle, "looked").await.unwrap();
            None
        }
        Outcome::Ended(Phase::Blocked) => {
            let view = world.bystander().view(&env("production")).await.unwrap();
            Some(view.promotions[&handle.id].state.facts.failure.clone().unwrap().why)
        }
        other => panic!("{other:?}"),
    }
}

/// The first step leaves a file and no evidence; the second makes evidence of it, with the hash of the file and of the suite
/// in what is signed.
#[tokio::test]
async fn p1_a_report_is_evidence_once_it_is_signed_and_not_before() {
    let world = untested().await;
    let written = report(&world, Verdict::Passed).await;
    let why = closed(&world).await.unwrap();
    assert!(why.contains("has no valid attestation of suite `smoke`"), "{why}");
    // What helps where a deploy runs no suite.
    let hint = "run `promote deploy --env staging --image REF`, then `promote test --env staging --report FILE` and \
                `promote attest --env staging --report FILE`";
    assert!(why.contains(hint), "{why}");

    let attested = attest(&world, &written).await.unwrap();
    let statement = &attested.signed[0].statement;
    assert_eq!(statement.report, canonical::of_bytes(written.text().as_bytes()));
    assert_eq!(statement.suite_file.as_ref(), files().get(&smoke()));
    assert_eq!((statement.at, &statement.deployment), (written.ended, &written.deployment));
    assert_eq!(closed(&world).await, None);

    let handle = world.approved(&releases().1).await;
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
    let receipt = world.engine().receipt(&env("production"), &handle.id).await.unwrap();
    assert_eq!(receipt.tested[0].report, statement.report);
    // Once: a report that is taken in again would make old tests young.
    let again = attest(&world, &written).await.unwrap_err().to_string();
    assert!(again.contains("was taken in already, by record"), "{again}");
}

/// Each thing that a branch's code could write into the file and that is not so.
#[tokio::test]
async fn p1_a_report_of_something_else_is_refused() {
    let world = untested().await;
    let written = report(&world, Verdict::Passed).await;
    let other = canonical::hash("other", "");
    type Forge<'f> = Box<dyn Fn(&mut TestReport) + 'f>;
    let forged: Vec<(&str, Forge<'_>)> = vec![
        ("is about store", Box::new(|it| it.store = "another".parse().unwrap())),
        ("is about `production`", Box::new(|it| it.environment = env("production"))),
        ("is about p-other", Box::new(|it| it.deployment = "p-other".parse().unwrap())),
        ("is about release", Box::new(|it| it.release = other.clone())),
        ("is about release", Box::new(|it| it.components = releases().0.components)),
        ("is about release 9.9.9", Box::new(|it| it.version = "9.9.9".to_owned())),
        ("is about configuration", Box::new(|it| it.config = other.clone())),
        ("is another file here", Box::new(|it| it.suites[0].file = other.clone())),
        ("has no suite `load`", Box::new(|it| it.suites[0].suite = "load".parse().unwrap())),
        (
            "was put there at",
            Box::new(|it| {
                it.started.0 -= 7_200_000;
                it.suites[0].started = it.started;
            }),
        ),
        (
            "and here it is",
            Box::new(|it| {
                it.ended.0 += 120_000;
                it.suites[0].ended = it.ended;
            }),
        ),
    ];
    for (why, forge) in forged {
        let mut report = written.clone();
        forge(&mut report);
        let said = attest(&world, &report).await.unwrap_err().to_string();
        assert!(said.contains(why), "{why}: {said}");
    }
    assert!(closed(&world).await.is_some(), "nothing was signed");
    world.clock.advance(Millis::secs(3601));
    let said = attest(&world, &written).await.unwrap_err().to_string();
    assert!(said.contains("more than 1h ago"), "{said}");
}

/// What runs is read back from the provider: who deploys past us made the tests say something about nothing.
#[tokio::test]
async fn p1_a_report_is_refused_where_something_else_runs_than_is_recorded() {
    let world = untested().await;
    let written = report(&world, Verdict::Passed).await;
    let place = World::place("staging", "api");
    world.provider.plant(&place, |unit| unit.digest = Some(World::digest(9)));
    let said = attest(&world, &written).await.unwrap_err().to_string();
    assert!(said.contains("`staging` does not run what p-"), "{said}");
    assert!(closed(&world).await.is_some());
}

/// `drift.ignore` says of what nobody needs to hear, not what may be signed: see docs/ARCHITECTURE.md, "what runs is read
/// back".
#[tokio::test]
async fn p1_what_drift_ignores_is_not_signed_as_tested() {
    let mut world = World::new(1, Manners::default());
    world.policy.drift_ignored = ["image", "count"].map(str::to_owned).into();
    let world = untested_in(world, &[Kind::Bootstrap, Kind::Deploy]).await;
    let written = report(&world, Verdict::Passed).await;
    let target = world.component("staging", "api", &World::digest(9));
    world.provider.plant(&target.place.clone(), |unit| {
        unit.digest = target.digest().cloned();
        unit.config = target.groups.values().next().unwrap().config.clone();
    });
    let said = attest(&world, &written).await.unwrap_err().to_string();
    assert!(said.contains("`staging` does not run what p-") && said.contains(": image on "), "{said}");
}

/// What came and went while tests ran answered some of them, though what is recorded runs before and after.
#[tokio::test]
async fn p1_a_report_is_refused_where_another_deployment_came_and_went_meanwhile() {
    let world = untested_in(World::new(1, Manners::default()), &[Kind::Bootstrap]).await;
    let mut written = report(&world, Verdict::Passed).await;
    world.suites.tell(&env("staging"), "1.2.0", Verdict::Failed);
    let other = World::release("1.2.0", 3, 13);
    let (_, outcome) = world.put("staging", Kind::Deploy, &other).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::RolledBack));
    (written.ended, written.suites[0].ended) = (world.now(), world.now());
    let said = attest(&world, &written).await.unwrap_err().to_string();
    assert!(said.contains("was at work in `staging` until"), "{said}");
    assert!(closed(&world).await.is_some(), "nothing was signed");
    attest(&world, &report(&world, Verdict::Passed).await).await.unwrap();
    assert_eq!(closed(&world).await, None);
}

/// A pass that is held back until the same release failed there is no evidence that is younger than that.
#[tokio::test]
async fn p1_a_report_that_was_held_back_until_a_deployment_failed_is_refused() {
    let world = untested_in(World::new(1, Manners::default()), &[Kind::Bootstrap]).await;
    let held = report(&world, Verdict::Passed).await;
    world.suites.tell(&env("staging"), "1.1.0", Verdict::Failed);
    let (_, outcome) = world.put("staging", Kind::Deploy, &releases().1).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::RolledBack));
    let said = attest(&world, &held).await.unwrap_err().to_string();
    assert!(said.contains("was at work in `staging` until"), "{said}");
    assert!(closed(&world).await.is_some());
}

/// What changes is not there to be tested: the first step says so, and does not run suites for nothing.
#[tokio::test]
async fn p1_nothing_is_tested_while_a_deployment_is_under_way() {
    let world = untested().await;
    let testable = async || {
        let view = world.bystander().view(&env("staging")).await.unwrap();
        view.testable().map(|(current, _)| current.id().clone())
    };
    testable().await.unwrap();
    let asked = world.engine().request(world.ask("staging", Kind::Deploy, &releases().0)).await.unwrap();
    let dies = world.mortal(&Switch::new(Moment::After(30))).handle(asked.environment, asked.id.clone());
    let _the_dead_answer_nobody = dies.drive().await;
    let why = testable().await.unwrap_err();
    assert!(
        why.starts_with(&format!("{} is ", asked.id)) && why.contains("what runs there changes"),
        "{why}"
    );
}

/// A repair brings nothing and names no base data: what it puts back is what was deployed with some.
#[tokio::test]
async fn p1_what_is_tested_after_a_repair_is_evidence() {
    let mut world = World::new(1, Manners::default());
    world.policy.evidence.as_mut().unwrap().base_data.insert("seed.sql".to_owned());
    let world = untested_in(world, &[Kind::Bootstrap, Kind::Deploy]).await;
    let repair = repair(&world, "staging").await;
    assert_eq!(repair.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
    let written = report(&world, Verdict::Passed).await;
    assert_eq!(written.deployment, repair.id);
    let attested = attest(&world, &written).await.unwrap();
    assert_eq!(attested.signed[0].statement.base_data, base_data());
    assert_eq!(closed(&world).await, None);
}

/// The same of the suites that the repair runs itself.
#[tokio::test]
async fn p1_what_a_repair_passes_is_evidence_of_the_base_data_that_was_deployed() {
    let world = untested_in(World::new(1, Manners::default()), &[Kind::Bootstrap]).await;
    let repair = repair(&world, "staging").await;
    assert_eq!(repair.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
    let view = world.bystander().view(&env("staging")).await.unwrap();
    let signed = view.attestations().find(|it| it.statement.deployment == repair.id).unwrap();
    assert_eq!(signed.statement.base_data, base_data());
    assert_eq!(closed(&world).await, None);
}

/// A report that did not pass is written down unsigned: what had passed before counts no more, nor does an earlier pass that
/// was held back until then.
#[tokio::test]
async fn p1_a_report_that_did_not_pass_voids_what_passed_before() {
    let world = untested().await;
    let (first, held) = (report(&world, Verdict::Passed).await, report(&world, Verdict::Passed).await);
    attest(&world, &first).await.unwrap();
    assert_eq!(closed(&world).await, None);
    let failed = report(&world, Verdict::Failed).await;
    let attested = attest(&world, &failed).await.unwrap();
    assert_eq!((attested.signed.len(), attested.not_passed), (0, vec![smoke()]));
    let why = closed(&world).await.unwrap();
    let hash = canonical::of_bytes(failed.text().as_bytes());
    assert!(
        why.contains(&format!("`smoke` did not pass there again by the report {}", hash.short())),
        "{why}"
    );
    attest(&world, &held).await.unwrap();
    assert!(closed(&world).await.is_some(), "it ended before the one that failed");
    attest(&world, &report(&world, Verdict::Passed).await).await.unwrap();
    assert_eq!(closed(&world).await, None);
}

/// Tests of what was there before say nothing of what a later deploy put there.
#[tokio::test]
async fn p1_a_report_of_the_deployment_before_is_refused() {
    let world = untested().await;
    let written = report(&world, Verdict::Passed).await;
    let mut ask = world.ask("staging", Kind::Deploy, &releases().1);
    for group in ask.components.iter_mut().flat_map(|component| component.groups.values_mut()) {
        group.config["env"]["MODE"] = "other".into();
    }
    world.engine().request(ask).await.unwrap().drive().await.unwrap();
    let said = attest(&world, &written).await.unwrap_err().to_string();
    assert!(said.contains("`staging` runs p-"), "{said}");
    assert!(closed(&world).await.is_some());
}

/// An unclear result is neither: nothing is written down.
#[tokio::test]
async fn an_inconclusive_report_says_nothing() {
    let world = untested().await;
    let head = world.bystander().view(&env("staging")).await.unwrap().head;
    let attested = attest(&world, &report(&world, Verdict::Inconclusive).await).await.unwrap();
    assert_eq!((attested.signed.len(), attested.inconclusive), (0, vec![smoke()]));
    assert_eq!(world.bystander().view(&env("staging")).await.unwrap().head, head);
}

/// What cannot be true of any run is refused before anybody is asked.
#[tokio::test]
async fn p1_a_report_that_contradicts_itself_is_none() {
    let world = untested().await;
    let written = report(&world, Verdict::Passed).await;
    let refuses = |bytes: &[u8], why: &str| {
        let said = TestReport::read(bytes).unwrap_err();
        assert!(said.contains(why), "{why}: {said}");
    };
    let bent = |bend: &dyn Fn(&mut TestReport), why: &str| {
        let mut report = written.clone();
        bend(&mut report);
        refuses(report.text().as_bytes(), why);
    };
    bent(&|it| it.form = "urn:other".to_owned(), "it is `urn:other`");
    bent(&|it| it.suites.clear(), "it has 0 suites");
    bent(&|it| it.suites.push(it.suites[0].clone()), "twice");
    bent(&|it| it.suites[0].passed = 0, "0 passed");
    bent(&|it| it.suites[0].failed = 1, "1 failed");
    bent(&|it| it.suites[0].verdict = Verdict::Failed, "exit code 0");
    bent(&|it| it.exit = 4, "says exit code 4, and its suites say 0");
    let none = |it: &mut TestReport| {
        (it.suites[0].verdict, it.suites[0].passed, it.suites[0].failed) = (Verdict::NoTest, u32::MAX, 1);
    };
    bent(&none, "4294967295 passed and 1 failed");
    let no_hash = |text: &str| serde_json::from_value::<Hash>(text.into()).unwrap();
    for text in ["", "5f70", &"é".repeat(64), &"F".repeat(64), "\n::error::red"] {
        bent(&|it| it.release = no_hash(text), "`release` is no SHA-256");
        bent(&|it| it.config = no_hash(text), "`config` is no SHA-256");
        bent(&|it| it.suites[0].file = no_hash(text), "`file` of suite `smoke` is no SHA-256");
    }
    bent(&|it| it.suites[0].started.0 -= 1, "is not within");
    bent(&|it| it.ended.0 = it.started.0 - 1, "before it began");
    let said = |why: &str| TestReport {
        exit: 4,
        suites: vec![SuiteRun {
            verdict: Verdict::Failed,
            why: vec![why.to_owned()],
            ..written.suites[0].clone()
        }],
        ..written.clone()
    };
    refuses(said("\u{1b}[2J").text().as_bytes(), "is no 20 lines of text");
    assert!(TestReport::read(said("expected 200, found 500").text().as_bytes()).is_ok());
    let text = written.text();
    refuses(text.replacen('{', "{\"more\": 1,", 1).as_bytes(), "unknown field `more`");
    refuses(text.replacen("\"suite\":", "\"by\": \"me\", \"suite\":", 1).as_bytes(), "unknown field `by`");
    refuses(text.replacen("\"exit\": 0", "\"exit\": 0, \"exit\": 0", 1).as_bytes(), "duplicate field `exit`");
    // What is refused is told in the log of a job that is trusted, where a line may be a command.
    for raw in ["\\n::error::red", "\\u001b[2J", "\\u2028::error::red"] {
        for bent in [
            text.replacen('{', &format!("{{\"{raw}\": 1,"), 1),
            text.replacen("\"suite\": \"smoke\"", &format!("\"suite\": \"{raw}\""), 1),
            text.replacen(TestReport::FORM, raw, 1),
        ] {
            let said = TestReport::read(bent.as_bytes()).unwrap_err();
            assert!(!said.contains(|c: char| c.is_control() || c == '\u{2028}'), "{said:?}");
        }
    }
    refuses(format!("{text} {text}").as_bytes(), "trailing characters");
    refuses(&text.as_bytes()[..text.len() / 2], "EOF");
    refuses(" ".repeat(1 << 20).as_bytes(), "has 1048576 bytes");
}

/// The record stands in the chain like any other: replay and audit know it, and one that names other evidence is no record.
#[tokio::test]
async fn p8_a_report_is_replayed_and_audited() {
    let world = untested().await;
    attest(&world, &report(&world, Verdict::Passed).await).await.unwrap();
    let records = world.journal.read(&env("staging"), 0).await.unwrap();
    let last = records.last().unwrap();
    assert!(matches!(&last.entry, Entry::Reported { suites, .. } if suites[&smoke()].is_some()));
    let mut replayed = EnvironmentView::new(env("staging"));
    replayed.extend(&records).unwrap();
    assert_eq!(replayed, *world.bystander().view(&env("staging")).await.unwrap());
    let Entry::Reported { about, suites } = &last.entry else { panic!("{last:?}") };
    let mut moved = suites.clone();
    moved.get_mut(&smoke()).unwrap().as_mut().unwrap().statement.environment = env("preview");
    let draft = Draft {
        promotion: None,
        at: last.at,
        entry: Entry::Reported { about: about.clone(), suites: moved },
    };
    let bent = Record::seal(&last.environment, last.seq, None, draft, last.prev.clone());
    let mut records = records;
    *records.last_mut().unwrap() = bent;
    let why = EnvironmentView::new(env("staging")).extend(&records).unwrap_err();
    assert!(format!("{why:?}").contains("about something else"), "{why:?}");
}
