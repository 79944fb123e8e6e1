//! `[promotion.FROM.TO]`: reading policies, and the paths and values that hold when nobody says anything.

use super::{
    environment::{Class, Environment, Located},
    people::People,
    policy::{Approvals, Breaker, MaxUnavailable, PromotionPolicy, Queue, Strategy, Tests, Trigger, Waves},
    scalars,
    suite::Suites,
};
use crate::{
    Code, EnvironmentName, GroupName, Period, Region, Resolved, Severity, SuiteName,
    reading::{Entry, Kind, Section, Span, Value, suggest},
};

/// What policies refer to.
#[derive(Debug)]
pub(super) struct Known<'k> {
    pub(super) people: &'k People,
    pub(super) suites: &'k Suites,
    pub(super) environments: &'k [Located],
}

/// A promotion path and where it stands.
#[derive(Debug)]
pub(super) struct Path {
    pub(super) from: EnvironmentName,
    pub(super) to: EnvironmentName,
    pub(super) policy: PromotionPolicy,
    pub(super) span: Span,
}

impl Known<'_> {
    fn environment(&self, name: &str) -> Option<&Environment> {
        self.environments.iter().map(|located| &located.value).find(|e| e.name.as_str() == name)
    }
}

pub(super) fn read(root: &Section<'_>, known: &Known<'_>) -> Vec<Path> {
    let mut paths = Vec::new();
    if let Some(section) = root.get("promotion").and_then(|value| value.section()) {
        for (from, value) in section.all() {
            let from_exists = exists(&section, from, known);
            let Some(targets) = value.section() else { continue };
            for (to, value) in targets.all() {
                let to_exists = exists(&targets, to, known);
                let (Some(from), Some(target)) = (from_exists, to_exists) else { continue };
                let policy = policy(value.section().as_ref(), target, known);
                let span = to.span.clone();
                direction(&value, from, target);
                if let Some(section) = value.section() {
                    asks_nothing(&section, target, &policy);
                    idle_waves(&section, &policy);
                    parked_too_short(&section, &policy);
                }
                paths.push(Path { from: from.name.clone(), to: target.name.clone(), policy, span });
            }
        }
    }
    super::checks::promotion_circles(root.sink, &paths);
    for (from, to) in default_paths(known, &paths) {
        let policy = policy(None, &to.value, known);
        paths.push(Path {
            from: from.value.name.clone(),
            to: to.value.name.clone(),
            policy,
            span: to.span.clone(),
        });
    }
    for path in &paths {
        approvers(root, path, known);
    }
    paths
}

fn exists<'k>(section: &Section<'_>, entry: &Entry, known: &Known<'k>) -> Option<&'k Environment> {
    let found = known.environments.iter().find(|e| e.value.name.as_str() == entry.name);
    if found.is_none() {
        let what = format!("there is no environment `{}`", entry.name.escape_debug());
        let names: Vec<&str> = known.environments.iter().map(|e| e.value.name.as_str()).collect();
        let hint = suggest(&entry.name, &names);
        let why = "`[environments]` does not list it";
        section.sink.error(Code::NoEnvironment, &entry.span, &section.join(&entry.name), what, why, hint);
    }
    found.map(|located| &located.value)
}

fn direction(value: &Value<'_>, from: &Environment, to: &Environment) {
    if to.class.value < from.class.value {
        let what = format!("a promotion from `{}` to `{}` leads downwards", from.name, to.name);
        let why =
            format!("`{}` is {} and `{}` only {}", from.name, from.class.value, to.name, to.class.value);
        value.sink.error(Code::ClassConflict, &value.key_span, &value.path, what, why, None);
    }
}

/// Production by whatever comes first: a file that asks for nothing, in so many words.
fn asks_nothing(section: &Section<'_>, to: &Environment, policy: &PromotionPolicy) {
    if to.class.value != Class::Production {
        return;
    }
    let warn = |key: &str, value: Option<Value<'_>>, code: Code, what: String, why: &str, hint: &str| {
        let span = value.map_or_else(|| section.span.clone(), |value| value.span().clone());
        let path = format!("{}.{key}", section.path);
        section.sink.report(Severity::Warning, code, &span, &path, what, why, Some(hint.to_owned()));
    };
    if policy.suites.value.is_empty() && !policy.suites.is_default() {
        let what = format!("a promotion to `{}` asks for no suite", to.name);
        let why = "production takes no release that was not tested, so nothing could ever be promoted";
        let hint = "name a suite, or leave `suites` out: then it is every suite of `[suites]`";
        warn("suites", section.get("suites"), Code::NoEvidence, what, why, hint);
    }
    if policy.approvals.count.value == 0 {
        let what = format!("a promotion to `{}` asks nobody", to.name);
        let why = "whoever starts one changes production alone";
        let hint = "leave `count` out, which is 1 then, and name in `from` who decides";
        warn("approvals.count", section.get("approvals"), Code::NobodyAsked, what, why, hint);
    }
}

/// Waves in which nothing changes.
fn idle_waves(section: &Section<'_>, policy: &PromotionPolicy) {
    let Some(value) = section.get("waves") else { return };
    for item in value.list().unwrap_or_default() {
        if matches!(&item.node.kind, Kind::Array(regions) if regions.is_empty()) {
            let what = format!("`{}` names no region", item.path);
            let hint = "remove it, or name its regions, such as `[\"fra\", \"ams\"]`".to_owned();
            item.error(Code::IdleWave, what, "a wave is the regions that change together", Some(hint));
        }
    }
    let immediate = policy.strategy.as_ref().is_some_and(|it| it.value == Strategy::Immediate);
    if immediate && !policy.waves.value.0.is_empty() {
        let what = "waves do not count where the strategy is `immediate`".to_owned();
        let why = "it changes all regions at once";
        let hint = "use `bluegreen`, `rolling` or `canary`, or remove the waves".to_owned();
        let (span, path) = (value.span(), &value.path);
        value.sink.report(Severity::Warning, Code::IdleWave, span, path, what, why, Some(hint));
    }
}

/// A soak that outlasts the parked fleet. What a strategy of fly.toml or volumes change in place is not known here.
fn parked_too_short(section: &Section<'_>, policy: &PromotionPolicy) {
    let Some(value) = section.get("soak") else { return };
    let (soak, park_for) = (policy.soak.value, policy.park_for.value);
    let second_fleet = policy.strategy.as_ref().is_none_or(|it| it.value == Strategy::BlueGreen);
    if soak == Period::ZERO || soak < park_for || !second_fleet {
        return;
    }
    let what = format!("the soak takes {soak} and `park-for` is {park_for}");
    let why = "the earlier machines are parked before the soak begins, and their time is over when the promotion succeeds";
    let hint = "let `park-for` be longer than `soak`".to_owned();
    let (span, path) = (value.span(), &value.path);
    value.sink.report(Severity::Warning, Code::ParkedTooShort, span, path, what, why, Some(hint));
}

/// Every staging environment leads to what it mirrors, or to the one production there is; unless the file has a
/// path into that production already.
fn default_paths<'k>(known: &Known<'k>, explicit: &[Path]) -> Vec<(&'k Located, &'k Located)> {
    let of_class = |class: Class| known.environments.iter().filter(move |e| e.value.class.value == class);
    let only_one = of_class(Class::Production).count() == 1;
    let mut paths = Vec::new();
    for to in of_class(Class::Production) {
        if explicit.iter().any(|path| path.to == to.value.name) {
            continue;
        }
        for from in of_class(Class::Staging) {
            let leads = match &from.value.mirrors {
                Some(mirrors) => mirrors.value == to.value.name,
                None => only_one,
            };
            if leads {
                paths.push((from, to));
            }
        }
    }
    paths
}

fn policy(section: Option<&Section<'_>>, to: &Environment, known: &Known<'_>) -> PromotionPolicy {
    let get = |key: &str| section.and_then(|section| section.get(key));
    let period = |key: &str, seconds: u64, why: &str| {
        let read = get(key).and_then(|value| scalars::period(&value));
        read.unwrap_or_else(|| Resolved::default_of(Period::from_secs(seconds), why))
    };
    let policy = PromotionPolicy {
        suites: suites(get("suites"), known.suites),
        tests: get("tests").and_then(|value| value.resolved()).unwrap_or_else(|| {
            Resolved::default_of(Tests::WithDeploy, "one command deploys, tests and signs")
        }),
        attestation_max_age: period(
            "attestation-max-age",
            24 * 3600,
            "what was true a day ago may be trusted",
        ),
        base_data: get("base-data")
            .and_then(|value| Some(value.found(value.list_of()?)))
            .unwrap_or_else(|| Resolved::default_of(Vec::new(), "nobody says what the tests run on")),
        approvals: approvals(get("approvals"), to, known.people),
        checklist: super::checklist::read(get("checklist"), known.people),
        sarif: super::sarif::read(get("sarif")),
        strategy: get("strategy").and_then(|value| value.resolved()),
        soak: period("soak", 0, "nobody asked for it, and the verification has passed by then"),
        settle: period("settle", 10, "edges learn of moved traffic within seconds; flyctl waits as long"),
        drain: period("drain", 30, "most requests end within half a minute"),
        wait_timeout: period("wait-timeout", 300, "flyctl waits as long"),
        max_unavailable: get("max-unavailable")
            .and_then(|value| max_unavailable(&value))
            .unwrap_or_else(|| Resolved::default_of(MaxUnavailable::FLYCTL_DEFAULT, "flyctl's default")),
        bake: period("bake", 300, "long enough for the first requests to show what is wrong"),
        waves: get("waves")
            .and_then(|value| waves(&value))
            .unwrap_or_else(|| Resolved::default_of(Waves::default(), "all regions change together")),
        park_for: period(
            "park-for",
            600,
            "long enough to notice a bad release, short enough to cost nothing",
        ),
        breaker: breaker(get("breaker")),
        queue: get("queue")
            .and_then(|value| value.resolved())
            .unwrap_or_else(|| Resolved::default_of(Queue::FirstCome, "whoever asked first goes first")),
        trigger: get("trigger")
            .and_then(|value| value.resolved())
            .unwrap_or_else(|| Resolved::default_of(Trigger::Manual, "somebody wants each promotion")),
    };
    if let Some(section) = section {
        section.finish();
    }
    policy
}

/// A number as in fly.toml, or the same as a text.
pub(crate) fn max_unavailable(value: &Value<'_>) -> Option<Resolved<MaxUnavailable>> {
    let number = match &value.node.kind {
        Kind::Integer(number) => number.to_string(),
        Kind::Float(number) => number.to_string(),
        Kind::Text(text) => text.clone(),
        _ => {
            value.wrong("a number");
            return None;
        }
    };
    match number.parse() {
        Ok(amount) => Some(value.found(amount)),
        Err(error) => {
            value.malformed(&error);
            None
        }
    }
}

/// Lists of regions, each region once.
fn waves(value: &Value<'_>) -> Option<Resolved<Waves>> {
    let mut named: Vec<Region> = Vec::new();
    let mut waves = Vec::new();
    for item in value.list()? {
        let mut wave = Vec::new();
        for item in item.list().unwrap_or_default() {
            let Some(region) = item.parse_as::<Region>("a region") else { continue };
            if named.contains(&region) {
                let what = format!("region `{region}` is named twice");
                item.error(Code::Malformed, what, "a region changes in one wave", None);
                continue;
            }
            named.push(region.clone());
            wave.push(region);
        }
        waves.push(wave);
    }
    Some(value.found(Waves(waves)))
}

fn suites(value: Option<Value<'_>>, known: &Suites) -> Resolved<Vec<SuiteName>> {
    let Some(value) = value else {
        let listed = known.listed.keys().cloned().collect();
        let why = if known.is_complete { "every suite of `[suites]`" } else { "the file names no suite" };
        return Resolved::default_of(listed, why);
    };
    let mut names = Vec::new();
    for item in value.list().unwrap_or_default() {
        let Some(name) = item.parse::<SuiteName>() else { continue };
        if known.is_complete && !known.listed.contains_key(&name) {
            let listed: Vec<&str> = known.listed.keys().map(SuiteName::as_str).collect();
            let what = format!("there is no suite `{name}`");
            item.error(Code::NoSuite, what, "`[suites]` does not list it", suggest(name.as_str(), &listed));
        }
        if !names.contains(&name) {
            names.push(name);
        }
    }
    value.found(names)
}

fn approvals(value: Option<Value<'_>>, to: &Environment, people: &People) -> Approvals {
    let section = value.and_then(|value| value.section());
    let get = |key: &str| section.as_ref().and_then(|section| section.get(key));
    let from = get("from").and_then(|value| Some(value.found(groups(&value, people)?)));
    let expires = get("expires").and_then(|value| scalars::period(&value));
    let count = get("count").and_then(|value| Some(value.found(value.count(0)?)));
    let asked = from.is_some() || to.class.value == Class::Production;
    let approvals = Approvals {
        count: count.unwrap_or_else(|| match (asked, &from) {
            (_, Some(_)) => Resolved::default_of(1, "people are named, so one of them is asked"),
            (true, None) => Resolved::default_of(1, format!("`{}` is of class production", to.name)),
            (false, None) => Resolved::default_of(0, format!("`{}` is not of class production", to.name)),
        }),
        from: from.unwrap_or_else(|| {
            Resolved::default_of(people.groups().keys().cloned().collect(), "every group")
        }),
        expires: expires.unwrap_or_else(|| {
            Resolved::default_of(Period::from_secs(24 * 3600), "a day is enough to act on it")
        }),
    };
    if let Some(section) = &section {
        section.finish();
    }
    approvals
}

fn groups(value: &Value<'_>, people: &People) -> Option<Vec<GroupName>> {
    let mut groups = Vec::new();
    for item in value.list()? {
        let Some(name) = item.parse::<GroupName>() else { continue };
        if !people.groups().contains_key(&name) {
            let known: Vec<&str> = people.groups().keys().map(GroupName::as_str).collect();
            let what = format!("there is no group `{name}`");
            item.error(Code::NoGroup, what, "`[people]` does not list it", suggest(name.as_str(), &known));
        }
        groups.push(name);
    }
    Some(groups)
}

fn breaker(value: Option<Value<'_>>) -> Breaker {
    let section = value.and_then(|value| value.section());
    let get = |key: &str| section.as_ref().and_then(|section| section.get(key));
    let failures = get("failures").and_then(|value| Some(value.found(value.count(1)?)));
    let window = get("window").and_then(|value| scalars::period(&value));
    if let Some(section) = &section {
        section.finish();
    }
    Breaker {
        failures: failures.unwrap_or_else(|| Resolved::default_of(3, "three failures are no accident")),
        window: window
            .unwrap_or_else(|| Resolved::default_of(Period::from_secs(24 * 3600), "within one working day")),
    }
}

/// Warns when a plan could never be approved.
fn approvers(root: &Section<'_>, path: &Path, known: &Known<'_>) {
    let approvals = &path.policy.approvals;
    let people = known.people.in_groups(&approvals.from.value).len();
    let needed = approvals.count.value;
    if known.environment(path.to.as_str()).is_some() && usize::try_from(needed).is_ok_and(|n| people < n) {
        let key = format!("promotion.{}.{}.approvals", path.from, path.to);
        let what = format!("a promotion to `{}` needs {needed} of {people} people", path.to);
        let why = "it could never be approved";
        let hint = "list people in `[people]`, for example `leads = [\"ssh:SHA256:…\"]` as `ssh-keygen -l -f KEY.pub` \
                    prints it"
            .to_owned();
        let span = match approvals.count.is_default() {
            true => path.span.clone(),
            false => root.sink.span_of(&approvals.count.source),
        };
        root.sink.report(Severity::Warning, Code::TooFewApprovers, &span, &key, what, why, Some(hint));
    }
}
