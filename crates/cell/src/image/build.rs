//! Makes images and static bundles: configuration, one layer, manifest; the same input makes the same digests.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    BUNDLE_TYPE, CONFIG_TYPE, EMPTY_TYPE, ImageError, LAYER_TYPE, MANIFEST_TYPE, Tree, architecture,
    config::{ConfigFile, Descriptor, Manifest, Process, RootFs},
    digest,
    layer::{self, Layer},
};

/// What a program finds on `PATH` when the image does not say (as in Docker's images).
const PATH_DEFAULT: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Where the program of a [`ProgramImage`] is put.
const PROGRAMS: &str = "/usr/local/bin";

/// What an image says about the process in it.
#[derive(Debug, Clone, Default)]
pub struct ImageSpec {
    /// Program and arguments; stored as `Entrypoint` (the program) and `Cmd` (the rest, which a machine may replace).
    pub argv: Vec<String>,
    /// Environment; `PATH` gets the usual value when it is missing.
    pub env: BTreeMap<String, String>,
    /// Working directory; `/` when empty.
    pub cwd: String,
    /// `User`, as written.
    pub user: Option<String>,
    /// Labels, for instance `org.opencontainers.image.version` and `.revision`.
    pub labels: BTreeMap<String, String>,
}

/// A program of this machine, to become an image together with what it needs.
#[derive(Debug, Clone, Default)]
pub struct ProgramImage {
    /// An ELF program, static or dynamic, or a script. It lands in `/usr/local/bin` under its own name.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// More programs, which keep their paths, each with its libraries (`--with /bin/bash`).
    pub with: Vec<PathBuf>,
    /// Host directories or files and their places in the image.
    pub add: Vec<(PathBuf, String)>,
    /// All else; its `argv` is not used.
    pub spec: ImageSpec,
}

/// One blob to push.
#[derive(Debug, Clone)]
pub struct Blob {
    /// `sha256:…` of the bytes.
    pub digest: String,
    /// What it is.
    pub media_type: String,
    /// The content.
    pub bytes: Vec<u8>,
}

/// An image, ready to be pushed: first the blobs, then the manifest.
#[derive(Debug, Clone)]
pub struct BuiltImage {
    /// The manifest's JSON, byte for byte as its digest says.
    pub manifest: Vec<u8>,
    /// The manifest's media type.
    pub media_type: String,
    /// The manifest's digest: the image's name.
    pub digest: String,
    /// Configuration and layers.
    pub blobs: Vec<Blob>,
}

impl BuiltImage {
    /// A blob's bytes; made to be passed to [`super::unpack`].
    ///
    /// # Errors
    /// `NotFound` when the image has no such blob.
    pub fn blob(&self, digest: &str) -> std::io::Result<Vec<u8>> {
        let found = self.blobs.iter().find(|blob| blob.digest == digest);
        found.map(|blob| blob.bytes.clone()).ok_or_else(|| std::io::ErrorKind::NotFound.into())
    }
}

/// Makes an image of a tree.
///
/// # Errors
/// A file of the tree that cannot be read.
pub fn build(tree: &Tree, spec: &ImageSpec) -> Result<BuiltImage, ImageError> {
    let layer = layer::layer(tree)?;
    let config = ConfigFile {
        architecture: architecture().to_owned(),
        os: "linux".to_owned(),
        config: Some(process(spec)),
        rootfs: RootFs { kind: "layers".to_owned(), diff_ids: vec![layer.diff_id.clone()] },
    };
    let config = to_json("configuration", &config)?;
    assemble(config, CONFIG_TYPE, layer, None, BTreeMap::new())
}

/// Makes an image of a program with its libraries, further programs and files.
///
/// The image has a minimal `/etc/passwd` and `/etc/group` unless `add` brings them.
///
/// # Errors
/// A file that is no program, or a library that is not found.
pub fn build_program(image: &ProgramImage) -> Result<BuiltImage, ImageError> {
    let name = image.program.file_name().ok_or_else(|| ImageError::Program {
        path: image.program.clone(),
        why: "it has no file name".to_owned(),
    })?;
    let place = format!("{PROGRAMS}/{}", name.to_string_lossy());
    let mut tree = Tree::new();
    for (name, text) in [
        (
            "/etc/passwd",
            "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
        ),
        ("/etc/group", "root:x:0:\nnogroup:x:65534:\n"),
    ] {
        tree.add_bytes(name, text.as_bytes().to_vec(), false);
    }
    let mut directories = tree.add_program(&image.program, &place)?;
    for program in &image.with {
        let program = std::path::absolute(program).map_err(ImageError::file("find", program))?;
        directories.extend(tree.add_program(&program, &program.to_string_lossy())?);
    }
    for (from, to) in &image.add {
        if from.is_dir() {
            tree.add_directory(from, to)?;
        } else {
            tree.add_file(from, to)?;
        }
    }
    let mut spec = image.spec.clone();
    spec.argv = std::iter::once(place).chain(image.args.iter().cloned()).collect();
    if !directories.is_empty() {
        directories.dedup();
        spec.env.entry("LD_LIBRARY_PATH".to_owned()).or_insert_with(|| directories.join(":"));
    }
    build(&tree, &spec)
}

/// Makes an OCI artefact of a static bundle's directory: one layer, the empty configuration, labels as annotations.
///
/// # Errors
/// A file that cannot be read.
pub fn build_bundle(dir: &Path, labels: &BTreeMap<String, String>) -> Result<BuiltImage, ImageError> {
    build_bundle_of(&Tree::of_directory(dir)?, labels)
}

/// As [`build_bundle`], of a tree.
///
/// # Errors
/// A file of the tree that cannot be read.
pub fn build_bundle_of(tree: &Tree, labels: &BTreeMap<String, String>) -> Result<BuiltImage, ImageError> {
    assemble(b"{}".to_vec(), EMPTY_TYPE, layer::layer(tree)?, Some(BUNDLE_TYPE), labels.clone())
}

fn process(spec: &ImageSpec) -> Process {
    let mut env = spec.env.clone();
    env.entry("PATH".to_owned()).or_insert_with(|| PATH_DEFAULT.to_owned());
    let cwd = if spec.cwd.is_empty() { "/" } else { &spec.cwd };
    Process {
        user: spec.user.clone(),
        env: Some(env.into_iter().map(|(name, value)| format!("{name}={value}")).collect()),
        entrypoint: Some(spec.argv.iter().take(1).cloned().collect()),
        cmd: Some(spec.argv.iter().skip(1).cloned().collect()),
        working_dir: Some(cwd.to_owned()),
        labels: (!spec.labels.is_empty()).then(|| spec.labels.clone()),
    }
}

fn assemble(
    config: Vec<u8>,
    config_type: &str,
    layer: Layer,
    artifact_type: Option<&str>,
    annotations: BTreeMap<String, String>,
) -> Result<BuiltImage, ImageError> {
    let config = Blob { digest: digest::of(&config), media_type: config_type.to_owned(), bytes: config };
    let layer = Blob { digest: layer.digest, media_type: LAYER_TYPE.to_owned(), bytes: layer.bytes };
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(MANIFEST_TYPE.to_owned()),
        artifact_type: artifact_type.map(str::to_owned),
        config: descriptor(&config),
        layers: vec![descriptor(&layer)],
        annotations,
    };
    let manifest = to_json("manifest", &manifest)?;
    Ok(BuiltImage {
        media_type: MANIFEST_TYPE.to_owned(),
        digest: digest::of(&manifest),
        manifest,
        blobs: vec![config, layer],
    })
}

fn descriptor(blob: &Blob) -> Descriptor {
    Descriptor {
        media_type: blob.media_type.clone(),
        digest: blob.digest.clone(),
        size: blob.bytes.len() as u64,
    }
}

fn to_json(what: &'static str, value: &impl serde::Serialize) -> Result<Vec<u8>, ImageError> {
    serde_json::to_vec(value).map_err(|source| ImageError::Json { what, source })
}
