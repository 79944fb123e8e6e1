//! `promote demo`: the main job on this machine, with real processes, a real registry and real edges.

mod cloud;
mod setup;
mod story;
mod traffic;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clikit::{Context, Exit, Failure, Output};
use flyclient::transport::{Body, HttpService, Request};
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue, Method, header};
use promotion::model::Person;
use url::Url;

use crate::args::Demo;

/// Becomes a machine's shim, the example service or the stand-in when this process was started as one.
pub(crate) fn intercept() -> Option<ExitCode> {
    cell::shim::intercept();
    let first = std::env::args_os().nth(1)?;
    let run = |result: Result<(), String>| match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            #[expect(clippy::print_stderr, reason = "a process of its own tells why it ends")]
            {
                eprintln!("{why}");
            }
            ExitCode::FAILURE
        }
    };
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|e| e.to_string());
    if first == cloud::ARGUMENT {
        return Some(run(runtime().and_then(|runtime| runtime.block_on(cloud::serve()))));
    }
    if first == setup::RUNNER {
        return Some(run(runtime().and_then(|runtime| runtime.block_on(service()))));
    }
    None
}

/// The example service, as the demo's image starts it. It takes no notice of signals and so ends at once on the first
/// one, as many services do: only a switch that waits for the edges and for requests in flight loses nothing then.
async fn service() -> Result<(), String> {
    let vars = Context::of_this_process().vars;
    let options = runner::Options::from_env_map(&vars).map_err(|error| error.to_string())?;
    runner::serve(options, std::future::pending::<()>()).await.map_err(|error| error.to_string())
}

pub(crate) fn exec(context: &Context, out: &Output, args: &Demo) -> Result<Exit, Failure> {
    clikit::block_on(story::tell(context, out, args))
}

/// The person behind a key of the demo.
fn person(key: &Path) -> Result<Person, Failure> {
    providers::ssh::person_of_file(key)
        .map_err(|error| Failure::unavailable(format!("{} cannot be read", key.display())).with_source(error))
}

/// One GET.
async fn fetch(service: &Arc<dyn HttpService>, url: Url, token: Option<&str>) -> Result<Vec<u8>, String> {
    let mut headers = HeaderMap::new();
    if let Some(token) = token {
        let value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|error| error.to_string())?;
        headers.insert(header::AUTHORIZATION, value);
    }
    let timeout = Some(Duration::from_secs(10));
    let request = Request { method: Method::GET, url, headers, body: Body::Empty, timeout };
    let response = service.send(request).await.map_err(|error| error.to_string())?;
    let status = response.status;
    let mut body = response.body;
    let mut bytes = Vec::new();
    while let Some(part) = body.next().await {
        bytes.extend_from_slice(&part.map_err(|error| error.to_string())?);
    }
    if status.is_success() {
        Ok(bytes)
    } else {
        Err(format!("{status}: {}", String::from_utf8_lossy(&bytes)))
    }
}
