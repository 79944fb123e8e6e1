//! Owned background tasks: nothing outlives the server that spawned it.

use std::{
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::task::{AbortHandle, JoinSet};

/// Tasks that end with their owner.
#[derive(Debug, Default)]
pub(crate) struct Crew {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    closed: bool,
    tasks: JoinSet<()>,
}

impl Crew {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `task` until it ends or the crew is dismissed; does nothing after that.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> Option<AbortHandle> {
        let mut inner = self.lock();
        while inner.tasks.try_join_next().is_some() {}
        if inner.closed { None } else { Some(inner.tasks.spawn(task)) }
    }

    /// Aborts every task without waiting for it.
    pub(crate) fn abort(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        inner.tasks.abort_all();
    }

    /// Aborts every task and waits until all are gone.
    pub(crate) async fn dismiss(&self) {
        let mut tasks = {
            let mut inner = self.lock();
            inner.closed = true;
            mem::take(&mut inner.tasks)
        };
        tasks.shutdown().await;
    }
}
