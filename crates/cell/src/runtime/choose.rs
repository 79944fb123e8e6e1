//! Takes the best runtime that works here, and says why.

use std::io;

use super::{
    Runtime, RuntimeKind,
    isolated::Isolated,
    launching::{self, Refusal},
    plain::Plain,
    probe,
};
use crate::shim::{Rooting, Shim};

/// Why there is no runtime.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChooseError {
    /// The wanted runtime does not work here.
    #[error("the {kind} runtime does not work here: cannot {step}")]
    Unavailable {
        /// What was wanted.
        kind: RuntimeKind,
        /// The step that failed.
        step: String,
        /// What the system said.
        source: io::Error,
    },
}

/// Chooses a runtime: the wanted one, or isolated where the kernel permits it, else plain. A probe cell is started to
/// find out, which takes a few milliseconds and blocks the thread.
///
/// # Errors
/// The wanted runtime does not work here.
pub fn choose(want: Option<RuntimeKind>, shim: Shim) -> Result<Box<dyn Runtime>, ChooseError> {
    let low_ports = launching::low_ports();
    let plain = |why: String, shim: Shim| -> Box<dyn Runtime> { Box::new(Plain { shim, why, low_ports }) };
    if want == Some(RuntimeKind::Plain) {
        return Ok(plain("plain: asked for".to_owned(), shim));
    }
    match try_isolated(&shim) {
        Ok(rooting) => {
            let why = why_isolated(rooting);
            Ok(Box::new(Isolated { shim, why, rooting, low_ports }))
        }
        Err(Refusal { step, source }) if want == Some(RuntimeKind::Isolated) => {
            Err(ChooseError::Unavailable { kind: RuntimeKind::Isolated, step, source })
        }
        Err(Refusal { step, source }) => {
            Ok(plain(format!("plain: this kernel does not let us {step} ({source})"), shim))
        }
    }
}

/// The first way that works, cheapest first. A real root needs no user namespace, but may be forbidden all others.
fn try_isolated(shim: &Shim) -> Result<Rooting, Refusal> {
    if !cfg!(target_os = "linux") {
        return Err(Refusal {
            step: "make namespaces".to_owned(),
            source: io::ErrorKind::Unsupported.into(),
        });
    }
    let root = nix::unistd::geteuid().is_root();
    let ways: &[bool] = if root { &[false, true] } else { &[true] };
    let mut refusals = Vec::new();
    for user_namespace in ways {
        for overlay in [true, false] {
            let rooting = Rooting { user_namespace: *user_namespace, overlay };
            match probe::isolated(shim, rooting) {
                Ok(()) => return Ok(rooting),
                Err(refusal) => refusals.push(refusal),
            }
        }
    }
    // The last is about the way that asks least of the kernel.
    refusals.pop().map_or_else(|| unreachable!("because there is at least one way"), Err)
}

fn why_isolated(rooting: Rooting) -> String {
    let who = if rooting.user_namespace { "unprivileged, in a user namespace" } else { "as root" };
    let files = if rooting.overlay { "" } else { "; each machine copies its image, as overlays are refused" };
    format!("isolated: namespaces and seccomp notification work here ({who}{files})")
}
