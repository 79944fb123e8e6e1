//! The faults' table: every fault alone and random pairs, for both strategies, each run ended and judged by what the
//! provider shows.

mod rows;
mod run;

use std::fmt::Write as _;

use futures_util::StreamExt as _;
use promotion::model::Strategy;

use crate::support::Cloud;
use rows::{Row, STRATEGIES};
use run::{Ended, Images, Run};

/// Runs side by side: they mostly wait.
const LANES: usize = 32;
/// The seed of the pairs, where none is given.
const SEED: u64 = 20_261_121;
/// Pairs that are drawn, for each strategy.
const PAIRS: usize = 50;

/// Runs under faults, and how they came out.
type Cases = Vec<(Strategy, Vec<Row>)>;

async fn table(cases: Cases) -> String {
    let cloud = Cloud::start().await;
    let images = Images { old: cloud.image("base", "v1").await, new: cloud.image("base", "v2").await };
    let (cloud_ref, images_ref) = (&cloud, &images);
    let runs = cases.into_iter().enumerate().map(|(n, (strategy, rows))| async move {
        let run = Run::new(cloud_ref, images_ref, &format!("run-{n}"), strategy).await;
        let ended = run.promote(&rows).await;
        (strategy, rows, ended)
    });
    let all: Vec<(Strategy, Vec<Row>, Ended)> =
        futures_util::stream::iter(runs).buffered(LANES).collect().await;
    cloud.end().await;
    let mut text = String::from("faults | strategy | ended | s | calls (changes) | struck | why\n");
    let mut wrong = String::new();
    for (strategy, rows, ended) in &all {
        let titles: Vec<&str> = rows.iter().map(|row| row.title.as_str()).collect();
        let phase = ended.phase.map_or("not at all".to_owned(), |phase| phase.to_string());
        let _ = writeln!(
            text,
            "{} | {strategy:?} | {phase} | {:.1} | {} ({}) | {} | {}",
            titles.join(" & "),
            ended.seconds,
            ended.calls.0,
            ended.calls.1,
            ended.struck,
            ended.why
        );
        if !ended.wrong.is_empty() {
            let _ = writeln!(
                wrong,
                "\n{} {strategy:?}: {}\n{}",
                titles.join(" & "),
                ended.wrong.join("\n"),
                ended.story.join("\n")
            );
        }
    }
    println!("{text}");
    assert!(wrong.is_empty(), "{text}\n{wrong}");
    text
}

/// Every fault of fly.md section 9, alone, ends on the new release or back on the old one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_alone_ends_new_or_back() {
    let both = |row: Row| STRATEGIES.map(|strategy| (strategy, vec![row.clone()]));
    let mut cases: Cases = STRATEGIES.map(|strategy| (strategy, Vec::new())).into();
    cases.extend(rows::alone().into_iter().flat_map(both));
    table(cases).await;
}

#[expect(clippy::disallowed_methods, reason = "a seed is given from outside, to see a run again")]
fn seed() -> u64 {
    std::env::var("FAULTS_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(SEED)
}

/// Fifty random pairs, for each strategy; a minute and a half on an idle machine: `cargo xtask test faults`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it takes long: a step of its own, `cargo xtask test faults`"]
async fn every_pair_of_faults_ends_new_or_back() {
    let seed = seed();
    println!("seed {seed}: FAULTS_SEED={seed} draws these pairs again");
    let both = |pair: [Row; 2]| STRATEGIES.map(|strategy| (strategy, pair.to_vec()));
    table(rows::pairs(seed, PAIRS).into_iter().flat_map(both).collect()).await;
}
