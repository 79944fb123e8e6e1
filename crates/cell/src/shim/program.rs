//! The last step before a program runs: its directory, its place, its environment, and `execve`.

use std::{collections::BTreeMap, convert::Infallible, ffi::CString, io, path::Path};

use nix::{errno::Errno, unistd::execve};

use super::failure::{Failure, Step as _};

/// Becomes the program; comes back only when that failed.
pub(super) fn execute(argv: &[String], env: &BTreeMap<String, String>) -> Result<Infallible, Failure> {
    let name = argv.first().ok_or_else(|| {
        Failure::new(
            "find the program",
            io::Error::other("the image names no command and the machine none either"),
        )
    })?;
    let strings = |texts: Vec<String>| -> Result<Vec<CString>, Failure> {
        texts
            .into_iter()
            .map(|text| CString::new(text).map_err(io::Error::from))
            .collect::<Result<_, _>>()
            .step("pass arguments and environment")
    };
    let args = strings(argv.to_vec())?;
    let pairs = strings(env.iter().map(|(name, value)| format!("{name}={value}")).collect())?;
    let mut last = Errno::ENOENT;
    for place in candidates(name, env) {
        let path = CString::new(place.as_str()).map_err(io::Error::from).step("pass the program's path")?;
        let Err(error) = execve(&path, &args, &pairs);
        match error {
            Errno::ENOENT if Path::new(&place).exists() => {
                let step = format!("start `{place}`: its dynamic loader or interpreter is not in the image");
                return Err(Failure::new(step, error));
            }
            // As execvp(3): other directories may have one that can be started.
            Errno::ENOENT | Errno::ENOTDIR => {}
            error => last = error,
        }
    }
    let step = match last {
        Errno::ENOENT => format!("find the program `{name}` in the image"),
        _ => format!("start `{name}`"),
    };
    Err(Failure::new(step, last))
}

fn candidates(name: &str, env: &BTreeMap<String, String>) -> Vec<String> {
    if name.contains('/') {
        return vec![name.to_owned()];
    }
    let path = env.get("PATH").map_or("/usr/local/bin:/usr/bin:/bin", String::as_str);
    path.split(':')
        .map(|dir| if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") })
        .collect()
}
