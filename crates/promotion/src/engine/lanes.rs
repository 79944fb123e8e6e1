//! Independent calls side by side.

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

/// Calls under way at once. The limits of a provider are per unit, so this one is ours: each call holds a connection
/// and its buffers, and a fleet may have a thousand units.
const WIDTH: usize = 100;

/// Waits for all, at most [`WIDTH`] of them at once; the results in the order of `calls`.
pub(super) async fn side_by_side<C: Future>(calls: Vec<C>) -> Vec<C::Output> {
    let mut results = Vec::with_capacity(calls.len());
    let mut waiting = calls.into_iter().enumerate();
    let mut under_way = FuturesUnordered::new();
    loop {
        while under_way.len() < WIDTH
            && let Some((n, call)) = waiting.next()
        {
            under_way.push(numbered(n, call));
        }
        match under_way.next().await {
            Some(result) => results.push(result),
            None => break,
        }
    }
    results.sort_by_key(|(n, _)| *n);
    results.into_iter().map(|(_, result)| result).collect()
}

async fn numbered<C: Future>(n: usize, call: C) -> (usize, C::Output) {
    (n, call.await)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn a_thousand_calls_go_a_hundred_at_a_time_and_come_back_in_order() {
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
