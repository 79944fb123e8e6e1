//! OCI images: unpacking them into a directory, and making them from a directory or a program.
//!
//! Nothing here talks to a registry: blobs come in and go out as bytes, and the caller pulls and pushes.

mod build;
mod config;
mod digest;
mod error;
mod layer;
mod libraries;
mod platform;
mod rooted;
mod tree;
mod unpack;

pub use build::{
    Blob, BuiltImage, ImageSpec, ProgramImage, build, build_bundle, build_bundle_of, build_program,
};
pub use config::ImageConfig;
pub use error::ImageError;
pub use platform::{architecture, pick_platform};
pub use tree::Tree;
pub use unpack::unpack;

pub(crate) use libraries::{Interpreter, interpreter};
pub(crate) use rooted::resolve_existing;

/// An OCI image manifest (image spec 1.1, "Image Manifest").
pub const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
/// An OCI image configuration.
pub const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
/// A layer: tar, compressed with gzip.
pub const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// The empty configuration `{}` of an artefact (image spec 1.1, "Guidance for an Empty Descriptor").
pub const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";
/// The artefact type of a static bundle.
pub const BUNDLE_TYPE: &str = "application/vnd.understudy.bundle.v1";
