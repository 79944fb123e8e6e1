//! Every code has a page, and every page a code.

use std::{collections::BTreeSet, fs, path::PathBuf};

use envconfig::Code;

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors"))
}

#[test]
fn every_code_has_a_page_and_every_page_a_code() {
    let codes: BTreeSet<String> = Code::ALL.iter().map(|code| code.to_string()).collect();
    assert_eq!(codes.len(), Code::ALL.len(), "two codes are equal");
    // `E01…` to `E05…` are this crate's; other crates may have pages in the same folder.
    let pages: BTreeSet<String> = fs::read_dir(folder())
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.strip_suffix(".md").map(str::to_owned))
        .filter(|name| ["E01", "E02", "E03", "E04", "E05"].iter().any(|area| name.starts_with(area)))
        .collect();
    assert_eq!(codes, pages);
}

#[test]
fn every_page_says_what_why_and_what_to_do() {
    for code in Code::ALL {
        let page = fs::read_to_string(folder().join(format!("{code}.md"))).unwrap();
        let title = format!("# {code}: {}\n", code.title());
        assert!(page.starts_with(&title), "{code}: the first line is not {title:?}");
        for part in ["\n## Why\n", "\n## What to do\n", "\n## Example\n", "```"] {
            assert!(page.contains(part), "{code} has no {part:?}");
        }
    }
}
