//! The machine in which `[deploy] release_command` runs, as flyctl makes it.

use std::time::Duration;

use flytypes::machine::{Dns, Init, MachineConfig, Restart, RestartPolicy};

use super::{FlyToml, Timeout};

/// The process group under which flyctl knows such a machine, so that no deploy takes it for one of the app's.
pub const RELEASE_GROUP: &str = "fly_app_release_command";

/// How long the command may take when nobody says so.
const DEFAULT: Duration = Duration::from_secs(300);

/// `[deploy] release_command`, ready to run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReleaseCommand {
    /// The command, in words.
    pub words: Vec<String>,
    /// How long it may take; none is as long as it likes.
    pub timeout: Option<Duration>,
    /// Its machine, without an image. Without a size it takes that of the biggest machine of the default group, else
    /// `shared-cpu-2x`.
    pub config: MachineConfig,
}

impl FlyToml {
    /// The command that runs once before any machine is touched, if there is one.
    ///
    /// The machine keeps the image's entrypoint, is in no DNS, serves nothing, is checked by nobody, has no volume, is never
    /// restarted and goes when the command has ended.
    pub fn release_command(&self) -> Option<ReleaseCommand> {
        let words = self.deploy.release_command.clone().filter(|words| !words.is_empty())?;
        let timeout = match &self.deploy.release_command_timeout {
            None => Some(DEFAULT),
            Some(Timeout::Unlimited) => None,
            Some(Timeout::After(time)) => Some((*time).into()),
        };
        let mut env = self.env.clone();
        env.insert("RELEASE_COMMAND".to_owned(), "1".to_owned());
        env.insert("FLY_PROCESS_GROUP".to_owned(), RELEASE_GROUP.to_owned());
        if let Some(region) = &self.primary_region {
            env.insert("PRIMARY_REGION".to_owned(), region.to_string());
        }
        let config = MachineConfig {
            env,
            init: Some(Init { cmd: words.clone(), ..Init::default() }),
            guest: self.deploy.release_command_vm.as_ref().map(|vm| vm.to_guest()),
            restart: Some(Restart { policy: Some(RestartPolicy::No), ..Restart::default() }),
            auto_destroy: true,
            dns: Some(Dns { skip_registration: true, ..Dns::default() }),
            ..MachineConfig::default()
        };
        Some(ReleaseCommand { words, timeout, config })
    }
}
