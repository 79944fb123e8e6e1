//! P7: a request that starts during a promotion or its rollback is answered, whatever each edge believes just then.

use promotion::model::{At, Millis};
use promotion::testing::{Lost, Manners, World};

use crate::story::Story;

/// Edges with lags below `settle`; the seed shifts when the runner looks.
async fn lost(story: Story, seed: u64, lags: [u64; 2], settle: Millis) -> Vec<Lost> {
    let manners = Manners { lags: lags.map(Millis).into(), ..Manners::default() };
    let mut world = World::new(seed, manners);
    world.limits.settle = settle;
    let asked = story.asked_in(world).await;
    let from: At = asked.world.now();
    asked.play(&asked.world.engine()).await.unwrap();
    assert_eq!(asked.phase().await, story.end());
    // Whatever the edges still have to hear.
    asked.world.clock.advance(Millis(5_000));
    asked.world.provider.lost(&World::place("production", "api"), from)
}

const LAGS: [[u64; 2]; 4] = [[0, 0], [150, 900], [999, 1], [500, 998]];

#[tokio::test]
async fn p7_no_request_is_lost_by_promotions_and_their_rollbacks() {
    let stories = [
        Story::Promote,
        Story::PromoteThatFails,
        Story::Rolling,
        Story::RollingThatFails,
        Story::BackByPerson,
        Story::BackByPersonThatFails,
        Story::BackByPersonThatStays,
    ];
    for story in stories {
        for (seed, lags) in (1..).zip(LAGS) {
            let lost = lost(story, seed, lags, Millis(1_000)).await;
            assert!(lost.is_empty(), "{story:?} with lags {lags:?}, seed {seed}: {lost:?}");
        }
    }
}

/// The test of the test: who does not wait for the edges loses requests, and the judge sees it.
#[tokio::test]
async fn p7_without_waiting_for_the_edges_the_judge_finds_losses() {
    for story in [Story::Promote, Story::Rolling] {
        let lost = lost(story, 1, [150, 900], Millis::ZERO).await;
        assert!(!lost.is_empty(), "{story:?}");
    }
}

/// An edge slower than `settle` is what the asking of edges is for; nobody can ask here, so requests are lost.
#[tokio::test]
async fn p7_an_edge_slower_than_promised_shows() {
    let lost = lost(Story::Promote, 1, [150, 3_000], Millis(1_000)).await;
    assert!(!lost.is_empty());
}
