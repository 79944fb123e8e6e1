//! Finding a promotion by what a person typed.

use std::sync::Arc;

use clikit::Failure;
use promotion::engine::{Engine, EngineError};
use promotion::journal::EnvironmentView;
use promotion::model::{EnvironmentName, PromotionId};
use promotion::ports::{Journal, JournalError};

/// A failure of the engine, for people.
pub fn engine_failure(error: EngineError) -> Failure {
    match &error {
        EngineError::Journal(moved @ JournalError::Moved { .. }) => Failure::refused(moved.to_string())
            .with_hint("name the new store: `--store`, or [store] in the project file"),
        EngineError::Journal(_) => Failure::unavailable("the store cannot be used").with_source(error),
        EngineError::Rejected(_) | EngineError::Proof(_) | EngineError::Refused { .. } => {
            Failure::refused(error.to_string())
        }
        _ => Failure::usage(error.to_string()),
    }
}

/// Every environment's journal, read and checked.
pub async fn views(engine: &Engine, journal: &dyn Journal) -> Result<Vec<Arc<EnvironmentView>>, Failure> {
    let names = journal.environments().await.map_err(|error| engine_failure(error.into()))?;
    let mut views = Vec::new();
    for name in names {
        views.push(engine.view(&name).await.map_err(engine_failure)?);
    }
    Ok(views)
}

/// The promotion whose id is `typed`, or begins or ends with it when that is one alone.
pub async fn promotion(
    engine: &Engine,
    journal: &dyn Journal,
    typed: &str,
) -> Result<(Arc<EnvironmentView>, PromotionId), Failure> {
    let mut found = Vec::new();
    for view in views(engine, journal).await? {
        for id in view.promotions.keys() {
            let text = id.as_str();
            let near = typed.len() >= 6 && (text.starts_with(typed) || text.ends_with(typed));
            if text == typed || near {
                found.push((view.clone(), id.clone()));
            }
        }
    }
    if let Some(n) = found.iter().position(|(_, id)| id.as_str() == typed) {
        return Ok(found.swap_remove(n));
    }
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(Failure::usage(format!("there is no promotion `{typed}` in this store"))
            .with_hint("promote history")),
        n => Err(Failure::usage(format!("`{typed}` is the beginning or end of {n} promotions"))
            .with_hint("promote history")),
    }
}

/// An environment's name.
pub fn environment(text: &str) -> Result<EnvironmentName, Failure> {
    EnvironmentName::new(text).map_err(|error| Failure::usage(error.to_string()))
}
