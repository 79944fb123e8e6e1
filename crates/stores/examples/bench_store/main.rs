//! Measures the stores: an append in SQLite beside a bare commit, a transition in PostgreSQL with 1,000 promotions open, and
//! how soon a rescuer goes on where a dead runner's lease ends.
//!
//! Prints one JSON object per figure. Needs PostgreSQL's programs, and an idle machine.

mod disk;
mod open;
mod sqlite;
mod takeover;
mod words;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

type Measured = Result<Vec<Value>, Box<dyn std::error::Error>>;

#[expect(clippy::disallowed_methods, reason = "a benchmark measures")]
fn now() -> Instant {
    Instant::now()
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// The value that so many of a thousand do not exceed.
fn percentile(times: &mut [Duration], per_thousand: usize) -> Duration {
    times.sort_unstable();
    let last = times.len().saturating_sub(1);
    times.get((times.len() * per_thousand / 1000).min(last)).copied().unwrap_or_default()
}

fn figure(figure: &str, value: f64, unit: &str, limit: Option<f64>) -> Value {
    match limit {
        Some(limit) => json!({"figure": figure, "value": value, "unit": unit, "limit": limit}),
        None => json!({"figure": figure, "value": value, "unit": unit}),
    }
}

/// Each figure as soon as it is known.
fn print(figures: &[Value]) {
    #[expect(clippy::print_stdout, reason = "figures are this program's data")]
    figures.iter().for_each(|figure| println!("{figure}"));
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    if std::env::args().nth(1).as_deref() == Some(words::WORDS) {
        print(&words::measure().await?);
        return Ok(());
    }
    print(&sqlite::measure().await?);
    print(&open::measure().await?);
    print(&takeover::measure().await?);
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "a program tells why it ends")]
            {
                eprintln!("{error}");
            }
            ExitCode::FAILURE
        }
    }
}
