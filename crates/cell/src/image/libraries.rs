//! What a program needs beside itself: its dynamic loader and shared libraries, or a script's interpreter.
//!
//! The libraries are asked of the program's own loader (`LOADER --list PROGRAM`, in glibc and musl alike), which
//! knows its search order better than we would.

use std::{
    collections::BTreeSet,
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::ImageError;

/// Files to put beside a program.
#[derive(Debug, Default)]
pub(super) struct Needs {
    pub(super) files: BTreeSet<PathBuf>,
    pub(super) unusual_directories: Vec<String>,
}

/// What starts a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Interpreter {
    /// The kernel alone: a static ELF program.
    Kernel,
    /// An ELF program's dynamic loader (`PT_INTERP`).
    Loader(String),
    /// A script's `#!` line: the program and its one optional argument.
    Script(String, Option<String>),
    /// No file that Linux starts.
    None,
}

/// Scripts that name scripts: as deep as the kernel goes (`BINPRM_MAX_RECURSION`).
const SCRIPT_DEPTH_MAX: u32 = 4;

pub(super) fn needs(program: &Path) -> Result<Needs, ImageError> {
    let mut needs = Needs::default();
    collect(program, &mut needs, SCRIPT_DEPTH_MAX)?;
    Ok(needs)
}

fn collect(program: &Path, needs: &mut Needs, depth: u32) -> Result<(), ImageError> {
    let refuse = |why: String| ImageError::Program { path: program.to_owned(), why };
    match interpreter(program).map_err(ImageError::file("read", program))? {
        Interpreter::Kernel => Ok(()),
        Interpreter::None => Err(refuse(
            "it is neither a Linux (ELF) program nor a script with a `#!` line; name an executable file"
                .to_owned(),
        )),
        Interpreter::Script(path, _) => {
            let depth =
                depth.checked_sub(1).ok_or_else(|| refuse("its interpreters form a circle".to_owned()))?;
            let path = PathBuf::from(path);
            needs.files.insert(path.clone());
            collect(&path, needs, depth)
        }
        Interpreter::Loader(loader) => {
            for file in list(program, &loader)? {
                if let Some(directory) = unusual_directory(&file)
                    && !needs.unusual_directories.contains(&directory)
                {
                    needs.unusual_directories.push(directory);
                }
                needs.files.insert(file);
            }
            needs.files.insert(PathBuf::from(loader));
            Ok(())
        }
    }
}

fn list(program: &Path, loader: &str) -> Result<Vec<PathBuf>, ImageError> {
    let refuse = |why: String| ImageError::Program { path: program.to_owned(), why };
    let output = Command::new(loader)
        .arg("--list")
        .arg(program)
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .map_err(ImageError::file("start the dynamic loader", loader))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(refuse(format!("`{loader} --list` failed: {}", said.trim())));
    }
    parse_list(&text).map_err(|name| refuse(format!("its shared library `{name}` is not installed here")))
}

/// Lines are `name => path (address)`, `path (address)` for the loader, `name (address)` for the kernel's vDSO.
fn parse_list(text: &str) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for line in text.lines() {
        let line = line.trim();
        let (name, place) = line.split_once(" => ").unwrap_or((line, line));
        if place.starts_with("not found") {
            return Err(name.to_owned());
        }
        let place = place.rsplit_once(" (0x").map_or(place, |(place, _)| place);
        if place.starts_with('/') {
            files.push(PathBuf::from(place));
        }
    }
    Ok(files)
}

/// `None` where the loaders of Debian, Fedora, Alpine and their kin look without a cache.
fn unusual_directory(file: &Path) -> Option<String> {
    let directory = file.parent()?.to_str()?;
    let plain = directory.strip_prefix("/usr").unwrap_or(directory);
    let usual = matches!(plain, "/lib" | "/lib64")
        || plain.strip_prefix("/lib/").is_some_and(|triplet| triplet.ends_with("-linux-gnu"));
    (!usual).then(|| directory.to_owned())
}

/// What starts this file: the head of it is read, nothing is run.
pub(crate) fn interpreter(program: &Path) -> std::io::Result<Interpreter> {
    let mut head = Vec::new();
    fs::File::open(program)?.take(64 * 1024).read_to_end(&mut head)?;
    if let Some(rest) = head.strip_prefix(b"#!") {
        let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        let (path, argument) = match line.trim().split_once(char::is_whitespace) {
            Some((path, argument)) => (path, Some(argument.trim().to_owned())),
            None => (line.trim(), None),
        };
        return Ok(if path.is_empty() {
            Interpreter::None
        } else {
            Interpreter::Script(path.to_owned(), argument)
        });
    }
    Ok(elf_interpreter(&head))
}

/// System V ABI, "ELF Header" and "Program Header"; offsets for both word sizes.
fn elf_interpreter(head: &[u8]) -> Interpreter {
    const PT_INTERP: u64 = 3;
    let elf = Elf { head, wide: head.get(4) == Some(&2), big: head.get(5) == Some(&2) };
    if !head.starts_with(b"\x7fELF") {
        return Interpreter::None;
    }
    let find = || {
        let (table, entry_size, entries) = if elf.wide {
            (elf.number(32, 8)?, elf.number(54, 2)?, elf.number(56, 2)?)
        } else {
            (elf.number(28, 4)?, elf.number(42, 2)?, elf.number(44, 2)?)
        };
        for n in 0..entries {
            let entry = usize::try_from(table.checked_add(n * entry_size)?).ok()?;
            if elf.number(entry, 4)? == PT_INTERP {
                let (offset, size) = if elf.wide { (8, 32) } else { (4, 16) };
                let width = if elf.wide { 8 } else { 4 };
                let from = usize::try_from(elf.number(entry.checked_add(offset)?, width)?).ok()?;
                let length = usize::try_from(elf.number(entry.checked_add(size)?, width)?).ok()?;
                let name = head.get(from..from.checked_add(length)?)?;
                let name = name.split(|byte| *byte == 0).next()?;
                return Some(Interpreter::Loader(std::str::from_utf8(name).ok()?.to_owned()));
            }
        }
        Some(Interpreter::Kernel)
    };
    find().unwrap_or(Interpreter::None)
}

struct Elf<'a> {
    head: &'a [u8],
    wide: bool,
    big: bool,
}

impl Elf<'_> {
    fn number(&self, at: usize, width: usize) -> Option<u64> {
        let bytes = self.head.get(at..at.checked_add(width)?)?;
        let fold = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Some(if self.big { bytes.iter().fold(0, fold) } else { bytes.iter().rev().fold(0, fold) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loaders_list_is_read() {
        let text = "\tlinux-vdso.so.1 (0x00007f)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        let files = parse_list(text).unwrap();
        assert_eq!(
            files,
            [Path::new("/lib/x86_64-linux-gnu/libc.so.6"), Path::new("/lib64/ld-linux-x86-64.so.2")]
        );
        assert_eq!(parse_list("\tlibodd.so => not found\n").unwrap_err(), "libodd.so");
    }

    #[test]
    fn only_directories_outside_the_loaders_own_are_named() {
        assert_eq!(unusual_directory(Path::new("/usr/lib/aarch64-linux-gnu/libc.so.6")), None);
        assert_eq!(unusual_directory(Path::new("/lib64/libm.so.6")), None);
        assert_eq!(unusual_directory(Path::new("/opt/x/lib/liby.so")).as_deref(), Some("/opt/x/lib"));
    }

    #[test]
    fn damaged_heads_are_no_programs() {
        assert_eq!(elf_interpreter(b"MZ"), Interpreter::None);
        assert_eq!(elf_interpreter(b"\x7fELF\x02\x01"), Interpreter::None);
        let mut head = vec![0xff; 64];
        head[..6].copy_from_slice(b"\x7fELF\x02\x01");
        assert_eq!(elf_interpreter(&head), Interpreter::None);
    }
}
