//! Who can approve, and whether that is enough.

use clikit::Context;
use envconfig::Person;
use envconfig::project::{Class, PromotionPolicy};
use promotion::model;
use providers::ssh::{AllowedSigners, person_of_file};

use super::Finding;
use crate::keys::VARIABLE;
use crate::wire::{Files, allowed_signers};

/// Where people's public keys are.
const SIGNERS: &str = ".understudy/allowed_signers";

pub(super) fn look(context: &Context, files: &Files) -> Vec<Finding> {
    let allowed = match allowed_signers(&files.root) {
        Ok(allowed) => allowed,
        Err(failure) => {
            return vec![
                Finding::failed("people", &failure).needed_for(["promote start", "promote approve"]),
            ];
        }
    };
    let (you, own) = you(context, &allowed);
    let environments = files.project.environments();
    let is_production = |to: &envconfig::EnvironmentName| {
        environments.get(to).is_some_and(|it| it.class.value == Class::Production)
    };
    let paths = files.project.paths().iter().filter(|((_, to), _)| is_production(to));
    let mut findings: Vec<Finding> = paths
        .map(|((_, to), policy)| approvers(files, policy, &allowed, own.as_ref(), to.as_str()))
        .collect();
    findings.push(you);
    findings
}

/// Whoever runs this, and as whom they are known.
fn you(context: &Context, allowed: &AllowedSigners) -> (Finding, Option<model::Person>) {
    const VERBS: [&str; 4] = ["promote start", "promote approve", "promote abort", "promote rollback"];
    let Some(named) = context.var(VARIABLE) else {
        let seen = format!("{VARIABLE} is not set, so only --key says who you are");
        let finding = Finding::unknown("you", seen).needed_for(VERBS);
        return (finding.mended_by(format!("export {VARIABLE}=~/.ssh/id_ed25519")), None);
    };
    match person_of_file(&context.current_dir.join(named)) {
        Ok(person) if allowed.knows(&person) => {
            (Finding::good("you", format!("{person} is in `{SIGNERS}`")).needed_for(VERBS), Some(person))
        }
        Ok(person) => {
            let finding = Finding::bad("you", format!("{person} is not in `{SIGNERS}`")).needed_for(VERBS);
            let public = named.strip_suffix(".pub").unwrap_or(named);
            (finding.mended_by(format!("echo \"NAME $(cat {public}.pub)\" >> {SIGNERS}")), Some(person))
        }
        Err(error) => {
            let seen = format!("the SSH key {named}, which {VARIABLE} names, cannot be used: {error}");
            let mend = format!("export {VARIABLE}=~/.ssh/id_ed25519");
            (Finding::bad("you", seen).needed_for(VERBS).mended_by(mend), None)
        }
    }
}

/// Whether enough of those who may approve have a key here, also when one of them is who asks.
fn approvers(
    files: &Files,
    policy: &PromotionPolicy,
    allowed: &AllowedSigners,
    own: Option<&model::Person>,
    to: &str,
) -> Finding {
    let wanted = policy.approvals.count.value;
    if wanted == 0 {
        return Finding::good("people", format!("nobody has to approve what comes to {to}"));
    }
    let known = |who: &Person| model::Person::new(who.to_string()).ok().filter(|who| allowed.knows(who));
    let listed = files.project.people().in_groups(&policy.approvals.from.value);
    let may: Vec<model::Person> = listed.iter().filter_map(|who| known(who)).collect();
    let others = may.iter().filter(|who| Some(*who) != own).count();
    let seen = format!(
        "{wanted} of {} must approve what comes to {to}; {} of these have a key in `{SIGNERS}`",
        listed.len(),
        may.len()
    );
    let is_enough = |n: usize| u32::try_from(n).is_ok_and(|n| n >= wanted);
    let finding = if !is_enough(may.len()) {
        Finding::bad("people", seen).mended_by(format!("echo \"NAME $(cat FILE.pub)\" >> {SIGNERS}"))
    } else if !is_enough(others) {
        let seen = format!("{seen}, and without you, whose own approval does not count, too few are left");
        Finding::bad("people", seen).mended_by("add a second person to [people] of the project file")
    } else {
        Finding::good("people", seen)
    };
    finding.needed_for(["promote approve"])
}
