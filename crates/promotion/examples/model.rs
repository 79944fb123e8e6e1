//! Searches the model of the protocol further than the tests do: `model [STEPS CRASHES EXPIRIES LOST DRIFTS]`. Each fault
//! more makes it about ten times as much; `cargo xtask model` runs it with 12 steps, two crashes and two takeovers.

use std::io::{Error, ErrorKind, stdout};

use stateright::report::WriteReporter;
use stateright::{Checker as _, Model as _};

#[path = "../tests/it/model/protocol/mod.rs"]
mod protocol;

use protocol::{Bounds, Protocol, Rules, promises};

fn main() -> std::io::Result<()> {
    let numbers: Vec<u8> = std::env::args().skip(1).map_while(|arg| arg.parse().ok()).collect();
    let bounds = match numbers.as_slice() {
        [] => Bounds { steps: 12, crashes: 1, expiries: 1, lost: 0, drifts: 0 },
        [steps @ 4..=16, crashes @ 0..=3, expiries @ 0..=3, lost @ 0..=2, drifts @ 0..=1] => {
            Bounds { steps: *steps, crashes: *crashes, expiries: *expiries, lost: *lost, drifts: *drifts }
        }
        _ => {
            let why = "model [STEPS 4-16, CRASHES 0-3, EXPIRIES 0-3, LOST 0-2, DRIFTS 0-1]";
            return Err(Error::new(ErrorKind::InvalidInput, why));
        }
    };
    let search = Protocol::new(Rules::ALL, bounds).checker().threads(2).spawn_bfs();
    let search = search.report(&mut WriteReporter::new(&mut stdout()));
    let found = search.discoveries();
    let broken: Vec<&str> = found.keys().copied().filter(|name| !promises::SEEN.contains(name)).collect();
    if broken.is_empty() { Ok(()) } else { Err(Error::other(broken.join("; "))) }
}
