//! Writes down what a journal adds up to, for the corpus that later versions must replay to the same.
//!
//! ```text
//! cargo run -p promotion --example corpus -- crates/promotion/tests/corpus/AGE/NAME.journal.jsonl …
//! ```
//!
//! A journal is a line for each record, as a store holds it. `NAME.journal.state.jsonl` is written beside it, once: what is
//! there already says what an earlier version made of it, and is never written anew. Ends with 4 when a journal does not
//! replay, and with 9 when its state is there.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that says how it went")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

#[path = "../tests/it/corpus/kept.rs"]
mod kept;
#[path = "../tests/it/corpus/told.rs"]
mod told;

use kept::Kept;

fn write(path: &Path) -> Result<(), (u8, String)> {
    let kept = Kept::read(path).map_err(|why| (4, why))?;
    let views = kept.replayed().map_err(|why| (4, why))?;
    let mut text = String::new();
    for line in told::told(&views) {
        let _infallible = writeln!(text, "{line}");
    }
    let path = kept.state_path();
    let said = |error: std::io::Error| (9, format!("{}: {error}", path.display()));
    let mut file = std::fs::File::create_new(&path).map_err(said)?;
    file.write_all(text.as_bytes()).map_err(said)?;
    println!("{}: {} records, {} lines", path.display(), kept.records.len(), text.lines().count());
    Ok(())
}

fn main() -> ExitCode {
    let mut exit = ExitCode::SUCCESS;
    for path in std::env::args().skip(1) {
        if let Err((code, why)) = write(Path::new(&path)) {
            eprintln!("{why}");
            exit = ExitCode::from(code);
        }
    }
    exit
}
