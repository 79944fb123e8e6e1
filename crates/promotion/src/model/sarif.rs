//! Reading the report of a scan: SARIF 2.1.0, as far as a gate needs it.
//!
//! <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>; the numbers below are its sections.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::{At, Hash, Level, Release, Scan, ScanFinding, canonical};

/// The most that is read of a report. How deep it may be nested is serde_json's own limit, 128.
const BYTES_MAX: usize = 16 * 1024 * 1024;
const RUNS_MAX: usize = 50;
const RESULTS_MAX: usize = 100_000;
/// Findings that are signed one by one.
const FINDINGS_MAX: usize = 200;
const TEXT_MAX: usize = 300;

/// A run's property with the commit that was scanned, where it has no `versionControlProvenance`.
const COMMIT: &str = "understudy.commit";
/// A run's property with the digest that was scanned.
const DIGEST: &str = "understudy.digest";
/// The same as Trivy writes it: a list of `REPOSITORY@DIGEST`.
const REPO_DIGESTS: &str = "repoDigests";

#[derive(Debug, Deserialize)]
struct Log {
    version: String,
    runs: Vec<Run>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    tool: Tool,
    results: Option<Vec<SarifResult>>,
    #[serde(default)]
    version_control_provenance: Vec<Provenance>,
    #[serde(default)]
    invocations: Vec<Invocation>,
    #[serde(default)]
    properties: BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize)]
struct Tool {
    driver: Component,
    #[serde(default)]
    extensions: Vec<Component>,
}

#[derive(Debug, Deserialize)]
struct Component {
    name: String,
    #[serde(default)]
    rules: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: String,
    #[serde(default)]
    default_configuration: Configuration,
    #[serde(default)]
    properties: BTreeMap<String, Value>,
}

#[derive(Debug, Default, Deserialize)]
struct Configuration {
    level: Option<Level>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Provenance {
    revision_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    execution_successful: Option<bool>,
    end_time_utc: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SarifResult {
    rule_id: Option<String>,
    rule_index: Option<i64>,
    rule: Option<RuleReference>,
    kind: Option<String>,
    level: Option<Level>,
    baseline_state: Option<String>,
    #[serde(default)]
    suppressions: Vec<Suppression>,
    #[serde(default)]
    locations: Vec<Location>,
    #[serde(default)]
    properties: BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize)]
struct RuleReference {
    id: Option<String>,
    index: Option<i64>,
}

#[derive(Debug, Deserialize)]
struct Suppression {
    status: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: Option<PhysicalLocation>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: Option<ArtifactLocation>,
    region: Option<Region>,
}

#[derive(Debug, Deserialize)]
struct ArtifactLocation {
    uri: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: Option<u64>,
}

/// A report as it was read, with the file's hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadScan {
    pub(crate) scan: Scan,
    pub(crate) hash: Hash,
    /// When the first of its runs ended, where they all say so.
    pub(crate) ended: Option<At>,
    commits: BTreeSet<String>,
    digests: BTreeSet<String>,
}

impl ReadScan {
    /// Reads a file strictly; why it is no report that a gate could go by.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > BYTES_MAX {
            return Err(format!("it has {} bytes, and no more than {BYTES_MAX} are read", bytes.len()));
        }
        let log: Log = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if log.version != "2.1.0" {
            return Err(format!("it is SARIF {}, and 2.1.0 is read", plain(&log.version)));
        }
        if log.runs.is_empty() || log.runs.len() > RUNS_MAX {
            return Err(format!("it has {} runs, expected 1 to {RUNS_MAX}", log.runs.len()));
        }
        let (mut all, mut ended) = (Found::default(), Vec::new());
        let (mut commits, mut digests) = (BTreeSet::new(), BTreeSet::new());
        for run in &log.runs {
            let name = plain(&run.tool.driver.name);
            let named = named(run);
            if named.0.is_empty() && named.1.is_empty() {
                return Err(format!(
                    "the run of {name} does not say what it scanned: neither versionControlProvenance.revisionId nor the \
                     properties {COMMIT}, {DIGEST} or {REPO_DIGESTS}"
                ));
            }
            if run.invocations.iter().any(|it| it.execution_successful == Some(false)) {
                return Err(format!("the run of {name} says that it did not come to its end"));
            }
            commits.extend(named.0);
            digests.extend(named.1);
            ended.push(end(run)?);
            all.take(run, &name)?;
        }
        let ended: Option<Vec<At>> = ended.into_iter().collect();
        let ended = ended.and_then(|all| all.into_iter().min());
        Ok(Self { scan: all.scan(), hash: canonical::of_bytes(bytes), ended, commits, digests })
    }

    /// What it found.
    pub const fn scan(&self) -> &Scan {
        &self.scan
    }

    /// The file's SHA-256.
    pub const fn hash(&self) -> &Hash {
        &self.hash
    }

    /// Why it is not about `release`: what it scanned is that commit and no other one, and of images all of them.
    pub fn is_elsewhere(&self, release: &Release) -> Option<String> {
        let own: BTreeSet<String> = release.components.values().map(ToString::to_string).collect();
        let other = self.commits.iter().find(|commit| **commit != release.commit);
        if let Some(other) = other.or_else(|| self.digests.iter().find(|digest| !own.contains(*digest))) {
            return Some(format!("it scanned {other}, which is not of release {}", release.version));
        }
        if !self.commits.is_empty() {
            return None;
        }
        let left = own.iter().find(|digest| !self.digests.contains(*digest))?;
        Some(format!("it did not scan {left}, which is of release {}", release.version))
    }
}

/// The commits and digests that a run names.
fn named(run: &Run) -> (BTreeSet<String>, BTreeSet<String>) {
    let text = |key: &str| run.properties.get(key).and_then(Value::as_str).map(plain);
    let mut commits: BTreeSet<String> = text(COMMIT).into_iter().collect();
    let provenance = run.version_control_provenance.iter().filter_map(|it| it.revision_id.as_deref());
    commits.extend(provenance.map(plain));
    let list = run.properties.get(REPO_DIGESTS).and_then(Value::as_array);
    let images = list.into_iter().flatten().filter_map(Value::as_str);
    let mut digests: BTreeSet<String> =
        images.filter_map(|image| Some(plain(image.rsplit_once('@')?.1))).collect();
    digests.extend(text(DIGEST));
    (commits, digests)
}

/// When a run ended, where it says so (3.20.8).
fn end(run: &Run) -> Result<Option<At>, String> {
    let texts = run.invocations.iter().filter_map(|it| it.end_time_utc.as_ref());
    let mut last = None;
    for text in texts {
        let at: At = text.parse().map_err(|_| format!("`{}` is no endTimeUtc", plain(text)))?;
        last = last.max(Some(at));
    }
    Ok(last)
}

/// Rule, level, severity and file → first line and count.
type Groups = BTreeMap<
    (std::cmp::Reverse<Level>, std::cmp::Reverse<Option<u8>>, String, Option<String>),
    (Option<u64>, u32),
>;

#[derive(Default)]
struct Found {
    tools: Vec<String>,
    groups: Groups,
    n_results: usize,
    suppressed: u32,
}

impl Found {
    fn take(&mut self, run: &Run, name: &str) -> Result<(), String> {
        self.tools.push(name.to_owned());
        // 3.14.23: no `results` is a run that did not look.
        let results = run.results.as_ref().ok_or_else(|| format!("the run of {name} has no results"))?;
        self.n_results += results.len();
        if self.n_results > RESULTS_MAX {
            return Err(format!("it has more than {RESULTS_MAX} results"));
        }
        for result in results {
            self.result(&run.tool, result);
        }
        Ok(())
    }

    fn result(&mut self, tool: &Tool, result: &SarifResult) {
        // 3.27.24: what was there in an earlier run and is not any more.
        if result.baseline_state.as_deref() == Some("absent") {
            return;
        }
        let index = result.rule_index.or_else(|| result.rule.as_ref()?.index);
        let index = index.and_then(|index| usize::try_from(index).ok());
        let id = result.rule_id.as_deref().or_else(|| result.rule.as_ref()?.id.as_deref());
        let rule = rule(tool, id, index);
        let level = match result.kind.as_deref() {
            // 3.27.10: only what fails has a level.
            Some(kind) if kind != "fail" => Level::None,
            _ => result.level.or_else(|| rule?.default_configuration.level).unwrap_or(Level::Warning),
        };
        if level == Level::None {
            return;
        }
        // 3.27.23: suppressed where nobody still looks into that, or refused it.
        let is_accepted = |it: &Suppression| it.status.as_deref().is_none_or(|status| status == "accepted");
        if !result.suppressions.is_empty() && result.suppressions.iter().all(is_accepted) {
            self.suppressed = self.suppressed.saturating_add(1);
            return;
        }
        let severity = severity(&result.properties).or_else(|| severity(&rule?.properties));
        let id = id.or_else(|| Some(rule?.id.as_str())).unwrap_or("no rule");
        let place = result.locations.first().and_then(|location| location.physical_location.as_ref());
        let file = place.and_then(|place| place.artifact_location.as_ref()?.uri.as_deref()).map(plain);
        let line = place.and_then(|place| place.region.as_ref()?.start_line);
        let key = (std::cmp::Reverse(level), std::cmp::Reverse(severity), plain(id), file);
        let (first, count) = self.groups.entry(key).or_insert((line, 0));
        *first = [*first, line].into_iter().flatten().min();
        *count = count.saturating_add(1);
    }

    fn scan(self) -> Scan {
        let (mut findings, mut more) = (Vec::new(), BTreeMap::new());
        for ((level, severity, rule, file), (line, count)) in self.groups {
            let (level, severity) = (level.0, severity.0);
            if findings.len() < FINDINGS_MAX {
                findings.push(ScanFinding { rule, level, severity, file, line, count });
            } else {
                let n: &mut u32 = more.entry(level).or_default();
                *n = n.saturating_add(count);
            }
        }
        Scan { tools: self.tools, findings, more, suppressed: self.suppressed }
    }
}

/// The rule of a result: by its place among the driver's, else by its id. One id may have parts behind it (3.27.5).
fn rule<'t>(tool: &'t Tool, id: Option<&str>, index: Option<usize>) -> Option<&'t Rule> {
    let fits = |rule: &&Rule| id.is_none_or(|id| id == rule.id || id.starts_with(&format!("{}/", rule.id)));
    if let Some(rule) = index.and_then(|index| tool.driver.rules.get(index)).filter(fits) {
        return Some(rule);
    }
    let all = || std::iter::once(&tool.driver).chain(&tool.extensions).flat_map(|component| &component.rules);
    id.and_then(|id| all().find(|rule| rule.id == id)).or_else(|| id.and_then(|_| all().find(fits)))
}

/// `security-severity`, 0.0 to 10.0, as text or number.
fn severity(properties: &BTreeMap<String, Value>) -> Option<u8> {
    let value = properties.get("security-severity")?;
    let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    let is_one = (0.0..=10.0).contains(&number);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 100")]
    is_one.then(|| (number * 10.0).round() as u8)
}

/// One line of what somebody else wrote.
fn plain(text: &str) -> String {
    text.chars().take(TEXT_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
