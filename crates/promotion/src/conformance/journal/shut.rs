//! A store that is shut, as one is that was moved: nobody goes on there, in whatever environment.

use super::{TTL, draft, head, name};
use crate::journal::Record;
use crate::model::Millis;
use crate::ports::{Import, JournalError};

/// Everything that [`Import`] says of a store that is shut. The handles are of one store, and may be one and the same.
pub async fn journal_shut(one: &dyn Import, other: &dyn Import) {
    let (known, strange, leased) = (name("shut-known"), name("shut-strange"), name("shut-leased"));
    let all = one.append(&known, 0, None, vec![draft(1)]).await.expect("it is open");
    one.take_lease(&known, "one", Millis::secs(60)).await.expect("it is free");
    let early = other.take_lease(&leased, "runner", Millis::secs(60)).await.expect("it is free");
    assert_eq!(one.shut_by().await.expect("a mark"), None);
    assert!(one.shut(None, Some("a move")).await.expect("it is open"));
    assert!(!other.shut(None, Some("another move")).await.expect("an answer"), "it is shut by another");
    assert!(
        !other.shut(Some("another move"), None).await.expect("an answer"),
        "who did not shut it, opens nothing"
    );

    for journal in [one, other] {
        assert_eq!(journal.shut_by().await.expect("a mark").as_deref(), Some("a move"));
        for environment in [&known, &strange, &leased] {
            let at = head(journal, environment).await;
            let word = journal.append(environment, at, None, vec![draft(2)]).await;
            assert!(matches!(&word, Err(JournalError::Shut { by }) if by == "a move"), "a word: {word:?}");
            let lease = journal.take_lease(environment, "one", TTL).await;
            assert!(matches!(&lease, Err(JournalError::Shut { by }) if by == "a move"), "a lease: {lease:?}");
        }
        let under = journal.append(&leased, 0, Some(early.epoch), vec![draft(2)]).await;
        assert!(matches!(under, Err(JournalError::Shut { .. })), "a lease that nobody knew of: {under:?}");
        assert_eq!(journal.read(&known, 0).await.expect("a chain"), all, "what there was can be read");
        assert_eq!(journal.read(&strange, 0).await.expect("a chain"), [], "nothing was left behind");
    }

    let moved = Record::seal(&strange, 1, None, draft(3), Record::root(&strange));
    other.import(&strange, 0, &[moved]).await.expect("whoever fills it goes on");
    other.end_lease(&strange, 7).await.expect("leases end there as well");
    assert!(other.shut(Some("a move"), None).await.expect("it was shut by that"));
    assert_eq!(one.shut_by().await.expect("a mark"), None);
    one.append(&known, 1, None, vec![draft(2)]).await.expect("it is open again");
    let grant = one.take_lease(&strange, "one", TTL).await.expect("so are leases");
    assert!(grant.epoch > 7, "{grant:?}");
}
