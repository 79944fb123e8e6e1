//! What programs wrote. The logs are no part of the Machines API: they have a base of their own, [`crate::Base::fly_logs`].

use flytypes::{AppName, MachineId};
use http::Method;

use super::Call;

/// `GET /api/v1/apps/{app}/logs`: the last hundred lines of a day, of one machine where one is named; with a token what came
/// after the page that gave it.
pub fn read_logs(app: &AppName, machine: Option<&MachineId>, next_token: Option<&str>) -> Call {
    let mut call = Call::new("read logs", Method::GET, format!("/api/v1/apps/{app}/logs"));
    call.app = Some(app.clone());
    if let Some(machine) = machine {
        call = call.with_query("instance", machine.as_str());
    }
    match next_token {
        Some(token) => call.with_query("next_token", token),
        None => call,
    }
}
