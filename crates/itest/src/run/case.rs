//! One case: its steps in order, each with its attempts.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    check::Judged,
    duration,
    event::Event,
    report::{Exchange, Failure, Retry, Verdict},
    run::{outgoing, plan::Planned, retry, session::Session},
    suite::{
        assertion::Expect,
        model::{Request, Step},
    },
    transport::{Answer, Outgoing, TransportError, Wire},
    variables::Variables,
};

/// What is known of a case while it runs; survives a deadline.
#[derive(Default)]
pub(super) struct Progress {
    pub(super) attempts: u32,
    pub(super) retries: Vec<Retry>,
    pub(super) failures: Vec<Failure>,
    pub(super) exchange: Option<Exchange>,
    /// The case's own connections, by target.
    wires: BTreeMap<String, Wire>,
}

impl Session<'_> {
    /// The verdict, and the reason of an error.
    pub(super) async fn steps(
        &self,
        planned: &Planned<'_>,
        progress: &mut Progress,
    ) -> (Verdict, Option<String>) {
        if let Some(error) = &planned.error {
            return (Verdict::Errored, Some(error.clone()));
        }
        let mut variables = planned.variables.clone();
        for step in &planned.case.steps {
            match self.step(planned, step, &mut variables, progress).await {
                Ok(Some(_)) => {}
                Ok(None) => return (Verdict::Failed, None),
                Err(error) => {
                    return (
                        Verdict::Errored,
                        Some(format!("step `{}` (line {}): {error}", step.label, step.line)),
                    );
                }
            }
        }
        let verdict = if progress.retries.is_empty() { Verdict::Passed } else { Verdict::Flaky };
        (verdict, None)
    }

    /// The answer if it is as expected, `None` if not, an error if there is none to judge.
    pub(super) async fn step(
        &self,
        planned: &Planned<'_>,
        step: &Step,
        variables: &mut Variables,
        progress: &mut Progress,
    ) -> Result<Option<Answer>, String> {
        let request = &step.request;
        let outgoing = self.outgoing(planned, request, variables)?;
        let policy = planned.suite.retry.as_ref().unwrap_or(&self.run.limits.retry);
        let mut attempt = 1;
        loop {
            progress.attempts = progress.attempts.max(attempt);
            let sent = self.wire_of(request, progress)?.send(&outgoing).await;
            let (reason, failures, pause) = match sent {
                Ok(answer) => {
                    let Some((failures, body)) = self.judge(planned, step, &answer, variables) else {
                        return Ok(Some(answer));
                    };
                    let may_pass =
                        status_failed(step, &answer) && retry::may_repeat_answer(request, answer.status);
                    let pause = may_pass.then(|| policy.pause(attempt, Some(&answer.headers))).flatten();
                    let Some(pause) = pause else {
                        progress.failures = failures;
                        progress.exchange = Some(exchange(&outgoing, &answer, body));
                        return Ok(None);
                    };
                    (format!("status {}", answer.status.as_u16()), failures, pause)
                }
                Err(error) => {
                    let may_pass = retry::may_repeat_lost(request, &error);
                    let pause = may_pass.then(|| policy.pause(attempt, None)).flatten();
                    let Some(pause) = pause else { return Err(lost(&outgoing, &error, attempt)) };
                    (error.to_string(), Vec::new(), pause)
                }
            };
            let retry = Retry {
                step: step.label.clone(),
                attempt,
                reason,
                delay_ms: duration::millis(pause),
                failures,
            };
            self.bus.tell(repeated(planned, &retry));
            progress.retries.push(retry);
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    fn outgoing(
        &self,
        planned: &Planned<'_>,
        request: &Request,
        variables: &Variables,
    ) -> Result<Outgoing, String> {
        let target = self.target(&request.target)?;
        let timeout = request.timeout.or(planned.suite.step_timeout).unwrap_or(self.run.limits.step_timeout);
        outgoing::outgoing(request, target, variables, timeout).map_err(|error| error.to_string())
    }

    fn wire_of<'p>(&self, request: &Request, progress: &'p mut Progress) -> Result<&'p Wire, String> {
        if !progress.wires.contains_key(&request.target) {
            let wire = self.wire(self.target(&request.target)?).map_err(|error| error.to_string())?;
            progress.wires.insert(request.target.clone(), wire);
        }
        progress.wires.get(&request.target).ok_or_else(|| "no connection".to_owned())
    }

    /// What is not as expected, with the body; `None` if all is, and then the captures are kept.
    fn judge(
        &self,
        planned: &Planned<'_>,
        step: &Step,
        answer: &Answer,
        variables: &mut Variables,
    ) -> Option<(Vec<Failure>, String)> {
        let judged = Judged::new(answer);
        let mut filled = variables.clone();
        let mut failures = Vec::new();
        for capture in &step.captures {
            match judged.capture(&step.label, capture) {
                Ok(value) => {
                    self.keep_secret(planned, &capture.name, &value);
                    filled.set(capture.name.clone(), value);
                }
                Err(failure) => failures.push(failure),
            }
        }
        failures.extend(judged.failures(&step.label, &step.assertions, &filled));
        failures.sort_by_key(|failure| failure.line);
        if failures.is_empty() {
            *variables = filled;
            return None;
        }
        Some((failures, judged.body()))
    }

    fn keep_secret(&self, planned: &Planned<'_>, name: &str, value: &Value) {
        if planned.suite.secrets.contains(name) || self.run.secrets.iter().any(|secret| secret == name) {
            self.bus.learn(name, value);
        }
    }
}

/// Whether the status is among what was not as expected: only then does another answer help.
fn status_failed(step: &Step, answer: &Answer) -> bool {
    step.assertions.iter().any(|assertion| match &assertion.expect {
        Expect::Status { any_of, .. } => !any_of.iter().any(|wanted| wanted.holds(answer.status)),
        Expect::Below(_) | Expect::BodySha256(_) | Expect::Part { .. } => false,
    })
}

fn lost(outgoing: &Outgoing, error: &TransportError, attempts: u32) -> String {
    let times = if attempts > 1 { format!(", {attempts} times") } else { String::new() };
    format!("{}: {error}{times}", outgoing::describe(outgoing))
}

fn exchange(outgoing: &Outgoing, answer: &Answer, body: String) -> Exchange {
    Exchange {
        request: outgoing::describe(outgoing),
        status: Some(answer.status.as_u16()),
        duration_ms: duration::millis(answer.duration),
        body,
    }
}

fn repeated(planned: &Planned<'_>, retry: &Retry) -> Event {
    Event::RequestRepeated {
        suite: planned.suite.name.clone(),
        case: planned.name.clone(),
        step: retry.step.clone(),
        attempt: retry.attempt,
        reason: retry.reason.clone(),
        delay_ms: retry.delay_ms,
    }
}
