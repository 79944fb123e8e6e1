//! The same story with two deaths: the runner's, and at each moment of what follows the first rescuer's.

use promotion::model::Millis;
use promotion::testing::{Moment, Switch};

use super::sweep::{Undisturbed, ends_the_same, moments, undisturbed};
use super::{Asked, Story};

/// A rescuer that dies at `moment` comes by once the dead runner's lease is over.
async fn rescuer(run: &Asked, moment: Moment) -> std::sync::Arc<Switch> {
    let switch = Switch::new(moment);
    run.world.clock.advance(Millis(31_000));
    let _the_dead_answer_nobody = run.world.mortal(&switch).tick().await;
    switch
}

/// Both deaths, and whether the end is the same nevertheless.
async fn second(
    story: Story,
    base: &Undisturbed,
    dead: &Asked,
    since: usize,
    moment: Moment,
) -> Result<(), String> {
    let run = dead.fork().await;
    rescuer(&run, moment).await;
    ends_the_same(story, base, &run, since).await
}

/// Every moment of the story, and after each every moment of its rescue. How many pairs there are.
pub(crate) async fn crash_pairs(story: Story) -> usize {
    let base = undisturbed(story).await;
    let mut n_pairs = 0;
    let mut wrong = Vec::new();
    for (first, what) in moments(&base.moments) {
        let dead = base.asked.fork().await;
        let since = dead.world.provider.calls().len();
        dead.play_until(first).await;
        let rescue = rescuer(&dead.fork().await, Moment::Never).await;
        for (then, also) in moments(&rescue.seen()) {
            n_pairs += 1;
            if let Err(why) = second(story, &base, &dead, since, then).await {
                wrong.push(format!("{first:?} ({what}), then {then:?} ({also}): {why}"));
            }
        }
    }
    wrong.truncate(20);
    assert!(wrong.is_empty(), "{story:?}, of {n_pairs} pairs:\n{}", wrong.join("\n"));
    n_pairs
}
