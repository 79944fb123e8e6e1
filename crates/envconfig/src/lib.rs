//! The environment model: the project file, fly.toml, overlays. Text in, values out.
//!
//! * [`project::Project`]: the one file a team writes, `understudy.toml`;
//! * [`fly_toml::FlyToml`]: Fly's own file, and what it means for each process group;
//! * [`check_workflows`]: what goes wrong in a team's workflows when a release is on its way;
//! * [`pipeline`]: workflows that are written from the project file;
//! * [`scaffold`]: a first project file, out of what a repository has;
//! * [`cross`]: the one against the other, and [`check`]: everything together;
//! * [`Problems`]: everything that is wrong with a file, at once, with line and column.
//!
//! Nothing here opens a file, reads a variable, asks a clock or talks to anybody.

mod check;
mod code;
pub mod cross;
mod equal;
pub mod fly_toml;
mod malformed;
mod names;
mod period;
mod person;
pub mod pipeline;
mod problem;
pub mod project;
mod reading;
mod resolved;
pub mod scaffold;
mod secret;
mod shell_word;
mod text_value;
mod workflow;

pub use check::{check, check_fly, check_fly_beside};
pub use code::Code;
pub use flytypes::{AppName, Region};
pub use malformed::Malformed;
pub use names::{
    ActionRef, BranchName, ComponentName, CronSchedule, EnvironmentName, FieldPath, GroupName, OrgSlug,
    ProcessGroup, ProjectName, ProjectPath, ProjectRef, RegistryHost, RunnerLabel, ShellScript, SiteName,
    SuiteName, TagName, VariableName,
};
pub use period::Period;
pub use person::{Fingerprint, Person};
pub use problem::{Parsed, Problem, Problems, Severity};
pub use reading::without_tokens;
pub use resolved::{Resolved, Source};
pub use secret::{SecretPath, SecretRef, SecretRefError};
pub use shell_word::shell_word;
pub use workflow::{Places, check_workflows};
