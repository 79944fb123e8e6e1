//! Whether the clock here is the provider's.

use std::time::{Duration, SystemTime};

use clikit::Context;
use envconfig::project::Environment;
use flyclient::transport::{Body, Request};
use http::{HeaderMap, Method};
use jiff::Timestamp;
use url::Url;

use super::Finding;
use crate::wire::{Services, api_of};

/// Leases, approvals and evidence are told by seconds; half of the shortest lease that a runner takes may be lost.
const APART_MOST: Duration = Duration::from_secs(15);
const ANSWER: Duration = Duration::from_secs(5);

/// Asks the first API that answers what time it is: the `Date` of an answer (RFC 9110, 6.6.1).
pub(super) async fn look<'e>(
    context: &Context,
    services: &Services,
    environments: impl Iterator<Item = &'e Environment>,
) -> Option<Finding> {
    for environment in environments {
        let Ok(base) = api_of(context, environment) else { continue };
        if let Some(theirs) = date(services, base.as_url()).await {
            return Some(compared(context.now(), theirs, base.as_url()));
        }
    }
    let seen = "no API said what time it is, so the clock here was compared with nothing";
    Some(Finding::unknown("clock", seen))
}

async fn date(services: &Services, url: &Url) -> Option<SystemTime> {
    let request = Request {
        method: Method::GET,
        url: url.clone(),
        headers: HeaderMap::new(),
        body: Body::Empty,
        timeout: Some(ANSWER),
    };
    let answer = services.plain.send(request).await.ok()?;
    let text = answer.headers.get(http::header::DATE)?.to_str().ok()?;
    let zoned = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(SystemTime::from(Timestamp::from(&zoned)))
}

fn compared(ours: SystemTime, theirs: SystemTime, url: &Url) -> Finding {
    let (apart, how) = match ours.duration_since(theirs) {
        Ok(ahead) => (ahead, "ahead of"),
        Err(behind) => (behind.duration(), "behind"),
    };
    let host = url.host_str().unwrap_or_default();
    // Their time is told in whole seconds.
    if apart <= APART_MOST {
        return Finding::good("clock", format!("as {host} says, to a few seconds"));
    }
    let seen = format!("{} s {how} {host}", apart.as_secs());
    let verbs = ["promote start", "promote tick", "promote approve"];
    Finding::bad("clock", seen)
        .needed_for(verbs)
        .advised("set this machine's clock by a time server, for instance `timedatectl set-ntp true`")
}
