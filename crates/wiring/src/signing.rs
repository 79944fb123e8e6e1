//! With which key a runner signs what it saw.

use std::path::Path;
use std::sync::Arc;

use clikit::{Context, Failure};
use envconfig::SecretRef;
use promotion::ports::Attestor;
use providers::ssh::{self, AllowedSigners, Keyless, SshAttestor};

use crate::wire::{Files, secret};

/// Where the project file says that the key is.
fn named(files: &Files) -> Option<&SecretRef> {
    files.project.store().and_then(|store| store.key.as_ref())
}

/// Whether runners have the key that the project file names, and none beside the journal.
pub(crate) fn is_named(files: &Files) -> bool {
    named(files).is_some()
}

/// Whether the key that the project file names can be read.
pub(crate) fn is_here(context: &Context, files: &Files) -> Result<(), Failure> {
    let Some(failure) = named(files).and_then(|reference| secret(context, &files.root, reference).err())
    else {
        return Ok(());
    };
    Err(Failure::usage("the runner's key is not here")
        .with_why(missing(&failure))
        .with_hint("run it where that is set, or name another key there; nothing was changed"))
}

fn missing(failure: &Failure) -> String {
    format!("{}; `key` of [store] names it for what runners sign", failure.what)
}

/// The key that the project file names, else the one in `beside`, which is made where there is none; one that nobody keeps
/// beside a journal that is only imagined. A journal is shared where others read it, who believe listed keys alone.
pub(crate) fn open(
    context: &Context,
    files: &Files,
    beside: Option<&Path>,
    (allowed, is_shared): (AllowedSigners, bool),
) -> Result<Arc<dyn Attestor>, Failure> {
    let signing = |key| -> Arc<dyn Attestor> {
        let attestor = SshAttestor::new(key, allowed.clone());
        Arc::new(if is_shared { attestor.shared() } else { attestor })
    };
    let no_key = |error| Failure::unavailable("the runner has no key").with_source(error);
    match (named(files), beside) {
        (Some(reference), _) => {
            let text = match secret(context, &files.root, reference) {
                Ok(text) => text,
                Err(failure) => {
                    return Ok(Arc::new(Keyless::new(allowed, missing(&failure)).map_err(no_key)?));
                }
            };
            ssh::key_of_text(&text).map(signing).map_err(|error| {
                Failure::usage(format!("the runner's key in {reference} cannot be used"))
                    .with_why(error.to_string())
                    .with_hint("ssh-keygen -t ed25519 -N '' -C runner -f runner-key")
            })
        }
        (None, Some(file)) => ssh::read_or_make_key(file).map(signing).map_err(|error| {
            Failure::unavailable(format!("the runner's key {} cannot be used", file.display()))
                .with_source(error)
        }),
        (None, None) => ssh::passing_key().map(signing).map_err(no_key),
    }
}

/// Whose word counts: those that may attest, and this machine's own runner, whose key is made by nobody who only reads.
pub(crate) fn believed(
    context: &Context,
    files: &Files,
    beside: Option<&Path>,
    allowed: AllowedSigners,
) -> Result<AllowedSigners, Failure> {
    let own = match (named(files), beside.filter(|file| file.exists())) {
        (Some(reference), _) => {
            let text = secret(context, &files.root, reference).ok();
            text.and_then(|text| ssh::key_of_text(&text).ok())
        }
        (None, Some(file)) => Some(ssh::read_or_make_key(file).map_err(|error| {
            Failure::unavailable(format!("the runner's key {} cannot be used", file.display()))
                .with_source(error)
        })?),
        (None, None) => None,
    };
    Ok(match own {
        Some(own) => allowed.with(own.public_key().clone(), ssh::ATTESTATION_NAMESPACE),
        None => allowed,
    })
}
