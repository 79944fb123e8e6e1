//! Properties: no input makes the readers panic, positions lie in the file, what is written reads back.

use std::{fmt::Display, str::FromStr};

use envconfig::{
    ComponentName, EnvironmentName, FieldPath, Period, Person, Problem, ProjectPath, SecretRef, SuiteName,
    fly_toml::FlyToml,
    project::{MaxUnavailable, Project},
};
use proptest::prelude::*;

use crate::{fly::STAGING, full::FULL};

/// Every problem has a place in the text.
fn placed(text: &str, list: &[Problem]) {
    let lines: Vec<&str> = text.split('\n').collect();
    for problem in list {
        assert!(problem.line >= 1, "{problem:?}");
        let line = lines.get(problem.line as usize - 1).unwrap_or_else(|| panic!("{problem:?} in {text:?}"));
        assert!((problem.column as usize) <= line.chars().count() + 1, "{problem:?} in {text:?}");
        assert!(!problem.to_string().is_empty());
    }
}

fn survives(text: &str) {
    match Project::parse("understudy.toml", text) {
        Ok(parsed) => {
            placed(text, &parsed.findings);
            assert!(!parsed.value.explain_defaults(&std::collections::BTreeMap::new()).is_empty());
        }
        Err(problems) => {
            assert!(!problems.list.is_empty());
            placed(text, &problems.list);
        }
    }
    for file in ["fly.toml", "fly.json", "fly.yaml"] {
        match FlyToml::parse(file, text) {
            Ok(parsed) => {
                placed(text, &parsed.findings);
                assert_eq!(parsed.value.flatten().len(), parsed.value.groups().len());
            }
            Err(problems) => placed(text, &problems.list),
        }
    }
}

fn reads_back<T: FromStr<Err: std::fmt::Debug> + Display + PartialEq + std::fmt::Debug>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string().parse::<T>().unwrap(), value, "{text:?}");
    }
}

/// One change of a right file: a piece removed, doubled, or replaced.
fn mutated(text: &'static str) -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "",
        "\"",
        "[",
        "]",
        "{",
        "}",
        "=",
        ".",
        "\n",
        "0",
        "-1",
        "true",
        "\"\"",
        "[]",
        "{}",
        "\u{e9}",
        "\u{0}",
        "#",
        "99999999999999999999",
        "1979-05-27",
        "nan",
        "[[a]]",
        "x = 1\n",
        "'''",
        "\\",
    ]);
    let chars = text.chars().count();
    (0..=chars, 0usize..12, pieces).prop_map(move |(at, cut, piece)| {
        let head: String = text.chars().take(at).collect();
        let tail: String = text.chars().skip(at + cut).collect();
        format!("{head}{piece}{tail}")
    })
}

/// The value of one key, replaced by a value of another type.
fn retyped(text: &'static str) -> impl Strategy<Value = String> {
    let values = prop::sample::select(vec![
        "1",
        "\"x\"",
        "true",
        "[]",
        "{}",
        "[1, {}]",
        "1.5",
        "1979-05-27",
        "{ a = { b = 1 } }",
    ]);
    let lines: Vec<usize> =
        text.lines().enumerate().filter(|(_, l)| l.contains(" = ")).map(|(n, _)| n).collect();
    (prop::sample::select(lines), values).prop_map(move |(at, value)| {
        let lines = text.lines().enumerate().map(|(n, line)| match line.split_once(" = ") {
            Some((key, _)) if n == at => format!("{key} = {value}\n"),
            _ => format!("{line}\n"),
        });
        lines.collect()
    })
}

const JSON: &str = include_str!("../fly/50-as-json/fly.json");
const YAML: &str = include_str!("../fly/51-as-yaml/fly.yaml");
const ANCHORS: &str = include_str!("../fly/64-yaml-with-an-anchor/fly.yml");

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_survived(text in any::<String>()) {
        survives(&text);
    }

    #[test]
    fn any_text_of_toml_pieces_is_survived(
        parts in prop::collection::vec(prop::sample::select(vec![
            "[components.api]\n", "[environments.a]\n", "[promotion.a.b]\n", "[[vm]]\n", "[checks.a]\n", "config = \"x\"\n",
            "api.app = \"x\"\n", "api.overlay.env.A = 1\n", "mirrors = \"a\"\n", "processes = [\"web\"]\n", "memory = \"1gb\"\n",
            "[processes]\n", "[people]\n", "g = [\"github:1\"]\n", "approvals.from = [\"g\"]\n", "[[services]]\n",
            "internal_port = 1\n", "[shared]\n", "secrets = [\"env:X\"]\n", "fly.token = \"env:X\"\n", "[environments.b]\n",
        ]), 0..14)
    ) {
        survives(&parts.concat());
    }

    #[test]
    fn any_change_of_a_right_project_file_is_survived(text in mutated(FULL)) {
        survives(&text);
    }

    #[test]
    fn any_change_of_a_right_fly_toml_is_survived(text in mutated(STAGING)) {
        survives(&text);
    }

    #[test]
    fn any_change_of_a_right_file_in_another_format_is_survived(
        text in prop_oneof![mutated(JSON), mutated(YAML), mutated(ANCHORS)]
    ) {
        survives(&text);
    }

    #[test]
    fn any_text_of_yaml_pieces_is_survived(
        parts in prop::collection::vec(prop::sample::select(vec![
            "app: a\n", "env:\n", "  A: 1\n", "- ", "? ", ": ", "&a ", "*a ", "<<: *a\n", "| \n", ">-\n", "!!str ", "!x ", "---\n",
            "...\n", "{", "}", "[", "]", ", ", "\"", "'", "#", "\t", "  ", "\n", "processes:\n", "  web: x\n", "%YAML 1.2\n", "~",
        ]), 0..16)
    ) {
        survives(&parts.concat());
    }

    #[test]
    fn any_value_of_another_type_is_survived(text in prop_oneof![retyped(FULL), retyped(STAGING)]) {
        survives(&text);
    }

    #[test]
    fn periods_read_back(millis in 0u64..=366 * 86_400_000) {
        let period = Period::from_millis(millis);
        prop_assert_eq!(period.to_string().parse::<Period>().unwrap(), period);
        prop_assert_eq!(serde_json::from_str::<Period>(&serde_json::to_string(&period).unwrap()).unwrap(), period);
    }

    #[test]
    fn whatever_is_read_reads_back(text in "[a-z0-9:./_*+-]{0,24}|env:[A-Z_]{1,9}|github:[0-9]{1,9}|[0-9]\\.[0-9]{1,3}|([0-9]{1,3}(h|m|s|ms)){1,3}") {
        reads_back::<Period>(&text);
        reads_back::<SecretRef>(&text);
        reads_back::<Person>(&text);
        reads_back::<MaxUnavailable>(&text);
        reads_back::<EnvironmentName>(&text);
        reads_back::<ComponentName>(&text);
        reads_back::<SuiteName>(&text);
        reads_back::<ProjectPath>(&text);
        reads_back::<FieldPath>(&text);
        reads_back::<envconfig::RegistryHost>(&text);
        reads_back::<envconfig::BranchName>(&text);
    }

    #[test]
    fn a_secret_is_in_no_message(secret in "[A-Za-z0-9]{20,40}", key in "tok[a-z]{0,4}") {
        let text = format!("{FULL}\n[environments.pr]\nfly = {{ {key} = \"{secret}\", orgg = 1 }}\n");
        if let Err(problems) = Project::parse("understudy.toml", &text) {
            prop_assert!(!problems.to_string().contains(&secret));
        }
    }
}
