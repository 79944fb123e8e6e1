use std::sync::Mutex;

use super::*;
use crate::{testing::ManualClock, transport::Reason};

fn status(code: u16) -> Failure<'static> {
    Failure::Status(StatusCode::from_u16(code).unwrap())
}

fn ranges(keep: impl Fn(u16) -> bool) -> String {
    let mut ranges: Vec<(u16, u16)> = Vec::new();
    for code in (100..=599).filter(|&code| keep(code)) {
        match ranges.last_mut() {
            Some((_, end)) if *end + 1 == code => *end = code,
            _ => ranges.push((code, code)),
        }
    }
    let text = |&(from, to): &(u16, u16)| if from == to { format!("{from}") } else { format!("{from}-{to}") };
    ranges.iter().map(text).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_status_is_decided() {
    // fly.md 1.8 and 9: transient are 408, 429 and 5xx; a change is only repeated when the server itself refused it.
    assert_eq!(ranges(|code| status(code).may_repeat(true)), "408 429 500 502-504 506-599");
    assert_eq!(ranges(|code| status(code).may_repeat(false)), "429");
    assert_eq!(ranges(|code| status(code).delivery() == Delivery::Applied), "200-299");
    assert_eq!(ranges(|code| status(code).delivery() == Delivery::Refused), "300-407 409-499");
    assert_eq!(ranges(|code| status(code).delivery() == Delivery::Unknown), "100-199 408 500-599");
    assert_eq!(ranges(|code| status(code).delivery() == Delivery::NotSent), "");
}

#[test]
fn every_transport_failure_is_decided() {
    let decide = |reason, sent| {
        let error = TransportError::new(reason, sent);
        let failure = Failure::Transport(&error);
        (failure.delivery(), failure.may_repeat(true), failure.may_repeat(false))
    };
    assert_eq!(decide(Reason::Connect, false), (Delivery::NotSent, true, true));
    assert_eq!(decide(Reason::Timeout, true), (Delivery::Unknown, true, false));
    assert_eq!(decide(Reason::Cut, true), (Delivery::Unknown, true, false));
    assert_eq!(decide(Reason::Request, false), (Delivery::NotSent, false, false));
    assert_eq!(decide(Reason::TooLong, true), (Delivery::Unknown, false, false));
}

/// Runs with `failures` failed attempts before the first success.
async fn attempts(
    policy: &RetryPolicy,
    failures: u32,
    hint: Option<Duration>,
) -> (Result<(), ()>, Effort, Vec<Duration>) {
    let clock = ManualClock::new();
    let left = Mutex::new(failures);
    let (result, effort) = run(policy, &clock, "key", || async {
        let mut left = left.lock().unwrap();
        if *left == 0 {
            return Ok(());
        }
        *left -= 1;
        Err(Attempt { error: (), repeat: true, unreached: false, retry_after: hint })
    })
    .await;
    (result, effort, clock.slept())
}

fn ms(values: &[u64]) -> Vec<Duration> {
    values.iter().map(|&value| Duration::from_millis(value)).collect()
}

#[tokio::test]
async fn delays_double_within_their_jitter_and_a_seed_repeats_them() {
    let policy = RetryPolicy::new(7);
    let (result, effort, slept) = attempts(&policy, 4, None).await;
    assert!(result.is_ok());
    assert_eq!(effort.attempts, 5);
    for (delay, floor) in slept.iter().zip(ms(&[250, 500, 1000, 2000])) {
        assert!(*delay >= floor && *delay < floor * 2, "{delay:?} {floor:?}");
    }
    assert_eq!(effort.elapsed, slept.iter().sum());
    assert_eq!(attempts(&policy, 4, None).await.2, slept);
    assert_ne!(attempts(&RetryPolicy::new(8), 4, None).await.2, slept);
}

#[tokio::test]
async fn the_number_of_attempts_is_bounded() {
    let policy = RetryPolicy { attempts_max: 3, ..RetryPolicy::new(1) };
    let (result, effort, slept) = attempts(&policy, u32::MAX, None).await;
    assert_eq!((result, effort.attempts, slept.len()), (Err(()), 3, 2));
    assert_eq!(attempts(&RetryPolicy::never(), 9, None).await.1.attempts, 1);
}

#[tokio::test]
async fn the_time_is_bounded() {
    let policy =
        RetryPolicy { attempts_max: 1000, elapsed_max: Duration::from_secs(5), ..RetryPolicy::new(1) };
    let (result, effort, _) = attempts(&policy, u32::MAX, None).await;
    assert!(result.is_err());
    assert!(effort.elapsed <= Duration::from_secs(5), "{effort:?}");
    assert!(effort.attempts >= 3, "{effort:?}");
}

#[tokio::test]
async fn a_servers_wish_is_obeyed_up_to_the_longest_delay() {
    let policy = RetryPolicy::new(1);
    let (_, _, slept) = attempts(&policy, 1, Some(Duration::from_secs(3))).await;
    assert_eq!(slept, ms(&[3000]));
    let (_, _, slept) = attempts(&policy, 1, Some(Duration::from_secs(3600))).await;
    assert_eq!(slept, ms(&[8000]));
    let (_, _, slept) = attempts(&policy, 1, Some(Duration::ZERO)).await;
    assert!(slept[0] >= Duration::from_millis(250));
}

#[tokio::test]
async fn what_must_not_be_repeated_is_not() {
    let clock = ManualClock::new();
    let (result, effort): (Result<(), u8>, _) = run(&RetryPolicy::new(1), &clock, "", || async {
        Err(Attempt { error: 9, repeat: false, unreached: false, retry_after: None })
    })
    .await;
    assert_eq!((result, effort.attempts, clock.slept().len()), (Err(9), 1, 0));
}

#[tokio::test]
async fn a_server_that_takes_no_connection_has_a_bound_of_its_own() {
    let policy = RetryPolicy { unreached_max: Duration::from_secs(5), ..RetryPolicy::new(1) };
    let unreached_at = async |is_unreached: bool| {
        let clock = ManualClock::new();
        let (result, effort): (Result<(), ()>, _) = run(&policy, &clock, "", || async move {
            Err(Attempt { error: (), repeat: true, unreached: is_unreached, retry_after: None })
        })
        .await;
        assert!(result.is_err());
        effort.elapsed
    };
    let (without, with) = (unreached_at(true).await, unreached_at(false).await);
    assert!(without <= policy.unreached_max && with > policy.unreached_max, "{without:?} {with:?}");
}
