//! The plain view of an environment that other programs read.

use serde::{Deserialize, Serialize};
use url::Url;

use super::environment::Environment;
use crate::{ComponentName, EnvironmentName};

/// An environment as a front end or a test sees it. Written in camel case; both cases are read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentConfig {
    /// The environment.
    pub name: EnvironmentName,
    /// Where the API is reached.
    #[serde(alias = "api_url")]
    pub api_url: Url,
    /// The Fly app behind it.
    #[serde(alias = "deployment_target")]
    pub deployment_target: String,
    /// Limits of the code runner.
    #[serde(alias = "resource_limits")]
    pub resource_limits: ResourceLimits,
}

/// Limits of the code runner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceLimits {
    /// Programs that run at the same time.
    #[serde(alias = "num_runners")]
    pub num_runners: u32,
    /// Time after which one is ended, in seconds, rounded up.
    pub timeout: u64,
}

impl Environment {
    /// The view with `component` as the API; `None` when that is no Fly app of this environment.
    pub fn view(&self, component: &ComponentName) -> Option<EnvironmentConfig> {
        let fly = self.bindings.get(component)?.as_fly()?;
        Some(EnvironmentConfig {
            name: self.name.clone(),
            api_url: fly.public_url()?,
            deployment_target: fly.app.value.to_string(),
            resource_limits: ResourceLimits {
                num_runners: self.limits.num_runners.value,
                timeout: self.limits.timeout.value.as_secs_ceil(),
            },
        })
    }
}
