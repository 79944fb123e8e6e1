//! `localcloud faults`

use clikit::{Exit, Failure, Output, Table};
use http::Method;
use localcloud::Quirks;
use localcloud::faults::{Fault, FaultName};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{args::FaultsArgs, place::Place, running::Running};

const PATH: &str = "/localcloud/v1/faults";
const QUIRKS: &str = "/localcloud/v1/quirks";

/// What `--json` prints, what the server answers, and what `--set` takes besides a bare list.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Faults {
    #[serde(default)]
    ok: bool,
    faults: Vec<Fault>,
    #[serde(default)]
    quirks: Quirks,
}

pub(crate) fn exec(out: &Output, place: &Place, args: &FaultsArgs) -> Result<Exit, Failure> {
    let change = match (&args.set, &args.add, args.clear) {
        (Some(text), _, _) => Some((Method::PUT, json!({"faults": many("--set", text)?}))),
        (_, Some(text), _) => Some((Method::POST, json!(one("--add", text)?))),
        (_, _, true) => Some((Method::PUT, json!({"faults": []}))),
        _ => None,
    };
    // Refused here, where the names are known, before anything is asked of anybody.
    quirks(Quirks::default(), &args.quirks)?;
    let turned = (!args.quirks.is_empty()).then(|| Value::Object(changes(&args.quirks)));
    let (mut said, quirks) = clikit::block_on(async {
        let running = Running::find(place).await?;
        let (method, body) = change.unzip();
        let said = running.call(method.unwrap_or(Method::GET), PATH, &[], body.as_ref(), None).await;
        let said =
            said.map_err(
                |failure| {
                    if failure.exit == Exit::Usage { failure.with_hint(known()) } else { failure }
                },
            )?;
        let method = if turned.is_some() { Method::PATCH } else { Method::GET };
        Ok::<_, Failure>((said, running.call(method, QUIRKS, &[], turned.as_ref(), None).await?))
    })?;
    (said["ok"], said["quirks"]) = (Value::Bool(true), quirks);
    let faults: Faults = serde_json::from_value(said)
        .map_err(|error| Failure::bug("the server's list of faults cannot be read").with_source(error))?;
    out.emit(&faults, |faults| format!("{}{}", human(&faults.faults), turned_round(faults.quirks)))?;
    Ok(Exit::Done)
}

/// Values as they stand in JSON: true, 2, null.
fn changes(given: &[(String, String)]) -> Map<String, Value> {
    let value = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
    given.iter().map(|(name, text)| (name.clone(), value(text))).collect()
}

/// `base` with the choices of `--quirk`.
pub(crate) fn quirks(base: Quirks, given: &[(String, String)]) -> Result<Quirks, Failure> {
    base.with(changes(given)).map_err(|error| {
        let names = serde_json::to_value(Quirks::default()).unwrap_or_default();
        let names: Vec<String> =
            names.as_object().into_iter().flatten().map(|(k, v)| format!("{k}={v}")).collect();
        Failure::usage("--quirk: no choice in this form")
            .with_why(error.to_string())
            .with_hint(format!("as they are by default: {}", names.join(", ")))
    })
}

/// The choices that are not as by default.
fn turned_round(quirks: Quirks) -> String {
    let of = |quirks: Quirks| serde_json::to_value(quirks).unwrap_or_default();
    let (now, usual) = (of(quirks), of(Quirks::default()));
    let turned =
        now.as_object().into_iter().flatten().filter(|(name, value)| usual[name.as_str()] != **value);
    turned.map(|(name, value)| format!("quirk {name}={value}\n")).collect()
}

/// All faults, for the help.
pub(crate) fn table() -> String {
    let width = FaultName::ALL.iter().map(|name| name.as_str().len()).max().unwrap_or_default();
    let rows = FaultName::ALL.iter().map(|name| format!("  {:width$}  {}\n", name.as_str(), name.effect()));
    format!(
        "Faults:\n{}\nFilters: app, machine, action (its name in the audit log), region. How often: count, probability, skip (so many\nchances pass first), for_ms (on for so long). Parameters: ms, applied, status, keep_version.\n",
        rows.collect::<String>()
    )
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

/// The names of all faults.
pub(crate) fn known() -> String {
    let names: Vec<&str> = FaultName::ALL.iter().map(|name| name.as_str()).collect();
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
    fn quirks_are_read_as_json_and_unknown_ones_name_the_others() {
        let given = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        let read = quirks(Quirks::default(), &given("retry_after_s", "2")).unwrap();
        assert_eq!(read.retry_after_s, Some(2));
        assert_eq!(turned_round(read), "quirk retry_after_s=2\n");
        for (name, value) in [("strict_nonse", "true"), ("strict_nonce", "yes")] {
            let failure = quirks(Quirks::default(), &given(name, value)).unwrap_err();
            assert!(failure.hint.unwrap().contains("strict_nonce=false"), "{name}");
        }
    }

    #[test]
    fn the_help_has_a_row_for_each() {
        let table = table();
        for name in FaultName::ALL {
            assert!(table.contains(&format!("  {} ", name.as_str())), "{name:?}");
        }
        assert!(table.lines().all(|line| line.len() <= 120), "{table}");
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
