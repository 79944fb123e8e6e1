//! `localcloud image build`

use std::path::Path;

use cell::image::{self, BuiltImage, ImageSpec, ProgramImage, Tree};
use clikit::{Context, Exit, Failure, FailureExt as _, Output, Progress};
use flyclient::registry::{Auth, ErrorKind, Push, Registry};
use flytypes::ImageRef;
use serde::Serialize;

use crate::{
    args::BuildArgs,
    place::Place,
    running::{self, Running},
};

/// What `--json` prints.
#[derive(Serialize)]
struct Built {
    ok: bool,
    /// The reference pinned to the digest; with `--dry-run` without a registry's host.
    image: String,
    repository: String,
    tag: Option<String>,
    digest: String,
    /// Configuration and layers, compressed.
    bytes: usize,
    pushed: bool,
}

pub(crate) fn exec(
    context: &Context,
    out: &Output,
    place: &Place,
    args: &BuildArgs,
) -> Result<Exit, Failure> {
    check_names(args)?;
    let progress = Progress::stderr(context);
    let path = context.current_dir.join(&args.path);
    // Before the work: without a server there is nowhere to push to.
    let running = if args.dry_run { None } else { Some(clikit::block_on(Running::find(place))?) };
    progress.line(format!("making an image of {}", args.path.display()));
    let image = build(context, args, &path)?;
    let bytes = image.blobs.iter().map(|blob| blob.bytes.len()).sum();
    let mut built = Built {
        ok: true,
        image: format!("{}@{}", args.repository, image.digest),
        repository: args.repository.clone(),
        tag: args.tag.clone(),
        digest: image.digest.clone(),
        bytes,
        pushed: false,
    };
    if let Some(running) = running {
        progress.line(format!("pushing {:.1} MB to {}", megabytes(bytes), running.record.registry));
        let pinned = clikit::block_on(push(&running, args, image))?;
        (built.image, built.pushed) = (pinned.to_string(), true);
    }
    progress.line("done");
    out.emit(&built, |built| format!("{}\n", built.image))?;
    Ok(Exit::Done)
}

#[expect(clippy::cast_precision_loss, reason = "one decimal for people")]
fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}

/// Names that the registry would refuse, before anything is built (distribution specification, "Pulling manifests").
fn check_names(args: &BuildArgs) -> Result<(), Failure> {
    let is_edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_segment = |text: &str| {
        text.starts_with(is_edge)
            && text.ends_with(is_edge)
            && text.chars().all(|c| is_edge(c) || "._-".contains(c))
    };
    if !args.repository.split('/').all(is_segment) {
        return Err(Failure::usage(format!("--repository: `{}` names no repository", args.repository))
            .with_why("a name has small letters, digits, `.`, `_` and `-` between slashes; tag and digest go elsewhere")
            .with_hint("--repository web --tag v1"));
    }
    let is_inner = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let is_tag = |tag: &String| tag.len() <= 128 && tag.chars().all(is_inner) && !tag.starts_with(['.', '-']);
    match &args.tag {
        Some(tag) if tag.is_empty() || !is_tag(tag) => Err(Failure::usage(format!("--tag: `{tag}` is no tag"))
            .with_why("a tag has at most 128 letters, digits, `.`, `_` and `-`, and begins with a letter, a digit or `_`")),
        _ => Ok(()),
    }
}

fn build(context: &Context, args: &BuildArgs, path: &Path) -> Result<BuiltImage, Failure> {
    let metadata = std::fs::metadata(path).or_exit(Exit::Usage, || {
        format!("there is nothing at `{}` that an image could be made of", args.path.display())
    })?;
    let unfit = || format!("no image can be made of `{}`", args.path.display());
    let with = args.with.iter().map(|program| context.current_dir.join(program));
    let spec = ImageSpec {
        argv: args.cmd.clone(),
        env: args.env.iter().cloned().collect(),
        labels: args.labels.iter().cloned().collect(),
        ..ImageSpec::default()
    };
    match (metadata.is_dir(), args.bundle) {
        (true, true) => image::build_bundle(path, &spec.labels).or_exit(Exit::Usage, unfit),
        (false, true) => {
            Err(Failure::usage(unfit()).with_why("a bundle is made of a directory, and this is a file"))
        }
        (true, false) if args.cmd.is_empty() => Err(Failure::usage(unfit())
            .with_why("an image of a directory must say what it runs; without that it can only be a bundle")
            .with_hint("--cmd /path/in/the/image ARG…, or --bundle")),
        (true, false) => of_directory(path, with, spec).or_exit(Exit::Usage, unfit),
        (false, false) => {
            let program = ProgramImage {
                program: path.to_owned(),
                args: args.cmd.clone(),
                with: with.collect(),
                spec,
                ..ProgramImage::default()
            };
            image::build_program(&program).or_exit(Exit::Usage, unfit)
        }
    }
}

fn of_directory(
    path: &Path,
    with: impl Iterator<Item = std::path::PathBuf>,
    mut spec: ImageSpec,
) -> Result<BuiltImage, image::ImageError> {
    let mut tree = Tree::of_directory(path)?;
    let mut directories = Vec::new();
    for program in with {
        directories.extend(tree.add_program(&program, &program.to_string_lossy())?);
    }
    directories.dedup();
    if !directories.is_empty() {
        spec.env.entry("LD_LIBRARY_PATH".to_owned()).or_insert_with(|| directories.join(":"));
    }
    image::build(&tree, &spec)
}

async fn push(running: &Running, args: &BuildArgs, image: BuiltImage) -> Result<ImageRef, Failure> {
    let (token, _) = running.token(args.org.as_deref())?;
    let registry = Registry::new(&running.record.registry, Some(Auth::new(token)), running::transport()?)
        .or_exit(Exit::Unavailable, || "the registry's address cannot be used")?;
    let push = Push {
        repository: args.repository.clone(),
        tag: args.tag.clone(),
        media_type: image.media_type,
        manifest: image.manifest.into(),
        blobs: image.blobs.into_iter().map(|blob| blob.bytes.into()).collect(),
    };
    registry.push(&push).await.map_err(|error| {
        let exit = match error.kind() {
            ErrorKind::Forbidden | ErrorKind::Unauthenticated => Exit::Refused,
            ErrorKind::Invalid => Exit::Usage,
            _ => Exit::Unavailable,
        };
        Failure::new(exit, format!("the image was not pushed to `{}`", args.repository)).with_source(error)
    })
}
