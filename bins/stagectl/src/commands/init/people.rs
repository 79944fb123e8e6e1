//! Who may approve, by the keys that they have.

use std::path::{Path, PathBuf};

use clikit::{Context, Failure};
use envconfig::{Person, scaffold::Answers};
use providers::ssh;

use super::read;

/// Keys by the names that `ssh-keygen` gives them, the best first.
const KEYS: [&str; 2] = ["id_ed25519", "id_ecdsa"];

/// Kinds of keys that promotions can be asked for and approved with.
const KINDS: [&str; 2] = ["ssh-ed25519", "ecdsa-sha2-nistp256"];

/// Somebody who may approve.
pub(super) struct Lead {
    pub(super) person: Person,
    /// Their line of the allowed signers, where the key is at hand.
    pub(super) line: Option<String>,
    /// Their key, where it is at hand.
    pub(super) key: Option<PathBuf>,
}

/// As somebody writes it: a person, or a key's file.
pub(super) fn named(context: &Context, who: &str) -> Result<Lead, Failure> {
    if who.starts_with("github:") || who.starts_with("ssh:") {
        let person = who.parse().map_err(|error: envconfig::Malformed| {
            Failure::usage(format!("--lead {who} is nobody")).with_why(error.to_string())
        })?;
        return Ok(Lead { person, line: None, key: None });
    }
    of_file(&context.current_dir.join(who)).map_err(|why| {
        Failure::usage(format!("--lead {who} is neither a person nor a public SSH key"))
            .with_why(why)
            .with_hint("give FILE.pub, ssh:SHA256:… as `ssh-keygen -l -f FILE.pub` prints it, or github:ID")
    })
}

/// Whoever runs this. A key that was named has to be one; of the usual ones the first that is there is taken.
pub(super) fn own(context: &Context) -> Result<Option<Lead>, Failure> {
    if let Some(key) = context.var("UNDERSTUDY_KEY") {
        let path = context.current_dir.join(key);
        return of_file(&path).map(Some).map_err(|why| {
            Failure::usage(format!("UNDERSTUDY_KEY names {key}, beside which no public SSH key can be read"))
                .with_why(why)
                .with_hint("name a key that is there, or unset it and give --lead")
        });
    }
    let home = context.var("HOME").map(|home| Path::new(home).join(".ssh"));
    Ok(home.iter().flat_map(|dir| KEYS.map(|key| dir.join(key))).find_map(|key| of_file(&key).ok()))
}

/// Each person and each key once.
pub(super) fn add(answers: &mut Answers, lead: Lead) {
    if !answers.leads.contains(&lead.person) {
        answers.leads.push(lead.person);
    }
    answers.signers.extend(lead.line.filter(|line| !answers.signers.contains(line)));
}

/// The public half lies beside a private key; a private one itself is not read.
fn of_file(path: &Path) -> Result<Lead, String> {
    let is_public = path.extension().is_some_and(|extension| extension == "pub");
    let public =
        if is_public { path.to_path_buf() } else { PathBuf::from(format!("{}.pub", path.display())) };
    let text = read(&public)?;
    let person = ssh::person_of_file(&public).map_err(|error| error.to_string())?;
    let person: Person =
        person.to_string().parse().map_err(|error: envconfig::Malformed| error.to_string())?;
    let kind = text.split_whitespace().next().unwrap_or_default();
    if !KINDS.contains(&kind) {
        return Err(format!("it is {kind}, and signatures are made with {}", KINDS.join(" or ")));
    }
    let mut words = text.split_whitespace();
    let (kind, key, comment) = (words.next(), words.next(), words.next());
    let name = comment.filter(|name| is_principal(name)).unwrap_or("lead");
    let line = kind.zip(key).map(|(kind, key)| format!("{name} {kind} {key}"));
    Ok(Lead { person, line, key: Some(path.to_path_buf()) })
}

/// A name that stands for itself: no pattern, no list, no option (`ssh-keygen(1)`, ALLOWED SIGNERS).
fn is_principal(name: &str) -> bool {
    !name.starts_with('#') && name.chars().all(|c| c.is_alphanumeric() || "@._-+".contains(c))
}

/// Whoever runs this approves where nobody else was named, and can sign where they were.
pub(super) fn with_own(mut answers: Answers, own: Option<&Lead>) -> Answers {
    let Some(own) = own else { return answers };
    if answers.leads.is_empty() {
        answers.leads.push(own.person.clone());
    }
    if answers.signers.is_empty() && answers.leads.contains(&own.person) {
        answers.signers.extend(own.line.clone());
    }
    answers
}
