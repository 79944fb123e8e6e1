//! Apps.

use flytypes::AppName;
use http::Method;
use serde_json::json;

use super::Call;

/// A new app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApp {
    /// Name; one name space for all of Fly.
    pub name: AppName,
    /// Slug of the organisation that owns it.
    pub org_slug: String,
    /// Private network; the organisation's default when absent.
    pub network: Option<String>,
}

/// `GET /v1/apps/{app}`.
pub fn get_app(app: &AppName) -> Call {
    Call::of_app("get app", Method::GET, app, "")
}

/// `POST /v1/apps`, answered by 201. Not idempotent: the second answer is "name taken".
pub fn create_app(app: &NewApp) -> Call {
    let mut body = json!({"app_name": app.name, "org_slug": app.org_slug});
    if let Some(network) = &app.network {
        body["network"] = json!(network);
    }
    let mut call = Call::new("create app", Method::POST, "/v1/apps".to_owned()).with_body(&body);
    call.app = Some(app.name.clone());
    call
}

/// `GET /v1/apps`, one page of an organisation's apps.
pub fn list_apps(org_slug: &str) -> Call {
    Call::new("list apps", Method::GET, "/v1/apps".to_owned()).with_query("org_slug", org_slug)
}
