//! Files by which a step says something to those after it: "Workflow commands for GitHub Actions", environment files.

/// What `GITHUB_OUTPUT` and `GITHUB_ENV` say: `NAME=VALUE`, or `NAME<<END` and lines until `END`.
pub(crate) fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut pairs = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.is_empty() {
            continue;
        }
        let (at_sign, at_end) = (line.find('='), line.find("<<"));
        match (at_sign, at_end) {
            (Some(sign), end) if end.is_none_or(|end| sign < end) => {
                pairs.push((line[..sign].to_owned(), line[sign + 1..].to_owned()));
            }
            (_, Some(end)) => {
                let (name, mark) = (&line[..end], &line[end + 2..]);
                let mut value = Vec::new();
                loop {
                    match lines.next() {
                        Some(line) if line == mark => break,
                        Some(line) => value.push(line),
                        None => return Err(format!("the value of `{name}` has no end `{mark}`")),
                    }
                }
                pairs.push((name.to_owned(), value.join("\n")));
            }
            _ => return Err(format!("`{line}` is no `NAME=VALUE`")),
        }
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::pairs;

    #[test]
    fn values_have_one_line_or_lines_until_a_mark() {
        let said = pairs("a=1\n\nb<<END\nx=y\n\nz<<q\nEND\nc=p<<q\nd=\n").unwrap();
        let said: Vec<(&str, &str)> = said.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(said, [("a", "1"), ("b", "x=y\n\nz<<q"), ("c", "p<<q"), ("d", "")]);
        assert!(pairs("b<<END\nx\n").unwrap_err().contains("no end `END`"));
        assert!(pairs("nothing\n").unwrap_err().contains("`nothing`"));
    }
}
