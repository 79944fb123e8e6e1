//! Independent calls side by side.

use futures_util::{StreamExt as _, stream};

/// Calls under way at once. The limits of a provider are per unit, so this one is ours: each call holds a connection
/// and its buffers, and a fleet may have a thousand units. It is as wide as the default pool of such a fleet, a third: where
/// a provider takes long for each of many calls, a pool that went in parts would take as many times as long.
const WIDTH: usize = 350;

/// Waits for all, at most [`WIDTH`] of them at once; the results in the order of `calls`.
pub(super) async fn side_by_side<C: Future>(calls: Vec<C>) -> Vec<C::Output> {
    let calls = calls.into_iter().enumerate().map(|(n, call)| async move { (n, call.await) });
    let mut results: Vec<_> = stream::iter(calls).buffer_unordered(WIDTH).collect().await;
    results.sort_by_key(|(n, _)| *n);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn a_thousand_calls_go_as_many_at_a_time_as_may_and_come_back_in_order() {
        let (under_way, most) = (Cell::new(0), Cell::new(0));
        let (under_way, most) = (&under_way, &most);
        let calls = (0..1000_u64).map(|n| async move {
            under_way.set(under_way.get() + 1);
            most.set(most.get().max(under_way.get()));
            for _ in 0..n % 7 {
                tokio::task::yield_now().await;
            }
            under_way.set(under_way.get() - 1);
            n
        });
        assert_eq!(side_by_side(calls.collect()).await, (0..1000).collect::<Vec<_>>());
        assert_eq!(most.get(), WIDTH);
    }
}
