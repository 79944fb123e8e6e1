//! Variables of production that no other environment may have, as far as their names and values tell (P11).

use crate::reading::has_token;

/// Schemes of what holds data.
const DATA: [&str; 14] = [
    "postgres",
    "postgresql",
    "mysql",
    "mariadb",
    "mongodb",
    "redis",
    "rediss",
    "amqp",
    "amqps",
    "nats",
    "libsql",
    "clickhouse",
    "sqlserver",
    "mssql",
];

/// Parts of names of what is secret, or leads to data.
const NAMES: [&str; 19] = [
    "SECRET",
    "TOKEN",
    "PASS",
    "PWD",
    "CREDENTIAL",
    "PRIVATE",
    "API_KEY",
    "APIKEY",
    "DATABASE",
    "DSN",
    "SUPABASE",
    "ACCESS_KEY",
    "SALT",
    "SIGNING",
    "DB_",
    "PGHOST",
    "PGDATABASE",
    "BUCKET",
    "WEBHOOK",
];

/// Hosts that only one environment has: private names, and projects of a database.
const HOSTS: [&str; 8] = [
    ".internal",
    ".flycast",
    ".supabase.co",
    ".upstash.io",
    ".neon.tech",
    ".rds.amazonaws.com",
    ".mongodb.net",
    "hooks.slack.com",
];

/// How keys begin that are for production alone.
const LIVE: [&str; 2] = ["sk_live_", "rk_live_"];

/// Whether `value` is, or leads to, something of one environment that another must not reach: when in doubt it is.
pub(super) fn is_one_environments(name: &str, value: &str) -> bool {
    let name = name.to_ascii_uppercase().replace(['-', '.'], "_");
    let lower = value.to_ascii_lowercase();
    let is_data = lower.starts_with("jdbc:")
        || DATA
            .iter()
            .any(|scheme| lower.contains(&format!("{scheme}://")) || lower.contains(&format!("{scheme}+")));
    // A switch or a port is none, whatever it is called; a number may be a password.
    let is_switch = matches!(lower.as_str(), "" | "true" | "false" | "on" | "off" | "yes" | "no" | "0" | "1");
    let is_port = name.ends_with("PORT") && value.parse::<u16>().is_ok();
    let is_named =
        NAMES.iter().any(|part| name.contains(part)) || name.ends_with("_KEY") || name.ends_with("_SK");
    is_data
        || has_token(value)
        || LIVE.iter().any(|start| lower.contains(start))
        || HOSTS.iter().any(|host| lower.contains(host))
        || (is_named && !is_switch && !is_port)
}

#[cfg(test)]
mod tests {
    use super::is_one_environments;

    #[test]
    fn p11_what_leads_to_data_or_opens_something_is_one_environments() {
        for (name, value) in [
            ("DATABASE_URL", "anything"),
            ("my-db-url", "postgres://h/db"),
            ("X", "a jdbc-like mysql+ssh://h"),
            ("PASSWORD", "31337"),
            ("SMTP_PASS", "x"),
            ("MYSQL_PWD", "x"),
            ("SIGNING_SALT", "x"),
            ("STRIPE_SK", "x"),
            ("X", "sk_live_1"),
            ("HOOK", "https://hooks.slack.com/services/T/B/x"),
            ("DB_HOST", "10.0.0.1"),
            ("X", "https://u:p@example.com"),
            ("X", "http://runner.internal"),
            ("X", "jdbc:sqlserver://h"),
        ] {
            assert!(is_one_environments(name, value), "{name}={value}");
        }
        for (name, value) in [
            ("PORT", "8080"),
            ("DB_PORT", "5432"),
            ("USE_TOKENS", "true"),
            ("LOG_LEVEL", "info"),
            ("MOTD", "two\nlines"),
            ("CSP", "default-src\t'self'"),
            ("APP_URL", "https://runner.fly.dev"),
            ("NUM_RUNNERS", "20"),
        ] {
            assert!(!is_one_environments(name, value), "{name}={value}");
        }
    }
}
