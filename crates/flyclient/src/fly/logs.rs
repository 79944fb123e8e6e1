//! What the programs of an app wrote.

use flytypes::{
    AppName, MachineId,
    wire::{LogLine, LogPage},
};

use super::{Client, Error, wire};

/// Pages of lines that are read at most.
const PAGES_MAX: usize = 50;

/// Logs of an app. The client must be one over [`crate::Base::fly_logs`].
#[derive(Debug, Clone)]
pub struct Logs {
    client: Client,
    app: AppName,
}

impl Logs {
    pub(super) fn new(client: Client, app: AppName) -> Self {
        Self { client, app }
    }

    /// What the API still has of a machine, oldest first: a page has a hundred lines, and following pages are read until one is
    /// empty. Lines arrive late; what is missing now may be there in a moment. Some deploy tokens may not read logs.
    pub async fn of_machine(&self, machine: &MachineId) -> Result<Vec<LogLine>, Error> {
        let (mut lines, mut token) = (Vec::new(), None::<String>);
        for _ in 0..PAGES_MAX {
            let call = wire::read_logs(&self.app, Some(machine), token.as_deref());
            let page: LogPage = self.client.fetch(&call).await?;
            let next = page.meta.next_token.filter(|next| !next.is_empty() && token.as_ref() != Some(next));
            let is_over = page.data.is_empty();
            lines.extend(page.data.into_iter().map(|entry| entry.attributes));
            match next {
                Some(next) if !is_over => token = Some(next),
                _ => break,
            }
        }
        Ok(lines)
    }
}
