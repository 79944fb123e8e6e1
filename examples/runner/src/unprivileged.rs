//! Which user runs other people's code.

use std::fs;

use nix::unistd::geteuid;

/// `nobody`, by convention everywhere.
pub(crate) const NOBODY: u32 = 65_534;

/// The user to change to; `None` where that is neither needed nor possible: already unprivileged, or root of a user
/// namespace that holds nobody else and is an ordinary user outside.
pub(crate) fn user() -> Option<u32> {
    if !geteuid().is_root() {
        return None;
    }
    match fs::read_to_string("/proc/self/uid_map") {
        Ok(map) => is_mapped(&map, NOBODY).then_some(NOBODY),
        // No such file, no user namespaces.
        Err(_) => Some(NOBODY),
    }
}

/// Lines are `first-inside first-outside count` (user_namespaces(7)).
fn is_mapped(map: &str, uid: u32) -> bool {
    map.lines().any(|line| {
        let fields: Vec<u32> = line.split_ascii_whitespace().filter_map(|field| field.parse().ok()).collect();
        matches!(fields.as_slice(), [first, _, count] if uid >= *first && uid - first < *count)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_of_one_user_has_no_nobody() {
        assert!(is_mapped("         0          0 4294967295\n", NOBODY));
        assert!(!is_mapped("         0      65534          1\n", NOBODY));
        assert!(is_mapped("0 1000 1\n1 100000 65536\n", NOBODY));
        assert!(!is_mapped("", NOBODY));
    }
}
