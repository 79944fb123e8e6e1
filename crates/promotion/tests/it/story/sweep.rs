//! The same story again and again, with the runner killed at another moment each time.

use std::collections::BTreeMap;
use std::fmt;

use promotion::machine::Phase;
use promotion::model::Millis;
use promotion::testing::{Fault, Happens, Moment, Switch};

use super::{Asked, Story, commands, landed, shape, strays};

/// A story without disturbance: what every disturbed one is measured by.
pub(crate) struct Undisturbed {
    pub(crate) asked: Asked,
    pub(crate) moments: BTreeMap<u64, String>,
    pub(crate) shape: Vec<String>,
    pub(crate) landed: BTreeMap<(String, &'static str), usize>,
    pub(crate) commands: Vec<(String, String)>,
    pub(crate) looks: u64,
    pub(crate) calls: std::ops::Range<u64>,
    pub(crate) end: Phase,
    pub(crate) took: Millis,
}

pub(crate) async fn undisturbed(story: Story) -> Undisturbed {
    undisturbed_from(story, story.asked().await).await
}

/// The same from where somebody asked already.
pub(crate) async fn undisturbed_from(story: Story, asked: Asked) -> Undisturbed {
    let run = asked.fork().await;
    let provider = &run.world.provider;
    let (looks, calls, since) = (provider.looks(), provider.asked(), provider.calls().len());
    let (switch, begun) = (Switch::new(Moment::Never), run.world.now());
    run.play(&run.world.mortal(&switch)).await.unwrap();
    assert_eq!(run.phase().await, story.end(), "{story:?} without disturbance");
    let (looks, took) = (provider.looks() - looks, run.world.now().since(begun));
    look_closely(&run);
    Undisturbed {
        moments: switch.seen(),
        looks,
        calls: calls..provider.asked(),
        landed: landed(&run.world, since),
        commands: commands(&run.world),
        shape: shape(&run.world).await,
        end: story.end(),
        took,
        asked,
    }
}

/// From now on a look shows what is there, whatever it showed before.
fn look_closely(run: &Asked) {
    run.world.provider.change(|manners| manners.list_lag = Millis::ZERO);
}

/// Where the runner died, and how often.
#[derive(Debug, Default)]
pub(crate) struct Histogram(BTreeMap<(Phase, String, &'static str), u32>);

impl Histogram {
    pub(crate) fn note(&mut self, phase: Phase, what: &str, moment: Moment) {
        let side = match moment {
            Moment::Never => "never",
            Moment::Before(_) => "before",
            Moment::After(_) => "after",
        };
        // Names of units and slots are left out: the verb is the effect.
        let what = match what.split_once(' ') {
            Some(("write", rest)) => format!("write {rest}"),
            Some((verb, _)) => format!("call {verb}"),
            None => what.to_owned(),
        };
        *self.0.entry((phase, what, side)).or_default() += 1;
    }

    pub(crate) fn count(&self) -> u32 {
        self.0.values().sum()
    }
}

impl fmt::Display for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((phase, what, side), count) in &self.0 {
            writeln!(f, "{count:>4}  {:<18} {what:<28} {side}", phase.name())?;
        }
        Ok(())
    }
}

/// A story with fewer looks is short beside what rescuers look at anyway.
const LOOKS_LEAST: u64 = 20;

/// Rescuers come by and people answer. An error says what is other than without disturbance; `since` is how many calls
/// there had been when somebody asked.
pub(crate) async fn ends_the_same(
    story: Story,
    base: &Undisturbed,
    run: &Asked,
    since: usize,
) -> Result<(), String> {
    let phase = run.rescued().await;
    if phase != story.end() {
        return Err(format!("ends {phase}: {}", run.why().await));
    }
    look_closely(run);
    let (now, then) = (at_rest(run).await, &base.shape);
    if now != *then {
        return Err(format!("at rest\n  {}\ninstead of\n  {}", now.join("\n  "), then.join("\n  ")));
    }
    let landed = landed(&run.world, since);
    if landed != base.landed {
        return Err(format!("landed {landed:?} instead of {:?}", base.landed));
    }
    if let Some(why) = strays(&run.world) {
        return Err(why);
    }
    if commands(&run.world) != base.commands {
        return Err(format!("ran {:?} instead of {:?}", commands(&run.world), base.commands));
    }
    Ok(())
}

/// Kills the runner at `moment` and lets rescuers come by. An error says what is wrong afterwards.
pub(crate) async fn crash(
    story: Story,
    base: &Undisturbed,
    moment: Moment,
    histogram: &mut Histogram,
) -> Result<(), String> {
    let run = base.asked.fork().await;
    let (looks, since) = (run.world.provider.looks(), run.world.provider.calls().len());
    let switch = run.play_until(moment).await;
    let (Moment::Before(n) | Moment::After(n)) = moment else { return Err("nobody dies".to_owned()) };
    let what = switch.seen().get(&n).cloned().unwrap_or_default();
    histogram.note(run.phase().await, &what, moment);
    let came = ends_the_same(story, base, &run, since).await;
    came.map_err(|why| format!("{moment:?} ({what}): {why}"))?;
    let looks = run.world.provider.looks() - looks;
    if looks > 2 * base.looks.max(LOOKS_LEAST) {
        return Err(format!("{moment:?} ({what}): {looks} looks, {} without disturbance", base.looks));
    }
    Ok(())
}

/// The moments at which somebody may die.
pub(super) fn moments(seen: &BTreeMap<u64, String>) -> Vec<(Moment, String)> {
    let last = seen.keys().last().copied();
    let mut moments = Vec::new();
    for (n, what) in seen {
        moments.push((Moment::Before(*n), what.clone()));
        // To the world, after a record is before what comes next; a call's answer is lost in between.
        if Some(*n) == last || what.starts_with("write step") || !what.starts_with("write") {
            moments.push((Moment::After(*n), what.clone()));
        }
    }
    moments
}

/// Every moment of the story, before and after.
pub(crate) async fn crash_sweep(story: Story) {
    let base = undisturbed(story).await;
    let mut histogram = Histogram::default();
    let mut wrong = Vec::new();
    let mut n_moments = 0;
    for (moment, _) in moments(&base.moments) {
        n_moments += 1;
        if let Err(why) = crash(story, &base, moment, &mut histogram).await {
            wrong.push(why);
        }
    }
    println!("{story:?}: {n_moments} deaths, {} looks\n{histogram}", base.looks);
    assert_eq!(histogram.count(), n_moments);
    assert!(wrong.is_empty(), "{story:?}: {} of {n_moments} moments:\n{}", wrong.len(), wrong.join("\n"));
}

/// Everything that can go wrong with one call.
pub(crate) fn faults(client_timeout: Millis) -> [Fault; 7] {
    [
        Fault::NotSent,
        Fault::Refused,
        Fault::LostAnswer,
        Fault::LostCall,
        Fault::Late(Millis(2_000)),
        Fault::Late(Millis(client_timeout.0 - 1)),
        Fault::Twice,
    ]
}

/// Lets `fault` happen to call `n`, and the runner die at `moment`. An error says what is wrong afterwards.
pub(crate) async fn fault(
    base: &Undisturbed,
    before: &[String],
    n: u64,
    fault: Fault,
    moment: Moment,
) -> Result<Phase, String> {
    let run = base.asked.fork().await;
    run.world.provider.fail(n, fault);
    let switch = run.play_until(moment).await;
    let phase = if switch.is_dead() { run.rescued().await } else { run.phase().await };
    let call = run.world.provider.asked_for(n).map_or_else(|| "no call".to_owned(), |call| call.title());
    let wanted = match phase {
        Phase::Succeeded if base.end == Phase::Succeeded => &base.shape,
        Phase::RolledBack | Phase::Blocked | Phase::Aborted => before,
        _ => {
            let why = run.why().await;
            return Err(format!("{fault:?} of call {n} ({call}), {moment:?}: ends {phase}: {why}"));
        }
    };
    // A call that is still on its way when the promotion ends would land now.
    run.world.clock.advance(run.world.limits.client_timeout);
    look_closely(&run);
    let (now, wanted) = (unleased(&at_rest(&run).await), unleased(wanted));
    if let Some(why) = strays(&run.world) {
        return Err(format!("{fault:?} of call {n} ({call}), {moment:?}: {phase}: {why}"));
    }
    if now != wanted {
        return Err(format!(
            "{fault:?} of call {n} ({call}), {moment:?}: {phase}, at rest\n  {}\ninstead of\n  {}",
            now.join("\n  "),
            wanted.join("\n  ")
        ));
    }
    if phase == Phase::RolledBack && base.end != phase && fault != Fault::Refused {
        return Err(format!("{fault:?} of call {n} ({call}), {moment:?}: put back: {}", run.why().await));
    }
    Ok(phase)
}

/// A lease that the provider refuses to take back runs out by itself.
pub(crate) fn unleased(shape: &[String]) -> Vec<String> {
    let mut shape: Vec<String> =
        shape.iter().map(|unit| unit.replace("leased=true", "leased=false")).collect();
    shape.sort();
    shape
}

/// Every fault at every call.
pub(crate) async fn fault_sweep(story: Story) {
    let base = undisturbed(story).await;
    let before = shape(&base.asked.world).await;
    let mut ends: BTreeMap<Phase, u32> = BTreeMap::new();
    let mut wrong = Vec::new();
    for n in base.calls.clone() {
        for what in faults(base.asked.world.limits.client_timeout) {
            match fault(&base, &before, n, what, Moment::Never).await {
                Ok(phase) => *ends.entry(phase).or_default() += 1,
                Err(why) => wrong.push(why),
            }
        }
    }
    println!("{story:?}: {} calls, ends {ends:?}", base.calls.clone().count());
    assert!(wrong.is_empty(), "{story:?}: {} wrong ends\n{}", wrong.len(), wrong.join("\n"));
}

/// How production rests. What was found at rest in traffic, where nobody rests without disturbance, is told like what runs:
/// it fell asleep before it was found, and rests as it was found.
pub(crate) async fn at_rest(run: &Asked) -> Vec<String> {
    let mut shape = shape(&run.world).await;
    if run.found_asleep().await {
        for unit in &mut shape {
            *unit = unit.replace("Stopped cordoned=false", "Started cordoned=false");
        }
        shape.sort();
    }
    shape
}

/// At every look in turn all units in traffic fall asleep, and in the second half of the runs requests wake them again a
/// little later: the end is the same.
pub(crate) async fn asleep_sweep(story: Story) {
    let base = undisturbed(story).await;
    let mut wrong = Vec::new();
    for n in 0..2 * base.looks {
        let run = base.asked.fork().await;
        let provider = &run.world.provider;
        let (look, since) = (provider.looks() + n % base.looks, provider.calls().len());
        provider.happens_at([look], Happens::Idle);
        if n >= base.looks {
            provider.happens_at([look + 3], Happens::Asked);
        }
        run.play(&run.world.engine()).await.unwrap();
        let (phase, now) = (run.phase().await, at_rest(&run).await);
        if phase != base.end {
            wrong.push(format!("look {n}: ends {phase}: {}", run.why().await));
        } else if now != base.shape {
            wrong.push(format!("look {n}: at rest\n  {}", now.join("\n  ")));
        } else if landed(&run.world, since) != base.landed {
            wrong.push(format!("look {n}: landed {:?}", landed(&run.world, since)));
        }
    }
    assert!(wrong.is_empty(), "{story:?}: {} wrong ends\n{}", wrong.len(), wrong.join("\n"));
}
