//! API clients for Fly.io and its registry. They know no engine, read no process environment and set nothing global.
//!
//! * [`fly`]: the Machines API. Requests are values ([`fly::wire`]), sent by [`fly::Client`];
//! * [`registry`]: images by digest, and their copy from one repository to another;
//! * [`transport`]: the one-method port below both, with its implementation on reqwest;
//! * [`retry`]: the only place that repeats a request; [`limits`]: the rate budget of the Machines API;
//! * [`Token`] and [`Base`]: a credential never leaves the origin that it was given for.

mod base;
mod clock;
mod delivery;
pub mod fly;
pub mod limits;
pub mod registry;
pub mod retry;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod text;
mod token;
pub mod transport;

pub use base::{Base, BaseError};
pub use clock::{Clock, TokioClock};
pub use delivery::Delivery;
pub use token::{Token, TokenError};
