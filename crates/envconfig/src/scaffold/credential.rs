//! Variables of production that no other environment may have, as far as their names and values tell (P11).

use crate::reading::without_tokens;

/// Schemes of what holds data.
const DATA: [&str; 10] =
    ["postgres", "postgresql", "mysql", "mariadb", "mongodb", "redis", "rediss", "amqp", "amqps", "nats"];

/// Parts of names of what is secret, or leads to data.
const NAMES: [&str; 12] = [
    "SECRET",
    "TOKEN",
    "PASSWORD",
    "PASSWD",
    "CREDENTIAL",
    "PRIVATE",
    "API_KEY",
    "APIKEY",
    "DATABASE",
    "DSN",
    "SUPABASE",
    "ACCESS_KEY",
];

/// Hosts that only one environment has: private names, and projects of a database.
const HOSTS: [&str; 4] = [".internal", ".flycast", ".supabase.co", ".upstash.io"];

/// Whether `value` is, or leads to, something of one environment that another must not reach: when in doubt it is.
pub(super) fn is_one_environments(name: &str, value: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let lower = value.to_ascii_lowercase();
    let is_data = DATA.iter().any(|scheme| {
        lower.match_indices("://").any(|(at, _)| {
            let before = &lower[..at];
            before.ends_with(scheme) || before.contains(&format!("{scheme}+"))
        })
    });
    // A port, a switch or a number is none, whatever it is called.
    let is_plain =
        value.parse::<f64>().is_ok() || matches!(lower.as_str(), "" | "true" | "false" | "on" | "off");
    let is_named = NAMES.iter().any(|part| name.contains(part)) || name.ends_with("_KEY");
    is_data
        || without_tokens(value) != value
        || HOSTS.iter().any(|host| lower.contains(host))
        || (is_named && !is_plain)
}
