//! The shim as a program of its own and, for this crate's tests, a small server that knows nothing of cells.

mod serve;

use std::process::ExitCode;

fn main() -> ExitCode {
    cell::shim::intercept();
    let args: Vec<String> = std::env::args().skip(1).collect();
    match serve::run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
