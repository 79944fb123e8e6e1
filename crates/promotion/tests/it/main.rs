//! The engine through its public face, in a world in memory.

mod day;
mod port;
mod promise;
mod story;
