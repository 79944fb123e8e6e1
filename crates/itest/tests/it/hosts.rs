//! Names below `localhost`, and addresses to connect to instead of what a name resolves to.

use itest::exit;

use crate::{
    server::{Server, ok},
    support::{execute, one_step, run_of},
};

#[tokio::test]
async fn every_name_below_localhost_is_the_loopback_address() {
    let server = Server::staging(|asked| ok(asked.headers["host"].clone())).await;
    let port = server.address.port();
    let step = format!("request = \"GET /x\"\nexpect.body = \"api.staging.localhost:{port}\"");
    let report = execute(&run_of(&one_step(&step), &format!("http://api.staging.localhost:{port}"))).await;
    assert_eq!(report.exit_code(), exit::DONE, "{report:#?}");
}

#[tokio::test]
async fn an_override_connects_elsewhere_under_the_same_name() {
    let server = Server::staging(|asked| ok(asked.headers["host"].clone())).await;
    // Names under `.invalid` never resolve (RFC 6761, 6.4), and nobody listens on port 1.
    for (url, host) in [
        ("http://api.invalid", "api.invalid"),
        ("http://api.invalid:1", "api.invalid:1"),
        ("http://127.94.94.4:1", "127.94.94.4:1"),
    ] {
        let mut run = run_of(&one_step(&format!("request = \"GET /x\"\nexpect.body = \"{host}\"")), url);
        run.targets.get_mut("api").unwrap().resolve = Some(server.address);
        let report = execute(&run).await;
        assert_eq!(report.exit_code(), exit::DONE, "{url}\n{report:#?}");
    }
}
