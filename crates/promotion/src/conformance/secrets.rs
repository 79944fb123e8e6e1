//! Names of secrets: what is set, what changed, and what units do not have yet.

use std::collections::BTreeSet;

use crate::model::{Place, SecretsSeen, Unit};
use crate::ports::Secrets;

/// Every case. `place` has no secrets and no units; `set` gives a secret a value, or takes it away, without touching a unit;
/// `renewed` makes the one unit of the place, or updates it, and answers as it then is.
pub async fn secrets(
    port: &dyn Secrets,
    place: &Place,
    set: impl AsyncFn(&str, Option<&str>),
    renewed: impl AsyncFn() -> Unit,
) {
    let seen = async |units: &[Unit]| -> SecretsSeen {
        port.observe_secrets(place, units).await.expect("names can be looked at")
    };
    let names =
        |names: &[&str]| -> BTreeSet<String> { names.iter().map(|name| (*name).to_owned()).collect() };
    assert_eq!(seen(&[]).await.names, names(&[]), "the place has no secrets, or the suite would change them");

    let mut states = Vec::new();
    for (name, value, there) in [
        ("FIRST", Some("one"), names(&["FIRST"])),
        ("SECOND", Some("two"), names(&["FIRST", "SECOND"])),
        ("FIRST", Some("another"), names(&["FIRST", "SECOND"])),
        ("SECOND", None, names(&["FIRST"])),
    ] {
        let before = seen(&[]).await;
        set(name, value).await;
        let after = seen(&[]).await;
        assert_eq!(after.names, there, "{name} {value:?}");
        assert_eq!(after, seen(&[]).await, "looking changes nothing");
        assert!(after.state.is_some(), "a place with secrets shows which they are");
        assert!(before.version.is_none() || before.version < after.version, "versions grow: {after:?}");
        states.push(after.state);
    }
    let different: BTreeSet<_> = states.iter().collect();
    assert_eq!(different.len(), states.len(), "every change shows, also that of a value alone");

    let unit = renewed().await;
    assert_eq!(seen(std::slice::from_ref(&unit)).await.staged, names(&[]), "it was made with what there is");
    set("THIRD", Some("three")).await;
    set("FIRST", Some("once more")).await;
    assert_eq!(seen(&[unit]).await.staged, names(&["FIRST", "THIRD"]), "it was made before");
    assert_eq!(seen(&[]).await.staged, names(&[]), "nobody waits for them");
    let unit = renewed().await;
    assert_eq!(seen(&[unit]).await.staged, names(&[]), "an update brings them");

    if let Some(command) = port.command(place, &names(&["FIRST", "FOURTH"])) {
        for part in ["FIRST", "FOURTH", &place.name] {
            assert!(command.contains(part), "`{part}` is missing in: {command}");
        }
    }
}
