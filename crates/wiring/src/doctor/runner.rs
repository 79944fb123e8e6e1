//! The key with which runners sign what they saw.

use clikit::{Common, Context};
use envconfig::SecretRef;
use providers::ssh::{ATTESTATION_NAMESPACE, person};

use super::{Finding, Here};
use crate::given::quoted;
use crate::signing::{key, line};
use crate::store::{self, Place};
use crate::wire::{Files, SIGNERS, allowed_signers, secret};

const VERBS: [&str; 4] = ["promote deploy", "promote start", "promote attest", "promote tick"];

/// What every machine that shares the journal needs; nothing where one machine has it for itself.
pub(super) fn look(context: &Context, common: &Common, files: &Files, here: &Here) -> Option<Finding> {
    let Some(reference) = files.project.store().and_then(|store| store.key.as_ref()) else {
        let reveal = |reference: &_| secret(context, &files.root, reference);
        let address = store::address(context, common.store.as_deref(), &files.project, &files.root, reveal);
        if matches!(address.ok()?.place, Place::File(_)) {
            return None;
        }
        let seen = "each machine has a key of its own, which others believe where it is listed in `.understudy/allowed_signers`";
        let finding = Finding::unknown("runner's key", seen).needed_for(VERBS);
        return Some(finding.advised("in the project file: [store] key = \"env:UNDERSTUDY_RUNNER_KEY\""));
    };
    Some(of_reference(context, files, reference, here).needed_for(VERBS))
}

fn of_reference(context: &Context, files: &Files, reference: &SecretRef, here: &Here) -> Finding {
    const ABOUT: &str = "runner's key";
    let key = match key(context, files, reference) {
        Ok(key) => key,
        Err(failure) => {
            let finding = Finding { advice: None, mend: None, ..Finding::failed(ABOUT, &failure) };
            let make = |file: &str| format!("ssh-keygen -t ed25519 -N '' -C runner -f {file}");
            return finding.mended_by(match reference {
                SecretRef::Variable(name) => {
                    format!("{} && export {name}=\"$(cat runner-key)\"", make("runner-key"))
                }
                SecretRef::File(path) => make(&here.path(path.as_str())),
            });
        }
    };
    let who = person(key.public_key());
    match allowed_signers(&files.root) {
        Ok(allowed) if allowed.allows(key.public_key(), ATTESTATION_NAMESPACE) => {
            Finding::good(ABOUT, format!("{reference} is {who}, which is listed"))
        }
        _ => {
            let file = here.path(SIGNERS);
            Finding::bad(ABOUT, format!("{reference} is {who}, and nobody believes what it signs"))
                .mended_by(format!("echo {} >> {file}", quoted(&line(&key))))
        }
    }
}
