//! What rules of a promotion path say, rule by rule, for people.

use std::collections::BTreeSet;

use promotion::model::{
    ApprovalRule, ChecklistItem, EvidenceRule, FreezeWindow, Person, Policy, ScanRule, SuiteName,
};

/// Each rule in which two policies differ: its name, what the one says, what the other says.
pub(crate) fn differences(one: &Policy, other: &Policy) -> Vec<(&'static str, String, String)> {
    let all = |policy: &Policy| {
        [
            ("evidence", evidence(policy.evidence.as_ref())),
            ("approvals", approvals(policy.approvals.as_ref())),
            ("breaker", format!("{} failures within {}", policy.breaker.failures, policy.breaker.window)),
            ("suites afterwards", suites(&policy.verify)),
            ("soak", policy.soak.to_string()),
            ("deadline", policy.deadline.to_string()),
            ("drift that is ignored", fields(&policy.drift_ignored)),
            ("checklist", items(&policy.checklist)),
            ("scan", scan(policy.scan.as_ref())),
            ("freeze", windows(&policy.freezes)),
            ("queue", policy.queue.name().to_owned()),
        ]
    };
    let both = all(one).into_iter().zip(all(other));
    both.filter(|(a, b)| a != b).map(|((name, a), (_, b))| (name, a, b)).collect()
}

fn evidence(rule: Option<&EvidenceRule>) -> String {
    rule.map_or_else(
        || "none".to_owned(),
        |rule| {
            let files: Vec<&str> = rule.base_data.iter().map(String::as_str).collect();
            let on =
                if files.is_empty() { String::new() } else { format!(" on {} as it is", files.join(", ")) };
            format!("{} passed in `{}` within {}{on}", suites(&rule.suites), rule.from, rule.max_age)
        },
    )
}

fn approvals(rule: Option<&ApprovalRule>) -> String {
    let Some(rule) = rule.filter(|rule| rule.count > 0) else { return "nobody is asked".to_owned() };
    let from: Vec<_> = rule.from.iter().map(Person::as_str).collect();
    format!("{} of {} within {}", rule.count, from.join(", "), rule.expires)
}

fn fields(names: &BTreeSet<String>) -> String {
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn items(items: &[ChecklistItem]) -> String {
    let items: Vec<_> =
        items.iter().map(|item| format!("{} ({}), by {}", item.id, item.text, item.people())).collect();
    if items.is_empty() { "nothing is on it".to_owned() } else { items.join("; ") }
}

fn scan(rule: Option<&ScanRule>) -> String {
    let Some(rule) = rule else { return "none is asked for".to_owned() };
    let severity = rule.severity.map(|it| format!(", or security-severity {}.{}", it / 10, it % 10));
    let accepted: Vec<_> = rule
        .accepted
        .iter()
        .map(|it| {
            let file = it.file.as_ref().map(|file| format!(" in {file}")).unwrap_or_default();
            format!("{}{file} accepted by {} until {}", it.rule, it.owner, it.until)
        })
        .collect();
    let accepted = if accepted.is_empty() { String::new() } else { format!("; {}", accepted.join("; ")) };
    let (level, severity) = (rule.fail_on.name(), severity.unwrap_or_default());
    format!("nothing of level {level}{severity} from `{}` within {}{accepted}", rule.from, rule.max_age)
}

fn windows(windows: &[FreezeWindow]) -> String {
    let windows: Vec<_> = windows.iter().map(ToString::to_string).collect();
    if windows.is_empty() { "never".to_owned() } else { windows.join("; ") }
}

fn suites(names: &BTreeSet<SuiteName>) -> String {
    let names: Vec<_> = names.iter().map(SuiteName::as_str).collect();
    if names.is_empty() { "no suite".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use promotion::model::Millis;

    use super::*;

    #[test]
    fn only_what_differs_is_named_with_both_sides() {
        let lead = Person::new("ssh:SHA256:lead").unwrap();
        let asked = ApprovalRule { count: 1, from: [lead].into(), expires: Millis::secs(60) };
        let one = Policy { approvals: Some(asked), ..Policy::default() };
        let other = Policy { soak: Millis::secs(5), ..Policy::default() };
        let found = differences(&one, &other);
        let names: Vec<_> = found.iter().map(|(name, ..)| *name).collect();
        assert_eq!(names, ["approvals", "soak"]);
        assert!(found[0].1.starts_with("1 of ssh:SHA256:lead within "), "{found:?}");
        assert_eq!(found[0].2, "nobody is asked");
        assert_eq!(differences(&one, &one), []);
    }
}
