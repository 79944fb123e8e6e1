//! The apps themselves.

use flytypes::{
    AppName,
    wire::{App, AppCreated, AppPage},
};

use super::{
    Client, Error,
    client::Reply,
    wire::{self, NewApp},
};

/// The apps themselves.
#[derive(Debug, Clone)]
pub struct Apps {
    client: Client,
}

impl Apps {
    pub(super) fn new(client: Client) -> Self {
        Self { client }
    }

    /// One app. Missing is [`super::ErrorKind::NotFound`]; another organisation's is [`super::ErrorKind::Forbidden`].
    pub async fn get(&self, app: &AppName) -> Result<App, Error> {
        self.client.fetch(&wire::get_app(app)).await
    }

    /// Makes an app. A name in use anywhere on Fly is [`super::ErrorKind::NameTaken`].
    pub async fn create(&self, app: &NewApp) -> Result<AppCreated, Error> {
        self.client.fetch(&wire::create_app(app)).await
    }

    /// All apps of an organisation, by name; follows the pages.
    pub async fn list(&self, org_slug: &str) -> Result<Vec<App>, Error> {
        let read = |client: &Client, call: &_, reply: &Reply| {
            let page: AppPage = client.read(call, reply)?;
            Ok((page.apps, page.next_cursor))
        };
        let mut apps: Vec<App> = self.client.pages(&wire::list_apps(org_slug), read).await?;
        apps.sort_by(|a, b| a.name.cmp(&b.name));
        apps.dedup_by(|a, b| a.name == b.name);
        Ok(apps)
    }
}
