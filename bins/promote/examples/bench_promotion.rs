//! Measures a promotion of the demo from the stand-in's audit log and the journal: how much of the wall time is ours,
//! how many calls a machine costs, how long a machine takes to start in each runtime.
//!
//! Prints one JSON object per figure.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitCode};

use serde_json::{Value, json};

/// What the demo's project file asks to wait for in a promotion: three pauses for edges, one drain, one soak.
const ASKED_MS: u64 = 3 * 2000 + 1000 + 1000;

/// More than leasing two machines takes, less than the time since what was deployed before.
const LEASES_US: f64 = 3_000_000.0;

fn main() -> ExitCode {
    match run() {
        Ok(figures) => {
            for figure in figures {
                println_figure(&figure);
            }
            ExitCode::SUCCESS
        }
        Err(why) => {
            #[expect(clippy::print_stderr, reason = "a program tells why it ends")]
            {
                eprintln!("{why}");
            }
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "figures are this program's data")]
fn println_figure(figure: &Value) {
    println!("{figure}");
}

fn run() -> Result<Vec<Value>, String> {
    let mut figures = Vec::new();
    for runtime in ["isolated", "plain"] {
        let dir = std::env::temp_dir().join(format!("understudy-bench-{}-{runtime}", std::process::id()));
        let told = demo(&dir, runtime)?;
        let audit = audit(&dir.join("cloud/audit.jsonl"))?;
        let start = median(starts(&audit));
        figures.push(json!({"figure": format!("machine start, {runtime}"), "value": start, "unit": "ms"}));
        if runtime == "isolated" {
            figures.extend(promotion(&told, &audit));
        }
        std::fs::remove_dir_all(&dir).map_err(|error| error.to_string())?;
    }
    Ok(figures)
}

fn demo(dir: &Path, runtime: &str) -> Result<Value, String> {
    let cargo = option_env!("CARGO").unwrap_or("cargo");
    let args = [
        "run",
        "--release",
        "--quiet",
        "-p",
        "promote",
        "--",
        "demo",
        "--json",
        "--runtime",
        runtime,
        "--dir",
    ];
    let output = Command::new(cargo).args(args).arg(dir).output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("the demo failed: {}", String::from_utf8_lossy(&output.stderr)));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
}

fn audit(path: &Path) -> Result<Vec<Value>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    text.lines().map(|line| serde_json::from_str(line).map_err(|error| error.to_string())).collect()
}

/// From created to started, per machine, in milliseconds.
fn starts(audit: &[Value]) -> Vec<f64> {
    let mut created: BTreeMap<&str, f64> = BTreeMap::new();
    let mut starts = Vec::new();
    for line in audit.iter().filter(|line| line["event"] == "state") {
        let (Some(machine), Some(at)) = (line["machine"].as_str(), line["at_us"].as_f64()) else { continue };
        match line["to"].as_str() {
            Some("created") => {
                created.insert(machine, at);
            }
            Some("started") => starts.extend(created.remove(machine).map(|since| (at - since) / 1000.0)),
            _ => {}
        }
    }
    starts
}

fn promotion(told: &Value, audit: &[Value]) -> Vec<Value> {
    let good = &told["promotions"][0];
    let id = good["id"].as_str().unwrap_or_default();
    let wall = good["seconds"].as_f64().unwrap_or_default() * 1000.0;
    let mine = |line: &&Value| line["key"].as_str().is_some_and(|key| key.contains(id));
    let times: Vec<f64> = audit.iter().filter(mine).filter_map(|line| line["at_us"].as_f64()).collect();
    // Leases come before the first create, within the promotion's wall time.
    let begun = times.iter().copied().fold(f64::MAX, f64::min) - LEASES_US;
    let changes = audit.iter().filter(|line| {
        let at = line["at_us"].as_f64().unwrap_or_default();
        let within = at >= begun && at <= begun + wall * 1000.0 && line["app"] == "runner";
        let action = line["action"].as_str().unwrap_or_default();
        let changes = ["machine-", "lease-", "metadata-"].iter().any(|kind| action.starts_with(kind));
        within && changes && line["method"] != "GET" && line["applied"] == true
    });
    let by_machine: BTreeMap<&str, u64> = changes.fold(BTreeMap::new(), |mut by, line| {
        *by.entry(line["machine"].as_str().unwrap_or_default()).or_default() += 1;
        by
    });
    let most = by_machine.values().max().copied().unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a demo")]
    let asked = ASKED_MS as f64;
    vec![
        json!({"figure": "promotion, wall time", "value": wall.round(), "unit": "ms"}),
        json!({"figure": "promotion, wall time over what the project file asks to wait", "value": (wall / asked * 100.0).round() / 100.0, "unit": "x"}),
        json!({"figure": "promotion, most changing calls on one machine", "value": most, "unit": "calls"}),
    ]
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).map_or(f64::NAN, |value| (value * 10.0).round() / 10.0)
}
