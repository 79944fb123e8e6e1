//! The promises, each with tests named after it.

mod journey;
mod p1_approved;
mod p2_one_at_a_time;
mod p3_once;
mod p4_alive;
