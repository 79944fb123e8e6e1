//! docs/traceability.md, from docs/requirements.toml.

use super::{cell, heading};
use crate::process::Shell;
use crate::repo::Repo;
use crate::requirements::{PATH, Requirements, Row};
use clikit::Failure;
use std::collections::BTreeMap;
use std::fmt::Write;

pub(super) fn page(repo: &Repo, _shell: &Shell) -> Result<String, Failure> {
    Ok(render(&Requirements::read(repo)?))
}

fn render(requirements: &Requirements) -> String {
    let rows = &requirements.rows;
    let mut text = heading("Traceability", PATH);
    let n_proven = rows.iter().filter(|row| row.status() == "proven").count();
    let _ = write!(
        text,
        "\nEvery requirement and what proves it. {n_proven} of {} are proven by a test that ran green; \
         a row without a test is open.\n\n",
        rows.len()
    );
    let mut areas: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for row in rows {
        let counts = areas.entry(&row.area).or_default();
        counts.0 += usize::from(row.status() == "proven");
        counts.1 += 1;
    }
    text.push_str("| area | proven | of |\n|---|---:|---:|\n");
    for (area, (proven, all)) in areas {
        let _ = writeln!(text, "| {area} | {proven} | {all} |");
    }
    text.push_str("\n## Promises\n\n| promise | text | not tested yet because |\n|---|---|---|\n");
    let mut promises: Vec<(u32, &str, &str)> = Vec::new();
    for (name, promise) in &requirements.promises.texts {
        let number = name.trim_start_matches('P').parse().unwrap_or(u32::MAX);
        let later = requirements.promises.later.get(name).map_or("", String::as_str);
        promises.push((number, promise, later));
    }
    promises.sort_unstable();
    for (number, promise, later) in promises {
        let _ = writeln!(text, "| P{number} | {} | {} |", cell(promise), cell(later));
    }
    text.push_str("\n## Requirements\n\n| # | seed | requirement | area | status | proof |\n|---:|---|---|---|---|---|\n");
    for row in rows {
        let (id, seed, area, status) = (row.id, &row.seed, &row.area, row.status());
        let _ =
            writeln!(text, "| {id} | {seed} | {} | {area} | {status} | {} |", cell(&row.text), proof(row));
    }
    text
}

fn proof(row: &Row) -> String {
    let code = |items: &[String]| items.iter().map(|item| format!("`{}`", cell(item))).collect::<Vec<_>>();
    let mut parts = code(&row.tests);
    parts.extend(code(&row.commands));
    parts.extend(row.pages.iter().map(|page| {
        let link = page.strip_prefix("docs/").map_or_else(|| format!("../{page}"), str::to_owned);
        format!("[{page}]({link})")
    }));
    parts.join("<br>")
}
