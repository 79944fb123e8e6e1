//! A world in memory for tests and simulations: virtual time, a provider with Fly's manners and faults, edges with
//! lag whose traffic is judged afterwards, and a switch that kills the runner at any call.

mod clock;
mod happens;
mod images;
mod one_offs;
mod past;
mod people;
mod provider;
mod switch;
mod traffic;
mod vault;
mod world;

pub use clock::{Counted, Seeded, VirtualClock};
pub use happens::Happens;
pub use images::Images;
pub use one_offs::Executed;
pub use people::{Desk, Signer, Suites};
pub use provider::{Fault, Manners, Provider};
pub use switch::{Moment, Switch};
pub use traffic::Lost;
pub use world::{World, env, name};
