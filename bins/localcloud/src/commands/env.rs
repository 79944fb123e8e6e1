//! `localcloud env`

use std::collections::BTreeMap;

use clikit::{Exit, Failure, Output};
use http::Method;
use serde::Serialize;

use crate::{args::EnvArgs, exports, place::Place, running::Running};

/// What `--json` prints.
#[derive(Serialize)]
struct Env {
    ok: bool,
    /// All variables, the token's value among them.
    variables: BTreeMap<String, String>,
    token_file: String,
    /// Region → URL of the app; empty without `--app`.
    urls: BTreeMap<String, String>,
}

pub(crate) fn exec(out: &Output, place: &Place, args: &EnvArgs) -> Result<Exit, Failure> {
    let (running, edges) = clikit::block_on(async {
        let running = Running::find(place).await?;
        let edges = match &args.app {
            Some(app) => edges(&running, app, args.org.as_deref()).await?,
            None => Vec::new(),
        };
        Ok((running, edges))
    })?;
    let (_, token) = running.token(args.org.as_deref())?;
    let org = args.org.as_ref().unwrap_or(&running.record.org);
    let file = running.record.tokens.get(org).cloned().unwrap_or_default();
    let mut variables = exports::variables(&running.record);
    variables.extend(exports::storage(&running.record, org, &token));
    variables.extend(exports::urls(&edges));
    let lines = exports::lines(&variables, &file);
    variables.insert(exports::S3_KEY.to_owned(), token.clone());
    variables.insert(exports::TOKEN.to_owned(), token);
    let env = Env {
        ok: true,
        variables,
        token_file: file.display().to_string(),
        urls: edges.into_iter().collect(),
    };
    out.emit(&env, |_| lines)?;
    Ok(Exit::Done)
}

/// Region and URL of each edge of an app, in the server's order.
async fn edges(running: &Running, app: &str, org: Option<&str>) -> Result<Vec<(String, String)>, Failure> {
    let said = running.call(Method::GET, "/localcloud/v1/edges", &[("app", app)], None, org).await?;
    let edges = said.as_array().into_iter().flatten();
    Ok(edges
        .filter_map(|e| Some((e["region"].as_str()?.to_owned(), e["url"].as_str()?.to_owned())))
        .collect())
}
