//! Who somebody is: by an SSH key, or by name on a local stand-in.

use std::path::{Path, PathBuf};

use clikit::{Context, Failure};
use promotion::model::{Claim, Decision, Hash, Person, PromotionId};
use providers::ssh;

use crate::args::Who;
use crate::wire::Wired;

/// The variable that names a person's key.
const VARIABLE: &str = "UNDERSTUDY_KEY";

fn path(context: &Context, given: Option<&PathBuf>) -> Option<PathBuf> {
    let given = given.cloned().or_else(|| context.var(VARIABLE).map(PathBuf::from));
    given.map(|path| context.current_dir.join(path))
}

/// The person who asks. Proven by a key, because a requester's own approval must not count.
pub(crate) fn person(context: &Context, who: &Who, wired: &Wired) -> Result<Person, Failure> {
    if let Some(name) = &who.name {
        if !wired.local {
            return Err(Failure::usage("`--as` names nobody outside a local stand-in")
                .with_hint("use --key FILE with your SSH key"));
        }
        return Person::new(format!("local:{name}")).map_err(|error| Failure::usage(error.to_string()));
    }
    match path(context, who.key.as_ref()) {
        Some(path) => {
            let person = ssh::person_of_file(&path).map_err(|error| unreadable(&path, &error))?;
            if !wired.allowed.knows(&person) {
                return Err(Failure::refused(format!("{person} is nobody this project knows"))
                    .with_why("who asks is known the same way as who approves, or one person could do both")
                    .with_hint("add the key's public half to .understudy/allowed_signers"));
            }
            Ok(person)
        }
        None => Err(Failure::usage("it is not known who asks")
            .with_why("a requester's own approval does not count, so the requester must be known")
            .with_hint(format!("give --key FILE, or set {VARIABLE} to the path of your SSH key"))),
    }
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::usage(format!("the SSH key {} cannot be used", path.display())).with_why(error.to_string())
}

/// A claim with its proof.
pub(crate) fn claim(
    context: &Context,
    key: Option<&PathBuf>,
    signature: Option<&PathBuf>,
    promotion: &PromotionId,
    plan: &Hash,
    decision: Decision,
) -> Result<Claim, Failure> {
    let text = Claim::statement(promotion, plan, decision);
    let proof = match (signature, path(context, key)) {
        (Some(file), _) => std::fs::read_to_string(context.current_dir.join(file))
            .map_err(|error| unreadable(file, &error))?,
        (None, Some(path)) => ssh::sign_with_file(&path, ssh::APPROVAL_NAMESPACE, &text)
            .map_err(|error| unreadable(&path, &error))?,
        (None, None) => {
            return Err(Failure::usage("there is no signature")
                .with_why("an approval carries proof of who gave it")
                .with_hint(format!(
                    "give --key FILE; or: printf '{}\\n' | ssh-keygen -Y sign -n {} -f KEY > FILE, then --signature FILE",
                    text.trim_end(),
                    ssh::APPROVAL_NAMESPACE
                )));
        }
    };
    Ok(Claim { promotion: promotion.clone(), plan: plan.clone(), decision, proof })
}
