//! Rust source as lines, with what is only for tests marked.

use std::path::Path;

/// Whether a whole file is only for tests: in a `tests` directory, or called `tests.rs`.
pub(crate) fn is_test_file(file: &Path) -> bool {
    file.components().any(|part| part.as_os_str() == "tests")
        || file.file_name().is_some_and(|n| n == "tests.rs")
}

/// The lines of a file that are not only for tests, with their numbers from 1.
///
/// Left out are `#[cfg(test)]` with the item below it: a `mod x;` or a whole block up to its closing brace in the
/// first column. Anything else in a test-only file is the caller's to skip.
pub(crate) fn product_lines(text: &str) -> Vec<(usize, &str)> {
    let mut kept = Vec::new();
    let mut lines = (1..).zip(text.lines()).peekable();
    while let Some((number, line)) = lines.next() {
        if line != "#[cfg(test)]" {
            kept.push((number, line));
            continue;
        }
        let mut is_open = false;
        for (_, line) in lines.by_ref() {
            let is_attribute = line.starts_with("#[") || line.starts_with("//");
            if line == "}" || (!is_open && !is_attribute && line.ends_with(';')) {
                break;
            }
            is_open |= line.ends_with('{');
        }
    }
    kept
}

/// A line without its comment. A `//` inside a string cuts the line too: good enough for looking for words.
pub(crate) fn without_comment(line: &str) -> &str {
    line.find("//").map_or(line, |at| &line[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_modules_are_left_out_wherever_they_stand() {
        let text = "a\n#[cfg(test)]\nmod tests;\nb\n#[cfg(test)]\n#[path = \"x\"]\nmod t {\n    c\n}\nd\n";
        let kept: Vec<&str> = product_lines(text).into_iter().map(|(_, l)| l).collect();
        assert_eq!(kept, ["a", "b", "d"]);
        assert_eq!(product_lines(text)[2].0, 10, "numbers are those of the file");
    }

    #[test]
    fn files_for_tests_are_known_by_their_place() {
        assert!(is_test_file(Path::new("crates/x/tests/it/main.rs")));
        assert!(is_test_file(Path::new("crates/x/src/y/tests.rs")));
        assert!(!is_test_file(Path::new("crates/x/src/tests_of_strength.rs")));
    }
}
