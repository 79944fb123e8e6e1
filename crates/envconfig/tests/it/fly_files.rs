//! The files under `tests/fly`: one folder each, with a file as teams write it and `expected.toml`, worked out by hand
//! from the rules that it cites. What is expected is never written by a program.
//!
//! `findings` are "severity code line:column" in the order of the report; `[groups.NAME]` is the configuration of a
//! group's machines, absent where the file cannot be used. Without `metadata` in it, a group has the two keys that make
//! a machine flyctl's: `fly_platform_version` and `fly_process_group`.

use std::{collections::BTreeMap, fs, path::PathBuf};

use envconfig::{
    Problem,
    fly_toml::{FlyToml, onto},
};
use flytypes::machine::MachineConfig;
use serde_json::{Map, Value, json};

/// A file and what is expected of it.
pub(crate) struct Case {
    pub(crate) folder: String,
    pub(crate) file: String,
    pub(crate) text: String,
    expected: String,
}

impl Case {
    /// A file that this one names, from its folder.
    fn beside(&self, named: &str) -> Result<Vec<u8>, String> {
        let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fly"));
        fs::read(root.join(&self.folder).join(named)).map_err(|error| error.to_string())
    }
}

pub(crate) fn cases() -> Vec<Case> {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fly"));
    let mut cases = Vec::new();
    for folder in fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()) {
        let read = |name: &str| fs::read_to_string(folder.join(name));
        let names = ["fly.toml", "fly.json", "fly.yaml", "fly.yml"];
        let mut files = names.iter().filter_map(|name| Some((*name, read(name).ok()?)));
        let (file, text) = files.next().unwrap_or_else(|| panic!("{folder:?} has no file of Fly"));
        cases.push(Case {
            folder: folder.file_name().unwrap().to_str().unwrap().to_owned(),
            file: file.to_owned(),
            text,
            expected: read("expected.toml").unwrap(),
        });
    }
    cases.sort_by(|a, b| a.folder.cmp(&b.folder));
    cases
}

fn said(problem: &Problem) -> String {
    format!("{} {} {}:{}", problem.severity, problem.code, problem.line, problem.column)
}

fn flattened(case: &Case) -> Value {
    match FlyToml::parse_beside(&case.file, &case.text, &|named| case.beside(named)) {
        Ok(parsed) => serde_json::to_value(parsed.value.flatten()).unwrap(),
        Err(_) => json!({}),
    }
}

/// What is different, group by group and key by key.
fn compare(case: &Case) -> Vec<String> {
    let expected: toml::Table =
        case.expected.parse().unwrap_or_else(|error| panic!("{}/expected.toml: {error}", case.folder));
    let expected = serde_json::to_value(expected).unwrap();
    let mut differences = Vec::new();

    let findings = envconfig::check_fly_beside(&case.file, &case.text, &|named| case.beside(named));
    let wanted: Vec<&str> =
        expected["findings"].as_array().unwrap().iter().map(|said| said.as_str().unwrap()).collect();
    let found: Vec<String> = findings.iter().map(said).collect();
    if found != wanted {
        let shown: Vec<String> = findings.iter().map(|p| format!("  {}: {}", said(p), p.message())).collect();
        differences.push(format!("findings: expected {wanted:#?}, found\n{}", shown.join("\n")));
    }
    for line in case.expected.lines().filter_map(|line| line.strip_prefix("# hint: ")) {
        let (place, hint) = line.split_once(' ').unwrap();
        let at = findings.iter().find(|p| format!("{}:{}", p.line, p.column) == place);
        let found = at.and_then(|p| p.hint.as_deref());
        if found != Some(hint) {
            differences.push(format!("hint at {place}: expected {hint:?}, found {found:?}"));
        }
    }

    let mut wanted: BTreeMap<String, Map<String, Value>> =
        serde_json::from_value(expected.get("groups").cloned().unwrap_or(json!({}))).unwrap();
    for (name, group) in &mut wanted {
        // fly.md 2.3: without these flyctl takes a machine for somebody else's.
        let metadata = json!({"fly_platform_version": "v2", "fly_process_group": name});
        group.entry("metadata").or_insert(metadata);
    }
    let found: BTreeMap<String, Map<String, Value>> = serde_json::from_value(flattened(case)).unwrap();
    if !found.keys().eq(wanted.keys()) {
        differences.push(format!("groups: expected {:?}, found {:?}", wanted.keys(), found.keys()));
    }
    for (name, wanted) in &wanted {
        let Some(found) = found.get(name) else { continue };
        let keys: std::collections::BTreeSet<&String> = wanted.keys().chain(found.keys()).collect();
        for key in keys.into_iter().filter(|key| wanted.get(*key) != found.get(*key)) {
            let shown = |value: Option<&Value>| value.map_or("nothing".to_owned(), |v| format!("{v:#}"));
            let (wanted, found) = (shown(wanted.get(key)), shown(found.get(key)));
            differences.push(format!("{name}.{key}: expected {wanted}, found {found}"));
        }
    }
    differences
}

/// fly.md, section 3: each file becomes what its expectation says, and has the findings that it says.
#[test]
fn every_file_means_what_is_expected_of_it() {
    let cases = cases();
    assert!(cases.len() >= 60, "{} files", cases.len());
    let mut report = String::new();
    for case in &cases {
        assert!(case.expected.contains("# rule: "), "{} cites no rule", case.folder);
        for difference in compare(case) {
            report.push_str(&format!("{}/{}: {difference}\n", case.folder, case.file));
        }
    }
    assert!(report.is_empty(), "\n{report}");
}

/// fly.md 3.3, the update of an existing machine: preserved are schedule, auto_destroy, dns, processes, standbys, and the
/// guest where the file names none; metadata is merged; the rest is the file's; and a second update changes nothing.
#[test]
fn an_update_keeps_what_no_file_speaks_of() {
    let present: MachineConfig = serde_json::from_value(json!({
        "image": "registry.fly.io/old:1", "env": {"OLD": "1"}, "metadata": {"team": "x"}, "schedule": "daily",
        "auto_destroy": true, "dns": {"nameservers": ["::1"]}, "processes": [{"cmd": ["p"]}], "standbys": ["m1"],
        "guest": {"cpu_kind": "shared", "cpus": 8, "memory_mb": 2048}, "restart": {"policy": "always"},
        "services": [{"protocol": "udp", "internal_port": 1}], "checks": {"old": {"type": "tcp", "port": 1}},
        "statics": [{"guest_path": "/old", "url_prefix": "/old"}], "files": [{"guest_path": "/old"}],
        "metrics": {"port": 1, "path": "/old"}, "stop_config": {"signal": "SIGHUP"}, "future": 1,
        "init": {"cmd": ["old"], "entrypoint": ["old"], "exec": ["old"], "swap_size_mb": 1, "tty": true},
    }))
    .unwrap();
    let mut n_groups = 0;
    for case in cases() {
        let Ok(parsed) = FlyToml::parse(&case.file, &case.text) else { continue };
        // It brings a configuration of its own.
        if parsed.value.machine_config.is_some() {
            continue;
        }
        for wanted in parsed.value.flatten().values() {
            let merged = onto(&present, wanted);
            let mut expected = MachineConfig {
                image: present.image.clone(),
                schedule: present.schedule.clone(),
                auto_destroy: true,
                dns: present.dns.clone(),
                processes: present.processes.clone(),
                standbys: present.standbys.clone(),
                guest: wanted.guest.clone().or(present.guest.clone()),
                other: present.other.clone(),
                ..wanted.clone()
            };
            expected.metadata.insert("team".to_owned(), "x".to_owned());
            expected.init.get_or_insert_default().tty = true;
            assert_eq!(merged, expected, "{}", case.folder);
            assert_eq!(onto(&merged, wanted), merged, "{}", case.folder);
            n_groups += 1;
        }
    }
    assert!(n_groups >= 60, "{n_groups}");
}

/// No file that breaks off somewhere is a panic, and whatever is said about it has a place in it.
#[test]
fn a_file_that_breaks_off_anywhere_is_survived() {
    // Every third place: the files begin alike, so that all of them together are cut everywhere.
    for (n, case) in cases().into_iter().enumerate() {
        for (at, _) in case.text.char_indices().skip(n % 3).step_by(3) {
            let text = &case.text[..at];
            let findings = envconfig::check_fly(&case.file, text);
            let lines: Vec<&str> = text.split('\n').collect();
            for problem in findings.iter().filter(|problem| problem.line > 0) {
                let line = lines.get(problem.line as usize - 1).copied();
                let line = line.unwrap_or_else(|| panic!("{} cut at {at}: {problem:?}", case.folder));
                assert!(
                    problem.column as usize <= line.chars().count() + 1,
                    "{} cut at {at}: {problem:?}",
                    case.folder
                );
                assert!(!problem.to_string().contains("hunter2"), "{} cut at {at}: {problem}", case.folder);
            }
            if let Ok(parsed) = FlyToml::parse(&case.file, text) {
                assert_eq!(parsed.value.flatten().len(), parsed.value.groups().len());
            }
        }
    }
}
