//! The task that keeps one machine as its record says.
//!
//! Level-triggered: each round looks at the record and the process and does the one next thing. After a crash the rounds
//! simply go on from what is on disk, so nothing is started twice and nothing is forgotten.

use std::{sync::Arc, time::Duration};

use cell::runtime::CellStatus;
use serde_json::{Value, json};
use tokio::{net::TcpStream, sync::Notify, task::JoinSet, time::Instant};

use super::{
    checks, launch,
    model::{Goal, Launching, Machine, Running, State},
    restart::{self, Next},
};
use crate::{
    clock,
    cloud::Cloud,
    edge::idle,
    error::ApiError,
    faults::{Chance, FaultName},
};

/// Between two looks at a process, while there are few.
const POLL: Duration = Duration::from_millis(40);
/// Of so many more machines each is looked at once more as seldom: a thousand processes cost no more than fifty.
const FEW: u32 = 50;
/// How long a machine made with `skip_launch` reads `created`, and an update of a stopped one `updating`.
const SETTLE: Duration = Duration::from_millis(200);
/// After this a program that should listen and does not is asked why, again and again.
const SILENCE_US: u64 = 4_000_000;

/// The next thing to do.
#[derive(Debug, PartialEq, Eq)]
enum Duty {
    Idle,
    Settle,
    Launch,
    Watch,
    End,
    Bury,
}

fn duty(m: &Machine, rests_created: bool) -> Duty {
    match (&m.running, m.goal) {
        (Some(r), Goal::Run) if r.generation == m.generation => Duty::Watch,
        (Some(_), _) => Duty::End,
        (None, _) if m.launching.is_some() => Duty::Launch,
        (None, Goal::Run) => Duty::Launch,
        (None, Goal::Gone) => Duty::Bury,
        (None, Goal::Rest) => match m.state {
            State::Stopped | State::Failed | State::Destroyed => Duty::Idle,
            State::Created if rests_created => Duty::Idle,
            _ => Duty::Settle,
        },
    }
}

struct Keeper {
    cloud: Arc<Cloud>,
    id: String,
    wake: Arc<Notify>,
    /// The check tasks and the start they belong to.
    checks: Option<(u64, JoinSet<()>)>,
    /// Since when the program has been asked to end.
    ending: Option<Instant>,
    /// The pause before the next start, for the generation that crashed.
    not_before: Option<(u64, Instant)>,
    /// How long after its start it is asked next whether it listens, until it does.
    ask_silence_us: Option<u64>,
}

/// Keeps machine `id` until it is destroyed.
pub(crate) async fn keep(cloud: Arc<Cloud>, id: String, wake: Arc<Notify>) {
    let mut keeper = Keeper {
        cloud,
        id,
        wake,
        checks: None,
        ending: None,
        not_before: None,
        ask_silence_us: Some(SILENCE_US),
    };
    while let Some(machine) = keeper.cloud.machine(&keeper.id) {
        if machine.state == State::Destroyed {
            break;
        }
        if keeper.round(machine).await.is_err() {
            // The record cannot be written (a full disk): nothing was changed, try again.
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

impl Keeper {
    async fn round(&mut self, m: Machine) -> Result<(), ApiError> {
        if let Some(until) = m.stuck_until_us.filter(|_| m.is_stuck()) {
            self.checks = None;
            self.pause_until(until).await;
            return Ok(());
        }
        let duty = duty(&m, self.cloud.quirks().skip_launch_rests_created);
        if duty != Duty::Watch {
            self.checks = None;
        }
        if duty != Duty::End {
            self.ending = None;
        }
        match (duty, m.running.clone()) {
            (Duty::Watch, Some(running)) => self.watch(&m, &running).await,
            (Duty::End, Some(running)) => self.end(&m, &running).await,
            (Duty::Launch, _) => self.launch(m).await,
            (Duty::Settle, _) => self.settle(&m).await,
            (Duty::Bury, _) if m.buried_after_us.is_some_and(|at| at > clock::now_us()) => {
                self.pause_until(m.buried_after_us.unwrap_or_default()).await;
                Ok(())
            }
            (Duty::Bury, _) => self.cloud.change(&self.id, |m| {
                m.state = State::Destroyed;
                m.updated_us = clock::now_us();
                m.event("destroy", "destroyed", "flyd", None);
                Ok(())
            }),
            (Duty::Idle | Duty::Watch | Duty::End, _) => self.idle(&m).await,
        }
    }

    /// At rest, unless the proxy wakes it.
    async fn idle(&self, m: &Machine) -> Result<(), ApiError> {
        let serves = |m: &Machine| {
            m.state == State::Stopped && !m.cordoned && m.spec().is_ok_and(|spec| !spec.services.is_empty())
        };
        let chance = Chance { app: Some(&m.app), machine: Some(&m.id), ..Chance::default() };
        let woken = if serves(m) { self.cloud.faults.strike(FaultName::Autostart, chance) } else { None };
        let Some(fault) = woken else {
            self.wake.notified().await;
            return Ok(());
        };
        tokio::time::sleep(Duration::from_millis(fault.ms.unwrap_or_default())).await;
        idle::wake(&self.cloud, &self.id)
    }

    /// Up, and put to sleep by the proxy where a fault says so.
    async fn doze(&self, m: &Machine) -> Result<(), ApiError> {
        let is_asked = m.cordoned || self.cloud.edges.counts.of(&m.id) > 0;
        if !self.cloud.faults.has(FaultName::Autostop)
            || is_asked
            || m.spec().map_or(true, |spec| spec.services.is_empty())
        {
            return Ok(());
        }
        let chance = Chance { app: Some(&m.app), machine: Some(&m.id), ..Chance::default() };
        let Some(fault) = self.cloud.faults.strike(FaultName::Autostop, chance) else { return Ok(()) };
        tokio::time::sleep(Duration::from_millis(fault.ms.unwrap_or_default())).await;
        idle::put_to_sleep(&self.cloud, &self.id)
    }

    /// Waits until that time, in microseconds, or until the record changes.
    async fn pause_until(&self, at_us: u64) {
        self.pause(Duration::from_micros(at_us.saturating_sub(clock::now_us()).min(60_000_000))).await;
    }

    /// Waits, or until the record changes; whether it did.
    async fn pause(&self, time: Duration) -> bool {
        tokio::time::timeout(time, self.wake.notified()).await.is_ok()
    }

    async fn settle(&mut self, m: &Machine) -> Result<(), ApiError> {
        if matches!(m.state, State::Created | State::Updating) {
            tokio::time::sleep(SETTLE).await;
        }
        self.cloud.change(&self.id, |m| {
            if m.goal == Goal::Rest {
                m.state = State::Stopped;
            }
            Ok(())
        })
    }

    async fn launch(&mut self, m: Machine) -> Result<(), ApiError> {
        if let Some((_, at)) = self.not_before.filter(|(of, at)| *of == m.generation && *at > Instant::now())
        {
            self.pause(at.saturating_duration_since(Instant::now())).await;
            return Ok(());
        }
        if m.launching.is_some()
            && let Some(running) = launch::recover(&self.cloud, &m).await
        {
            // An earlier server died between starting the process and writing it down.
            return self.cloud.change(&self.id, |m| {
                (m.running, m.launching) = (Some(running), None);
                Ok(())
            });
        }
        if m.goal != Goal::Run {
            return self.cloud.change(&self.id, |m| {
                m.launching = None;
                Ok(())
            });
        }
        let before = cell::runtime::recorded(&self.cloud.layout.machine(&self.id));
        let generation = m.generation;
        let m = self.cloud.change(&self.id, |m| {
            if let Some(back) = m.revert.take() {
                (m.config, m.image) = (back.config, back.image);
                if let Some(instance) = back.instance_id {
                    m.instance_id = instance;
                }
            }
            if !matches!(m.state, State::Replacing | State::Restarting) {
                m.state = State::Starting;
            }
            m.launching = Some(Launching { generation, before });
            m.reset_checks();
            Ok(m.clone())
        })?;
        let chance = Chance { app: Some(&m.app), machine: Some(&m.id), ..Chance::default() };
        let launched = match self.cloud.faults.strike(FaultName::BootFailure, chance) {
            Some(_) => Err(String::from("the machine failed to boot (fault boot-failure)")),
            None => launch::launch(&self.cloud, &m).await,
        };
        let cell = launched.as_ref().ok().map(|r| r.cell.clone());
        let noted = self.cloud.change(&self.id, |m| {
            m.launching = None;
            match launched {
                Ok(running) => {
                    m.running = Some(running);
                    m.event("launch", "created", "flyd", None);
                }
                Err(why) => {
                    m.event("launch", "failed", "flyd", Some(json!({"error": why})));
                    m.state = if m.goal == Goal::Run { State::Failed } else { m.state };
                    m.goal = if m.goal == Goal::Run { Goal::Rest } else { m.goal };
                }
            }
            Ok(())
        });
        if let (Err(_), Some(cell)) = (&noted, cell) {
            // What is not written down must not live.
            let _ = self.cloud.runtime.kill(&cell).await;
        }
        self.ask_silence_us = Some(SILENCE_US);
        noted
    }

    async fn watch(&mut self, m: &Machine, running: &Running) -> Result<(), ApiError> {
        match self.cloud.runtime.status(&running.launch, &running.cell) {
            CellStatus::Running => {}
            CellStatus::Exited { code } => return self.exited(m, running, code).await,
            CellStatus::Lost => return self.exited(m, running, -1).await,
        }
        let up_us = clock::now_us().saturating_sub(running.since_us);
        let boot = Duration::from_millis(self.cloud.boot_ms);
        if m.state != State::Started {
            let left = boot.saturating_sub(Duration::from_micros(up_us));
            if !left.is_zero() {
                self.pause(left.min(self.apart())).await;
                return Ok(());
            }
            return self.cloud.change(&self.id, |m| {
                if m.goal == Goal::Run && m.running.as_ref().is_some_and(|r| r.generation == m.generation) {
                    m.state = State::Started;
                    m.event("start", "started", "flyd", None);
                }
                Ok(())
            });
        }
        self.watch_checks(m, running);
        // Who changes the record wakes us: until then only the process is looked at.
        loop {
            self.doze(m).await?;
            let up_us = clock::now_us().saturating_sub(running.since_us);
            if self.ask_silence_us.is_some_and(|at| up_us >= at) {
                let is_heard = self.ask_silence(running).await?;
                self.ask_silence_us = (!is_heard).then_some(up_us + SILENCE_US);
            }
            let is_woken = self.pause(self.apart()).await;
            if is_woken || self.cloud.runtime.status(&running.launch, &running.cell) != CellStatus::Running {
                return Ok(());
            }
        }
    }

    /// Between two looks at this process.
    fn apart(&self) -> Duration {
        let machines = u32::try_from(self.cloud.lock().machines.len()).unwrap_or(u32::MAX);
        POLL.saturating_mul(1 + machines / FEW)
    }

    fn watch_checks(&mut self, m: &Machine, running: &Running) {
        if self.checks.as_ref().is_some_and(|(since, _)| *since == running.since_us) {
            return;
        }
        let mut tasks = JoinSet::new();
        for check in m.spec().map(|s| s.checks).unwrap_or_default() {
            let endpoint = running.cell.endpoints.get(&check.port).copied();
            let watched = checks::Watched {
                app: m.app.clone(),
                machine: m.id.clone(),
                generation: running.generation,
                since_us: running.since_us,
                endpoint,
            };
            tasks.spawn(checks::run(Arc::clone(&self.cloud), watched, check));
        }
        self.checks = Some((running.since_us, tasks));
    }

    /// A program that listens nowhere: the runtime may know why, and then the machine has failed. Whether it listens, or
    /// need not.
    async fn ask_silence(&self, running: &Running) -> Result<bool, ApiError> {
        for address in running.cell.endpoints.values() {
            let connect = tokio::time::timeout(Duration::from_secs(1), TcpStream::connect(address));
            if matches!(connect.await, Ok(Ok(_))) {
                return Ok(true);
            }
        }
        if running.cell.endpoints.is_empty() {
            return Ok(true);
        }
        let Some(why) = self.cloud.runtime.explain_silence(&running.launch, &running.cell) else {
            return Ok(false);
        };
        launch::log_line(&self.cloud, &self.id, &why.to_string());
        let _ = self.cloud.runtime.kill(&running.cell).await;
        self.cloud.change(&self.id, |m| {
            if m.generation == running.generation && m.goal == Goal::Run {
                (m.running, m.state, m.goal) = (None, State::Failed, Goal::Rest);
                m.event("launch", "failed", "flyd", Some(json!({"error": why.to_string()})));
            }
            Ok(false)
        })
    }

    /// The program ended by itself.
    async fn exited(&mut self, m: &Machine, running: &Running, code: i32) -> Result<(), ApiError> {
        // Whatever it left behind goes with it.
        let _ = self.cloud.runtime.kill(&running.cell).await;
        let spec = m.spec()?;
        let steady = clock::now_us().saturating_sub(running.since_us) >= restart::STEADY_US;
        let restarts = if steady { 0 } else { m.restarts };
        let next = restart::after_exit(spec.restart, code, restarts);
        if let Next::Again(pause) = next {
            self.not_before = Some((running.generation, Instant::now() + pause));
        }
        self.cloud.change(&self.id, |m| {
            m.running = None;
            let again = matches!(next, Next::Again(_));
            m.event("exit", "stopped", "flyd", Some(exit_event(code, false, again, restarts)));
            if m.generation != running.generation || m.goal != Goal::Run {
                return Ok(());
            }
            match next {
                Next::Again(_) => (m.state, m.restarts) = (State::Starting, restarts + 1),
                Next::Stopped => (m.state, m.goal) = (State::Stopped, Goal::Rest),
                Next::Failed => (m.state, m.goal) = (State::Failed, Goal::Rest),
            }
            if spec.auto_destroy && !again {
                (m.state, m.goal) = (State::Destroying, Goal::Gone);
            }
            Ok(())
        })
    }

    /// Asks the program to end, waits, insists.
    async fn end(&mut self, m: &Machine, running: &Running) -> Result<(), ApiError> {
        let hurry = m.goal == Goal::Gone;
        let since = match self.ending {
            Some(since) => since,
            None => {
                if !hurry {
                    // A process that is gone already is seen below.
                    let _ = self.cloud.runtime.signal(&running.cell, m.stop.signal);
                }
                *self.ending.insert(Instant::now())
            }
        };
        let code = match self.cloud.runtime.status(&running.launch, &running.cell) {
            CellStatus::Exited { code } => code,
            CellStatus::Lost => -1,
            CellStatus::Running if hurry || since.elapsed() >= Duration::from_millis(m.stop.timeout_ms) => {
                137
            }
            CellStatus::Running => {
                tokio::time::sleep(Duration::from_millis(10)).await;
                return Ok(());
            }
        };
        if self.cloud.runtime.kill(&running.cell).await.is_err() {
            tokio::time::sleep(POLL).await;
            return Ok(());
        }
        self.ending = None;
        self.not_before = None;
        self.cloud.change(&self.id, |m| {
            m.running = None;
            m.event("exit", "stopped", "flyd", Some(exit_event(code, true, m.goal == Goal::Run, m.restarts)));
            if m.goal == Goal::Rest {
                m.state = State::Stopped;
            }
            Ok(())
        })
    }
}

fn exit_event(code: i32, requested: bool, restarting: bool, restarts: u32) -> Value {
    let signal = if code > 128 { code - 128 } else { -1 };
    json!({
        "exit_event": {
            "exit_code": code, "guest_exit_code": code, "guest_signal": signal, "signal": signal,
            "oom_killed": false, "requested_stop": requested, "restarting": restarting,
            "exited_at": clock::rfc3339(clock::now_us()), "error": "",
        },
        "restart_count": restarts,
    })
}
