//! Who somebody is: by a signature with an SSH key, or by name on a local stand-in.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clikit::{Context, Failure};
use promotion::engine::Ask;
use promotion::model::{Claim, Decision, Hash, Person, PromotionId, Signed, Wish};
use promotion::ports::Clock as _;
use providers::SystemClock;
use providers::ssh::{self, KeyFile};

use crate::wire::Wired;

/// The variable that names a person's key.
pub(crate) const VARIABLE: &str = "UNDERSTUDY_KEY";

fn path(context: &Context, given: Option<&PathBuf>) -> Option<PathBuf> {
    let given = given.cloned().or_else(|| context.var(VARIABLE).map(PathBuf::from));
    given.map(|path| context.current_dir.join(path))
}

/// Who asks, as arguments of a verb.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Who {
    /// Your SSH key: you are known by its fingerprint and sign with it what you ask for [default: $UNDERSTUDY_KEY]
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// A name instead of a key; only against a local stand-in
    #[arg(long = "as", value_name = "NAME")]
    pub name: Option<String>,
}

/// Somebody who asks, ends or closes something.
#[derive(Debug)]
pub struct Asker {
    person: Person,
    /// None for a name on a local stand-in, which has no key.
    key: Option<PathBuf>,
    scratch: PathBuf,
}

impl Asker {
    /// Who it is, as they say.
    pub const fn person(&self) -> &Person {
        &self.person
    }

    /// The proof that they want this, now.
    pub fn sign(&self, wish: &Wish<'_>) -> Result<Option<Signed>, Failure> {
        let Some(key) = &self.key else { return Ok(None) };
        let at = SystemClock.now();
        let proof = signature(&self.scratch, key, ssh::REQUEST_NAMESPACE, &wish.statement(&self.person, at))?;
        Ok(Some(Signed { at, proof }))
    }

    /// Puts the proof under a request.
    pub fn signed(&self, ask: Ask) -> Result<Ask, Failure> {
        let signed = self.sign(&ask.wish())?;
        Ok(Ask { signed, ..ask })
    }
}

/// The person who asks. Proven by a key, because a requester's own approval must not count.
pub fn asker(context: &Context, who: &Who, wired: &Wired) -> Result<Asker, Failure> {
    if let Some(name) = &who.name {
        if !wired.local {
            return Err(Failure::usage("`--as` names nobody outside a local stand-in")
                .with_hint("use --key FILE with your SSH key"));
        }
        let person =
            Person::new(format!("local:{name}")).map_err(|error| Failure::usage(error.to_string()))?;
        return Ok(Asker { person, key: None, scratch: scratch(context) });
    }
    match path(context, who.key.as_ref()) {
        Some(path) => {
            let person = ssh::person_of_file(&path).map_err(|error| unreadable(&path, &error))?;
            if !wired.allowed.knows(&person) {
                return Err(Failure::refused(format!("{person} is nobody this project knows"))
                    .with_why("who asks is known the same way as who approves, or one person could do both")
                    .with_hint("add the key's public half to .understudy/allowed_signers"));
            }
            Ok(Asker { person, key: Some(path), scratch: scratch(context) })
        }
        None => Err(Failure::usage("it is not known who asks")
            .with_why("a requester's own approval does not count, so the requester must be known")
            .with_hint(format!("give --key FILE, or set {VARIABLE} to the path of your SSH key"))),
    }
}

/// Whoever looks at what would happen: nobody has to prove that.
pub fn looker(context: &Context, who: &Who, wired: &Wired) -> Result<Asker, Failure> {
    if who.name.is_some() || path(context, who.key.as_ref()).is_some() {
        return asker(context, who, wired);
    }
    let person = Person::new("whoever-looks").map_err(|error| Failure::usage(error.to_string()))?;
    Ok(Asker { person, key: None, scratch: scratch(context) })
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::usage(format!("the SSH key {} cannot be used", path.display())).with_why(error.to_string())
}

/// Signs with a key file. What is behind a passphrase or in an agent is signed by `ssh-keygen`, which asks on the
/// terminal.
fn signature(scratch: &Path, path: &Path, namespace: &str, text: &str) -> Result<String, Failure> {
    match KeyFile::read(path).map_err(|error| unreadable(path, &error))? {
        KeyFile::Private(_) => {
            ssh::sign_with_file(path, namespace, text).map_err(|error| unreadable(path, &error))
        }
        KeyFile::Locked(_) => keygen(scratch, path, namespace, text).map_err(|why| {
            Failure::usage(format!("the SSH key {} did not sign", path.display()))
                .with_why(why)
                .with_hint("unlock it where there is a terminal, or `ssh-add` it and give --key FILE.pub")
        }),
        KeyFile::Public(person) => keygen(scratch, path, namespace, text).map_err(|why| {
            Failure::usage(format!("{} is the public half of a key and cannot sign", path.display()))
                .with_why(format!(
                    "a public key proves nothing about {person}, and no agent signs for it: {why}"
                ))
                .with_hint("give --key with the private half, or `ssh-add` it first")
        }),
    }
}

/// Where a line to be signed lies for a moment.
fn scratch(context: &Context) -> PathBuf {
    let dir = context.var("TMPDIR").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from);
    dir.join(format!("understudy-sign-{:032x}", providers::random_u128()))
}

/// The text lies in a file, because `ssh-keygen` asks for a passphrase only where its input is the terminal.
fn keygen(scratch: &Path, path: &Path, namespace: &str, text: &str) -> Result<String, String> {
    let told = |error: std::io::Error| error.to_string();
    std::fs::create_dir(scratch).map_err(told)?;
    let signed = keygen_in(scratch, path, namespace, text);
    std::fs::remove_dir_all(scratch).map_err(told)?;
    signed
}

fn keygen_in(dir: &Path, path: &Path, namespace: &str, text: &str) -> Result<String, String> {
    let file = dir.join("line");
    std::fs::write(&file, text).map_err(|error| error.to_string())?;
    let mut command = Command::new("ssh-keygen");
    command.args(["-Y", "sign", "-q", "-n", namespace, "-f"]).arg(path).arg(&file);
    let output = command.stdin(Stdio::inherit()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let output = output.and_then(std::process::Child::wait_with_output);
    let output = output.map_err(|error| format!("ssh-keygen: {error}"))?;
    if output.status.success() {
        return std::fs::read_to_string(dir.join("line.sig")).map_err(|error| error.to_string());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.lines().last().unwrap_or("ssh-keygen says nothing").to_owned())
}

/// A claim with its proof.
pub fn claim(
    context: &Context,
    key: Option<&PathBuf>,
    given: Option<&PathBuf>,
    promotion: &PromotionId,
    plan: &Hash,
    decision: Decision,
) -> Result<Claim, Failure> {
    let text = Claim::statement(promotion, plan, decision);
    let proof = match (given, path(context, key)) {
        (Some(file), _) => std::fs::read_to_string(context.current_dir.join(file))
            .map_err(|error| unreadable(file, &error))?,
        (None, Some(path)) => signature(&scratch(context), &path, ssh::APPROVAL_NAMESPACE, &text)?,
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
