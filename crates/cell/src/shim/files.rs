//! An isolated cell's file system: the image as `/`, with `/proc`, a small `/dev`, `/tmp`, and the names of the host's
//! network. There is no `/sys`.

use std::{
    fs, io,
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink},
    },
    path::Path,
};

use nix::{
    fcntl::{OFlag, open},
    mount::{MntFlags, MsFlags, mount, umount2},
    sys::stat::Mode,
    unistd::{chdir, pivot_root},
};

use super::{
    failure::{Failure, Step as _},
    init::Inside,
    spec::{Mode as CellMode, Spec},
};

/// Where the host's files are while the mounts are made.
const HOST: &str = "/.host";
const NONE: Option<&str> = None;
/// What programs expect in `/dev` (the part of the Linux Foundation's FHS, "/dev", that a container can have).
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
/// Writable for root, and about the host: only looked at, where the cell's root is the host's.
const PROC_READ_ONLY: [&str; 5] = ["sys", "sysrq-trigger", "irq", "bus", "fs"];

/// Makes the cell's file system and moves into it.
pub(super) fn enter(inside: &Inside<'_>) -> Result<(), Failure> {
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE).step("keep mounts private")?;
    let network = Names::read(inside.spec);
    root(inside)?;
    fs::create_dir_all(&HOST[1..]).step("make a place for the host's files")?;
    pivot_root(".", &HOST[1..]).step("change the root")?;
    chdir("/").step("change into the root")?;
    proc(inside.rooting.user_namespace)?;
    dev()?;
    network.write();
    fs::create_dir_all("/tmp").step("make /tmp")?;
    drop(fs::set_permissions("/tmp", fs::Permissions::from_mode(0o1777)));
    umount2(HOST, MntFlags::MNT_DETACH).step("leave the host's files")?;
    drop(fs::remove_dir(HOST));
    Ok(())
}

/// Makes the root and changes into it. The writable layer is memory of this mount namespace: it ends with the cell.
fn root(inside: &Inside<'_>) -> Result<(), Failure> {
    if let Some(copy) = inside.copy {
        let bind = MsFlags::MS_BIND | MsFlags::MS_REC;
        mount(Some(copy), copy, NONE, bind, NONE).step("mount the copy of the image")?;
        return chdir(copy).step("change into the copy of the image");
    }
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let image: OwnedFd = open(inside.rootfs, flags, Mode::empty())
        .step(format!("open the image `{}`", inside.rootfs.display()))?;
    let dir = inside.spec.dir.as_path();
    mount(Some("cell"), dir, Some("tmpfs"), MsFlags::empty(), Some("mode=755")).step("mount memory")?;
    chdir(dir).step("change into the writable layer")?;
    for name in ["upper", "work", "root"] {
        fs::create_dir(name).step("make the writable layer")?;
    }
    // Through descriptors no path needs escaping, and a path below `dir` is not hidden by the memory.
    let upper: OwnedFd = open("upper", flags, Mode::empty()).step("open the writable layer")?;
    let work: OwnedFd = open("work", flags, Mode::empty()).step("open the writable layer")?;
    let [image, upper, work] = [image.as_raw_fd(), upper.as_raw_fd(), work.as_raw_fd()];
    let proc = "/proc/self/fd";
    let mut options = format!("lowerdir={proc}/{image},upperdir={proc}/{upper},workdir={proc}/{work}");
    if inside.rooting.user_namespace {
        options.push_str(",userxattr");
    }
    mount(Some("cell"), "root", Some("overlay"), MsFlags::empty(), Some(options.as_str()))
        .step("mount the image under a writable layer")?;
    chdir("root").step("change into the image")
}

fn proc(user_namespace: bool) -> Result<(), Failure> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    fs::create_dir_all("/proc").step("make /proc")?;
    mount(Some("proc"), "/proc", Some("proc"), flags, NONE).step("mount /proc")?;
    if user_namespace {
        return Ok(());
    }
    for name in PROC_READ_ONLY {
        let place = format!("/proc/{name}");
        if !Path::new(&place).exists() {
            continue;
        }
        let bind = MsFlags::MS_BIND | MsFlags::MS_REC;
        mount(Some(place.as_str()), place.as_str(), NONE, bind, NONE).step(format!("protect {place}"))?;
        let read_only = flags | MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        mount(NONE, place.as_str(), NONE, read_only, NONE).step(format!("protect {place}"))?;
    }
    Ok(())
}

fn dev() -> Result<(), Failure> {
    // In place of whatever the image has there, also of a link.
    if fs::symlink_metadata("/dev").is_ok_and(|found| !found.is_dir()) {
        fs::remove_file("/dev").step("replace /dev")?;
    }
    fs::create_dir_all("/dev").step("make /dev")?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    mount(Some("dev"), "/dev", Some("tmpfs"), flags, Some("mode=755,size=64k")).step("mount /dev")?;
    for name in DEVICES {
        let (from, to) = (format!("{HOST}/dev/{name}"), format!("/dev/{name}"));
        if !fs::metadata(&from).is_ok_and(|found| found.file_type().is_char_device()) {
            continue;
        }
        fs::write(&to, "").step(format!("make {to}"))?;
        mount(Some(from.as_str()), to.as_str(), NONE, MsFlags::MS_BIND, NONE).step(format!("mount {to}"))?;
    }
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        symlink(target, format!("/dev/{name}")).step("make the links in /dev")?;
    }
    fs::create_dir("/dev/shm").step("make /dev/shm")?;
    mount(Some("shm"), "/dev/shm", Some("tmpfs"), flags | MsFlags::MS_NODEV, Some("mode=1777"))
        .step("mount /dev/shm")
}

/// What the resolver reads, taken from the host before its files are left.
struct Names {
    resolv_conf: Option<Vec<u8>>,
    hosts: String,
    hostname: String,
}

impl Names {
    fn read(spec: &Spec) -> Self {
        let mut hosts =
            fs::read_to_string("/etc/hosts").unwrap_or_else(|_| "127.0.0.1 localhost\n".to_owned());
        if let CellMode::Isolated { address, .. } = &spec.mode {
            hosts.push_str(&format!("\n{address} {}\n", spec.id));
        }
        Self { resolv_conf: fs::read("/etc/resolv.conf").ok(), hosts, hostname: format!("{}\n", spec.id) }
    }

    /// Best effort: an image without a usable `/etc` resolves no names, and that is its own choice.
    fn write(&self) {
        let replace = |place: &str, bytes: &[u8]| -> io::Result<()> {
            drop(fs::remove_file(place));
            fs::write(place, bytes)
        };
        drop(fs::create_dir_all("/etc"));
        if let Some(bytes) = &self.resolv_conf {
            drop(replace("/etc/resolv.conf", bytes));
        }
        drop(replace("/etc/hosts", self.hosts.as_bytes()));
        drop(replace("/etc/hostname", self.hostname.as_bytes()));
    }
}

/// Copies a tree with links and modes. Sockets, pipes and devices are left out, as in unpacking.
pub(super) fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for child in fs::read_dir(from)? {
        let child = child?;
        let kind = child.file_type()?;
        let place = to.join(child.file_name());
        if kind.is_dir() {
            copy_tree(&child.path(), &place)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(child.path())?, place)?;
        } else if kind.is_file() {
            fs::copy(child.path(), place)?;
        }
    }
    fs::set_permissions(to, fs::metadata(from)?.permissions())
}
