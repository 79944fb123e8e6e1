//! What people close, `freeze`, `lock`, `unlock`; and what they take on themselves, `break-glass`.

use clikit::{Exit, Failure};
use promotion::journal::{ClosedBy, EnvironmentView};
use promotion::model::{At, Closing, Millis, Wish};
use promotion::ports::Clock as _;
use serde_json::{Value, json};
use wiring::Absent;

use super::Run;
use crate::args::{BreakGlass, Close, Freeze};
use crate::{find, keys};

pub(crate) async fn freeze(run: &Run<'_>, args: Freeze) -> Result<Exit, Failure> {
    close(run, Closing::Freeze { until: args.until }, args.close).await
}

pub(crate) async fn lock(run: &Run<'_>, args: Close) -> Result<Exit, Failure> {
    close(run, Closing::Lock, args).await
}

pub(crate) async fn unlock(run: &Run<'_>, args: Close) -> Result<Exit, Failure> {
    close(run, Closing::Unlock, args).await
}

async fn close(run: &Run<'_>, closing: Closing, args: Close) -> Result<Exit, Failure> {
    let wired = run.wire(Absent::Refuse).await?;
    let environment = find::environment(&args.env)?;
    wired.targets(&args.env)?;
    let asker = keys::asker(run.context, &args.who, &wired)?;
    let signed = asker.sign(&closing.wish(&environment, &args.reason))?;
    let by = asker.person().clone();
    wired.engine.close(&environment, closing, by, args.reason, signed).await.map_err(find::engine_failure)?;
    let view = wired.engine.view(&environment).await.map_err(find::engine_failure)?;
    // What is under way is not stopped by it, and whoever closes a door wants to know who is inside.
    let inside = view.active().filter(|_| closing != Closing::Unlock);
    let mut value = closed(&view);
    value["ok"] = Value::from(true);
    value["environment"] = json!(environment);
    value["under_way"] = json!(inside.map(|it| it.id()));
    run.out.emit(&value, |_| {
        let mut text = match closed_text(&view) {
            text if text.is_empty() => format!("nobody keeps {environment} closed\n"),
            text => text,
        };
        if let Some(inside) = inside {
            let abort = run.paste(format!("promote abort {} --reason R", inside.id()));
            text.push_str(&format!(
                "{} is {} there and goes to its end; to end it now: {abort}\n",
                inside.id(),
                inside.state.phase
            ));
        }
        text
    })?;
    Ok(Exit::Done)
}

/// `promote break-glass`.
pub(crate) async fn break_glass(run: &Run<'_>, args: BreakGlass) -> Result<Exit, Failure> {
    let wired = run.wire(Absent::Refuse).await?;
    let environment = find::environment(&args.to)?;
    wired.targets(&args.to)?;
    let asker = keys::asker(run.context, &args.who, &wired)?;
    let until = now().plus(Millis(args.time.as_millis()));
    let wish = Wish::BreakGlass { environment: &environment, until, reason: &args.reason };
    let signed = asker.sign(&wish)?;
    let by = asker.person().clone();
    let glass = wired.engine.break_glass(&environment, until, by, args.reason, signed).await;
    let glass = glass.map_err(find::engine_failure)?;
    let next = run.paste(format!("promote start --to {environment}"));
    let until = glass.until.to_string();
    let value = json!({
        "ok": true, "environment": environment, "by": glass.by, "reason": glass.reason, "until": until, "next": next,
    });
    run.out.emit(&value, |_| {
        format!(
            "{environment} takes releases without evidence and approval until {until}; locks and drift still stop them\n\
             next       {next}\n"
        )
    })?;
    Ok(Exit::Done)
}

/// The lock, the freezes and the break-glass of people, as JSON.
pub(crate) fn closed(view: &EnvironmentView) -> Value {
    let one = |it: &ClosedBy| {
        let until = it.until.map(|until| until.to_string());
        json!({"by": it.by, "reason": it.reason, "since": it.since.to_string(), "until": until})
    };
    let glass = view.break_glass(now()).map(
        |it| json!({"by": it.by, "reason": it.reason, "since": it.since.to_string(), "until": it.until.to_string()}),
    );
    json!({"break_glass": glass, "lock": view.lock().map(one), "freezes": view.freezes(now()).map(one).collect::<Vec<_>>()})
}

/// The same for people; nothing where nobody closed it.
pub(crate) fn closed_text(view: &EnvironmentView) -> String {
    let one = |what: &str, it: &ClosedBy| {
        let until = it.until.map(|until| format!(" until {until}")).unwrap_or_default();
        format!("{what:<10} {}{until}, by {} since {}: {}\n", view.name, it.by, it.since, it.reason)
    };
    let lock = view.lock().map(|lock| one("locked", lock)).unwrap_or_default();
    let glass = view.break_glass(now()).map(|glass| format!("open       {} by {glass}\n", view.name));
    view.freezes(now()).fold(lock, |text, freeze| text + &one("frozen", freeze)) + &glass.unwrap_or_default()
}

fn now() -> At {
    providers::SystemClock.now()
}
