//! A target, a directory of suites, and the program.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::path};

/// A target that says it is `staging` 1.2.0 and answers 200 `fine` at `/ok`, 500 at `/broken`.
pub(crate) async fn staging() -> MockServer {
    let server = MockServer::start().await;
    let identity =
        serde_json::json!({"environment": "staging", "version": "1.2.0", "commit": "0123456789abcdef"});
    for (at, answer) in [
        ("/.well-known/environment", ResponseTemplate::new(200).set_body_json(identity)),
        ("/ok", ResponseTemplate::new(200).set_body_string("fine")),
        ("/broken", ResponseTemplate::new(500).set_body_string("hunter2222 broke it")),
    ] {
        Mock::given(path(at)).respond_with(answer).mount(&server).await;
    }
    server
}

pub(crate) fn suite(name: &str, at: &str) -> String {
    format!(
        "name = \"{name}\"\ntarget = \"api\"\ntags = [\"{name}\"]\n[[case]]\nname = \"asks\"\n[[case.step]]\nrequest = \"GET {at}\"\n"
    )
}

/// A directory with these files.
pub(crate) fn dir(files: &[(&str, &str)]) -> TempDir {
    let dir = TempDir::new().unwrap();
    for (name, text) in files {
        let file = dir.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    dir
}

/// The program in `dir`, with nothing of this process's environment.
pub(crate) fn itest(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_itest"));
    command.current_dir(dir).env_clear().stdin(Stdio::null());
    command
}

/// Runs while the servers of the test go on answering.
pub(crate) fn output(command: &mut Command) -> Output {
    tokio::task::block_in_place(|| command.output().unwrap())
}

pub(crate) fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
