//! The forms that real fly.toml files have, and that flyctl takes for the same thing.

use envconfig::fly_toml::FlyToml;

use crate::fly::read;

/// Both say the same.
fn same(a: &str, b: &str) {
    let (one, other): (FlyToml, FlyToml) = (read(a), read(b));
    assert_eq!(one.flatten(), other.flatten(), "\n{a}\n{b}");
}

#[test]
fn ports_are_integers_or_texts() {
    same(
        "[[services]]\ninternal_port = \"8080\"\nports = [{ port = \"443\", handlers = [\"tls\"] }]\n",
        "[services]\ninternal_port = 8080\n[[services.ports]]\nport = 443\nhandlers = [\"tls\"]\n",
    );
}

#[test]
fn env_values_are_scalars_and_env_may_be_a_list() {
    same("[env]\nA = 1\nB = true\nC = 1.5\n", "[[env]]\nA = \"1\"\n[[env]]\nB = \"true\"\nC = \"1.5\"\n");
}

#[test]
fn auto_stop_is_a_boolean_or_a_word() {
    let with = |value: &str| format!("[http_service]\ninternal_port = 1\nauto_stop_machines = {value}\n");
    same(&with("true"), &with("\"stop\""));
    same(&with("false"), &with("\"off\""));
}

#[test]
fn check_times_are_texts_or_milliseconds() {
    let with = |value: &str| {
        format!("[http_service]\ninternal_port = 1\n[[http_service.checks]]\ninterval = {value}\n")
    };
    same(&with("10000"), &with("\"10s\""));
    same(&with("\"\""), "[http_service]\ninternal_port = 1\n[[http_service.checks]]\n");
    let top = |value: &str| format!("[checks.a]\ntype = \"tcp\"\nport = 1\ntimeout = {value}\n");
    same(&top("1500"), &top("\"1.5s\""));
}

#[test]
fn kill_timeout_is_seconds_or_a_duration() {
    same("kill_timeout = 120\n", "kill_timeout = \"2m\"\n");
    same("kill_timeout = \"5s\"\n", "[experimental]\nkill_timeout = 5\n");
}

#[test]
fn memory_is_written_in_many_ways() {
    let with = |value: &str| format!("[[vm]]\n{value}\n");
    for other in [
        "memory = \"1024MB\"",
        "memory = \"1024Mi\"",
        "memory = 1024",
        "memory_mb = 1024",
        "memory = \"1GiB\"",
    ] {
        same(&with("memory = \"1gb\""), &with(other));
    }
}

#[test]
fn sections_are_tables_or_lists_of_tables() {
    same("[vm]\ncpus = 2\nmemory = \"512mb\"\n", "[[compute]]\ncpus = 2\nmemory = \"512mb\"\n");
    same(
        "[mounts]\nsource = \"a\"\ndestination = \"/a\"\n",
        "[[mount]]\nsource = \"a\"\ndestination = \"/a\"\n",
    );
    same("[metrics]\nport = 1\npath = \"/m\"\n", "[experimental]\nmetrics_port = 1\nmetrics_path = \"/m\"\n");
    same("[restart]\npolicy = \"always\"\n", "[[restart]]\npolicy = \"always\"\n");
    same("[[processes]]\nname = \"web\"\ncommand = \"run x\"\n", "[processes]\nweb = \"run x\"\n");
}

#[test]
fn concurrency_is_a_table_or_two_numbers() {
    let with = |value: &str| format!("[[services]]\ninternal_port = 1\nconcurrency = {value}\n");
    same(&with("\"20,25\""), &with("{ type = \"requests\", soft_limit = 20, hard_limit = 25 }"));
}

#[test]
fn checks_of_services_have_three_names() {
    let with = |value: &str| format!("[[services]]\ninternal_port = 1\n{value}\n");
    same(
        &with("[[services.tcp_checks]]\ninterval = \"5s\""),
        &with("checks = [{ type = \"tcp\", interval = \"5s\" }]"),
    );
    same(
        &with("[[services.http_checks]]\npath = \"/\""),
        &with("checks = [{ type = \"http\", path = \"/\" }]"),
    );
}

#[test]
fn checks_of_the_app_are_named_by_key_or_by_name() {
    same("[checks.a]\ntype = \"tcp\"\nport = 1\n", "[[checks]]\nname = \"a\"\ntype = \"tcp\"\nport = 1\n");
    same(
        "[checks.a]\ntype = \"http\"\nport = 1\nheaders = { A = \"b\" }\n",
        "[checks.a]\ntype = \"http\"\nport = 1\nheaders = [{ name = \"A\", value = \"b\" }]\n",
    );
}

#[test]
fn experimental_commands_are_texts_or_lists() {
    same(
        "[experimental]\ncmd = \"run it\"\nauto_rollback = true\n",
        "[experimental]\ncmd = [\"run\", \"it\"]\n",
    );
}

#[test]
fn lines_end_in_two_ways() {
    same(crate::fly::STAGING, &crate::fly::STAGING.replace('\n', "\r\n"));
}

#[test]
fn what_older_files_have_is_known() {
    read(
        "console_command = \"bin/console\"\n[build]\nbuilder = \"x\"\n[build.args]\nA = \"1\"\n[[services]]\ninternal_port = 1\nscript_checks = []\n",
    );
}
