//! The faults' table: every fault alone and random pairs, for both strategies, each run ended and judged by what the
//! provider shows.

pub(crate) mod rows;
pub(crate) mod run;
mod staged;

use std::fmt::Write as _;

use futures_util::StreamExt as _;
use promotion::model::Strategy;

use crate::support::Cloud;
use rows::{Row, STRATEGIES};
use run::{Ended, Images, Manner, Run};

/// Runs side by side: they mostly wait.
pub(crate) const LANES: usize = 32;

/// Promotions by strategy, each under some faults.
pub(crate) type Cases = Vec<(Strategy, Vec<Row>)>;

/// How they came out: the table, and what must not be, with what happened.
pub(crate) struct Table {
    pub(crate) text: String,
    pub(crate) wrong: String,
}

fn titles(rows: &[Row]) -> String {
    let titles: Vec<&str> = rows.iter().map(|row| row.title.as_str()).collect();
    titles.join(" & ")
}

/// A row of the table.
fn line(strategy: Strategy, rows: &[Row], ended: &Ended) -> String {
    let phase = ended.phase.map_or("not at all".to_owned(), |phase| phase.to_string());
    let Ended { seconds, calls, struck, why, .. } = ended;
    let (asked, changed) = calls;
    let is = if ended.wrong.is_empty() { "" } else { "WRONG: " };
    format!(
        "{is}{} | {strategy:?} | {phase} | {seconds:.1} | {asked} ({changed}) | {struck} | {why}",
        titles(rows)
    )
}

/// Runs them, so many at once.
pub(crate) async fn table(cases: Cases, lanes: usize) -> Table {
    let cloud = Cloud::start().await;
    let images = Images { old: cloud.image("base", "v1").await, new: cloud.image("base", "v2").await };
    let (cloud_ref, images_ref) = (&cloud, &images);
    let runs = cases.into_iter().enumerate().map(|(n, (strategy, rows))| async move {
        let run = Run::new(cloud_ref, images_ref, &format!("run-{n}"), strategy, Manner::default()).await;
        let ended = Box::pin(run.promote(&rows)).await;
        // As each ends: all of them take minutes.
        println!("{}", line(strategy, &rows, &ended));
        (n, strategy, rows, ended)
    });
    let mut all: Vec<(usize, Strategy, Vec<Row>, Ended)> =
        futures_util::stream::iter(runs).buffer_unordered(lanes).collect().await;
    all.sort_by_key(|(n, ..)| *n);
    cloud.end().await;
    let mut text = String::from("faults | strategy | ended | s | calls (changes) | struck | why\n");
    let mut wrong = String::new();
    for (_, strategy, rows, ended) in &all {
        let _ = writeln!(text, "{}", line(*strategy, rows, ended));
        if !ended.wrong.is_empty() {
            let _ = writeln!(
                wrong,
                "\n{} {strategy:?}: {}\n{}",
                titles(rows),
                ended.wrong.join("\n"),
                ended.story.join("\n")
            );
        }
    }
    Table { text, wrong }
}

/// None, and every fault alone.
pub(crate) fn alone() -> Cases {
    let both = |rows: Vec<Row>| STRATEGIES.map(|strategy| (strategy, rows.clone()));
    let alone = rows::alone().into_iter().map(|row| vec![row]);
    std::iter::once(Vec::new()).chain(alone).flat_map(both).collect()
}

/// `n` random pairs; a seed draws the same ones again.
pub(crate) fn pairs(seed: u64, n: usize) -> Cases {
    let both = |pair: [Row; 2]| STRATEGIES.map(|strategy| (strategy, pair.to_vec()));
    rows::pairs(seed, n).into_iter().flat_map(both).collect()
}

/// Every fault of fly.md section 9, alone, ends on the new release or back on the old one, and so do some pairs. Many pairs
/// are a step of their own: `cargo xtask test faults`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_ends_new_or_back() {
    let mut cases = alone();
    cases.extend(pairs(7, 3));
    let Table { text, wrong } = table(cases, LANES).await;
    println!("{text}");
    assert!(wrong.is_empty(), "{text}\n{wrong}");
}
