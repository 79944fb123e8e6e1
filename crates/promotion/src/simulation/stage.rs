//! Several tasks on one thread. Who goes on next the dice decide; time passes when everybody waits for it.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::future::{poll_fn, select};

use crate::model::{At, Millis};
use crate::ports::{Clock as _, Randomness as _};
use crate::testing::{Seeded, VirtualClock};

/// So many steps of tasks are no longer progress but a circle.
const STEPS_MOST: u64 = 3_000_000;

/// Tasks, and the time they share.
pub(super) struct Stage<'a> {
    clock: Arc<VirtualClock>,
    dice: Seeded,
    tasks: Vec<Task<'a>>,
}

struct Task<'a> {
    future: Pin<Box<dyn Future<Output = ()> + 'a>>,
    awake: Arc<Awake>,
}

struct Awake(AtomicBool);

impl Wake for Awake {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// How a play ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Played {
    /// Everybody has left.
    Out,
    /// Somebody was still there when the time was over, or went in circles.
    Late,
}

impl<'a> Stage<'a> {
    /// Nobody yet. The clock must be one for several tasks.
    pub(super) const fn new(clock: Arc<VirtualClock>, seed: u64) -> Self {
        Self { clock, dice: Seeded::new(seed), tasks: Vec::new() }
    }

    /// One more.
    pub(super) fn enter(&mut self, task: impl Future<Output = ()> + 'a) {
        self.tasks.push(Task { future: Box::pin(task), awake: Arc::new(Awake(AtomicBool::new(true))) });
    }

    /// Plays until everybody has left, at most `until`.
    pub(super) fn play(mut self, until: At) -> Played {
        for _ in 0..STEPS_MOST {
            if self.tasks.is_empty() {
                return Played::Out;
            }
            let awake: Vec<usize> =
                (0..self.tasks.len()).filter(|n| self.tasks[*n].awake.0.load(Ordering::SeqCst)).collect();
            if awake.is_empty() {
                if self.clock.now() >= until || !self.clock.pass() {
                    return Played::Late;
                }
                continue;
            }
            let n = awake[usize::try_from(self.dice.below(awake.len() as u64)).unwrap_or_default()];
            let task = &mut self.tasks[n];
            task.awake.0.store(false, Ordering::SeqCst);
            let waker = Waker::from(task.awake.clone());
            if task.future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                self.tasks.remove(n);
            }
        }
        Played::Late
    }
}

/// `work`, by somebody who is killed at `death`: what was under way then is dropped where it stands.
pub(super) async fn mortal(clock: &VirtualClock, death: At, work: impl Future<Output = ()>) {
    let (work, end) = (pin!(work), pin!(clock.sleep(death.since(clock.now()))));
    select(work, end).await;
}

/// `work`, by somebody who is stopped for `time` once `has_come`, and then goes on as if nothing had been.
pub(super) async fn stopped(
    clock: &VirtualClock,
    has_come: impl Fn() -> bool,
    time: Millis,
    work: impl Future<Output = ()>,
) {
    let mut work = pin!(work);
    let mut until = None;
    let mut nap = None;
    poll_fn(|context| {
        if until.is_none() && has_come() {
            until = Some(clock.now().plus(time));
        }
        if until.is_some_and(|until| clock.now() < until) {
            let nap = nap.get_or_insert_with(|| clock.sleep(time));
            if nap.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
        work.as_mut().poll(context)
    })
    .await;
}
