//! With which key a runner signs what it saw.

use std::path::Path;
use std::sync::Arc;

use clikit::{Context, Failure};
use envconfig::SecretRef;
use promotion::ports::Attestor;
use providers::ssh::{self, AllowedSigners, Keyless, RunnerKey, SshAttestor};

use crate::given::quoted;
use crate::wire::{Files, SIGNERS, allowed_signers, secret};

/// Where the project file says that the key is.
fn named(files: &Files) -> Option<&SecretRef> {
    files.project.store().and_then(|store| store.key.as_ref())
}

/// Whether runners have the key that the project file names, and none beside the journal.
pub(crate) fn is_named(files: &Files) -> bool {
    named(files).is_some()
}

/// The key behind a reference.
///
/// # Errors
/// 2 when there is none, or none that a runner can sign with.
pub(crate) fn key(context: &Context, files: &Files, reference: &SecretRef) -> Result<RunnerKey, Failure> {
    let text = secret(context, &files.root, reference).map_err(|failure| {
        Failure::usage("the runner's key is not here")
            .with_why(format!("{}; `key` of [store] names it for what runners sign", failure.what))
            .with_hint("run it where that is set, or name another key there")
    })?;
    ssh::key_of_text(&text).map_err(|error| {
        Failure::usage(format!("the runner's key in {reference} cannot be used"))
            .with_why(error.to_string())
            .with_hint("ssh-keygen -t ed25519 -N '' -C runner -f runner-key")
    })
}

/// The line of the allowed signers that lets a runner's key attest.
pub(crate) fn line(key: &RunnerKey) -> String {
    format!("runner namespaces=\"{}\" {}", ssh::ATTESTATION_NAMESPACE, ssh::public_line(key))
}

/// Whether what is signed here would count: a key that the project file names has to be here, and listed.
pub(crate) fn is_here(context: &Context, files: &Files) -> Result<(), Failure> {
    let Some(reference) = named(files) else { return Ok(()) };
    let key = key(context, files, reference)?;
    if allowed_signers(&files.root)?.allows(key.public_key(), ssh::ATTESTATION_NAMESPACE) {
        return Ok(());
    }
    let file = quoted(&files.root.join(SIGNERS).display().to_string());
    Err(Failure::usage(format!("the runner's key in {reference} is not among the allowed signers"))
        .with_why("nobody would believe what it signs")
        .with_hint(format!("echo {} >> {file}", quoted(&line(&key)))))
}

/// The key that the project file names, else the one in `beside`, which is made where there is none; one that nobody keeps
/// beside a journal that is only imagined. A journal is shared where others read it, who believe listed keys alone.
/// Whoever only looks needs none.
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
        (Some(reference), _) => Ok(match key(context, files, reference) {
            Ok(key) => Arc::new(SshAttestor::listed(key, allowed)),
            Err(failure) => {
                let why = failure.reasons().first().map(|why| format!(": {why}")).unwrap_or_default();
                Arc::new(Keyless::new(allowed, format!("{}{why}", failure.what)).map_err(no_key)?)
            }
        }),
        (None, Some(file)) => ssh::read_or_make_key(file).map(signing).map_err(|error| {
            Failure::unavailable(format!("the runner's key {} cannot be used", file.display()))
                .with_source(error)
        }),
        (None, None) => ssh::passing_key().map(signing).map_err(no_key),
    }
}

/// Whose word counts: those that may attest, and where the project file names no key this machine's own runner, whose key is
/// made by nobody who only reads.
pub(crate) fn believed(
    files: &Files,
    beside: Option<&Path>,
    allowed: AllowedSigners,
) -> Result<AllowedSigners, Failure> {
    let Some(file) = beside.filter(|file| file.exists() && !is_named(files)) else { return Ok(allowed) };
    let own = ssh::read_or_make_key(file).map_err(|error| {
        Failure::unavailable(format!("the runner's key {} cannot be used", file.display())).with_source(error)
    })?;
    Ok(allowed.with(own.public_key().clone(), ssh::ATTESTATION_NAMESPACE))
}
