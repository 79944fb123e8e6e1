//! What is said of sabotages: a table, or a list for programs.

use super::Noticed;
use crate::promises::Kind;
use clikit::{Failure, Output, Table, elapsed_text};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// One sabotage, and who noticed it.
#[derive(Clone, Debug)]
pub(super) struct Told {
    n: u32,
    /// Package → what its tests did.
    pub(super) suites: Vec<(String, Noticed)>,
    /// What the torture did, where it was asked for.
    pub(super) torture: Option<Noticed>,
    pub(super) took: Duration,
}

impl Told {
    pub(super) const fn new(n: u32) -> Self {
        Self { n, suites: Vec::new(), torture: None, took: Duration::ZERO }
    }

    /// Whether the tests of every package that has to notice did. Not every promise shows in a torture: that one is told
    /// and not demanded.
    pub(super) fn is_caught(&self) -> bool {
        !self.suites.is_empty() && self.suites.iter().all(|(_, noticed)| matches!(noticed, Noticed::Red(_)))
    }

    fn tests(&self) -> Vec<&str> {
        let suites = self.suites.iter().filter_map(|(_, noticed)| match noticed {
            Noticed::Red(tests) => Some(tests),
            _ => None,
        });
        suites.flatten().map(String::as_str).collect()
    }

    fn kinds(&self) -> BTreeSet<Kind> {
        let mut kinds: BTreeSet<Kind> = self.tests().into_iter().map(Kind::of_name).collect();
        if matches!(self.torture, Some(Noticed::Red(_))) {
            kinds.insert(Kind::Torture);
        }
        kinds
    }

    fn json(&self) -> Value {
        let by: Vec<&str> = self.kinds().into_iter().map(Kind::name).collect();
        let unnoticed: Vec<Value> = self
            .suites
            .iter()
            .filter(|(_, noticed)| !matches!(noticed, Noticed::Red(_)))
            .map(|(suite, noticed)| json!({"package": suite, "result": cells(noticed).0}))
            .collect();
        json!({
            "name": format!("sabotage-p{}", self.n),
            "promise": format!("P{}", self.n),
            "caught": self.is_caught(),
            "by": by,
            "tests": self.tests(),
            "unnoticed": unnoticed,
        })
    }
}

pub(super) fn tell(out: &Output, told: &[Told], is_json: bool) -> Result<(), Failure> {
    if is_json {
        let list: Vec<Value> = told.iter().map(Told::json).collect();
        return out.raw(format!("{}\n", Value::Array(list)).as_bytes());
    }
    let mut table = Table::new(["promise", "package", "result", "by", "tests that noticed", "time"]);
    for one in told {
        let took = elapsed_text(one.took);
        for (suite, noticed) in &one.suites {
            let (result, tests) = cells(noticed);
            table.row([format!("P{}", one.n), suite.clone(), result, by(noticed), tests, took.clone()]);
        }
        if let Some(noticed) = &one.torture {
            let (result, tests) = cells(noticed);
            let kind = Kind::Torture.name().to_owned();
            table.row([format!("P{}", one.n), kind.clone(), result, kind, tests, took]);
        }
    }
    out.text(&table.to_string())
}

fn by(noticed: &Noticed) -> String {
    let Noticed::Red(tests) = noticed else { return "-".to_owned() };
    let kinds: BTreeSet<Kind> = tests.iter().map(|test| Kind::of_name(test)).collect();
    kinds.into_iter().map(Kind::name).collect::<Vec<_>>().join(", ")
}

fn cells(noticed: &Noticed) -> (String, String) {
    match noticed {
        Noticed::Red(tests) => {
            let first = tests.first().map_or("-", String::as_str);
            let more = tests.len().saturating_sub(1);
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            ("red, as it must be".to_owned(), format!("{first}{more}"))
        }
        Noticed::Green => ("GREEN: NOBODY NOTICED".to_owned(), "-".to_owned()),
        Noticed::NoTest => ("NO TEST".to_owned(), "-".to_owned()),
        Noticed::Broken(why) => (format!("BROKEN: {why}"), "-".to_owned()),
    }
}
