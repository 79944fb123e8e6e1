//! Images and cells, through the crate's public face: real processes, real namespaces, loopback only.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests stop at what they did not expect, and print"
)]

mod cells;
mod image_build;
mod image_unpack;
mod rooting;
mod support;
mod unprivileged;
