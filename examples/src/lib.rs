//! Programs that embed the crates; each is an example target of this package. What they share with their tests stands
//! here.

mod supervisor;

pub use supervisor::Supervisor;
