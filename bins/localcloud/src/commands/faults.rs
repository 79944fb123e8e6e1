//! `localcloud faults`

use clikit::{Exit, Failure, Output, Table};
use http::Method;
use localcloud::faults::{Fault, FaultName};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{args::FaultsArgs, place::Place, running::Running};

const PATH: &str = "/localcloud/v1/faults";

/// What `--json` prints, what the server answers, and what `--set` takes besides a bare list.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Faults {
    #[serde(default)]
    ok: bool,
    faults: Vec<Fault>,
}

pub(crate) fn exec(out: &Output, place: &Place, args: &FaultsArgs) -> Result<Exit, Failure> {
    let change = match (&args.set, &args.add, args.clear) {
        (Some(text), _, _) => Some((Method::PUT, json!({"faults": many("--set", text)?}))),
        (_, Some(text), _) => Some((Method::POST, json!(one("--add", text)?))),
        (_, _, true) => Some((Method::PUT, json!({"faults": []}))),
        _ => None,
    };
    let said = clikit::block_on(async {
        let running = Running::find(place).await?;
        let (method, body) = change.unzip();
        let said = running.call(method.unwrap_or(Method::GET), PATH, &[], body.as_ref(), None).await;
        said.map_err(|failure| if failure.exit == Exit::Usage { failure.with_hint(known()) } else { failure })
    })?;
    let mut faults: Faults = serde_json::from_value(said)
        .map_err(|error| Failure::bug("the server's list of faults cannot be read").with_source(error))?;
    faults.ok = true;
    out.emit(&faults, |faults| human(&faults.faults))?;
    Ok(Exit::Done)
}

/// One fault as JSON.
pub(crate) fn one(option: &str, text: &str) -> Result<Fault, Failure> {
    serde_json::from_str(text).map_err(|error| wrong(option, &error))
}

/// A list, one fault, or what `faults --json` printed.
fn many(option: &str, text: &str) -> Result<Vec<Fault>, Failure> {
    let value: Value = serde_json::from_str(text).map_err(|error| wrong(option, &error))?;
    // Decoded from the text again, so that an error has its place, and as the form that was meant.
    match value {
        Value::Array(_) => serde_json::from_str(text).map_err(|error| wrong(option, &error)),
        Value::Object(map) if map.contains_key("faults") => serde_json::from_str::<Faults>(text)
            .map(|faults| faults.faults)
            .map_err(|error| wrong(option, &error)),
        _ => one(option, text).map(|fault| vec![fault]),
    }
}

fn wrong(option: &str, error: &serde_json::Error) -> Failure {
    Failure::usage(format!("{option}: no fault in this form")).with_why(error.to_string()).with_hint(known())
}

/// The names of all faults, from the very decoder that takes them.
pub(crate) fn known() -> String {
    let refusal = serde_json::from_value::<FaultName>(Value::from(""))
        .map_or_else(|e| e.to_string(), |_| String::new());
    let names: Vec<&str> = refusal.split('`').skip(1).step_by(2).filter(|name| !name.is_empty()).collect();
    format!(r#"write {{"name":"latency","ms":300}}; the names are {}"#, names.join(", "))
}

fn human(faults: &[Fault]) -> String {
    if faults.is_empty() {
        return "no fault is on\n".to_owned();
    }
    let mut table = Table::new(["name", "where", "how"]);
    for fault in faults {
        let value = serde_json::to_value(fault).unwrap_or_default();
        let part = |is_place: bool| {
            let places = ["app", "machine", "action", "region"];
            let fields = value.as_object().into_iter().flatten();
            let wanted =
                fields.filter(|(key, _)| *key != "name" && places.contains(&key.as_str()) == is_place);
            let texts: Vec<String> = wanted.map(|(key, value)| format!("{key}={}", bare(value))).collect();
            texts.join(" ")
        };
        table.row([fault.name.as_str().to_owned(), part(true), part(false)]);
    }
    table.to_string()
}

fn bare(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_fault_names_those_there_are() {
        for bad in ["", "{}", r#"{"name":"latncy"}"#, r#"{"name":"latency","mss":3}"#, "[]"] {
            let failure = one("--add", bad).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage, "{bad}");
            let hint = failure.hint.unwrap();
            for name in ["boot-failure", "answer-408-after-success", "edge-lag"] {
                assert!(hint.contains(name), "{hint}");
            }
        }
    }

    #[test]
    fn what_was_printed_can_be_set_again() {
        let text = r#"{"ok":true,"faults":[{"name":"latency","app":"web","ms":3}]}"#;
        assert_eq!(
            many("--set", text).unwrap(),
            many("--set", r#"[{"name":"latency","app":"web","ms":3}]"#).unwrap()
        );
        assert_eq!(many("--set", r#"{"name":"boot-failure"}"#).unwrap().len(), 1);
        assert_eq!(human(&many("--set", text).unwrap()), "NAME     WHERE    HOW\nlatency  app=web  ms=3\n");
    }
}
