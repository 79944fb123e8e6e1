//! One step: a script of bash, or what stands for an action.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::Command;

use crate::expression::{ExpressionError, fill, holds};
use crate::files::pairs;
use crate::job::Work;
use crate::provided::{Provided, checkout, download, upload};
use crate::report::{Outcome, StepRun};
use crate::workflow::Step;

/// How long a job may take where nothing says less: "Usage limits".
const MINUTES_MOST: u64 = 360;

/// How a script or an action ended.
struct Ended {
    exit: Option<i32>,
    log: String,
}

impl Ended {
    fn failed(why: &str) -> Self {
        Self { exit: None, log: format!("::error::{why}\n") }
    }
}

impl Work<'_> {
    /// Runs a step, unless its condition does not hold.
    pub(crate) async fn step(&mut self, step: &Step) -> Result<StepRun, ExpressionError> {
        self.n_steps += 1;
        let name = step.called();
        let outer = self.contexts(&self.variables);
        let mut env = self.filled(&self.run.workflow.env, &outer)?;
        env.extend(self.filled(&self.job.env, &outer)?);
        let all = self.contexts(&env);
        if !holds(step.condition.as_deref(), &all, self.status)? {
            return Ok(StepRun { name, outcome: Outcome::Skipped, exit: None, log: String::new() });
        }
        env.extend(self.filled(&step.env, &all)?);
        let ended = match (&step.run, &step.uses) {
            (Some(script), None) => {
                let script = fill(script, &all, self.status)?;
                let dirs = [&step.working_directory, &self.job.defaults.run.working_directory];
                let dir = dirs.into_iter().find_map(Option::as_ref);
                let dir = dir.or(self.run.workflow.defaults.run.working_directory.as_ref());
                let dir = dir.map(|dir| fill(dir, &all, self.status)).transpose()?;
                self.script(&script, dir.as_deref(), env).await
            }
            (None, Some(uses)) => {
                let with = self.filled(&step.with, &all)?;
                let with = with.into_iter().map(|(name, value)| (name, Value::from(value))).collect();
                self.action(uses, &with).await
            }
            _ => Ended::failed("a step has either `run` or `uses`"),
        };
        Ok(self.taken_in(step, name, &ended))
    }

    /// What a step said goes to those behind it.
    fn taken_in(&mut self, step: &Step, name: String, ended: &Ended) -> StepRun {
        let said = |file: &str| fs::read_to_string(self.file(file)).unwrap_or_default();
        let (output, env, path, summary) = (said("output"), said("env"), said("path"), said("summary"));
        let mut log = ended.log.clone();
        let mut is_good = ended.exit == Some(0);
        let mut told = |text: &str| {
            pairs(text).unwrap_or_else(|why| {
                is_good = false;
                log.push_str(&format!("::error::{why}\n"));
                Vec::new()
            })
        };
        let (outputs, variables) = (told(&output), told(&env));
        self.variables.extend(variables);
        self.path.extend(path.lines().map(str::to_owned));
        self.summary.push_str(&self.masked(&summary));
        let outcome = if is_good { Outcome::Success } else { Outcome::Failure };
        self.status.has_failed |= !is_good;
        if let Some(id) = &step.id {
            let outputs: Map<String, Value> =
                outputs.into_iter().map(|(name, value)| (name, Value::from(value))).collect();
            let said = json!({"outputs": outputs, "outcome": outcome.name(), "conclusion": outcome.name()});
            self.steps.insert(id.clone(), said);
        }
        StepRun { name, outcome, exit: ended.exit, log: self.masked(&log) }
    }

    /// A file between this step and the runner.
    fn file(&self, name: &str) -> PathBuf {
        self.dir.join(format!("step-{}-{name}", self.n_steps))
    }

    async fn action(&mut self, uses: &str, with: &Map<String, Value>) -> Ended {
        let done = match self.runner.provided(uses) {
            None => Err(format!("nobody provides `{uses}` here")),
            Some(Provided::Checkout) => {
                let from = self.run.event.repository.display().to_string();
                // Whoever owns the repository, and whatever it lets others fetch.
                let settings = [
                    ("CHECKOUT_FROM", from.as_str()),
                    ("GIT_CONFIG_COUNT", "2"),
                    ("GIT_CONFIG_KEY_0", "safe.directory"),
                    ("GIT_CONFIG_VALUE_0", "*"),
                    ("GIT_CONFIG_KEY_1", "uploadpack.allowAnySHA1InWant"),
                    ("GIT_CONFIG_VALUE_1", "true"),
                ];
                let env = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
                return self.script(&checkout(with), Some("."), env).await;
            }
            Some(Provided::Upload) => upload(with, &self.artefacts),
            Some(Provided::Download) => download(with, &self.artefacts),
            Some(Provided::Path(dirs)) => {
                self.path.extend(dirs.iter().map(|dir| dir.display().to_string()));
                Ok(String::new())
            }
        };
        done.map_or_else(|why| Ended::failed(&why), |log| Ended { exit: Some(0), log })
    }

    /// bash as GitHub starts it where a step says `shell: bash`.
    async fn script(&mut self, script: &str, dir: Option<&str>, env: BTreeMap<String, String>) -> Ended {
        let file = self.file("script.sh");
        let made =
            ["output", "env", "path", "summary"].iter().try_for_each(|name| fs::write(self.file(name), ""));
        if let Err(error) = made.and_then(|()| fs::write(&file, script)) {
            return Ended::failed(&format!("{}: {error}", file.display()));
        }
        let workspace = self.dir.join("workspace");
        let mut command = Command::new("bash");
        command
            .args(["--noprofile", "--norc", "-eo", "pipefail"])
            .arg(&file)
            .current_dir(workspace.join(dir.unwrap_or(".")))
            .env_clear()
            .envs(&self.variables)
            .envs(env)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let own = self.variables.get("PATH").cloned();
        let path: Vec<String> = self.path.iter().rev().cloned().chain(own).collect();
        command.env("PATH", path.join(":"));
        for (variable, name) in
            [("OUTPUT", "output"), ("ENV", "env"), ("PATH", "path"), ("STEP_SUMMARY", "summary")]
        {
            command.env(format!("GITHUB_{variable}"), self.file(name));
        }
        let minutes = self.job.timeout_minutes.unwrap_or(MINUTES_MOST);
        let limit = std::time::Duration::from_secs(minutes * 60);
        match tokio::time::timeout(limit, ended(command)).await {
            Ok(ended) => ended,
            Err(_) => Ended::failed(&format!("it took longer than {minutes} minutes")),
        }
    }
}

/// A script and everything that it started: it ends with whoever waits for it.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // What has ended already is not there any more.
            let _gone = killpg(group, Signal::SIGKILL);
        }
    }
}

async fn ended(mut command: Command) -> Ended {
    let mut child = match command.process_group(0).spawn() {
        Ok(child) => child,
        Err(error) => return Ended::failed(&format!("bash cannot be started: {error}")),
    };
    let _group = Group(child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw));
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (log_out, log_err) = (lines(out), lines(err));
    let (out, err, status) = tokio::join!(log_out, log_err, child.wait());
    let exit = status.ok().and_then(|status| status.code());
    Ended { exit, log: format!("{out}{err}") }
}

async fn lines(stream: Option<impl AsyncRead + Unpin>) -> String {
    let mut text = String::new();
    let Some(stream) = stream else { return text };
    let mut lines = BufReader::new(stream).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        text.push_str(&String::from_utf8_lossy(&line));
        text.push('\n');
    }
    text
}
