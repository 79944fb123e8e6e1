//! The arguments.

use std::path::PathBuf;

use clikit::Common;
use envconfig::Period;
use promotion::model::At;
use wiring::keys::Who;

/// Rehearses a release on staging and promotes the very same image to production
#[derive(Debug, clap::Parser)]
#[command(name = "promote", version)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    /// Runs the main job on this machine: a good promotion, and a bad one that is put back
    #[cfg(feature = "demo")]
    Demo(Demo),
    /// Takes over what runs in an environment as it is
    Adopt(Adopt),
    /// Puts a release into an environment where it is tested
    Deploy(Deploy),
    /// Shows what a promotion would do; changes nothing
    Plan(Start),
    /// Promotes the release of the environment before into this one
    Start(Start),
    /// Runs the suites against what an environment runs, without a key; leaves a report
    Test(Test),
    /// Reads a report, holds it against what runs, and signs it
    Attest(Attest),
    /// Agrees to a plan
    Approve(Decide),
    /// Refuses a plan
    Reject(Decide),
    /// Checks an item of a promotion's checklist off, over the plan that there is
    CheckOff(CheckOff),
    /// Ends a promotion: before the first change it is aborted, after it rolled back
    Abort(Abort),
    /// Drives a promotion on from where any runner left it
    Resume(One),
    /// Goes back to the release before
    Rollback(Rollback),
    /// Shows what runs, and what is under way
    Status(Environment),
    /// Shows every deployment
    History(Environment),
    /// Shows one promotion
    Show(One),
    /// Shows what holds a promotion and what opens that, then event by event
    Explain(One),
    /// Shows what was built, copied, tested, approved and runs; checks such a receipt
    Receipt(ReceiptOf),
    /// Looks after everything once: orphans, timers, parked fleets, drift
    Tick(Tick),
    /// Stops everything in an environment until somebody opens it
    Lock(Close),
    /// Opens what people locked or froze
    Unlock(Close),
    /// Stops what is new in an environment until an instant; a rollback is not stopped
    Freeze(Freeze),
    /// Lets releases in for a while without evidence and approval, on the record
    BreakGlass(BreakGlass),
    /// Shows or closes an environment's circuit breaker
    Breaker(Breaker),
    /// Looks whether the journal is what was written
    #[command(subcommand)]
    Audit(Audit),
    /// Moves the journal into another store, and closes the old one
    MigrateStore(MigrateStore),
}

#[cfg(feature = "demo")]
#[derive(Debug, clap::Args)]
pub(crate) struct Demo {
    /// Where to leave the project, the journal and the stand-in's records [default: a new directory]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// How machines become processes [default: isolated where the kernel allows it]
    #[arg(long, value_name = "RUNTIME")]
    pub(crate) runtime: Option<String>,
    /// Stays up after the good promotion and prints URLs, until Ctrl-C
    #[arg(long)]
    pub(crate) hold: bool,
    /// A word that the service repeats in every answer
    #[arg(long, value_name = "NONCE")]
    pub(crate) label: Option<String>,
    /// The pause after every change of routing; 0s loses requests, which is the point of the pause
    #[arg(long, value_name = "TIME", default_value = "2s")]
    pub(crate) settle: Period,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Adopt {
    /// The environment
    #[arg(long, value_name = "E")]
    pub(crate) env: String,
    /// The version that runs, for the record
    #[arg(long, value_name = "V")]
    pub(crate) version: Option<String>,
    /// The commit that runs, for the record
    #[arg(long, value_name = "SHA")]
    pub(crate) commit: Option<String>,
    /// Shows the plan and changes nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) who: Who,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Deploy {
    /// The environment
    #[arg(long, value_name = "E")]
    pub(crate) env: String,
    /// An image by reference; `COMPONENT=REF` when there are several components
    #[arg(long, value_name = "REF", required_unless_present = "release")]
    pub(crate) image: Vec<String>,
    /// An earlier release by the id of its promotion
    #[arg(long, value_name = "R", conflicts_with = "image")]
    pub(crate) release: Option<String>,
    /// The release's version [default: the image's label org.opencontainers.image.version]
    #[arg(long, value_name = "V")]
    pub(crate) version: Option<String>,
    /// The release's commit [default: the image's label org.opencontainers.image.revision]
    #[arg(long, value_name = "SHA")]
    pub(crate) commit: Option<String>,
    /// Only for production without machines: its first release, which nobody tested; elsewhere none is asked for
    #[arg(long)]
    pub(crate) bootstrap: bool,
    /// Shows the plan and changes nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) who: Who,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Start {
    /// The environment that receives the release
    #[arg(long, value_name = "E")]
    pub(crate) to: String,
    /// A release by the id of its deployment in the environment before [default: what runs there]
    #[arg(long, value_name = "R")]
    pub(crate) release: Option<String>,
    /// Goes on only when the plan has this hash
    #[arg(long, value_name = "HASH")]
    pub(crate) plan: Option<String>,
    /// Waits for the approval instead of leaving
    #[arg(long)]
    pub(crate) wait: bool,
    /// The first release of an environment without machines: what runs in the environment before
    #[arg(long)]
    pub(crate) bootstrap: bool,
    /// Puts back what is recorded there, where something else runs
    #[arg(long, conflicts_with_all = ["release", "bootstrap"])]
    pub(crate) repair: bool,
    /// Leaves with 7 instead of 0 when a human has to decide
    #[arg(long)]
    pub(crate) exit_code: bool,
    /// Shows the plan and changes nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Lists every default of the policy with its source
    #[arg(long)]
    pub(crate) explain_defaults: bool,
    #[command(flatten)]
    pub(crate) who: Who,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Test {
    /// The environment
    #[arg(long, value_name = "E")]
    pub(crate) env: String,
    /// Only this suite; may be given more than once [default: those that promotions from there ask for]
    #[arg(long, value_name = "NAME")]
    pub(crate) suite: Vec<String>,
    /// Where to leave the report for `promote attest`
    #[arg(long, value_name = "FILE")]
    pub(crate) report: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Attest {
    /// The environment
    #[arg(long, value_name = "E")]
    pub(crate) env: String,
    /// The report that `promote test` left
    #[arg(long, value_name = "FILE", required_unless_present = "sarif")]
    pub(crate) report: Option<PathBuf>,
    /// The report of a scan instead, as SARIF 2.1.0 [default: `path` of `sarif` in the project file]
    #[arg(long, value_name = "FILE", conflicts_with = "report")]
    pub(crate) sarif: Option<Option<PathBuf>>,
    /// The file's SHA-256, as the step that wrote it said
    #[arg(long, value_name = "HASH")]
    pub(crate) sha256: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Decide {
    /// The promotion
    pub(crate) id: String,
    /// The hash of the plan that you looked at, at least its first twelve digits
    #[arg(long, value_name = "HASH")]
    pub(crate) plan: String,
    /// A signature made by `ssh-keygen -Y sign -n understudy`, instead of a key
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    pub(crate) signature: Option<PathBuf>,
    /// Your SSH key [default: $UNDERSTUDY_KEY]
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CheckOff {
    /// The item, by its name in the project file
    pub(crate) item: String,
    /// The promotion
    #[arg(long, value_name = "PROMOTION", required_unless_present = "env")]
    pub(crate) id: Option<String>,
    /// The environment, for the promotion that waits for people there
    #[arg(long, value_name = "E", conflicts_with = "id")]
    pub(crate) env: Option<String>,
    /// Only over the plan with this hash, at least its first twelve digits
    #[arg(long, value_name = "HASH")]
    pub(crate) plan: Option<String>,
    /// What you saw, for the record
    #[arg(long, value_name = "TEXT")]
    pub(crate) comment: Option<String>,
    /// Takes it back, until the first change; after people were done it ends the promotion
    #[arg(long)]
    pub(crate) take_back: bool,
    #[command(flatten)]
    pub(crate) who: Who,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Abort {
    /// The promotion
    pub(crate) id: String,
    /// Why
    #[arg(long, value_name = "R")]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) who: Who,
}

#[derive(Debug, clap::Args)]
pub(crate) struct One {
    /// The promotion
    pub(crate) id: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ReceiptOf {
    /// The promotion
    #[arg(required_unless_present = "verify")]
    pub(crate) id: Option<String>,
    /// Checks the receipt in this file, as `--json` wrote it; 15 when it is not what was signed
    #[arg(long, value_name = "FILE", conflicts_with = "id")]
    pub(crate) verify: Option<PathBuf>,
    /// Who may have signed it, as a file of allowed signers [default: the project's .understudy/allowed_signers]
    #[arg(long, value_name = "FILE", requires = "verify")]
    pub(crate) keys: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Rollback {
    /// The environment
    #[arg(long, value_name = "E")]
    pub(crate) env: String,
    /// Why
    #[arg(long, value_name = "R")]
    pub(crate) reason: Option<String>,
    /// Goes back although machines then have the secrets of now, because Fly cannot give old values back
    #[arg(long)]
    pub(crate) accept_secrets: bool,
    /// Shows what would be undone and changes nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) who: Who,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Environment {
    /// One environment [default: all]
    #[arg(long, value_name = "E")]
    pub(crate) env: Option<String>,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Audit {
    /// Names every record that was changed, lost, swapped or reordered; 15 when there is one
    Verify(Environment),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Tick {
    /// Who asks for promotions that begin by themselves (`trigger = "automatic"`)
    #[command(flatten)]
    pub(crate) who: Who,
}

#[derive(Debug, clap::Args)]
pub(crate) struct MigrateStore {
    /// The store that is left; `env:NAME` where its address has a password
    #[arg(long, value_name = "URL")]
    pub(crate) from: String,
    /// The store that goes on: empty, or begun by an earlier move
    #[arg(long, value_name = "URL")]
    pub(crate) to: String,
    /// Says what would be moved
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Close {
    /// The environment
    #[arg(long, value_name = "E")]
    pub(crate) env: String,
    /// Why; whoever is stopped by it reads this
    #[arg(long, value_name = "R")]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) who: Who,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Freeze {
    #[command(flatten)]
    pub(crate) close: Close,
    /// The end: `2026-12-27T08:00+01:00`, or `2026-12-27T08:00[Europe/Berlin]`
    #[arg(long, value_name = "T")]
    pub(crate) until: At,
}

#[derive(Debug, clap::Args)]
pub(crate) struct BreakGlass {
    /// The environment
    #[arg(long, value_name = "E")]
    pub(crate) to: String,
    /// Why; it stands in the journal and in every receipt
    #[arg(long, value_name = "R")]
    pub(crate) reason: String,
    /// For how long, 4h at most; it ends by itself
    #[arg(long = "for", value_name = "TIME")]
    pub(crate) time: Period,
    #[command(flatten)]
    pub(crate) who: Who,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Breaker {
    /// `reset` closes it; without, it is shown
    #[arg(value_parser = ["reset"])]
    pub(crate) action: Option<String>,
    /// The environment
    #[arg(long, value_name = "E")]
    pub(crate) env: String,
    /// Why it may be closed
    #[arg(long, value_name = "R", required_if_eq("action", "reset"))]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) who: Who,
}
