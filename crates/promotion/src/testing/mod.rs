//! A world in memory for tests and simulations: virtual time, a provider with Fly's manners and faults, edges with
//! lag whose traffic is judged afterwards, and a switch that kills the runner at any call.

mod anchors;
mod bent;
mod clock;
mod happens;
mod images;
mod manners;
mod one_offs;
mod past;
mod people;
mod provider;
mod roads;
mod shape;
mod switch;
mod traffic;
mod vault;
mod world;

pub use anchors::Ashore;
pub use bent::Bent;
pub use clock::{Counted, OwnClock, Seeded, VirtualClock};
pub use happens::Happens;
pub use images::Images;
pub use manners::{Fault, Manners};
pub use one_offs::Executed;
pub use people::{Desk, Signer, Suites};
pub use provider::{Landed, Provider};
pub use roads::Roads;
pub use shape::{commands, landed, shape, strays};
pub use switch::{Moment, Switch};
pub use traffic::Lost;
pub use world::{World, env, name};
