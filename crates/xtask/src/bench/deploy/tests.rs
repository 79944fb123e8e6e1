//! Small logs whose figures are worked out by hand.

use std::fmt::Write as _;

use serde_json::json;

use super::*;

/// Lines of a log; times in milliseconds since the beginning.
#[derive(Default)]
struct Log(String);

const FROM_US: u64 = 1_000_000_000;

impl Log {
    fn line(&mut self, at_ms: u64, mut line: serde_json::Value) -> &mut Self {
        line["at_us"] = json!(FROM_US + at_ms * 1000);
        writeln!(self.0, "{line}").unwrap();
        self
    }

    fn call(&mut self, at_ms: u64, action: &str, machine: &str, ms: u64) -> &mut Self {
        let method = if action.ends_with("list") || action.ends_with("get") { "GET" } else { "POST" };
        let machine = (!machine.is_empty()).then_some(machine);
        let applied = method == "POST";
        self.line(
            at_ms,
            json!({"action": action, "method": method, "app": "bench", "machine": machine, "applied": applied, "ms": ms}),
        )
    }

    fn state(&mut self, at_ms: u64, machine: &str, to: &str) -> &mut Self {
        self.line(at_ms, json!({"event": "state", "app": "bench", "machine": machine, "to": to}))
    }

    fn healthy(&mut self, at_ms: u64, machine: &str) -> &mut Self {
        self.state(at_ms - 10, machine, "started");
        let check = json!({"event": "check", "app": "bench", "machine": machine, "passing": true});
        self.line(at_ms, check)
    }
}

fn told(strategy: &str, machines: &[(&str, &str)], wall_ms: u64) -> Told {
    Told {
        run: "r".to_owned(),
        verb: "deploy".to_owned(),
        strategy: strategy.to_owned(),
        machines: u32::try_from(machines.len()).unwrap(),
        app: "bench".to_owned(),
        regions: machines.iter().map(|(id, region)| ((*id).to_owned(), (*region).to_owned())).collect(),
        settings: Settings {
            settle_ms: 1000.0,
            drain_ms: 500.0,
            bake_ms: 3000.0,
            max_unavailable: 0.33,
            creates_per_second: 1.0,
            creates_burst: 3.0,
        },
        audit: PathBuf::new(),
        from_us: FROM_US,
        to_us: FROM_US + wall_ms * 1000,
        rss_kib: 32 * 1024,
        requests: 100,
        failed: 0,
    }
}

fn value(figures: &[Figure], what: &str) -> f64 {
    let found = figures.iter().find(|figure| figure.figure == format!("r deploy: {what}"));
    found.unwrap_or_else(|| panic!("{what} is not among {figures:?}")).value
}

/// One machine: three times look 50 and secrets 30, lease 50; cordon 50, settle 1000, drain 500, update 50, up 2300,
/// look 50, uncordon 50, settle 1000; look 50, release 50. That is 5390.
#[test]
fn one_machine_in_place() {
    let mut log = Log::default();
    log.call(0, "machine-list", "", 50).call(60, "lease-acquire", "a", 50);
    log.call(200, "machine-cordon", "a", 50).call(1800, "machine-update", "a", 50).healthy(4150, "a");
    log.call(4300, "machine-uncordon", "a", 50).call(5400, "machine-list", "", 50);
    log.call(5500, "lease-release", "a", 50);
    log.call(55, "secret-list", "", 30);
    let figures = of_log(&told("rolling", &[("a", "fra")], 5929), &log.0).unwrap();
    assert!((value(&figures, "critical path") - 5.39).abs() < 1e-9, "{figures:?}");
    assert!((value(&figures, "wall time over critical path") - 1.1).abs() < 1e-9, "{figures:?}");
    assert_eq!(value(&figures, "mutating calls per machine"), 3.0);
    assert_eq!(value(&figures, "lease calls per machine"), 2.0);
    assert_eq!(value(&figures, "keep-alives per machine"), 0.0);
    assert!((value(&figures, "looks") - 2.0 / 5.929).abs() < 1e-9, "{figures:?}");
}

/// Five machines of one region, two at once (five times 0.33, rounded up), the first alone: three turns one after the
/// other. Two regions of two: of each the first, then the second.
#[test]
fn machines_go_side_by_side_as_far_as_they_may() {
    let critical = |strategy: &str, machines: &[(&str, &str)]| {
        let mut log = Log::default();
        log.call(0, "machine-list", "", 0);
        for (n, (machine, _)) in machines.iter().enumerate() {
            let at = 100 * u64::try_from(n).unwrap() + 10;
            log.call(at, "machine-update", machine, 0).healthy(at + 2000, machine);
        }
        value(&of_log(&told(strategy, machines, 60_000), &log.0).unwrap(), "critical path")
    };
    let turn = 2.0 + 1.0 + 0.5 + 1.0;
    let one_region = ["a", "b", "c", "d", "e"].map(|id| (id, "fra"));
    let two_regions = [("a", "fra"), ("b", "fra"), ("c", "ams"), ("d", "ams")];
    assert_eq!(critical("rolling", &one_region), 3.0 * turn);
    assert_eq!(critical("rolling", &two_regions), 2.0 * turn);
    // A canary serves for three seconds before the next one begins. All at once neither settles out nor drains.
    assert_eq!(critical("canary", &one_region), 3.0 * turn + 3.0);
    assert_eq!(critical("canary", &two_regions), 2.0 * turn + 3.0);
    assert_eq!(critical("immediate", &one_region), 2.0 + 1.0);
}

/// Five creates: three at once, then one a second, so the last is admitted after two seconds, whenever it was sent. Up
/// 2300, look, settle 1000, settle 1000, drain 500, stop 200, look: 7000, and calls of no time.
#[test]
fn a_second_fleet_is_made_at_the_providers_rate() {
    let mut log = Log::default();
    log.call(0, "machine-list", "", 0);
    for (n, id) in ["a", "b", "c", "d", "e"].iter().enumerate() {
        let at = 10 + 5000 * u64::try_from(n).unwrap();
        log.call(at, "machine-create", id, 0).healthy(at + 2300, id);
        log.call(40_000, "machine-stop", &format!("old-{id}"), 0);
        log.state(40_200, &format!("old-{id}"), "stopped");
    }
    let machines = ["a", "b", "c", "d", "e"].map(|id| (id, "fra"));
    let figures = of_log(&told("bluegreen", &machines, 60_000), &log.0).unwrap();
    assert_eq!(value(&figures, "critical path"), 7.0);
    assert_eq!(value(&figures, "mutating calls per machine"), 2.0, "a create, and the stop of the old one");
}

/// Up to 20 machines are looked at four times a second, more once; reading a single machine is a look, too.
#[test]
fn reads_are_looks() {
    let mut log = Log::default();
    for at in [0, 200, 400, 600, 800] {
        log.call(at, "machine-list", "", 10).call(at + 100, "machine-get", "a", 10);
    }
    log.call(900, "machine-update", "a", 0).healthy(950, "a");
    let figures = of_log(&told("rolling", &[("a", "fra")], 1000), &log.0).unwrap();
    let looks = figures.iter().find(|figure| figure.figure.ends_with("looks")).unwrap();
    assert_eq!((looks.value, looks.limit), (10.0, Some(4.0)));
}

/// Thirty looks in ten seconds are three a second, and two beyond the ten that may come at once.
#[test]
fn a_large_fleet_has_a_burst() {
    let mut log = Log::default();
    for n in 0..30 {
        log.call(n * 300, "machine-list", "", 10);
    }
    let ids: Vec<String> = (0..21).map(|n| format!("m{n}")).collect();
    let machines: Vec<(&str, &str)> = ids.iter().map(|id| (id.as_str(), "fra")).collect();
    for id in &ids {
        log.call(9000, "machine-update", id, 0).healthy(9050, id);
    }
    let figures = of_log(&told("immediate", &machines, 10_000), &log.0).unwrap();
    assert_eq!(value(&figures, "looks"), 3.0);
    assert_eq!(value(&figures, "looks beyond a burst"), 2.0);
}

/// Started after 100, healthy after 2400: 2300 up, 1000 settled. The last of the new machines is out of traffic after 3900.
#[test]
fn a_way_back_is_over_when_the_old_fleet_serves_alone() {
    let mut log = Log::default();
    log.call(0, "machine-list", "", 0).call(100, "machine-start", "old", 0).healthy(2400, "old");
    log.call(3900, "machine-cordon", "new", 0).call(9000, "machine-delete", "new", 0);
    let told = Told { verb: "rollback".to_owned(), ..told("bluegreen", &[("old", "fra")], 10_000) };
    let figures = of_log(&told, &log.0).unwrap();
    let beyond = figures.iter().find(|figure| figure.figure.contains("beyond")).unwrap();
    assert!((beyond.value - 0.6).abs() < 1e-9 && beyond.limit == Some(2.0), "{beyond:?}");
}

#[test]
fn a_log_that_does_not_fit_measures_nothing() {
    let of = |log: &Log| of_log(&told("rolling", &[("a", "fra")], 1000), &log.0).unwrap_err();
    assert_eq!(of(&Log::default()), "the audit log has no call of this run");
    let mut log = Log::default();
    log.call(0, "machine-list", "", 0);
    assert_eq!(of(&log), "a was not updated");
    log.0.push_str("no json\n");
    assert!(of(&log).starts_with("line 2 of the audit log"), "{}", of(&log));
}
