//! From the project file's calendar to the engine's.

use envconfig::project::{FreezeSpan as FileSpan, Project};
use promotion::model::{FreezeSpan, FreezeWindow};

/// When nothing new comes into `environment`, by the project file.
pub fn freezes(project: &Project, environment: &str) -> Vec<FreezeWindow> {
    let windows = project.environment(environment).map_or(&[][..], |it| it.freeze.value.as_slice());
    let window = |window: &envconfig::project::Freeze| FreezeWindow {
        span: match window.span {
            FileSpan::Week { from, to } => FreezeSpan::Week { from, to },
            FileSpan::Once { from, to } => FreezeSpan::Once { from, to },
        },
        zone: window.zone.clone(),
        reason: window.reason.clone(),
    };
    windows.iter().map(window).collect()
}
