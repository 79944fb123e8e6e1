//! Pages of keys (API_ListObjectsV2). Pure.

use std::ops::Bound;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::store::{Object, Objects};

/// Behind what a page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum After {
    /// At the beginning.
    Nothing,
    /// A key, whether it is there or not.
    Key(String),
    /// All keys that were told as this common prefix.
    Prefix(String),
}

impl After {
    /// As a continuation token, which nobody else reads.
    pub(super) fn token(&self) -> String {
        let (mark, text) = match self {
            Self::Nothing => ("", ""),
            Self::Key(key) => ("k", key.as_str()),
            Self::Prefix(prefix) => ("p", prefix.as_str()),
        };
        URL_SAFE_NO_PAD.encode(format!("{mark}{text}"))
    }

    /// Reads a token; none where it is not one of ours.
    pub(super) fn read(token: &str) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
        let key = text.strip_prefix('k').map(|key| Self::Key(key.to_owned()));
        key.or_else(|| Some(Self::Prefix(text.strip_prefix('p')?.to_owned())))
    }

    fn text(&self) -> &str {
        match self {
            Self::Nothing => "",
            Self::Key(text) | Self::Prefix(text) => text,
        }
    }
}

/// Which keys.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    pub(super) prefix: &'a str,
    /// Keys that have it behind the prefix are told as what they have in common up to it; never empty.
    pub(super) delimiter: Option<&'a str>,
    pub(super) after: After,
    /// How many keys and common prefixes at most.
    pub(super) max: usize,
}

/// A page, in the order of the keys' bytes.
#[derive(Debug, Default)]
pub(super) struct Page<'a> {
    pub(super) objects: Vec<&'a Object>,
    pub(super) prefixes: Vec<&'a str>,
    /// Where the next one begins; none where there is none.
    pub(super) next: Option<After>,
}

impl Page<'_> {
    /// How many keys and common prefixes it has.
    pub(super) fn n(&self) -> usize {
        self.objects.len() + self.prefixes.len()
    }
}

/// One page.
pub(super) fn page<'a>(objects: &'a Objects, wanted: &Wanted<'_>) -> Page<'a> {
    let mut page = Page::default();
    if wanted.max == 0 {
        return page;
    }
    let after = wanted.after.text();
    let from = if after < wanted.prefix { Bound::Included(wanted.prefix) } else { Bound::Excluded(after) };
    // The empty key is none's, so that nothing is left out at the beginning.
    let keys = objects.range::<str, _>((from, Bound::Unbounded));
    let mut last = After::Nothing;
    for (key, object) in keys.take_while(|(key, _)| key.starts_with(wanted.prefix)) {
        let told = match &wanted.after {
            After::Prefix(told) => key.starts_with(told.as_str()),
            After::Nothing | After::Key(_) => false,
        };
        let common = wanted.delimiter.and_then(|delimiter| {
            let rest = &key[wanted.prefix.len()..];
            rest.find(delimiter).map(|at| &key[..wanted.prefix.len() + at + delimiter.len()])
        });
        if told || (common.is_some() && common == page.prefixes.last().copied()) {
            continue;
        }
        if page.n() == wanted.max {
            page.next = Some(last);
            break;
        }
        match common {
            Some(common) => {
                page.prefixes.push(common);
                last = After::Prefix(common.to_owned());
            }
            None => {
                page.objects.push(object);
                last = After::Key(key.clone());
            }
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(keys: &[&str]) -> Objects {
        let object = |key: &&str| ((*key).to_owned(), Object { key: (*key).to_owned(), ..Object::default() });
        keys.iter().map(object).collect()
    }

    /// All pages, each as its keys and prefixes in one list.
    fn all(objects: &Objects, prefix: &str, delimiter: Option<&str>, max: usize) -> Vec<Vec<String>> {
        let (mut after, mut pages) = (After::Nothing, Vec::new());
        loop {
            let page = page(objects, &Wanted { prefix, delimiter, after, max });
            let keys = page.objects.iter().map(|object| object.key.clone());
            pages.push(keys.chain(page.prefixes.iter().map(|prefix| (*prefix).to_owned())).collect());
            match page.next {
                // Through its text, as a client hands it back.
                Some(next) => after = After::read(&next.token()).unwrap(),
                None => return pages,
            }
        }
    }

    /// User Guide, "Organizing objects using prefixes", its example with the delimiter `/`.
    #[test]
    fn common_prefixes_are_told_once() {
        let there = objects(&[
            "sample.jpg",
            "photos/2006/January/sample.jpg",
            "photos/2006/February/sample2.jpg",
            "photos/2006/February/sample3.jpg",
        ]);
        assert_eq!(all(&there, "", Some("/"), 1000), [["sample.jpg", "photos/"]]);
        assert_eq!(
            all(&there, "photos/2006/", Some("/"), 1000),
            [["photos/2006/February/", "photos/2006/January/"]]
        );
        assert_eq!(all(&there, "photos/2007", None, 1000), [[""; 0]]);
    }

    /// API_ListObjectsV2: a common prefix counts as one of `max-keys`, and is told on one page only.
    #[test]
    fn pages_leave_nothing_out_and_tell_nothing_twice() {
        let there = objects(&["a/1", "a/2", "a/3", "b", "c/1", "c/2", "d", "é"]);
        assert_eq!(all(&there, "", Some("/"), 2), [vec!["b", "a/"], vec!["d", "c/"], vec!["é"]]);
        assert_eq!(all(&there, "", None, 3).concat(), ["a/1", "a/2", "a/3", "b", "c/1", "c/2", "d", "é"]);
        assert_eq!(all(&there, "", Some("/"), 5).len(), 1, "a full page is not cut off");
        assert_eq!(all(&there, "a/", Some("/"), 1), [["a/1"], ["a/2"], ["a/3"]]);
    }

    /// API_ListObjectsV2, `start-after`: "can be any key in the bucket", and none that is there.
    #[test]
    fn a_list_starts_behind_any_key() {
        let there = objects(&["a", "b/1", "b/3", "c"]);
        let list = |prefix, after: &str, max| {
            let after = After::Key(after.to_owned());
            let page = page(&there, &Wanted { prefix, delimiter: None, after, max });
            (page.objects.iter().map(|object| object.key.clone()).collect::<Vec<_>>(), page.next.is_some())
        };
        let keys = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
        assert_eq!(list("", "b/2", 9), (keys(&["b/3", "c"]), false));
        assert_eq!(list("b/", "a", 9), (keys(&["b/1", "b/3"]), false), "the prefix is further on");
        assert_eq!(list("b/", "b/1", 9), (keys(&["b/3"]), false));
        assert_eq!(list("b/", "z", 9), (keys(&[]), false));
        assert_eq!(list("", "", 1), (keys(&["a"]), true));
        assert_eq!(list("", "", 0), (keys(&[]), false), "nothing is asked for");
    }

    #[test]
    fn a_token_of_somebody_else_is_none() {
        for bad in ["", "%", "eA", "_w"] {
            assert_eq!(After::read(bad), None, "{bad}");
        }
        let after = After::Prefix(String::from("ü/"));
        assert_eq!(After::read(&after.token()), Some(after));
    }
}
