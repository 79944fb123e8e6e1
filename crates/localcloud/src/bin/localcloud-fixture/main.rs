//! For the tests: the shim of their cells, and a server in a process of its own that can be killed.
//!
//! `localcloud-fixture DIR`: serves on DIR (token `tok-a` of org `acme`, plain runtime) until killed; writes DIR/ready.

use std::{process::ExitCode, sync::Arc};

use cell::{
    runtime::{self, RuntimeKind},
    shim::{self, Shim},
};
use localcloud::{EdgeLag, Localcloud, Options, Orgs};

fn main() -> ExitCode {
    shim::intercept();
    let Some(dir) = std::env::args().nth(1) else { return ExitCode::from(2) };
    match serve(&dir) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The test that started us reads it there.
            let _ = std::fs::write(format!("{dir}/error"), error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn serve(dir: &str) -> Result<(), Box<dyn std::error::Error>> {
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let runtime = Arc::from(runtime::choose(Some(RuntimeKind::Plain), Shim::current()?)?);
    let mut options = Options::new(dir, runtime, Orgs::one("tok-a", "acme"));
    (options.rate_limits, options.lag) = (false, EdgeLag { min_ms: 1, max_ms: 20 });
    tokio.block_on(async {
        let server = Localcloud::start(options).await?;
        std::fs::write(format!("{dir}/ready"), format!("{}\n{}", server.api_url(), server.registry_host()))?;
        std::future::pending::<()>().await;
        Ok(())
    })
}
