//! What staging does differently where it has no file of its own: it does not call itself production, has none of
//! production's addresses, and none of what only production may have.

use super::{FoundApp, differs::without};
use crate::{AppName, fly_toml::Overlay};

/// Variables that say in which environment something runs. Not those that say how it was built, such as `NODE_ENV`: a mirror
/// of production is built like production.
const SAYS_WHERE: [&str; 6] =
    ["APP_ENV", "ENVIRONMENT", "ENV", "DEPLOY_ENV", "SENTRY_ENVIRONMENT", "DEPLOYMENT_ENVIRONMENT"];

pub(super) fn overlay(app: &FoundApp, production: &AppName, staging: &AppName) -> Overlay {
    if let Some(own) = &app.staging {
        return own.overlay.clone();
    }
    let of = |(name, value): (&String, &String)| {
        let is_own = app.own.contains(name);
        Some((name.clone(), there(name, value, production, staging)?)).filter(|_| !is_own)
    };
    let env = app.env.iter().filter_map(of).collect();
    Overlay { env, without_env: without(&app.own), ..Overlay::default() }
}

/// What a variable says there, where that is something else.
fn there(name: &str, value: &str, production: &AppName, staging: &AppName) -> Option<String> {
    let is_production = matches!(value.to_ascii_lowercase().as_str(), "production" | "prod" | "live");
    if SAYS_WHERE.contains(&name) && is_production {
        return Some("staging".to_owned());
    }
    let moved = readdressed(value, &format!("{production}.fly.dev"), &format!("{staging}.fly.dev"));
    (moved != value).then_some(moved)
}

/// `value` with the host `ours` called `theirs`, where it is the whole host: `my-runner.fly.dev` is another app than
/// `runner.fly.dev`, and `runner.fly.dev.example.com` is none.
fn readdressed(value: &str, ours: &str, theirs: &str) -> String {
    let is_of_host = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let lower = value.to_ascii_lowercase();
    let (mut text, mut done) = (String::new(), 0);
    for (at, _) in lower.match_indices(ours) {
        let (before, after) = (&lower[..at], &lower[at + ours.len()..]);
        let is_whole = !before.ends_with(|c| is_of_host(c) || c == '.')
            && !after.starts_with(is_of_host)
            && !after.strip_prefix('.').is_some_and(|rest| rest.starts_with(is_of_host));
        if is_whole {
            text.push_str(&value[done..at]);
            text.push_str(theirs);
            done = at + ours.len();
        }
    }
    text + &value[done..]
}

#[cfg(test)]
mod tests {
    use super::readdressed;

    #[test]
    fn only_the_whole_host_is_another_one() {
        for (value, expected) in [
            ("https://runner.fly.dev/a", "https://r-s.fly.dev/a"),
            (
                "https://my-runner.fly.dev,HTTPS://RUNNER.FLY.DEV",
                "https://my-runner.fly.dev,HTTPS://r-s.fly.dev",
            ),
            ("runner.fly.dev my-runner.fly.dev", "r-s.fly.dev my-runner.fly.dev"),
            ("runner.fly.dev.evil.com", "runner.fly.dev.evil.com"),
            ("api.runner.fly.dev", "api.runner.fly.dev"),
            ("see runner.fly.dev.", "see r-s.fly.dev."),
            ("", ""),
        ] {
            assert_eq!(readdressed(value, "runner.fly.dev", "r-s.fly.dev"), expected);
        }
    }
}
