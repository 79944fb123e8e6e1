use crate::Suite;

/// The problems as `line:column: message; help`.
fn problems(text: &str) -> Vec<String> {
    match Suite::parse("s.toml", text) {
        Ok(suite) => panic!("no problem in {suite:?}"),
        Err(problems) => {
            problems.to_string().lines().map(|line| line.trim_start_matches("s.toml:").to_owned()).collect()
        }
    }
}

fn with_step(step: &str) -> String {
    format!("name = \"s\"\ntarget = \"api\"\n[[case]]\nname = \"c\"\n[[case.step]]\n{step}\n")
}

#[test]
fn reads_a_suite_with_everything() {
    let suite = Suite::parse("s.toml", include_str!("full.toml")).unwrap();
    assert_eq!((suite.name(), suite.file()), ("everything", "s.toml"));
    assert_eq!(suite.tags(), ["smoke"]);
    assert_eq!(suite.targets().into_iter().collect::<Vec<_>>(), ["api", "web"]);
    assert_eq!(suite.inputs().collect::<Vec<_>>(), ["token"]);
    assert!(suite.waives_identity("web") && !suite.waives_identity("api"));
    let cases: Vec<_> = suite.cases().map(|c| (c.name, c.tags, c.line, c.steps)).collect();
    let tags = |own: &[&str]| ["smoke"].iter().chain(own).map(|tag| (*tag).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        cases,
        [
            ("creates, reads".to_owned(), tags(&["crud"]), 25, 2),
            ("runs {{language}}".to_owned(), tags(&[]), 63, 1),
            ("page of {{page}}".to_owned(), tags(&[]), 81, 1),
        ]
    );
}

#[test]
fn all_problems_of_a_file_come_at_once_with_line_column_and_nearest_key() {
    let text = r#"
nmae = "s"
target = "api"
[[case]]
name = "c"
[[case.step]]
requst = "GET /"
[case.step.asserts]
status = 200
[[case.step]]
request = "GET /x"
expect.json."$..a" = 1
expect.status = "20x"
"#;
    assert_eq!(
        problems(text),
        [
            "1:1: the suite has no `name`",
            "2:1: unknown key `nmae`; the nearest is `name`",
            "6:1: there is no `request`, such as `request = \"GET /healthz\"`",
            "7:1: unknown key `requst`; the nearest is `request`",
            "8:12: unknown key `asserts`; known here: capture, expect, form, headers, idempotent, json, name, query, request, target, text, timeout",
            "12:22: `$..a` is no JSON path: `..` is not supported at character 3",
            "13:17: a status is a number such as 200, a class such as \"2xx\", or a list of them",
        ]
    );
}

#[test]
fn every_line_with_a_syntax_error_is_told_once_and_nothing_is_guessed_around_it() {
    let found = problems("name = \"s\ntarget = \"a\"\ntags = 1\nx = = 2\n[[case]]\nname == \"c\"\n");
    let places: Vec<_> = found.iter().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(places, ["1", "3", "4", "6"], "{found:#?}");
    assert!(found[0].contains("not TOML: "), "{found:#?}");
    assert_eq!(found[1], "3:8: `tags` must be an array, not integer");
}

#[test]
fn columns_count_characters() {
    let found = problems("name = \"s\"\n\"ключ\" = 1\n[variables]\nä = 1\n");
    assert!(found.iter().any(|line| line.starts_with("2:1: unknown key `ключ`")), "{found:#?}");
    let step = with_step("request = \"GET /\"\nheaders = { a = \"ü\", b = [] }");
    assert_eq!(problems(&step), ["7:26: `b` must be a string, a number or a boolean"]);
}

#[test]
fn variables_are_known_before_anything_is_sent() {
    let text = r#"
name = "s"
target = "api"
inputs = ["token"]
secrets = ["tokn"]
[variables]
language = "python"
[[case]]
name = "a"
[[case.step]]
request = "GET /{{lagnuage}}/{{id}}"
capture.id = { json = "$.id" }
[[case.step]]
request = "GET /{{id}}"
headers = { authorization = "Bearer {{token}}" }
[[case]]
name = "b"
[[case.step]]
request = "GET /{{id}}"
json = ["{{zzz}}"]
"#;
    assert_eq!(
        problems(text),
        [
            "5:12: no variable, input or capture is named `tokn`; the nearest is `token`",
            "11:11: the variable `lagnuage` is not defined here; the nearest is `language`",
            "11:11: the variable `id` is not defined here; give it a value under [variables], list it in `inputs` or capture it",
            "19:11: the variable `id` is not defined here; it gets its value later or in another case",
            "20:8: the variable `zzz` is not defined here; give it a value under [variables], list it in `inputs` or capture it",
        ]
    );
}

#[test]
fn each_misuse_of_a_step_is_named() {
    let cases = [
        ("request = \"get /\"", "the method must be in upper-case letters"),
        ("request = \"GET\"", "a request is a method and a path"),
        ("request = \"GET x\"", "the path `x` must begin with `/`"),
        ("request = \"POST /\"\njson = 1\ntext = \"x\"", "a request has one body"),
        (
            "request = \"POST /\"\njson = 2020-01-01",
            "`json` must be a value that JSON has; write dates as strings",
        ),
        (
            "request = \"GET /\"\ntimeout = \"5\"",
            "`5` is no duration: write a whole number with ms, s, m or h",
        ),
        ("request = \"GET /\"\ntimeout = 5", "`timeout` must be a string, not integer"),
        ("request = \"GET /\"\nheaders.\"a b\" = \"x\"", "`a b` is no header name"),
        ("request = \"GET /\"\ncapture.a = { json = \"$\", status = true }", "`a` is captured from one of"),
        ("request = \"GET /\"\ncapture.a = { regex = \"(\" }", "not a regular expression: unclosed group"),
        ("request = \"GET /\"\ncapture.\"a b\" = { status = true }", "`a b` cannot be used as {{a b}}"),
        ("request = \"GET /\"\nexpect.status = []", "`status` lists no status"),
        ("request = \"GET /\"\nexpect.duration = \"500ms\"", "`duration` is a limit such as \"< 500ms\""),
        ("request = \"GET /\"\nexpect.body = {}", "`body` expects nothing"),
        ("request = \"GET /\"\nexpect.body.sha256 = \"abc\"", "`sha256` is 64 lower-case hex digits"),
        (
            "request = \"GET /\"\nexpect.body.matches = \"[\"",
            "not a regular expression: unclosed character class",
        ),
        ("request = \"GET /\"\nexpect.json.\"$.a\".type = \"int\"", "`int` is no JSON type: one of string"),
        ("request = \"GET /\"\nexpect.json.\"$.a\".at-most = \"x\"", "`at-most` must be a number"),
        (
            "request = \"GET /\"\nexpect.json.\"$.a\".equal = 1",
            "unknown key `equal`; the nearest is `equals`",
        ),
        ("request = \"GET /\"\nexpect.headers.x-a = 1", "`x-a` must be a string, not integer"),
    ];
    for (step, expected) in cases {
        let found = problems(&with_step(step));
        assert!(found.len() == 1 && found[0].contains(expected), "{step}\n{found:#?}");
    }
}

#[test]
fn each_misuse_of_a_suite_is_named() {
    let step = "[[case.step]]\nrequest = \"GET /\"\n";
    let cases = [
        (format!("name = \"s\"\n[[case]]\nname = \"c\"\n{step}"), "no target: set `target = \"…\"`"),
        (
            "name = \"s\"\ntarget = \"a\"\n[[case]]\nname = \"c\"\n".to_owned(),
            "the case has no [[case.step]]",
        ),
        (format!("name = \"s\"\ntarget = \"a\"\n[[case]]\n{step}"), "the case has no `name`"),
        (
            format!(
                "name = \"s\"\ntarget = \"a\"\n[[case]]\nname = \"c\"\n{step}[[case]]\nname = \"c\"\n{step}"
            ),
            "the case `c` has the name of the one on line 3",
        ),
        ("name = \"s\"\nretry = { attempts = 11 }\n".to_owned(), "`attempts` must be from 1"),
        (
            "name = \"s\"\nsecrets = [\"pin\"]\n[variables]\npin = 123\n".to_owned(),
            "the secret `pin` is shorter than 4 characters",
        ),
        (
            "name = \"s\"\n[targets.a]\nidentity = \"none\"\n".to_owned(),
            "`identity = \"none\"` needs a `reason`",
        ),
        (
            "name = \"s\"\n[targets.a]\nidentity = \"no\"\n".to_owned(),
            "`identity` is \"none\" with a `reason`",
        ),
        ("name = \"s\"\n[targets.a]\nidentity.path = \"x\"\n".to_owned(), "`x` must begin with `/`"),
        (
            format!("name = \"s\"\ntarget = \"api\"\n[targets.apo]\n[[case]]\nname = \"c\"\n{step}"),
            "no request goes to the target `apo`; the nearest is `api`",
        ),
    ];
    for (text, expected) in cases {
        let found = problems(&text);
        assert!(found.len() == 1 && found[0].contains(expected), "{text}\n{found:#?}");
    }
}

#[test]
fn each_misuse_of_a_matrix_is_named() {
    let cases = [
        ("as = \"x\"", "a matrix has either `values`, or a `request` with `list`"),
        ("as = \"x\"\nvalues = []", "`values` is empty"),
        ("as = \"x\"\nvalues = [1, \"1\"]", "a value occurs twice"),
        ("as = \"x\"\nvalues = [[1]]", "a value is a string, a number or a boolean"),
        ("values = [1]", "a matrix names its variable with `as = \"…\"`"),
        ("as = \"x\"\nvalues = [1]\neach = { 1 = { a = 1, b = 2 }, 2 = { a = 1 } }", "`2` gives no `b`"),
        ("as = \"x\"\nlist = \"$[*]\"", "there is no `request`"),
    ];
    for (matrix, expected) in cases {
        let text = format!(
            "name = \"s\"\ntarget = \"api\"\n[[case]]\nname = \"c\"\n[case.matrix]\n{matrix}\n[[case.step]]\nrequest = \"GET /\"\n"
        );
        let found = problems(&text);
        assert!(found.len() == 1 && found[0].contains(expected), "{matrix}\n{found:#?}");
    }
}

#[test]
fn a_suite_never_shows_the_values_of_its_variables() {
    let text = "name = \"s\"\nsecrets = [\"token\"]\n[variables]\ntoken = \"hunter22\"\n";
    let shown = format!("{:?}", Suite::parse("s.toml", text).unwrap());
    assert!(shown.contains("token") && !shown.contains("hunter22"), "{shown}");
}

#[test]
fn every_example_of_the_readme_can_be_read() {
    let readme = include_str!("../../../README.md");
    let examples: Vec<_> =
        readme.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(examples.len() >= 2);
    for example in examples {
        Suite::parse("README.md", example).unwrap_or_else(|problems| panic!("{problems}\n{example}"));
    }
}

#[test]
fn no_broken_file_breaks_the_reader_and_every_problem_has_a_place_in_it() {
    let whole = include_str!("full.toml");
    let lines = whole.lines().count();
    let check = |text: &str| {
        let Err(found) = Suite::parse("s.toml", text) else { return };
        assert!(!found.problems.is_empty());
        for problem in &found.problems {
            assert!(
                problem.line >= 1 && problem.line <= lines + 1 && problem.column >= 1,
                "{problem:?}\n{text}"
            );
        }
    };
    let cuts = whole.char_indices().map(|(at, _)| at).step_by(11);
    for at in cuts {
        check(&whole[..at]);
    }
    for left_out in 0..lines {
        let rest: Vec<_> =
            whole.lines().enumerate().filter(|(n, _)| *n != left_out).map(|(_, l)| l).collect();
        check(&rest.join("\n"));
    }
    for (from, to) in
        [("\"", "'"), ("[", "{"), ("=", "."), ("{", "[["), ("\n", " "), ("$", "@"), ("request", "req")]
    {
        check(&whole.replace(from, to));
    }
}
