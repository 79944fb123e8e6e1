//! Integration tests on the command line.

fn main() {}
