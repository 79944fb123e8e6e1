//! The command line. Nothing here has a `Debug` that could show a token.

use std::{net::SocketAddr, path::PathBuf};

use cell::runtime::RuntimeKind;
use clap::{Parser, Subcommand};
use localcloud::EdgeLag;

/// Runs a stand-in for Fly.io on this machine: its API, a registry, an edge, a small S3, and machines that are real processes
#[derive(Parser)]
#[command(name = "localcloud", version)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) verb: Verb,

    /// The state directory [default: localcloud in the user's state directory for understudy]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,

    /// One JSON object on stdout instead of text for people
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Serve until Ctrl-C; machines live on and are found again
    ///
    /// Exit codes: 0 ended by Ctrl-C or SIGTERM, 2 bad usage, 8 the directory is in use, a port is taken or the runtime
    /// does not work here, 9 ended by a second signal.
    Up(Box<UpArgs>),
    /// Make images
    Image {
        #[command(subcommand)]
        verb: ImageVerb,
    },
    /// Show or change what goes wrong on purpose
    ///
    /// Exit codes: 0 done, 2 no fault in this form, 8 no server runs.
    #[command(after_long_help = crate::commands::faults::table())]
    Faults(FaultsArgs),
    /// Print the audit log: what was called and what changed, one JSON object a line
    ///
    /// Works without a running server. Exit codes: 0 done, 8 no server ever ran here.
    Audit(AuditArgs),
    /// Print what clients need in their environment, as lines for a shell to evaluate
    ///
    /// eval "$(localcloud env)" sets it: Fly's variables, and for the small S3 those that `fly storage create` sets, with a
    /// bucket of the organisation's, where `s3://BUCKET_NAME/PREFIX` is a store. The lines read the token from its file, and
    /// it is the S3's key as well; with --json its value is in the object.
    ///
    /// Exit codes: 0 done, 2 no such app or organisation, 8 no server runs.
    Env(EnvArgs),
    /// Say whether a server runs, on what, and where it is reached
    ///
    /// Exit codes: 0 it runs, 8 no server runs.
    Status,
    /// End the server, if one runs, and all machines
    ///
    /// What was pushed, made and logged stays in the state directory. Exit codes: 0 nothing runs any more, 8 otherwise.
    Down,
}

#[derive(Subcommand)]
pub(crate) enum ImageVerb {
    /// Make an OCI image of a directory or a program and push it to the running server
    ///
    /// Prints the reference pinned to the digest. Equal input makes equal digests. Exit codes: 0 done, 2 something
    /// cannot be put into an image, 3 the repository belongs to another organisation, 8 no server runs.
    Build(BuildArgs),
}

#[derive(clap::Args)]
pub(crate) struct UpArgs {
    /// What machines run on [default: isolated where the kernel permits it, else plain]
    #[arg(long, value_name = "isolated|plain", value_parser = runtime)]
    pub(crate) runtime: Option<RuntimeKind>,

    /// Address of the API; port 0 keeps the port of the last run, or draws one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0", value_parser = loopback)]
    pub(crate) api: SocketAddr,

    /// Address of the registry; port 0 as above
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0", value_parser = loopback)]
    pub(crate) registry: SocketAddr,

    /// Address of the small S3; port 0 as above
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0", value_parser = loopback)]
    pub(crate) s3: SocketAddr,

    /// A region with an edge, three letters; repeat for more, the first is the default of machines [default: fra ams]
    #[arg(long = "region", value_name = "R", num_args = 1..)]
    pub(crate) regions: Vec<String>,

    /// How long each edge takes to learn of a change, in milliseconds, at most 30000 [default: 100..800]
    #[arg(long, value_name = "MIN..MAX", value_parser = lag)]
    pub(crate) lag_ms: Option<EdgeLag>,

    /// A token and its organisation, instead of a random one for the organisation `personal`; repeat for more
    ///
    /// With `:pull`, `:push` or `:deploy` behind the organisation it may only do that, with `/APP` only for one app:
    /// `a=acme`, `b=acme:pull`, `c=acme:push/web`. Every process of this machine can read the command line: do not use a
    /// token that is worth something elsewhere.
    #[arg(long = "token", value_name = "TOKEN=ORG[:RIGHT[/APP]]", num_args = 1..)]
    pub(crate) tokens: Vec<String>,

    /// Never answer 429 (by default the documented limits hold)
    #[arg(long)]
    pub(crate) no_rate_limits: bool,

    /// How long a machine boots before it reads `started`, in milliseconds [default: 20]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=600_000))]
    pub(crate) boot_ms: Option<u64>,

    /// Seed of lags and fault probabilities
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,

    /// A fault that is on from the start, such as {"name":"latency","ms":300}; repeat for more
    #[arg(long = "fault", value_name = "JSON", num_args = 1..)]
    pub(crate) faults: Vec<String>,

    /// A choice where Fly's own behaviour is not known, such as strict_nonce=true; repeat for more. `faults` shows all
    #[arg(long = "quirk", value_name = "NAME=VALUE", value_parser = pair, num_args = 1..)]
    pub(crate) quirks: Vec<(String, String)>,

    /// End all machines too when the server ends
    #[arg(long)]
    pub(crate) down_on_exit: bool,
}

#[derive(clap::Args)]
pub(crate) struct BuildArgs {
    /// A directory that becomes the image's `/`, or a program that is put into it with its libraries
    #[arg(value_name = "DIR|PROGRAM")]
    pub(crate) path: PathBuf,

    /// Repository to push to, below the server's registry
    #[arg(long, value_name = "NAME")]
    pub(crate) repository: String,

    /// A tag beside the digest
    #[arg(long, value_name = "T")]
    pub(crate) tag: Option<String>,

    /// A further program of this machine, which keeps its path, with its libraries; repeat for more
    #[arg(long, value_name = "PROGRAM", conflicts_with = "bundle")]
    pub(crate) with: Vec<PathBuf>,

    /// Make a static bundle of the directory instead: an artefact that the edge serves by itself
    #[arg(long)]
    pub(crate) bundle: bool,

    /// A label, such as org.opencontainers.image.version=1.4.0; repeat for more
    #[arg(long = "label", value_name = "k=v", value_parser = pair)]
    pub(crate) labels: Vec<(String, String)>,

    /// A variable of the image; repeat for more
    #[arg(long, value_name = "k=v", value_parser = pair, conflicts_with = "bundle")]
    pub(crate) env: Vec<(String, String)>,

    /// What the image runs: arguments of the program, or for a directory program and arguments. Goes last
    #[arg(long, value_name = "ARG", num_args = 1.., allow_hyphen_values = true, conflicts_with = "bundle")]
    pub(crate) cmd: Vec<String>,

    /// The organisation whose token is used [default: the server's first]
    #[arg(long, value_name = "ORG")]
    pub(crate) org: Option<String>,

    /// Make the image, print its reference, push nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(clap::Args)]
#[group(multiple = false)]
pub(crate) struct FaultsArgs {
    /// Replace all: a list of faults, a single one, or what `faults --json` printed
    #[arg(long, value_name = "JSON")]
    pub(crate) set: Option<String>,

    /// Add one
    #[arg(long, value_name = "JSON")]
    pub(crate) add: Option<String>,

    /// Remove all
    #[arg(long)]
    pub(crate) clear: bool,

    /// Turn a choice round where Fly's own behaviour is not known; repeat for more
    #[arg(long = "quirk", value_name = "NAME=VALUE", value_parser = pair, num_args = 1..)]
    pub(crate) quirks: Vec<(String, String)>,
}

#[derive(clap::Args)]
pub(crate) struct AuditArgs {
    /// Leave out the first N lines; --json says where it stopped as `next`
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) since: u64,

    /// Go on with each new line until Ctrl-C
    #[arg(long, conflicts_with = "json")]
    pub(crate) follow: bool,
}

#[derive(clap::Args)]
pub(crate) struct EnvArgs {
    /// Also the URLs of this app or site, one per edge
    #[arg(long, value_name = "APP")]
    pub(crate) app: Option<String>,

    /// The organisation whose token is meant [default: the server's first]
    #[arg(long, value_name = "ORG")]
    pub(crate) org: Option<String>,
}

fn runtime(text: &str) -> Result<RuntimeKind, String> {
    match text {
        "isolated" => Ok(RuntimeKind::Isolated),
        "plain" => Ok(RuntimeKind::Plain),
        _ => Err("there are two: isolated and plain".to_owned()),
    }
}

/// Plain HTTP with tokens, and machines that run as this user: not for other hosts.
fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|_| "write IP:PORT, such as 127.0.0.1:4280")?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err("only loopback addresses: it speaks plain HTTP and starts programs for whoever has the token"
            .to_owned())
    }
}

fn lag(text: &str) -> Result<EdgeLag, String> {
    let (min, max) = text.split_once("..").unwrap_or((text, text));
    let number = |part: &str| part.trim().parse::<u64>();
    let (Ok(min_ms), Ok(max_ms)) = (number(min), number(max)) else {
        return Err("write MIN..MAX in milliseconds, such as 100..800".to_owned());
    };
    if min_ms <= max_ms && max_ms <= 30_000 {
        Ok(EdgeLag { min_ms, max_ms })
    } else {
        Err("it runs from the smaller to the larger value, at most 30000".to_owned())
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write k=v".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_holds_together() {
        use clap::CommandFactory as _;
        Args::command().debug_assert();
    }

    #[test]
    fn lags_are_ranges_that_run_upwards() {
        assert_eq!(lag("5..60").unwrap(), EdgeLag { min_ms: 5, max_ms: 60 });
        assert_eq!(lag("7").unwrap(), EdgeLag { min_ms: 7, max_ms: 7 });
        for bad in ["", "..", "5..", "60..5", "0..30001", "-1..5", "a..b"] {
            assert!(lag(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_this_machine_is_served() {
        assert!(loopback("127.0.0.1:0").is_ok() && loopback("[::1]:80").is_ok());
        assert!(loopback("0.0.0.0:80").is_err() && loopback("localhost").is_err());
    }
}
