//! A receipt of a promotion that is over. What it names as tested is what the gate of evidence went by.

use super::{Engine, EngineError};
use crate::journal::{EnvironmentView, PromotionView, Receipt, Record};
use crate::model::{Attestation, Class, EnvironmentName, Kind, PromotionId};
use crate::ports::PortErrorKind;

impl Engine {
    /// What became of promotion `id`, and on what grounds, from the journal alone. Reads only; refused where the promotion is
    /// not over.
    pub async fn receipt(
        &self,
        environment: &EnvironmentName,
        id: &PromotionId,
    ) -> Result<Receipt, EngineError> {
        let view = self.view(environment).await?;
        let records = self.ports.journal.read(environment, 0).await?;
        let store = self.ports.journal.store_id().await?;
        let tested = match view.promotions.get(id) {
            Some(promotion) => self.grounds(promotion).await?,
            None => Vec::new(),
        };
        Receipt::of(store, &view, &records, &tested, id).map_err(|why| EngineError::Refused { why })
    }

    /// The evidence that counted when the gate was last asked, one for each suite. No gate asks for any but that of a
    /// promotion.
    async fn grounds(&self, promotion: &PromotionView) -> Result<Vec<Attestation>, EngineError> {
        let facts = &promotion.state.facts;
        let request = &facts.request;
        let rule = promotion.state.policy().evidence.as_ref();
        let Some(rule) =
            rule.filter(|rule| request.kind == Kind::Promote && rule.from != request.environment)
        else {
            return Ok(Vec::new());
        };
        // What became of the release there later is not what was known then.
        let at = facts.locked_at.unwrap_or(promotion.at);
        let records = self.ports.journal.read(&rule.from, 0).await?;
        let then: Vec<Record> = records.into_iter().take_while(|record| record.at <= at).collect();
        let mut from = EnvironmentView::new(rule.from.clone());
        from.extend(&then)?;
        let mut tested = Vec::new();
        if from.class() == Some(Class::Production) {
            return Ok(tested);
        }
        for suite in &rule.suites {
            let (counting, _) = from.evidence(&request.release.id(), suite, rule, &request.base_data, at);
            for attestation in counting.into_iter().rev() {
                match self.ports.attestor.verify(attestation).await {
                    Ok(()) => {
                        tested.push(attestation.clone());
                        break;
                    }
                    Err(error) if error.kind == PortErrorKind::Refused => {}
                    Err(error) => {
                        let why =
                            format!("who signed that `{suite}` passed cannot be told now: {}", error.message);
                        return Err(EngineError::Refused { why });
                    }
                }
            }
        }
        // What the gate of scans went by: the last one.
        let scans = promotion.state.policy().scan.as_ref().filter(|scan| scan.from == rule.from);
        for signed in scans.into_iter().flat_map(|scan| from.scans(&request.release.id(), scan, at)) {
            if self.ports.attestor.verify(signed).await.is_ok() {
                tested.push(signed.clone());
                break;
            }
        }
        Ok(tested)
    }
}
