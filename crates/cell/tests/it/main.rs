//! Images and cells, through the crate's public face: real processes, real namespaces, loopback only.

mod cells;
mod image_build;
mod image_unpack;
mod support;
mod unprivileged;
