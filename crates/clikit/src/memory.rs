//! What the process does with memory that is not needed any more.

/// Lets freed memory go back to the system at once.
///
/// By itself glibc takes a larger and larger piece for worth keeping (the "dynamic mmap threshold" of mallopt(3), up to
/// 32 MiB), and keeps it per thread. A command that reads a long list again and again, between which it holds little,
/// then stays a third larger than what it needs. Elsewhere nothing is done. Call it before there are threads.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "mallopt(3) is how the allocator is told")]
pub(crate) fn give_back() {
    const PIECE: libc::c_int = 128 * 1024;
    for (what, value) in
        [(libc::M_MMAP_THRESHOLD, PIECE), (libc::M_TRIM_THRESHOLD, PIECE), (libc::M_ARENA_MAX, 1)]
    {
        // SAFETY: takes two numbers and changes nothing but how later allocations are served; what it does not know it
        // refuses, which changes nothing either.
        let _refused = unsafe { libc::mallopt(what, value) };
    }
}

/// Elsewhere nothing is done.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) const fn give_back() {}
