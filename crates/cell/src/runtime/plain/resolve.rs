//! From an image's command to one that the host can start without changing its root.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{
    image::{Interpreter, interpreter, resolve_existing},
    runtime::{Launch, LaunchError},
};

/// Where the loaders of Debian, Fedora, Alpine and their kin look, with this machine's triplet put in.
const LIBRARY_DIRECTORIES: [&str; 7] =
    ["lib/{}", "usr/lib/{}", "lib64", "usr/lib64", "lib", "usr/lib", "usr/local/lib"];

/// Program and arguments, as paths of the host.
pub(super) fn argv(launch: &Launch) -> Result<Vec<String>, LaunchError> {
    let failed =
        |step: String, source: io::Error| LaunchError::System { id: launch.id.clone(), step, source };
    let Some((name, args)) = launch.argv.split_first() else {
        let why = "the image names no command and the machine none either";
        return Err(LaunchError::Refused { image: launch.image.clone(), why: why.to_owned() });
    };
    let program = find(launch, name).ok_or_else(|| {
        let step = format!("find the program `{name}` in the image or on this host");
        failed(step, io::ErrorKind::NotFound.into())
    })?;
    let mut argv = started(&launch.rootfs, launch, &program)
        .map_err(|source| failed(format!("read the program `{}`", program.display()), source))?;
    argv.extend_from_slice(args);
    Ok(argv)
}

/// The working directory inside the unpacked image; its root where the image lacks it.
pub(super) fn cwd(launch: &Launch) -> String {
    let place = resolve_existing(&launch.rootfs, &launch.cwd).filter(|place| place.is_dir());
    place.unwrap_or_else(|| launch.rootfs.clone()).to_string_lossy().into_owned()
}

/// In the image first, then at the same place of the host.
fn find(launch: &Launch, name: &str) -> Option<PathBuf> {
    let candidates: Vec<String> = if name.starts_with('/') {
        vec![name.to_owned()]
    } else if name.contains('/') {
        vec![format!("{}/{name}", launch.cwd)]
    } else {
        let path = launch.env.get("PATH").map_or("/usr/local/bin:/usr/bin:/bin", String::as_str);
        path.split(':').filter(|dir| !dir.is_empty()).map(|dir| format!("{dir}/{name}")).collect()
    };
    let file = |place: &PathBuf| place.is_file();
    let inside = candidates.iter().find_map(|place| resolve_existing(&launch.rootfs, place).filter(file));
    inside.or_else(|| candidates.iter().map(PathBuf::from).find(file))
}

/// How to start a file of the image: an interpreter and a loader of the image come before those of the host.
fn started(rootfs: &Path, launch: &Launch, program: &Path) -> io::Result<Vec<String>> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    if !program.starts_with(rootfs) {
        return Ok(vec![text(program)]);
    }
    Ok(match interpreter(program)? {
        Interpreter::Script(name, argument) => match resolve_existing(rootfs, &name) {
            Some(inside) => {
                let mut argv = match interpreter(&inside)? {
                    Interpreter::Loader(loader) => loaded(rootfs, launch, &loader, &inside),
                    _ => vec![text(&inside)],
                };
                argv.extend(argument);
                argv.push(text(program));
                argv
            }
            None => vec![text(program)],
        },
        Interpreter::Loader(loader) => loaded(rootfs, launch, &loader, program),
        Interpreter::Kernel | Interpreter::None => vec![text(program)],
    })
}

fn loaded(rootfs: &Path, launch: &Launch, loader: &str, program: &Path) -> Vec<String> {
    let program = program.to_string_lossy().into_owned();
    let Some(loader) = resolve_existing(rootfs, loader) else { return vec![program] };
    let triplet = format!("{}-linux-gnu", std::env::consts::ARCH);
    let own =
        launch.env.get("LD_LIBRARY_PATH").into_iter().flat_map(|path| path.split(':').map(str::to_owned));
    let usual = LIBRARY_DIRECTORIES.iter().map(|dir| dir.replace("{}", &triplet));
    let directories: Vec<String> = own
        .chain(usual)
        .filter_map(|dir| resolve_existing(rootfs, &dir))
        .map(|dir| dir.to_string_lossy().into_owned())
        .collect();
    let loader = loader.to_string_lossy().into_owned();
    vec![loader, "--library-path".to_owned(), directories.join(":"), program]
}
