//! What is told while nothing happens: long work that says nothing looks like work that hangs.

use std::time::Duration;

use promotion::engine::EngineEvent;

use crate::watch::line;

/// After this long without news it is said what goes on; then after twice as long, and so on …
const FIRST: Duration = Duration::from_secs(5);
/// … until it is said this often.
const LAST: Duration = Duration::from_secs(60);

/// What goes on, and when to say so.
#[derive(Debug)]
pub(crate) struct Quiet {
    phase: String,
    stage: String,
    pause: Duration,
}

impl Quiet {
    pub(crate) const fn new() -> Self {
        Self { phase: String::new(), stage: String::new(), pause: FIRST }
    }

    /// News came.
    pub(crate) fn hear(&mut self, event: &EngineEvent) {
        self.pause = FIRST;
        match event {
            EngineEvent::Phase { phase, .. } => {
                self.phase = phase.to_string();
                self.stage.clear();
            }
            EngineEvent::Stage { .. } => line(event).trim().clone_into(&mut self.stage),
            EngineEvent::Call { .. } | EngineEvent::Copy { .. } | EngineEvent::Note { .. } => {}
        }
    }

    /// How long from the last word to the next one, if nothing happens.
    pub(crate) const fn pause(&self) -> Duration {
        self.pause
    }

    /// What is told then.
    pub(crate) fn tell(&mut self) -> String {
        self.pause = (self.pause * 2).min(LAST);
        match (self.phase.as_str(), self.stage.as_str()) {
            ("", "") => "  still waiting for the first answer".to_owned(),
            (phase, "") => format!("  still {phase}"),
            ("", stage) => format!("  still at {stage}"),
            (phase, stage) => format!("  still {phase}, {stage}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use promotion::machine::Phase;
    use promotion::model::{At, PromotionId};

    use super::*;

    #[test]
    fn it_is_said_less_often_the_longer_it_takes_and_news_begin_anew() {
        let mut quiet = Quiet::new();
        assert_eq!(quiet.tell(), "  still waiting for the first answer");
        let event = EngineEvent::Phase {
            promotion: PromotionId::new("p-1").unwrap(),
            at: At(0),
            phase: Phase::Soaking,
            why: None,
        };
        quiet.hear(&event);
        let pauses: Vec<u64> = (0..6)
            .map(|_| {
                let pause = quiet.pause().as_secs();
                assert_eq!(quiet.tell(), "  still soaking");
                pause
            })
            .collect();
        assert_eq!(pauses, [5, 10, 20, 40, 60, 60]);
        quiet.hear(&event);
        assert_eq!(quiet.pause(), FIRST);
    }
}
