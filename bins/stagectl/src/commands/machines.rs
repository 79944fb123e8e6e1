//! `stagectl render machines`: what a fly.toml means for the machines of each process group.

use clikit::{Context, Exit, Failure, Output};
use envconfig::fly_toml::FlyToml;

use super::{read, read_beside};
use crate::args::Machines;

pub(crate) fn exec(context: &Context, out: &Output, args: &Machines) -> Result<Exit, Failure> {
    let file = args.config.display().to_string();
    let path = context.current_dir.join(&args.config);
    let text = read(&path).map_err(|why| {
        let failure = Failure::usage(format!("`{file}` cannot be read")).with_why(why);
        failure.with_hint("name the file with `--config FILE`")
    })?;
    let fly =
        FlyToml::parse_beside(&file, &text, &|named| read_beside(&path, named)).map_err(|problems| {
            let failure = Failure::usage(format!("`{file}` cannot be used")).with_source(problems);
            failure.with_hint(format!("stagectl check --config {file}"))
        })?;
    let mut groups = fly.value.flatten();
    if let Some(wanted) = &args.group {
        let known: Vec<String> = groups.keys().map(|name| format!("`{name}`")).collect();
        groups.retain(|name, _| name == wanted);
        if groups.is_empty() {
            let failure = Failure::usage(format!("`{file}` has no process group `{wanted}`"));
            return Err(failure.with_hint(format!("known there: {}", known.join(", "))));
        }
    }
    let pretty = serde_json::to_string_pretty(&groups)
        .map_err(|error| Failure::bug("a machine configuration has no JSON form").with_source(error))?;
    out.emit(&groups, |_| format!("{pretty}\n"))?;
    Ok(Exit::Done)
}
