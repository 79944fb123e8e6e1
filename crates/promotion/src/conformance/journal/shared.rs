//! Several runners on one store at once: whoever loses is told so, and nothing is torn or lost.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::{TTL, draft, head, name};
use crate::journal::{Draft, Entry, Record, verify};
use crate::model::{At, Millis, Person};
use crate::ports::{Clock, Journal, JournalError};

/// Rounds of a race. Each has a winner and a loser, so what can be torn is torn in some of them.
const ROUNDS: u64 = 12;

/// Longer than what is written in practice: a plan of a hundred machines is some 300 KB.
const LARGE_BYTES: usize = 1 << 20;

/// What two runners, each with a handle of its own, may do at once. The handles may be one and the same.
pub async fn journal_shared(one: Arc<dyn Journal>, other: Arc<dyn Journal>, clock: &dyn Clock) {
    appends(&one, &other).await;
    grants(&one, &other).await;
    fencing(&one, &other, clock).await;
    large(&*one, &*other).await;
}

/// Both append behind the same head, one a single record, the other three: one of them gets through, whole.
async fn appends(one: &Arc<dyn Journal>, other: &Arc<dyn Journal>) {
    let environment = name("race-of-appends");
    let mut expected: Vec<Record> = Vec::new();
    for round in 0..ROUNDS {
        let at = expected.len() as u64;
        let mut tasks = JoinSet::new();
        for (n, journal) in [(1, one), (3, other)] {
            let (journal, environment) = (journal.clone(), environment.clone());
            let drafts = (0..n).map(|k| draft(round * 100 + n * 10 + k)).collect();
            tasks.spawn(async move { journal.append(&environment, at, None, drafts).await });
        }
        let (mut winners, mut heads) = (Vec::new(), Vec::new());
        for result in tasks.join_all().await {
            match result {
                Ok(records) => winners.push(records),
                Err(JournalError::Conflict { head }) => heads.push(head),
                Err(error) => panic!("who loses a race gets a conflict, not {error:?}"),
            }
        }
        assert_eq!((winners.len(), heads.len()), (1, 1), "one gets through in round {round}");
        let winner = winners.remove(0);
        assert_eq!(heads[0], at + winner.len() as u64, "the loser is told where the journal is now");
        expected.extend(winner);
        let seen = other.read(&environment, 0).await.expect("a chain");
        assert_eq!(seen, expected, "the winner's records and nothing of the loser's, in round {round}");
    }
    verify(&environment, 0, Record::root(&environment), &expected).expect("one chain");
}

/// Eight ask for a free lease at once: one has it, and the others are told its name.
async fn grants(one: &Arc<dyn Journal>, other: &Arc<dyn Journal>) {
    let environment = name("race-of-grants");
    let mut earlier = 0;
    for _ in 0..ROUNDS {
        let mut tasks = JoinSet::new();
        for n in 0..8 {
            let (journal, environment) = (if n % 2 == 0 { one } else { other }.clone(), environment.clone());
            let holder = format!("runner-{n}");
            // Longer than a round: nobody's lease ends while others still ask.
            tasks.spawn(async move {
                (holder.clone(), journal.take_lease(&environment, &holder, Millis::secs(60)).await)
            });
        }
        let (mut granted, mut held) = (Vec::new(), Vec::new());
        for (holder, result) in tasks.join_all().await {
            match result {
                Ok(grant) => granted.push((holder, grant.epoch)),
                Err(JournalError::Held { holder }) => held.push(holder),
                Err(error) => panic!("a lease is granted or held, not {error:?}"),
            }
        }
        assert_eq!(granted.len(), 1, "one has it: {granted:?}");
        let (holder, epoch) = granted.remove(0);
        assert_eq!(held, vec![holder; 7], "the others are told who");
        assert!(epoch > earlier, "the epoch grows");
        earlier = epoch;
        other.release_lease(&environment, epoch).await.expect("by its epoch anybody may give it back");
    }
}

/// A runner whose lease ran out and who does not know it goes on appending. From the moment its successor has the
/// lease, nothing of it arrives any more: what the successor then reads is the end of it.
async fn fencing(one: &Arc<dyn Journal>, other: &Arc<dyn Journal>, clock: &dyn Clock) {
    let environment = name("race-of-epochs");
    for round in 0..3 {
        let old = one.take_lease(&environment, "old", TTL).await.expect("it is free");
        let start = head(&**one, &environment).await;
        let mut tasks = JoinSet::new();
        let (journal, place) = (one.clone(), environment.clone());
        tasks.spawn(async move {
            let mut at = start;
            loop {
                match journal.append(&place, at, Some(old.epoch), vec![draft(at)]).await {
                    Ok(records) => at += records.len() as u64,
                    Err(JournalError::Fenced { epoch }) => return epoch,
                    Err(error) => panic!("the old runner is alone until it is fenced: {error:?}"),
                }
                tokio::task::yield_now().await;
            }
        });
        while head(&**other, &environment).await == start && !tasks.is_empty() {
            assert!(tasks.try_join_next().is_none(), "the old runner appends while it holds the lease");
            tokio::task::yield_now().await;
        }
        clock.sleep(Millis(TTL.0 * 2)).await;
        let new = other.take_lease(&environment, "new", TTL).await.expect("it ran out");
        let end = head(&**other, &environment).await;
        clock.sleep(Millis(TTL.0 / 4)).await;
        assert_eq!(
            head(&**other, &environment).await,
            end,
            "nothing comes after the grant, in round {round}"
        );
        let mine = other.append(&environment, end, Some(new.epoch), vec![draft(end)]).await;
        assert_eq!(mine.expect("the lease is held")[0].seq, end + 1);
        assert_eq!(tasks.join_all().await, [old.epoch], "the old runner is told that it lost");
        other.release_lease(&environment, new.epoch).await.expect("ours");
    }
}

/// A long record, many at once, and every kind of character come back as they went in.
async fn large(one: &dyn Journal, other: &dyn Journal) {
    let environment = name("large");
    let odd = "quotes ' \" \\ and \u{0} \u{1f} \u{7f} \u{2028} \u{1f680} é e\u{301} \r\n\t {} $1 %s ;--";
    let said = |reason: String| Draft {
        promotion: None,
        at: At(1_800_000_000_000),
        entry: Entry::BreakerReset {
            by: Person::new("ssh:SHA256:abc").expect("a name"),
            reason,
            signed: None,
        },
    };
    let first = one.append(&environment, 0, None, vec![said(odd.repeat(LARGE_BYTES / odd.len()))]).await;
    let first = first.expect("a megabyte in one record");
    let many = (0..300).map(|n| said(format!("{n}: {odd}"))).collect();
    let many = one.append(&environment, 1, None, many).await.expect("300 records in one append");
    let all = other.read(&environment, 0).await.expect("all of them");
    assert!(all == [first, many].concat(), "what is read is what was appended, to the last character");
    verify(&environment, 0, Record::root(&environment), &all).expect("a chain from the root on");
    let tail = other.read(&environment, 299).await.expect("the tail");
    assert_eq!(tail.iter().map(|record| record.seq).collect::<Vec<_>>(), [300, 301]);
}
