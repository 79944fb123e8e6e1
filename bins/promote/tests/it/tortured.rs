//! A short run of the torture: real processes are killed, and ticks finish what they left. Each promotion in it has an end
//! of its own, so the test needs none.

use crate::torture::{Moments, Wanted, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_killed_ticks_finish_it_and_nothing_is_done_twice() {
    let wanted = Wanted { kills: 5, lanes: 2, seed: 1, moments: Moments::Quiet, cloud: None };
    let report = run(wanted.clone(), &|line| eprintln!("{line}")).await;
    assert_eq!(report.wrong(), 0, "{}", report.text());
    let told = report.json(wanted.seed);
    for kind in ["double_effects", "lost_approvals", "mixed_fleets", "unresumed", "violations"] {
        assert_eq!(told[kind], 0, "{kind}: {told}");
    }
    assert_eq!(told["kills"], wanted.kills, "{told}");
    let landed = told["landed"].as_object().unwrap();
    assert!(!landed.is_empty() && landed.keys().all(|at| at.split('/').count() == 3), "{told}");
}
