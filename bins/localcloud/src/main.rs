//! The local stand-in for the clouds on the command line.

fn main() {}
