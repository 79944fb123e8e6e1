//! The service as a program.

use std::{net::TcpListener, process::Stdio};

use tokio::process::Command;

use crate::support::{PATIENCE, request};

#[tokio::test]
async fn a_signal_ends_it_with_success_and_a_bad_variable_with_its_name() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_runner"))
        .env_clear()
        .envs([
            ("HOST", "127.0.0.1"),
            ("PORT", &free.port().to_string()),
            ("APP_ENV", "local"),
            ("PATH", "/bin"),
        ])
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let listening = async {
        while tokio::net::TcpStream::connect(free).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, listening).await.unwrap();
    assert_eq!(request(free, "GET", "/healthz", "").await.headers["x-environment"], "local");
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
    let status = tokio::time::timeout(PATIENCE, child.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(0));

    let output = Command::new(env!("CARGO_BIN_EXE_runner"))
        .env_clear()
        .env("PORT", "eighty")
        .stdout(Stdio::null())
        .output();
    let output = output.await.unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(said.trim(), "runner: variable PORT is `eighty`: a port from 0 to 65535");
}

#[tokio::test]
async fn an_argument_is_refused_with_what_it_listens_to_instead() {
    let output = Command::new(env!("CARGO_BIN_EXE_runner")).arg("--help").env_clear().output();
    let output = tokio::time::timeout(PATIENCE, output).await.unwrap().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.starts_with("runner: `--help`: no arguments are taken;"), "{said}");
    assert!(said.contains("APP_ENV"), "{said}");
}
