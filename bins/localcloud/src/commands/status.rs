//! `localcloud status`

use std::fmt::Write as _;

use clikit::{Exit, Failure, Output};
use serde::Serialize;
use serde_json::Value;

use crate::{
    place::{Place, Record},
    running::Running,
};

#[derive(Serialize)]
struct Status {
    ok: bool,
    dir: String,
    #[serde(flatten)]
    record: Record,
    runtime: Value,
    why: Value,
    edges: Value,
}

pub(crate) fn exec(out: &Output, place: &Place) -> Result<Exit, Failure> {
    let running = clikit::block_on(Running::find(place))?;
    let status = Status {
        ok: true,
        dir: place.dir().display().to_string(),
        runtime: running.info["runtime"].clone(),
        why: running.info["why"].clone(),
        edges: running.info["edges"].clone(),
        record: running.record,
    };
    out.emit(&status, human)?;
    Ok(Exit::Done)
}

fn human(status: &Status) -> String {
    let Record { api, registry, s3, pid, .. } = &status.record;
    let why = status.why.as_str().unwrap_or_default();
    let mut text = format!(
        "runs on {} as process {pid}\n{why}\nAPI       {api}\nregistry  {registry}\nS3        {s3}\n",
        status.dir
    );
    for edge in status.edges.as_array().into_iter().flatten() {
        let (region, url) = (edge["region"].as_str().unwrap_or("?"), edge["url"].as_str().unwrap_or("?"));
        let _ = writeln!(text, "edge {region}  {url}");
    }
    text
}
