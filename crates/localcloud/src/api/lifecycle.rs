//! Start, stop, restart, signal, suspend, cordon, uncordon, destroy.

use serde_json::{Value, json};

use super::{Call, Handled, Reply, create};
use crate::{
    clock,
    cloud::Cloud,
    duration,
    error::ApiError,
    faults::FaultName,
    machine::{
        model::{Goal, Machine, State},
        spec,
    },
};

/// Runs `with` on the machine of the call, which must exist and not be destroyed.
fn change<T>(
    cloud: &Cloud,
    call: &Call,
    with: impl FnOnce(&mut Machine) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    call.machine(cloud)?;
    cloud.change(&call.machine, |m| match m.state {
        State::Destroyed => Err(ApiError::not_found("machine not found: it is destroyed")),
        _ => with(m),
    })
}

/// POST `…/start`: 412 from `created` and while the machine is being replaced.
pub(super) fn start(cloud: &Cloud, call: &Call) -> Handled {
    let previous = change(cloud, call, |m| {
        let previous = m.state;
        match m.state {
            State::Stopped | State::Failed => {
                (m.goal, m.state) = (Goal::Run, State::Starting);
                m.new_generation();
                m.event("start", "starting", "user", None);
            }
            State::Started | State::Starting => {}
            State::Created => {
                return Err(ApiError::failed_precondition(
                    "unable to start machine from current state: 'created'",
                ));
            }
            State::Replacing | State::Updating => {
                return Err(ApiError::failed_precondition("machine getting replaced, refusing to start"));
            }
            State::Stopping | State::Restarting | State::Destroying | State::Destroyed => {
                let why = format!("unable to start machine from current state: '{}'", m.state.as_str());
                return Err(ApiError::failed_precondition(why));
            }
        }
        Ok(previous)
    })?;
    Ok(Reply::ok(json!({"previous_state": previous.as_str(), "migrated": false, "new_host": ""})))
}

/// POST `…/stop` with `{signal, timeout}`, both optional; an empty body is allowed.
pub(super) fn stop(cloud: &Cloud, call: &Call) -> Handled {
    let body = call.json()?;
    change(cloud, call, |m| {
        let stop = spec::read_stop(body.get("signal"), body.get("timeout"), create::stop_of(m))?;
        match m.state {
            State::Stopped | State::Failed => {}
            _ if m.is_stuck() => {
                return Err(ApiError::failed_precondition("machine getting replaced, refusing to stop"));
            }
            State::Destroying => return Err(ApiError::failed_precondition("the machine is being destroyed")),
            _ => {
                (m.goal, m.stop, m.state) = (Goal::Rest, stop, State::Stopping);
                m.event("stop", "stopping", "user", None);
            }
        }
        Ok(())
    })?;
    Ok(Reply::ok(json!({"ok": true})))
}

/// POST `…/restart?timeout=&signal=&force_stop=`; the timeout is a Go duration or seconds.
pub(super) fn restart(cloud: &Cloud, call: &Call) -> Handled {
    let timeout = match call.query.get("timeout").filter(|t| !t.is_empty()) {
        Some(text) => {
            let read =
                text.parse().ok().map(std::time::Duration::from_secs).or_else(|| duration::parse_go(text));
            let read = read.ok_or_else(|| ApiError::bad(format!("timeout: `{text}` is no duration")))?;
            Some(Value::from(u64::try_from(read.as_nanos()).unwrap_or(u64::MAX)))
        }
        None => None,
    };
    let signal = call.query.get("signal").filter(|s| !s.is_empty()).map(Value::from);
    change(cloud, call, |m| {
        m.stop = spec::read_stop(signal.as_ref(), timeout.as_ref(), create::stop_of(m))?;
        if call.query.flag("force_stop") {
            m.stop.timeout_ms = 0;
        }
        match m.state {
            State::Started | State::Starting | State::Stopped | State::Failed => {
                (m.goal, m.state) = (Goal::Run, State::Restarting);
                m.new_generation();
                m.event("restart", "restarting", "user", None);
                Ok(())
            }
            state => {
                let why = format!("unable to restart machine from current state: '{}'", state.as_str());
                Err(ApiError::failed_precondition(why))
            }
        }
    })?;
    Ok(Reply::ok(json!({"ok": true})))
}

/// POST `…/signal` with `{signal}`, a name or a number.
pub(super) fn signal(cloud: &Cloud, call: &Call) -> Handled {
    let body = call.json()?;
    let signal = spec::read_signal(body.get("signal").unwrap_or(&Value::Null))?;
    let machine = call.machine(cloud)?;
    let running = machine.running.ok_or_else(|| ApiError::failed_precondition("the machine does not run"))?;
    cloud
        .runtime
        .signal(&running.cell, signal)
        .map_err(|e| ApiError::failed_precondition(format!("the signal was not delivered: {e}")))?;
    Ok(Reply::ok(json!({"ok": true})))
}

/// POST `…/suspend`: a process cannot be frozen to disk here, so it is refused rather than faked.
pub(super) fn suspend(cloud: &Cloud, call: &Call) -> Handled {
    call.machine(cloud)?;
    Err(ApiError::unprocessable("suspend is not supported here; stop the machine instead"))
}

/// POST `…/cordon` and `…/uncordon`.
pub(super) fn cordon(cloud: &Cloud, call: &Call, cordoned: bool) -> Handled {
    change(cloud, call, |m| {
        if m.cordoned != cordoned {
            m.cordoned = cordoned;
            m.event(if cordoned { "cordon" } else { "uncordon" }, m.state.as_str(), "user", None);
        }
        Ok(())
    })?;
    Ok(Reply::ok(json!({"ok": true})))
}

/// DELETE: 412 for a machine that runs, unless `force=true` or `kill=true`.
pub(super) fn delete(cloud: &Cloud, call: &Call) -> Handled {
    let force = call.query.flag("force") || call.query.flag("kill");
    change(cloud, call, |m| {
        let rests = matches!(m.state, State::Stopped | State::Failed | State::Destroying)
            || (m.state == State::Created && m.goal == Goal::Rest);
        if !rests && !force {
            let why = format!(
                "unable to destroy machine, not currently stopped: '{}'; use force=true",
                m.state.as_str()
            );
            return Err(ApiError::failed_precondition(why));
        }
        if m.state != State::Destroying {
            let slow = cloud.faults.strike(FaultName::SlowDestroy, call.chance());
            m.buried_after_us = slow.and_then(|fault| fault.ms).map(|ms| clock::now_us() + ms * 1000);
        }
        (m.goal, m.state, m.stuck_until_us) = (Goal::Gone, State::Destroying, None);
        m.event("destroy", "destroying", "user", None);
        Ok(())
    })?;
    Ok(Reply::ok(json!({"ok": true})))
}
