//! Prints the page of phases: the source of `docs/promotion-states.md`.

use std::io::Write as _;

fn main() -> std::io::Result<()> {
    std::io::stdout().write_all(promotion::machine::render().as_bytes())
}
