//! The engine through its public face, in a world in memory.

mod promise;
mod story;
