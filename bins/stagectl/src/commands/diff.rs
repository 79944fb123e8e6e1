//! How two texts differ, for people.

/// The lines that differ, between what both begin and end with; `after` is what `wanted` says.
pub(super) fn diff(file: &str, before: &str, after: &str, wanted: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let start = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let rest = old.len().min(new.len()) - start;
    let end = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    let mut shown = format!("--- {file} on disk\n+++ {file} {wanted}\n@@ line {} @@\n", start + 1);
    for line in &old[start..old.len() - end] {
        shown.push_str(&format!("-{line}\n"));
    }
    for line in &new[start..new.len() - end] {
        shown.push_str(&format!("+{line}\n"));
    }
    shown
}
