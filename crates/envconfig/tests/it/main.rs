//! The public face of the environment model.

mod full;
