//! A receipt that somebody kept: whether it is what was signed, and whether the journal says the same.

use std::path::Path;
use std::sync::Arc;

use clikit::{Common, Context, Failure};
use promotion::journal::{EnvironmentView, Receipt};
use promotion::model::{Envelope, EnvironmentName, Person};
use promotion::ports::Ids as _;
use providers::ssh::{self, AllowedSigners};
use providers::{SystemClock, UuidIds};
use serde::Serialize;

use crate::Absent;
use crate::signing;
use crate::store::{self, Kept};
use crate::wire::{allowed_signers, files, secret};

/// What is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is about: the spelling, a signature, the statement, the journal, or a field.
    pub what: String,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub found: String,
}

impl Finding {
    fn new(what: impl Into<String>, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { what: what.into(), expected: expected.into(), found: found.into() }
    }
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Checked {
    /// Who signed it, where a signature is good.
    pub by: Option<Person>,
    /// What it says, where it can be read; believed only where nothing was found.
    pub receipt: Option<Receipt>,
    /// All that is amiss.
    pub findings: Vec<Finding>,
    /// Why it was not held against the journal; nothing where it was.
    pub journal: Option<String>,
}

/// Checks the receipt in `file`, by the project's allowed signers or those in `keys` alone.
///
/// # Errors
/// 2 when the file, the keys or the project file cannot be read. What is wrong with the receipt is no error but a finding, and
/// a store that cannot be read is told.
pub async fn verify(
    context: &Context,
    common: &Common,
    file: &Path,
    keys: Option<&Path>,
) -> Result<Checked, Failure> {
    let path = context.current_dir.join(file);
    let text = clikit::read_bytes(&path).map_err(|error| {
        Failure::usage(format!("the receipt {} cannot be read", path.display())).with_why(error.to_string())
    })?;
    let beside = beside(context, common).await;
    let allowed = match (keys, &beside) {
        (Some(keys), _) => given(&context.current_dir.join(keys))?,
        (None, Ok(beside)) => beside.believed.clone(),
        (None, Err(_)) => {
            let root = context.current_dir.join(&common.project);
            allowed_signers(root.parent().unwrap_or(&context.current_dir))?
        }
    };
    let mut checked = check(&text, &allowed);
    match (&checked.receipt, beside) {
        (_, Err(failure)) => checked.journal = Some(failure.what),
        (None, Ok(_)) => checked.journal = Some("it cannot be read as a receipt".to_owned()),
        (Some(receipt), Ok(beside)) => match against(receipt, &beside).await {
            Ok(findings) => {
                checked.findings.extend(findings);
                checked.journal = None;
            }
            Err(why) => checked.journal = Some(why),
        },
    }
    Ok(checked)
}

/// Whether `text` is a receipt as it was written, and signed by one of `allowed`. Nothing is held against a journal.
pub fn check(text: &[u8], allowed: &AllowedSigners) -> Checked {
    let journal = Some("nobody asked".to_owned());
    let mut checked = Checked { by: None, receipt: None, findings: Vec::new(), journal };
    let read = std::str::from_utf8(text).map_err(|error| error.to_string()).and_then(Envelope::read);
    let envelope = match read {
        Ok(envelope) => envelope,
        Err(why) => {
            checked.findings.push(Finding::new("the file", "a DSSE envelope", why));
            return checked;
        }
    };
    checked.findings.extend(misspelt(text, &envelope));
    match ssh::open_envelope(allowed, ssh::ATTESTATION_NAMESPACE, &envelope) {
        Ok(by) => checked.by = Some(by),
        Err(error) => {
            let expected = "one good signature over the payload, by a key that may attest";
            checked.findings.push(Finding::new("the signature", expected, error.message));
        }
    }
    match Receipt::read(&envelope) {
        Ok(receipt) => checked.receipt = Some(receipt),
        Err(why) => checked.findings.push(Finding::new("the statement", "a receipt", why)),
    }
    checked
}

/// The first byte in which the file is spelled otherwise than `promote receipt --json` spells it: what no signature covers.
fn misspelt(text: &[u8], envelope: &Envelope) -> Option<Finding> {
    let written = envelope.text();
    let body = text.strip_suffix(b"\n").unwrap_or(text);
    if body == written.as_bytes() {
        return None;
    }
    let at = body.iter().zip(written.as_bytes()).position(|(is, was)| is != was);
    let at = at.unwrap_or(body.len().min(written.len()));
    let around = |text: &[u8]| {
        let end = text.len().min(at + 12);
        String::from_utf8_lossy(text.get(at..end).unwrap_or_default()).escape_debug().to_string()
    };
    let (expected, found) = (around(written.as_bytes()), around(body));
    Some(Finding::new(
        format!("the spelling from byte {at} on"),
        format!("`{expected}`"),
        format!("`{found}`"),
    ))
}

fn given(path: &Path) -> Result<AllowedSigners, Failure> {
    use promotion::ports::Clock as _;
    let shown = path.display().to_string();
    let text = clikit::read_text(path).map_err(|error| {
        Failure::usage(format!("the allowed signers {shown} cannot be read")).with_why(error.to_string())
    })?;
    AllowedSigners::parse(&shown, &text)
        .map(|allowed| allowed.at(SystemClock.now()))
        .map_err(|error| Failure::usage("the allowed signers cannot be read").with_source(error))
}

/// The journal, and who is believed beside it.
struct Beside {
    kept: Kept,
    believed: AllowedSigners,
}

async fn beside(context: &Context, common: &Common) -> Result<Beside, Failure> {
    let files = files(context, common)?;
    let ids = UuidIds::default();
    let reveal = |reference: &_| secret(context, &files.root, reference);
    let address = store::address(context, common.store.as_deref(), &files.project, &files.root, reveal)?;
    let fresh = (&*ids.runner(), ids.store());
    let kept = store::open(context, &address, Absent::Refuse, Arc::new(SystemClock), fresh).await?;
    let allowed = allowed_signers(&files.root)?;
    let believed = signing::believed(&files, kept.key.as_deref(), allowed)?;
    Ok(Beside { kept, believed })
}

/// What the journal says otherwise; why it cannot be asked.
async fn against(receipt: &Receipt, beside: &Beside) -> Result<Vec<Finding>, String> {
    let journal = &beside.kept.journal;
    let store = journal.store_id().await.map_err(|error| error.to_string())?;
    if receipt.store != store {
        return Err(format!("it is of store {}, and this is {store}", receipt.store));
    }
    let read = async |name: &EnvironmentName| {
        journal
            .read(name, 0)
            .await
            .map_err(|error| Finding::new("the journal", "a sound chain", told(&error)))
    };
    let records = match read(&receipt.environment).await {
        Ok(records) => records,
        Err(finding) => return Ok(vec![finding]),
    };
    let mut tested: Vec<EnvironmentView> = Vec::new();
    for name in receipt.tested.iter().map(|it| &it.environment) {
        if tested.iter().any(|view| view.name == *name) {
            continue;
        }
        let mut view = EnvironmentView::new(name.clone());
        let records = match read(name).await {
            Ok(records) => records,
            Err(finding) => return Ok(vec![finding]),
        };
        if let Err(error) = view.extend(&records) {
            return Ok(vec![Finding::new("the journal", "a sound chain", told(&error))]);
        }
        tested.push(view);
    }
    let differs = receipt.against(&records, &tested);
    Ok(differs.into_iter().map(|it| Finding::new(it.field, it.expected, it.found)).collect())
}

/// An error with its causes.
fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
