//! The promises in every order in which things can happen: a model of lease, crash, approval and takeover, searched to its
//! end. With each rule of the protocol off the search must find how a promise breaks.

mod broken;
mod exhaustive;
mod protocol;
