//! The table as a page: a picture and every rule.

use std::fmt::Write as _;

use super::phase::{Guard, Phase};
use super::table::{Rule, TABLE};

/// The page `docs/promotion-states.md`, made from the table alone.
pub fn render() -> String {
    let mut out = String::from(
        "# The phases of a promotion\n\nGenerated from `crates/promotion/src/machine/table.rs` by `cargo xtask gen`; do not edit.\n\n```mermaid\nstateDiagram-v2\n    [*] --> requested\n",
    );
    for row in TABLE {
        if let Rule::Go(to, _) = row.rule
            && to != row.from
        {
            let guard = if row.when == Guard::Always { String::new() } else { format!(" [{}]", row.when) };
            let _ = writeln!(out, "    {} --> {}: {}{guard}", node(row.from), node(to), row.on);
        }
    }
    for phase in Phase::ALL.iter().filter(|phase| phase.is_final()) {
        let _ = writeln!(out, "    {} --> [*]", node(*phase));
    }
    out.push_str("```\n\n| in | on | when | then | once |\n|---|---|---|---|---|\n");
    for row in TABLE {
        let (then, once) = match row.rule {
            Rule::Go(to, effects) => {
                let names: Vec<_> = effects.iter().map(|effect| effect.name()).collect();
                (to.to_string(), names.join(", "))
            }
            Rule::Ignore(why) => (format!("refused: {why}"), String::new()),
        };
        let _ = writeln!(out, "| {} | {} | {} | {then} | {once} |", row.from, row.on, row.when);
    }
    out
}

fn node(phase: Phase) -> String {
    phase.name().replace('-', "_")
}
