//! Who can ask and approve, and whether that is enough.

use std::collections::BTreeSet;

use clikit::Context;
use envconfig::project::{Class, PromotionPolicy};
use envconfig::{EnvironmentName, Person};
use promotion::model;
use providers::ssh::{APPROVAL_NAMESPACE, AllowedSigners, REQUEST_NAMESPACE, person, person_of_file};

use super::{Finding, Here};
use crate::keys::VARIABLE;
use crate::wire::{Files, allowed_signers};

const VERBS: [&str; 4] = ["promote start", "promote approve", "promote abort", "promote rollback"];

/// What comes into `only`, or into any production.
pub(super) fn look(
    context: &Context,
    files: &Files,
    here: &Here,
    only: Option<&EnvironmentName>,
) -> Vec<Finding> {
    let allowed = match allowed_signers(&files.root) {
        Ok(allowed) => allowed,
        Err(failure) => return vec![Finding::failed("people", &failure).needed_for(VERBS)],
    };
    let (you, own) = you(context, &allowed, here);
    let environments = files.project.environments();
    let is_asked = |to: &EnvironmentName| match only {
        Some(only) => to == only,
        None => environments.get(to).is_some_and(|it| it.class.value == Class::Production),
    };
    let paths = files.project.paths().iter().filter(|((_, to), _)| is_asked(to));
    let mut findings: Vec<Finding> = paths
        .map(|((_, to), policy)| approvers(files, policy, &allowed, own.as_ref(), to.as_str(), here))
        .collect();
    findings.push(you);
    findings
}

/// Who may sign in `namespace`, now.
fn signers(allowed: &AllowedSigners, namespace: &str) -> BTreeSet<model::Person> {
    allowed.keys(namespace).map(person).collect()
}

/// Whoever runs this, and as whom they are known.
fn you(context: &Context, allowed: &AllowedSigners, here: &Here) -> (Finding, Option<model::Person>) {
    let named_anew = format!("export {VARIABLE}=~/.ssh/id_ed25519");
    let Some(named) = context.var(VARIABLE) else {
        let seen = format!("{VARIABLE} is not set, so only --key says who you are");
        return (Finding::unknown("you", seen).needed_for(VERBS).mended_by(named_anew), None);
    };
    let who = match person_of_file(&context.current_dir.join(named)) {
        Ok(who) => who,
        Err(error) => {
            let seen = format!("the SSH key {named}, which {VARIABLE} names, cannot be used: {error}");
            return (Finding::bad("you", seen).needed_for(VERBS).mended_by(named_anew), None);
        }
    };
    let is_known = signers(allowed, REQUEST_NAMESPACE).contains(&who);
    let finding = if is_known {
        Finding::good("you", format!("{who} may ask, by the allowed signers"))
    } else {
        let seen = format!("{who} may ask for nothing: no line of the allowed signers lets them, now");
        let public = format!("{}.pub", named.strip_suffix(".pub").unwrap_or(named));
        Finding::bad("you", seen).mended_by(here.allow(&public))
    };
    (finding.needed_for(VERBS), Some(who).filter(|_| is_known))
}

/// Whether enough of those who may approve have a key here, also when one of them is who asks.
fn approvers(
    files: &Files,
    policy: &PromotionPolicy,
    allowed: &AllowedSigners,
    own: Option<&model::Person>,
    to: &str,
    here: &Here,
) -> Finding {
    let wanted = policy.approvals.count.value;
    if wanted == 0 {
        return Finding::good("people", format!("nobody has to approve what comes to {to}"));
    }
    let (asking, approving) = (signers(allowed, REQUEST_NAMESPACE), signers(allowed, APPROVAL_NAMESPACE));
    let listed = files.project.people().in_groups(&policy.approvals.from.value);
    let known = |who: &Person| model::Person::new(who.to_string()).ok().filter(|who| approving.contains(who));
    let may: BTreeSet<model::Person> = listed.iter().filter_map(|who| known(who)).collect();
    // Whoever asks does not count: whoever this is, else whoever leaves most others.
    let others = |asks: &model::Person| may.iter().filter(|who| *who != asks).count();
    let left = own.map_or_else(|| asking.iter().map(others).max().unwrap_or_default(), others);
    let seen = format!(
        "what comes to {to} needs {wanted} of {} people; {} of them can sign with a key that is allowed here",
        listed.len(),
        may.len()
    );
    let is_enough = |n: usize| u32::try_from(n).is_ok_and(|n| n >= wanted);
    let by_key = listed.iter().filter(|who| matches!(who, Person::Ssh(_))).count();
    let finding = if !is_enough(may.len()) && !is_enough(by_key) {
        let seen = format!("{seen}; people of GitHub cannot sign by this version");
        Finding::bad("people", seen).advised("name somebody in [people] by their SSH key: ssh:SHA256:…")
    } else if !is_enough(may.len()) {
        Finding::bad("people", seen).mended_by(here.allow("FILE.pub"))
    } else if !is_enough(left) {
        let who = if own.is_some() { "you, whose" } else { "whoever asks, whose" };
        let seen = format!("{seen}; without {who} own approval does not count, too few are left");
        Finding::bad("people", seen).advised("add a second person to [people] of the project file")
    } else {
        Finding::good("people", seen)
    };
    finding.needed_for(["promote approve"])
}
