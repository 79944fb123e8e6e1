//! The command line.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Parser, Subcommand};
use url::Url;

/// Runs suites of requests against deployed environments
#[derive(Parser)]
#[command(name = "itest", version)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) verb: Verb,

    /// One JSON object on stdout instead of text for people
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Run suites against targets that must identify themselves
    ///
    /// Exit codes: 0 all passed, 2 a file cannot be read, 3 a target is not the requested environment or build,
    /// 4 a test failed, 9 interrupted, 10 no test ran, 13 flaky under --fail-on-flaky.
    Run(Box<RunArgs>),
    /// List suites and cases without sending anything
    List(ListArgs),
}

#[derive(clap::Args)]
pub(crate) struct RunArgs {
    /// Suite files, or directories whose `*.toml` files are suites
    #[arg(required = true, value_name = "FILE|DIR")]
    pub(crate) paths: Vec<PathBuf>,

    /// Where a target is; repeat for each
    #[arg(long = "target", value_name = "NAME=URL", value_parser = target)]
    pub(crate) targets: Vec<(String, Url)>,

    /// Connect to this address instead of what the target's host resolves to
    #[arg(long = "resolve", value_name = "NAME=IP:PORT", value_parser = resolve)]
    pub(crate) resolve: Vec<(String, SocketAddr)>,

    /// The environment that every target must say it is
    #[arg(long = "env", value_name = "NAME")]
    pub(crate) environment: Option<String>,

    /// The version that every target must say it runs
    #[arg(long, value_name = "VERSION", requires = "environment")]
    pub(crate) version: Option<String>,

    /// The commit that every target must say it runs; seven digits are enough
    #[arg(long, value_name = "COMMIT", requires = "environment")]
    pub(crate) commit: Option<String>,

    /// A value for an input or variable of the suites
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) variables: Vec<(String, String)>,

    /// A value that is never shown, from an environment variable
    #[arg(long = "secret", value_name = "NAME=env:VARIABLE", value_parser = secret)]
    pub(crate) secrets: Vec<(String, String)>,

    /// Only cases with this tag, or of a suite with it; repeat for more
    #[arg(long = "tag", value_name = "TAG")]
    pub(crate) tags: Vec<String>,

    /// Only cases whose `suite::case` contains this
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,

    /// Most requests in flight at a time; has nothing to do with processor cores
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: u16,

    /// Exit 13 if a case passed only when a request was repeated
    #[arg(long)]
    pub(crate) fail_on_flaky: bool,
}

#[derive(clap::Args)]
pub(crate) struct ListArgs {
    /// Suite files, or directories whose `*.toml` files are suites
    #[arg(required = true, value_name = "FILE|DIR")]
    pub(crate) paths: Vec<PathBuf>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

fn target(text: &str) -> Result<(String, Url), String> {
    let (name, url) = pair(text).map_err(|_| "write NAME=URL, such as api=https://example.com")?;
    let url: Url = url.parse().map_err(|error| format!("not a URL: {error}"))?;
    if matches!(url.scheme(), "http" | "https") && url.host().is_some() {
        Ok((name, url))
    } else {
        Err("only http and https URLs can be asked".to_owned())
    }
}

fn resolve(text: &str) -> Result<(String, SocketAddr), String> {
    let (name, address) = pair(text).map_err(|_| "write NAME=IP:PORT")?;
    Ok((name, address.parse().map_err(|_| "not an address: write NAME=IP:PORT")?))
}

/// The value itself is never taken from the command line, which every process of the machine can read.
fn secret(text: &str) -> Result<(String, String), String> {
    let wanted = "write NAME=env:VARIABLE: a secret on the command line can be read by every process";
    let (name, reference) = pair(text).map_err(|_| wanted)?;
    match reference.strip_prefix("env:") {
        Some(variable) if !variable.is_empty() => Ok((name, variable.to_owned())),
        _ => Err(wanted.to_owned()),
    }
}
