//! The promotion engine on the command line.

fn main() {}
