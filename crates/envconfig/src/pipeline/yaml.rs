//! A workflow as data, and how it is written down. Comments stay with what they explain, so no library writes it.
//!
//! Facts: GitHub's "Workflow syntax for GitHub Actions".

use std::fmt::{self, Display, Write as _};

/// A whole file.
#[derive(Debug)]
pub(super) struct Workflow {
    pub(super) name: String,
    /// What starts it, as lines below `on:`.
    pub(super) on: String,
    /// Runs of one group go one after the other, where there is one.
    pub(super) group: Option<String>,
    /// Where scripts run, from the top of the repository on.
    pub(super) directory: Option<String>,
    pub(super) jobs: Vec<Job>,
}

#[derive(Debug, Default)]
pub(super) struct Job {
    pub(super) id: &'static str,
    pub(super) name: String,
    pub(super) needs: Vec<&'static str>,
    /// Without `${{`.
    pub(super) condition: Option<String>,
    pub(super) runs_on: String,
    pub(super) minutes: u32,
    /// GitHub's environment, which keeps the secrets.
    pub(super) environment: Option<String>,
    pub(super) outputs: Vec<(&'static str, String)>,
    pub(super) steps: Vec<Step>,
}

#[derive(Debug, Default)]
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) id: Option<&'static str>,
    /// Without `${{`.
    pub(super) condition: Option<&'static str>,
    /// An action, and the version that its commit is.
    pub(super) uses: Option<(String, &'static str)>,
    pub(super) with: Vec<(&'static str, String)>,
    pub(super) env: Vec<(String, String)>,
    pub(super) run: Option<String>,
}

/// `${{ text }}`.
pub(super) fn expression(text: &str) -> String {
    format!("${{{{ {text} }}}}")
}

/// A text as YAML reads it back: as it is where that is surely a text, else quoted as in JSON, which is YAML, too.
pub(super) fn scalar(text: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || "_./@-".contains(c);
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic());
    // Words that are no texts in YAML 1.1 or 1.2.
    let is_other = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let is_plain = begins && text.chars().all(is_word) && !is_other.contains(&&*text.to_lowercase());
    let is_expression = text.starts_with("${{") && text.ends_with("}}") && !text.contains(['"', '#']);
    if is_plain || is_expression { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

/// `key: value` lines, `margin` spaces in.
fn pairs<K: Display>(out: &mut String, margin: usize, list: &[(K, String)]) {
    for (key, value) in list {
        let _ = writeln!(out, "{:margin$}{key}: {}", "", scalar(value));
    }
}

/// `text` with every line `margin` spaces in.
fn indented(text: &str, margin: usize) -> String {
    let line =
        |line: &str| if line.trim().is_empty() { "\n".to_owned() } else { format!("{:margin$}{line}\n", "") };
    text.trim_end().lines().map(line).collect()
}

impl Display for Workflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "name: {}\n", scalar(&self.name))?;
        write!(f, "on:\n{}\n", indented(&self.on, 2))?;
        f.write_str("permissions:\n  contents: read\n\n")?;
        if let Some(group) = &self.group {
            // What is under way goes to its end; of those that wait GitHub keeps the last.
            writeln!(f, "concurrency:\n  group: {}\n  cancel-in-progress: false\n", scalar(group))?;
        }
        f.write_str("defaults:\n  run:\n    shell: bash\n")?;
        if let Some(directory) = &self.directory {
            writeln!(f, "    working-directory: {}", scalar(directory))?;
        }
        f.write_str("\njobs:\n")?;
        for (n, job) in self.jobs.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            job.fmt(f)?;
        }
        Ok(())
    }
}

impl Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        let _ = writeln!(out, "  {}:\n    name: {}", self.id, scalar(&self.name));
        if !self.needs.is_empty() {
            let _ = writeln!(out, "    needs: [{}]", self.needs.join(", "));
        }
        if let Some(condition) = &self.condition {
            let _ = writeln!(out, "    if: {}", expression(condition));
        }
        let _ = writeln!(out, "    runs-on: {}", scalar(&self.runs_on));
        let _ = writeln!(out, "    timeout-minutes: {}", self.minutes);
        if let Some(environment) = &self.environment {
            let _ = writeln!(out, "    environment: {}", scalar(environment));
        }
        if !self.outputs.is_empty() {
            out.push_str("    outputs:\n");
            pairs(&mut out, 6, &self.outputs);
        }
        out.push_str("    steps:\n");
        for step in &self.steps {
            let _ = write!(out, "{step}");
        }
        f.write_str(&out)
    }
}

impl Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        let _ = writeln!(out, "      - name: {}", scalar(self.name));
        if let Some(id) = self.id {
            let _ = writeln!(out, "        id: {id}");
        }
        if let Some(condition) = self.condition {
            let _ = writeln!(out, "        if: {}", expression(condition));
        }
        if let Some((action, version)) = &self.uses {
            let comment = if version.is_empty() { String::new() } else { format!(" # {version}") };
            let _ = writeln!(out, "        uses: {action}{comment}");
        }
        if !self.with.is_empty() {
            out.push_str("        with:\n");
            pairs(&mut out, 10, &self.with);
        }
        if !self.env.is_empty() {
            out.push_str("        env:\n");
            pairs(&mut out, 10, &self.env);
        }
        if let Some(run) = &self.run {
            // Where the first line is further in than others, how far all are in has to be said (YAML 1.2, 8.1.1.1).
            let indicator = if run.starts_with([' ', '\t', '\n']) { "2" } else { "" };
            let _ = write!(out, "        run: |{indicator}\n{}", indented(run, 10));
        }
        f.write_str(&out)
    }
}

#[cfg(test)]
mod tests {
    use super::scalar;

    #[test]
    fn what_yaml_would_take_for_something_else_is_quoted() {
        for plain in
            ["staging", "ubuntu-latest", "actions/checkout@11bd", "${{ secrets.A }}", "understudy/a.b"]
        {
            assert_eq!(scalar(plain), plain);
        }
        for (text, quoted) in [
            ("on", "\"on\""),
            ("NULL", "\"NULL\""),
            ("1.0", "\"1.0\""),
            ("a: b", "\"a: b\""),
            ("say \"it\"", "\"say \\\"it\\\"\""),
            ("#1", "\"#1\""),
            ("${{ a }} # b }}", "\"${{ a }} # b }}\""),
            ("", "\"\""),
        ] {
            assert_eq!(scalar(text), quoted);
        }
    }
}
