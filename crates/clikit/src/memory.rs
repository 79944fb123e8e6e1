//! What the process does with memory that is not needed any more, and how much it may have open.

/// Lets freed memory go back to the system at once, and all threads take theirs from one place. For a program that reads
/// much and holds little; one that serves with several threads is better off without.
///
/// By itself glibc takes a larger and larger piece for worth keeping (the "dynamic mmap threshold" of mallopt(3), up to
/// 32 MiB), and keeps it per thread. A command that reads a long list again and again, between which it holds little,
/// then stays larger than what it needs (a promotion of 1,000 machines: 76 MiB, and 61 with this). With another C library nothing is done. Call it before there are threads.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "mallopt(3) is how the allocator is told")]
pub fn give_memory_back() {
    const PIECE: libc::c_int = 128 * 1024;
    for (what, value) in
        [(libc::M_MMAP_THRESHOLD, PIECE), (libc::M_TRIM_THRESHOLD, PIECE), (libc::M_ARENA_MAX, 1)]
    {
        // SAFETY: takes two numbers and changes nothing but how later allocations are served; what it does not know it
        // refuses, which changes nothing either.
        let _refused = unsafe { libc::mallopt(what, value) };
    }
}

/// There is nothing to tell this C library.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub const fn give_memory_back() {}

/// Lets the process open as many files as 350 calls side by side need, where the system allows it: macOS begins with 256.
/// What cannot be raised stays as it is.
pub fn open_more_files() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    const WANTED: nix::sys::resource::rlim_t = 1024;
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < WANTED.min(hard)
    {
        let _as_it_was = setrlimit(Resource::RLIMIT_NOFILE, WANTED.min(hard), hard);
    }
}
