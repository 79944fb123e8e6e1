//! Environments on the command line.

fn main() {}
