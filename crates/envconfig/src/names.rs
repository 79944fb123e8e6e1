//! Names: texts that obey the rules of whoever resolves them.

use crate::text_value::text_value;

/// The longest name that is also a DNS label (RFC 1035 section 2.3.4).
const LABEL_CHARS_MAX: usize = 63;

fn label(text: &str) -> Result<(), &'static str> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if text.is_empty() || text.len() > LABEL_CHARS_MAX {
        Err("it has 1 to 63 characters")
    } else if !text.chars().all(inner) {
        Err("it has only lower-case letters, digits and `-`")
    } else if text.starts_with('-') || text.ends_with('-') {
        Err("it neither begins nor ends with `-`")
    } else {
        Ok(())
    }
}

fn lettered_label(text: &str) -> Result<(), &'static str> {
    label(text)?;
    if text.starts_with(|c: char| c.is_ascii_lowercase()) { Ok(()) } else { Err("it begins with a letter") }
}

fn word(text: &str) -> Result<(), &'static str> {
    let inner = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if text.is_empty() || text.len() > LABEL_CHARS_MAX {
        Err("it has 1 to 63 characters")
    } else if !text.chars().all(inner) {
        Err("it has only letters, digits, `.`, `_` and `-`")
    } else if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        Err("it begins with a letter or digit")
    } else {
        Ok(())
    }
}

fn lower_alphanumeric(text: &str) -> Result<(), &'static str> {
    let good = (1..=LABEL_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if good { Ok(()) } else { Err("it has 1 to 63 lower-case letters and digits") }
}

/// The parts of `git check-ref-format` that matter in a file.
fn branch(text: &str) -> Result<(), &'static str> {
    let bad = |c: char| c.is_whitespace() || c.is_control() || "~^:?*[\\".contains(c);
    if text.is_empty() || text.len() > 250 {
        Err("it has 1 to 250 characters")
    } else if text.contains(bad) || text.contains("..") || text.contains("@{") || text.contains("//") {
        Err("git allows no space, `~`, `^`, `:`, `?`, `*`, `[`, `\\`, `..`, `@{` or `//` in it")
    } else if text.starts_with(['-', '/', '.']) || text.ends_with(['/', '.']) || text.ends_with(".lock") {
        Err("git allows it to begin with none of `-`, `/`, `.` and to end with none of `/`, `.`, `.lock`")
    } else {
        Ok(())
    }
}

fn relative_path(text: &str) -> Result<(), &'static str> {
    if text.is_empty() || text.len() > 1024 || text.contains(|c: char| c.is_control()) {
        Err("it has 1 to 1024 printable characters")
    } else if text.starts_with('/')
        || text.starts_with('~')
        || text.contains('\\')
        || text.get(1..2) == Some(":")
    {
        Err(
            "it is relative to the project file, with `/` between its parts, so that it means the same everywhere",
        )
    } else {
        Ok(())
    }
}

fn field_path(text: &str) -> Result<(), &'static str> {
    let part =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "_-*".contains(c));
    if text.len() <= 200 && text.split('.').all(part) {
        Ok(())
    } else {
        Err("it has parts of letters, digits, `_`, `-` or `*`, with `.` between them")
    }
}

fn variable(text: &str) -> Result<(), &'static str> {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let good = !text.is_empty()
        && text.len() <= 200
        && text.chars().all(inner)
        && !text.starts_with(|c: char| c.is_ascii_digit());
    if good { Ok(()) } else { Err("it has letters, digits and `_`, and does not begin with a digit") }
}

fn host(text: &str) -> Result<(), &'static str> {
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (text, None),
    };
    let part = |part: &str| label(part).is_ok();
    if !name.split('.').all(part) || name.len() > 253 {
        Err("it is a host, with `:port` where needed, such as `registry.fly.io` or `127.0.0.1:5000`")
    } else if port.is_some_and(|port| port.parse::<u16>().is_err()) {
        Err("its port is a number from 0 to 65535")
    } else {
        Ok(())
    }
}

/// `OWNER/REPO@COMMIT`, or `OWNER/REPO/DIR@COMMIT`: GitHub's "Workflow syntax", `jobs.<job_id>.steps[*].uses`.
fn action(text: &str) -> Result<(), &'static str> {
    let Some((path, commit)) = text.split_once('@') else {
        return Err("it is `OWNER/REPO@COMMIT`");
    };
    let parts: Vec<&str> = path.split('/').collect();
    let is_hash = commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit());
    if parts.len() < 2 || !parts.iter().all(|part| word(part).is_ok()) {
        Err("it is `OWNER/REPO@COMMIT`")
    } else if !is_hash {
        Err("a commit has 40 hexadecimal digits; a tag or a branch can become another program one day")
    } else {
        Ok(())
    }
}

/// The five fields of POSIX crontab, as GitHub reads them: "Events that trigger workflows", `schedule`.
fn cron(text: &str) -> Result<(), &'static str> {
    let field = |field: &str| {
        !field.is_empty() && field.chars().all(|c| c.is_ascii_alphanumeric() || "*/,-".contains(c))
    };
    let fields: Vec<&str> = text.split(' ').collect();
    if fields.len() == 5 && fields.iter().all(|it| field(it)) {
        Ok(())
    } else {
        Err("it has five fields with one space between them: minute, hour, day, month, weekday")
    }
}

fn script(text: &str) -> Result<(), &'static str> {
    if text.trim().is_empty() {
        Err("it is empty")
    } else if text.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\t')) {
        Err("it has control characters")
    } else if text.contains("${{") {
        Err(
            "`${{` would be filled in before a shell reads the script, so that data becomes code; what a job gets is in its environment",
        )
    } else {
        Ok(())
    }
}

text_value! {
    /// An action of GitHub by its commit: `OWNER/REPO@` and 40 hexadecimal digits.
    ActionRef, "an action", action
}
text_value! {
    /// The label of the machines that a job runs on, for example `ubuntu-latest`.
    RunnerLabel, "a label of runners", word
}
text_value! {
    /// When something is done again and again, in the five fields of cron.
    CronSchedule, "a schedule", cron
}
text_value! {
    /// Lines for bash.
    ShellScript, "a script", script
}
text_value! {
    /// The project's name.
    ProjectName, "a project name", word
}
text_value! {
    /// An environment's name, for example `staging`; also part of labels and of host names.
    EnvironmentName, "an environment name", lettered_label
}
text_value! {
    /// A component's name, for example `api`.
    ComponentName, "a component name", lettered_label
}
text_value! {
    /// A Fly organisation's slug.
    OrgSlug, "an organisation's slug", label
}
text_value! {
    /// The name of a published static site.
    SiteName, "a site name", label
}
text_value! {
    /// A Supabase project's reference.
    ProjectRef, "a Supabase project reference", lower_alphanumeric
}
text_value! {
    /// A git branch.
    BranchName, "a branch name", branch
}
text_value! {
    /// The name of a test suite.
    SuiteName, "a suite name", word
}
text_value! {
    /// A tag of test cases.
    TagName, "a tag", word
}
text_value! {
    /// A group of people who may approve.
    GroupName, "a group name", word
}
text_value! {
    /// A process group of a Fly app: a key of `[processes]`, or `app`.
    ProcessGroup, "a process group", word
}
text_value! {
    /// A path relative to the project file.
    ProjectPath, "a path in the project", relative_path
}
text_value! {
    /// A field that two environments may differ in, for example `vm.memory`; `*` stands for any part.
    FieldPath, "a field's path", field_path
}
text_value! {
    /// The name of an environment variable.
    VariableName, "a variable's name", variable
}
text_value! {
    /// A registry's host, with its port if it has one.
    RegistryHost, "a registry's host", host
}
