//! What all binaries share: context, output, exit codes, progress.
//!
//! A binary's `main` is one call:
//!
//! ```no_run
//! use clikit::{Common, Context, Exit, Failure, Output};
//!
//! #[derive(clap::Parser)]
//! struct Args {
//!     #[command(flatten)]
//!     common: Common,
//! }
//!
//! fn exec(_context: &Context, out: &Output, args: Args) -> Result<Exit, Failure> {
//!     out.emit(&serde_json::json!({ "project": args.common.project }), |_| "ready\n".to_owned())?;
//!     Ok(Exit::Done)
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     clikit::main(exec)
//! }
//! ```
//!
//! Rules that hold for every binary because they hold here:
//!
//! - data goes to stdout, everything else to stderr; with `--json` stdout holds exactly one JSON object, be it
//!   the result or `{"ok":false,"error":{…}}`;
//! - a reader that closes the pipe early is no error;
//! - every failure says what, why and which command helps, and leaves with a code of [`Exit::ALL`];
//! - a panic is our bug: exit 1, and no run-time value of ours is printed with it;
//! - inside a step of GitHub Actions a result is also told to the steps behind it and to the run's page, and no line of ours
//!   is a command to whoever runs it;
//! - the process environment and the clocks are read in [`Context`] and nowhere else.

mod args;
mod context;
mod exit;
mod failure;
mod files;
mod interrupt;
mod memory;
mod output;
mod panic;
mod progress;
mod run;
mod shipped;
mod step;
mod table;

pub use args::Common;
pub use context::{Clock, Context, Terminals};
pub use exit::Exit;
pub use failure::{Failure, FailureExt};
pub use files::{FILE_BYTES_MAX, read_bytes, read_text};
pub use interrupt::Interrupt;
pub use memory::{give_memory_back, open_more_files};
pub use output::{Output, plain_text, unwritable};
pub use progress::{Progress, elapsed_text, stderr};
pub use run::{block_on, main, parse, report, run};
pub use table::Table;
