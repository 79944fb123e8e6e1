//! Virtual time, counted ids, seeded chance.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;

use crate::model::{At, Millis, PromotionId};
use crate::ports::{Clock, Ids, Randomness};

/// Time that passes only when somebody sleeps.
#[derive(Debug)]
pub struct VirtualClock {
    now: AtomicI64,
    /// Who waits for which time; none where one task has the time for itself.
    sleepers: Option<Mutex<Sleepers>>,
}

#[derive(Debug, Default)]
struct Sleepers {
    n: u64,
    waiting: BTreeMap<(At, u64), Waker>,
}

impl VirtualClock {
    /// Starts at `at`. For one task at a time: a sleep is over at once, and later.
    pub const fn new(at: At) -> Self {
        Self { now: AtomicI64::new(at.0), sleepers: None }
    }

    /// Starts at `at`. For several tasks: who sleeps waits until time was let pass ([`VirtualClock::pass`]).
    pub fn shared(at: At) -> Self {
        Self { now: AtomicI64::new(at.0), sleepers: Some(Mutex::default()) }
    }

    /// Lets time pass.
    pub fn advance(&self, time: Millis) {
        let now = At(self.now.fetch_add(time.0.cast_signed(), Ordering::SeqCst)).plus(time);
        let Some(sleepers) = &self.sleepers else { return };
        let mut sleepers = lock(sleepers);
        while let Some(first) = sleepers.waiting.first_entry()
            && first.key().0 <= now
        {
            first.remove().wake();
        }
    }

    /// Lets time pass until the first sleeper wakes. False where nobody sleeps.
    pub fn pass(&self) -> bool {
        let first = self.sleepers.as_ref().and_then(|sleepers| lock(sleepers).waiting.keys().next().copied());
        let Some((at, _)) = first else { return false };
        self.advance(Millis(at.since(self.now()).0));
        true
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Somebody who sleeps beside others.
struct Asleep<'a> {
    clock: &'a VirtualClock,
    sleepers: &'a Mutex<Sleepers>,
    until: At,
    place: Option<u64>,
}

impl Future for Asleep<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.clock.now() >= self.until {
            return Poll::Ready(());
        }
        let mut sleepers = lock(self.sleepers);
        sleepers.n += 1;
        let place = self.place.unwrap_or(sleepers.n);
        sleepers.waiting.insert((self.until, place), context.waker().clone());
        drop(sleepers);
        self.place = Some(place);
        Poll::Pending
    }
}

impl Drop for Asleep<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            lock(self.sleepers).waiting.remove(&(self.until, place));
        }
    }
}

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> At {
        At(self.now.load(Ordering::SeqCst))
    }

    fn elapsed(&self) -> Millis {
        Millis(self.now().0.unsigned_abs())
    }

    async fn sleep(&self, time: Millis) {
        match &self.sleepers {
            None => self.advance(time),
            Some(sleepers) => {
                Asleep { clock: self, sleepers, until: self.now().plus(time), place: None }.await;
            }
        }
    }
}

/// A runner's own clock, which may go before or after everybody else's, and be set.
#[derive(Debug)]
pub struct OwnClock {
    time: Arc<VirtualClock>,
    ahead: AtomicI64,
}

impl OwnClock {
    /// So many milliseconds ahead of `time`; behind it below 0.
    pub const fn new(time: Arc<VirtualClock>, ahead: i64) -> Self {
        Self { time, ahead: AtomicI64::new(ahead) }
    }

    /// Somebody sets it.
    pub fn set(&self, ahead: i64) {
        self.ahead.store(ahead, Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for OwnClock {
    fn now(&self) -> At {
        At(self.time.now().0 + self.ahead.load(Ordering::SeqCst))
    }

    fn elapsed(&self) -> Millis {
        self.time.elapsed()
    }

    async fn sleep(&self, time: Millis) {
        self.time.sleep(time).await;
    }
}

/// Ids in order: `p-0001`, …; runners `runner-1`, ….
#[derive(Debug, Default)]
pub struct Counted {
    promotions: AtomicU64,
    runners: AtomicU64,
}

impl Counted {
    /// Promotions from `n + 1` on.
    pub fn from(n: u64) -> Self {
        Self { promotions: AtomicU64::new(n), runners: AtomicU64::new(n) }
    }

    /// Counts on by itself from here.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self {
            promotions: AtomicU64::new(self.promotions.load(Ordering::SeqCst)),
            runners: AtomicU64::new(self.runners.load(Ordering::SeqCst)),
        }
    }
}

impl Ids for Counted {
    fn promotion(&self) -> PromotionId {
        let n = self.promotions.fetch_add(1, Ordering::SeqCst) + 1;
        PromotionId::new(format!("p-{n:04}")).expect("digits are a name")
    }

    fn runner(&self) -> String {
        format!("runner-{}", self.runners.fetch_add(1, Ordering::SeqCst) + 1)
    }
}

/// A small generator (SplitMix64, public domain algorithm by Sebastiano Vigna): the same seed, the same numbers.
#[derive(Debug)]
pub struct Seeded(AtomicU64);

impl Seeded {
    /// From a seed.
    pub const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }
}

impl Randomness for Seeded {
    fn below(&self, bound: u64) -> u64 {
        let state =
            self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst).wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound.max(1)
    }
}
