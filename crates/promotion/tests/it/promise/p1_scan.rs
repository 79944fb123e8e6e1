//! P1: a release that was not scanned, not lately enough, or with findings that count does not go to production.

use promotion::engine::{EngineError, Outcome};
use promotion::machine::Phase;
use promotion::model::{
    AcceptedFinding, Attestation, Kind, Level, Millis, Policy, ReadScan, Release, ScanRule, canonical,
};
use promotion::testing::{Manners, World, env};
use serde_json::{Value, json};

use crate::story::releases;

const DAY: Millis = Millis::secs(24 * 3600);

fn rule() -> ScanRule {
    ScanRule {
        from: env("staging"),
        max_age: DAY,
        fail_on: Level::Error,
        severity: None,
        accepted: Vec::new(),
    }
}

async fn rehearsed(rule: ScanRule) -> World {
    let mut world = World::new(1, Manners::default());
    world.policy.scan = Some(rule);
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    world
}

/// A report about the second release, as a tool writes it (SARIF 2.1.0), with these results.
fn report(results: &Value) -> Value {
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "scanner", "rules": [
                {"id": "sql", "defaultConfiguration": {"level": "error"}, "properties": {"security-severity": "9.8"}},
                {"id": "todo", "properties": {"tags": ["style"]}},
            ]}},
            "versionControlProvenance": [{"repositoryUri": "https://example.com", "revisionId": releases().1.commit}],
            "results": results,
        }],
    })
}

fn at(rule: &str, file: &str, line: u64) -> Value {
    json!({
        "ruleId": rule,
        "message": {"text": "m"},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": file}, "region": {"startLine": line}}}],
    })
}

fn with(mut result: Value, key: &str, value: Value) -> Value {
    result[key] = value;
    result
}

async fn attest(world: &World, report: &Value) -> Result<Attestation, EngineError> {
    let read = ReadScan::read(report.to_string().as_bytes()).unwrap();
    world.engine().attest_scan(&env("staging"), &read, DAY).await
}

/// Why the gate of scans is closed; nothing where all are open.
async fn closed(world: &World) -> Option<String> {
    let planned = world.engine().plan(world.ask("production", Kind::Promote, &releases().1)).await.unwrap();
    planned.gates.err().map(|why| {
        assert!(why.starts_with("scan: "), "{why}");
        why
    })
}

/// No scan, an old one, one with a finding that counts: closed, with rule, file, line and how often. The last one decides.
#[tokio::test]
async fn p1_a_release_goes_to_production_with_a_young_scan_that_found_nothing_bad() {
    let world = rehearsed(rule()).await;
    let why = closed(&world).await.unwrap();
    assert!(why.contains("has no signed scan from `staging` within 24h"), "{why}");
    let (handle, outcome) = world.put("production", Kind::Promote, &releases().1).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Blocked), "{}", handle.id);

    attest(&world, &report(&json!([at("todo", "src/a.rs", 1)]))).await.unwrap();
    assert_eq!(closed(&world).await, None, "a warning is below");
    attest(&world, &report(&json!([at("sql", "src/b.rs", 9), at("sql", "src/b.rs", 7)]))).await.unwrap();
    let why = closed(&world).await.unwrap();
    assert!(why.contains("error `sql` (security-severity 9.8) in src/b.rs:7, 2 times"), "{why}");
    let again = attest(&world, &report(&json!([at("todo", "src/a.rs", 1)]))).await.unwrap_err().to_string();
    assert!(again.contains("was taken in already, by record"), "{again}");
    attest(&world, &report(&json!([]))).await.unwrap();
    assert_eq!(closed(&world).await, None);

    let handle = world.approved(&releases().1).await;
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
    let receipt = world.engine().receipt(&env("production"), &handle.id).await.unwrap();
    assert!(receipt.tested.iter().any(|it| it.suite.as_str() == "scan:sarif"), "{:?}", receipt.tested);
}

#[tokio::test]
async fn p1_an_old_scan_is_none() {
    let world = rehearsed(ScanRule { max_age: Millis::secs(3600), ..rule() }).await;
    let mut old = report(&json!([]));
    let ended = world.now().to_string();
    old["runs"][0]["invocations"] = json!([{"executionSuccessful": true, "endTimeUtc": ended}]);
    attest(&world, &old).await.unwrap();
    assert_eq!(closed(&world).await, None);
    world.clock.advance(Millis::secs(3601));
    assert!(closed(&world).await.unwrap().contains("has no signed scan"));
    // Neither does signing it late make it young.
    old["runs"][0]["properties"] = json!({"another": "file"});
    world.clock.advance(DAY);
    let why = attest(&world, &old).await.unwrap_err().to_string();
    assert!(why.contains(&format!("the scan ended at {ended}")), "{why}");
}

/// What nobody signed who may is no scan, whatever it says.
#[tokio::test]
async fn p1_a_scan_is_about_this_release_and_says_so() {
    let world = rehearsed(rule()).await;
    let of = |key: &str, value: Value| {
        let mut report = report(&json!([]));
        report["runs"][0]["versionControlProvenance"] = json!([]);
        report["runs"][0]["properties"] = json!({key: value});
        report
    };
    let release: Release = releases().1;
    let [api, web] = ["api", "web"].map(|name| release.components[&name.parse().unwrap()].to_string());
    let why = attest(&world, &of("understudy.commit", json!("another"))).await.unwrap_err().to_string();
    assert!(why.contains("it scanned another, which is not of release 1.1.0"), "{why}");
    let why = attest(&world, &of("understudy.digest", json!(api))).await.unwrap_err().to_string();
    assert!(why.contains(&format!("it did not scan {web}")), "{why}");
    let images = json!([format!("registry.fly.io/api@{api}"), format!("registry.fly.io/web@{web}")]);
    attest(&world, &of("repoDigests", images)).await.unwrap();
    assert_eq!(closed(&world).await, None);
    let mut nothing = report(&json!([]));
    nothing["runs"][0]["versionControlProvenance"] = json!([]);
    let why = ReadScan::read(nothing.to_string().as_bytes()).unwrap_err();
    assert!(why.contains("does not say what it scanned"), "{why}");
}

/// The terms of SARIF 2.1.0: 3.27.9 kind, 3.27.10 level, 3.27.23 suppressions, 3.27.24 baselineState.
#[tokio::test]
async fn findings_are_counted_as_sarif_says() {
    let found =
        |results: Value| ReadScan::read(report(&results).to_string().as_bytes()).unwrap().scan().clone();
    let level = |result: Value| found(json!([result])).findings.first().map(|it| it.level);
    let sql = || at("sql", "a", 1);
    assert_eq!(level(sql()), Some(Level::Error), "the rule's own level");
    assert_eq!(level(at("todo", "a", 1)), Some(Level::Warning), "neither the result nor the rule has one");
    assert_eq!(level(with(sql(), "level", json!("note"))), Some(Level::Note), "the result's goes first");
    assert_eq!(level(with(sql(), "kind", json!("pass"))), None);
    assert_eq!(level(with(sql(), "level", json!("none"))), None);
    assert_eq!(level(with(sql(), "baselineState", json!("absent"))), None);
    assert_eq!(level(with(sql(), "baselineState", json!("unchanged"))), Some(Level::Error));
    for (suppressions, is_left) in [
        (json!([{"kind": "inSource"}]), true),
        (json!([{"kind": "external", "status": "accepted"}]), true),
        (json!([{"kind": "external", "status": "underReview"}]), false),
        (json!([{"kind": "inSource"}, {"kind": "external", "status": "rejected"}]), false),
        (json!([]), false),
    ] {
        let scan = found(json!([with(sql(), "suppressions", suppressions)]));
        assert_eq!((scan.findings.is_empty(), scan.suppressed == 1), (is_left, is_left));
    }
    // By the rule's place alone, and by an id with a part behind it.
    let mut by_index = at("sql", "a", 1);
    by_index.as_object_mut().unwrap().remove("ruleId");
    assert_eq!(level(with(by_index, "ruleIndex", json!(0))), Some(Level::Error));
    assert_eq!(level(at("sql/injection", "a", 1)), Some(Level::Error));
    // Worse first, and what is too much to be listed is counted.
    let many: Vec<Value> = (0..300).map(|n| at("todo", &format!("f{n}"), 1)).chain([sql()]).collect();
    let scan = found(json!(many));
    assert_eq!((scan.findings.len(), scan.findings[0].rule.as_str()), (200, "sql"));
    assert_eq!(scan.more[&Level::Warning], 101);
}

/// A finding that somebody answers for does not close the gate, in that file and until that instant.
#[tokio::test]
async fn p1_an_accepted_finding_counts_again_when_its_time_is_over() {
    let first = World::new(1, Manners::default()).now();
    let accepted = AcceptedFinding {
        rule: "sql".to_owned(),
        file: Some("src/b.rs".to_owned()),
        owner: "mira".to_owned(),
        reason: "behind the login".to_owned(),
        until: first.plus(DAY),
    };
    let world = rehearsed(ScanRule { accepted: vec![accepted], max_age: Millis(DAY.0 * 7), ..rule() }).await;
    attest(&world, &report(&json!([at("sql", "src/b.rs", 7)]))).await.unwrap();
    assert_eq!(closed(&world).await, None);
    attest(&world, &report(&json!([at("sql", "src/b.rs", 7), at("sql", "src/c.rs", 1)]))).await.unwrap();
    let why = closed(&world).await.unwrap();
    assert!(why.contains("src/c.rs:1") && !why.contains("src/b.rs"), "{why}");
    attest(&world, &report(&json!([at("sql", "src/b.rs", 8)]))).await.unwrap();
    assert_eq!(closed(&world).await, None);
    // The suites' evidence is dead by then too, and the gate before this one says so: the rule is asked by itself.
    let read = ReadScan::read(report(&json!([at("sql", "src/b.rs", 8)])).to_string().as_bytes()).unwrap();
    let rule = world.policy.scan.as_ref().unwrap();
    assert_eq!(rule.closes(read.scan(), first.plus(Millis(DAY.0 - 1))), None);
    let why = rule.closes(read.scan(), first.plus(DAY)).unwrap();
    assert!(why.contains("accepted by mira until") && why.contains("which is over"), "{why}");
}

/// `security-severity` closes it where the level does not.
#[tokio::test]
async fn p1_a_finding_is_judged_by_its_security_severity_too() {
    let world = rehearsed(ScanRule { severity: Some(70), ..rule() }).await;
    let noted = with(at("sql", "src/b.rs", 7), "level", json!("note"));
    attest(&world, &report(&json!([noted]))).await.unwrap();
    let why = closed(&world).await.unwrap();
    assert!(why.contains("note `sql` (security-severity 9.8) in src/b.rs:7"), "{why}");
}

/// Strictly, within limits, and spelled as before where a policy asks for none.
#[test]
fn what_is_no_report_is_refused() {
    let refuses = |text: &str, why: &str| {
        let said = ReadScan::read(text.as_bytes()).unwrap_err();
        assert!(said.contains(why), "{why}: {said}");
    };
    let bent = |bend: &dyn Fn(&mut Value), why: &str| {
        let mut report = report(&json!([]));
        bend(&mut report);
        refuses(&report.to_string(), why);
    };
    bent(&|it| it["version"] = json!("2.0.0"), "it is SARIF 2.0.0");
    bent(&|it| it["runs"] = json!([]), "it has 0 runs");
    bent(&|it| drop(it["runs"][0].as_object_mut().unwrap().remove("results")), "has no results");
    bent(
        &|it| it["runs"][0]["invocations"] = json!([{"executionSuccessful": false}]),
        "did not come to its end",
    );
    bent(&|it| it["runs"][0]["invocations"] = json!([{"endTimeUtc": "soon"}]), "`soon` is no endTimeUtc");
    bent(&|it| it["runs"][0]["results"] = json!([{"level": "worst"}]), "unknown variant `worst`");
    refuses("{", "EOF");
    let nested = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    let text = report(&json!([])).to_string().replacen(
        "\"tool\"",
        &format!("\"properties\": {{\"x\": {nested}}}, \"tool\""),
        1,
    );
    refuses(&text, "recursion limit exceeded");
    refuses(&" ".repeat(17 << 20), "no more than 16777216 are read");
    assert!(!canonical::text(&Policy::default()).contains("scan"));
}
