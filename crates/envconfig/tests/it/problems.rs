//! Every way in which a project file can be wrong, and what is said about it.

use envconfig::{Code, Problem, Severity, project::Project};

/// A file that is right but for what is appended.
const BASE: &str = "\
[components.api]
config = \"fly.toml\"
[components.web]
dir = \"dist\"
[people]
leads = [\"github:1\"]
";

const ENVIRONMENTS: &str = "\
[environments.production]
api.app = \"runner\"
web.site = \"web\"
[environments.staging]
api.app = \"runner-staging\"
web.site = \"web-staging\"
";

fn all(text: &str) -> Vec<Problem> {
    match Project::parse("understudy.toml", text) {
        Ok(parsed) => parsed.findings,
        Err(problems) => problems.list,
    }
}

/// The one problem of a file.
fn only(text: &str) -> Problem {
    let mut list = all(text);
    assert_eq!(list.len(), 1, "{list:#?}\nin\n{text}");
    list.remove(0)
}

fn with(rest: &str) -> Problem {
    only(&format!("{BASE}{ENVIRONMENTS}{rest}"))
}

/// With environments of its own.
fn among(environments: &str) -> Problem {
    only(&format!("{BASE}{environments}"))
}

#[test]
fn the_base_is_right() {
    assert_eq!(all(&format!("{BASE}{ENVIRONMENTS}")), []);
}

#[test]
fn a_message_quotes_the_line_and_names_the_nearest_key() {
    let problem = with("[promotion.staging.production]\naproval = { count = 2 }\n");
    assert_eq!(
        problem.to_string(),
        "\
error[E0102]: unknown key `aproval`
  --> understudy.toml:14:1
   |
14 | aproval = { count = · }
   | ^^^^^^^
   = why: `promotion.staging.production` has no such key
   = help: did you mean `approvals`?"
    );
}

#[test]
fn all_problems_come_at_once_in_the_order_of_the_file() {
    let text = "\
[components.api]
config = 7
[components.web]
dirr = \"dist\"
[environments.production]
api.app = \"Runner\"
clas = \"production\"
[environments.staging]
mirrors = \"prodution\"
fly = { token = \"fm2_verysecretvalue\" }
[promotion.staging.production]
soak = \"5 minutes\"
strategy = \"bluegren\"
";
    let list = all(text);
    let found: Vec<(u32, &str)> = list.iter().map(|p| (p.line, p.code.as_str())).collect();
    assert_eq!(
        found,
        [
            (2, "E0103"),
            (3, "E0201"),
            (7, "E0102"),
            (9, "E0210"),
            (10, "E0107"),
            (11, "E0212"),
            (12, "E0105"),
            (13, "E0106"),
        ]
        .map(|(line, code)| (line, if line == 9 { "E0203" } else { code })),
        "{list:#?}"
    );
    let shown = Project::parse("understudy.toml", text).unwrap_err().to_string();
    assert!(shown.ends_with("8 problems in understudy.toml"), "{shown}");
    assert!(!shown.contains("verysecret"), "{shown}");
}

/// What is appended to a right file, and which problem it is: code, key path, a part of what is said.
#[test]
fn each_mistake_has_its_code_key_and_advice() {
    let table: &[(&str, Code, &str, &str)] = &[
        ("[sotre]\nurl = \"env:S\"\n", Code::UnknownKey, "sotre", "did you mean `store`?"),
        ("[store]\n", Code::Missing, "store.url", "has no `url`"),
        (
            "[store]\nurl = \"s3://a/b\"\nanchor = \"postgres://h/d\"\n",
            Code::Malformed,
            "store.anchor",
            "not a place for anchors",
        ),
        (
            "[store]\nurl = \"s3://a/b\"\nanchor = \"s3://a/c\"\n",
            Code::AnchorInStore,
            "store.anchor",
            "the anchors are kept in the store",
        ),
        (
            "[store]\nurl = \"env:S\"\nanchor = \"env:S\"\n",
            Code::AnchorInStore,
            "store.anchor",
            "the anchors are kept in the store",
        ),
        ("[store]\nurl = \"http://x\"\n", Code::Malformed, "store.url", "not the address of a store"),
        ("[store]\nurl = \"postgres://u:hunter2@h/d\"\n", Code::SecretLiteral, "store.url", "password"),
        ("[project]\nname = \"a b\"\n", Code::Malformed, "project.name", "`a b` is not a project name"),
        ("[project]\nname = 3\n", Code::WrongType, "project.name", "is an integer, expected a text"),
        ("[people2]\nx = []\n", Code::UnknownKey, "people2", "did you mean `people`?"),
        ("[suites.smoke]\n", Code::Missing, "suites.smoke.file", "has no `file`"),
        (
            "[suites.smoke]\nfile = \"/abs\"\n",
            Code::Malformed,
            "suites.smoke.file",
            "relative to the project file",
        ),
        (
            "[promotion.stagign.production]\n",
            Code::NoEnvironment,
            "promotion.stagign",
            "did you mean `staging`?",
        ),
        (
            "[promotion.staging.prod]\n",
            Code::NoEnvironment,
            "promotion.staging.prod",
            "no environment `prod`",
        ),
        (
            "[promotion.production.staging]\n",
            Code::ClassConflict,
            "promotion.production.staging",
            "downwards",
        ),
        (
            "[promotion.staging.production]\napprovals.from = [\"leds\", \"leads\"]\n",
            Code::NoGroup,
            "promotion.staging.production.approvals.from[0]",
            "did you mean `leads`?",
        ),
        (
            "[promotion.staging.production]\nsuites = [\"smok\"]\n[suites.smoke]\nfile = \"a\"\n",
            Code::NoSuite,
            "promotion.staging.production.suites[0]",
            "did you mean `smoke`?",
        ),
        (
            "[promotion.staging.production]\nsettle = 10\n",
            Code::Malformed,
            "promotion.staging.production.settle",
            "write `\"10s\"` for seconds",
        ),
        (
            "[promotion.staging.production]\nmax-unavailable = 1.5\n",
            Code::Malformed,
            "promotion.staging.production.max-unavailable",
            "`1.5` is not a number of machines",
        ),
        (
            "[promotion.staging.production]\nstrategy = \"canry\"\n",
            Code::UnknownWord,
            "promotion.staging.production.strategy",
            "did you mean `canary`?",
        ),
        (
            "[promotion.staging.production]\ntrigger = \"auto\"\n",
            Code::UnknownWord,
            "promotion.staging.production.trigger",
            "`automatic`",
        ),
        (
            "[promotion.staging.production]\nchecklist = [{ id = \"Slow queries\", text = \"t\", by = [\"leads\"] }]\n",
            Code::Malformed,
            "promotion.staging.production.checklist[0].id",
            "`Slow queries` is no name of an item",
        ),
        (
            "[promotion.staging.production]\nchecklist = [{ id = \"slow\", text = \"t\", by = [\"laeds\"] }]\n",
            Code::NoGroup,
            "promotion.staging.production.checklist[0].by[0]",
            "did you mean `leads`?",
        ),
        (
            "[promotion.staging.production]\nchecklist = [{ id = \"slow\", text = \"t\", by = [] }]\n",
            Code::TooFewApprovers,
            "promotion.staging.production.checklist[0]",
            "nobody can check `slow` off",
        ),
        (
            "[promotion.staging.production]\nsarif = { security-severity = \"11\" }\n",
            Code::Malformed,
            "promotion.staging.production.sarif.security-severity",
            "from `0.0` to `10.0`",
        ),
        (
            "[promotion.staging.production]\nsarif.accepted = [{ rule = \"r\", owner = \"o\", reason = \"r\" }]\n",
            Code::Missing,
            "promotion.staging.production.sarif.accepted[0].until",
            "nothing is accepted for ever",
        ),
        (
            "[promotion.staging.production]\ntests = \"elsewhere\"\n",
            Code::UnknownWord,
            "promotion.staging.production.tests",
            "`apart`",
        ),
        (
            "[promotion.staging.production]\nqueue = \"newest\"\n",
            Code::UnknownWord,
            "promotion.staging.production.queue",
            "`newest-wins`",
        ),
        (
            "[promotion.staging.production]\nbreaker.failures = 0\n",
            Code::Malformed,
            "promotion.staging.production.breaker.failures",
            "cannot be 0",
        ),
        (
            "[promotion.staging.production]\napprovals.count = 2\n",
            Code::TooFewApprovers,
            "promotion.staging.production.approvals",
            "needs 2 of 1 people",
        ),
        (
            "[promotion.staging.production]\nwaves = [[\"fra\"], []]\n",
            Code::IdleWave,
            "promotion.staging.production.waves[1]",
            "names no region",
        ),
        (
            "[promotion.staging.production]\nstrategy = \"immediate\"\nwaves = [[\"fra\"]]\n",
            Code::IdleWave,
            "promotion.staging.production.waves",
            "all regions at once",
        ),
        (
            "[promotion.staging.production]\nsuites = []\n",
            Code::NoEvidence,
            "promotion.staging.production.suites",
            "nothing could ever be promoted",
        ),
        (
            "[promotion.staging.production]\napprovals = { count = 0 }\n",
            Code::NobodyAsked,
            "promotion.staging.production.approvals.count",
            "alone",
        ),
        // `park-for` is ten minutes where nobody says otherwise.
        (
            "[promotion.staging.production]\nsoak = \"10m\"\n",
            Code::ParkedTooShort,
            "promotion.staging.production.soak",
            "`park-for` is 10m",
        ),
        (
            "[promotion.staging.production]\nstrategy = \"bluegreen\"\nsoak = \"1m\"\npark-for = \"30s\"\n",
            Code::ParkedTooShort,
            "promotion.staging.production.soak",
            "`park-for` is 30s",
        ),
        ("[shared]\nsecrets = [\"hunter2\"]\n", Code::SecretLiteral, "shared.secrets[0]", "not a reference"),
    ];
    for (rest, code, key, said) in table {
        let problem = with(rest);
        assert_eq!((problem.code, problem.key.as_str()), (*code, *key), "{problem}");
        assert!(problem.to_string().contains(said), "{said:?} is not in\n{problem}");
        assert!(!problem.to_string().contains("hunter2"), "{problem}");
    }
}

/// Design 2: the parked fleet is "for a warm way back". Its time begins before the soak does, and in place nothing is parked.
#[test]
fn a_soak_within_the_parked_time_and_one_in_place_are_no_findings() {
    for rest in [
        "soak = \"9m59s\"",
        "soak = \"15m\"\npark-for = \"16m\"",
        "soak = \"15m\"\nstrategy = \"rolling\"",
        "park-for = \"0s\"",
    ] {
        let problems = all(&format!("{BASE}{ENVIRONMENTS}[promotion.staging.production]\n{rest}\n"));
        assert!(problems.is_empty(), "{rest}: {problems:?}");
    }
    let problems = all(&format!("{BASE}{ENVIRONMENTS}[promotion.staging.production]\nsoak = \"10m\"\n"));
    assert_eq!(problems.iter().map(|it| it.severity).collect::<Vec<_>>(), [Severity::Warning]);
}

#[test]
fn each_mistake_among_environments_has_its_code() {
    let production = "[environments.production]\napi.app = \"runner\"\n";
    let table: &[(&str, Code, &str)] = &[
        (
            "[environments.staging]\napi.app = \"runner\"\n",
            Code::BoundTwice,
            "`environments.production.api` is it too",
        ),
        ("[environments.staging]\napi.site = \"x\"\n", Code::WrongBinding, "this one has `app`"),
        (
            "[environments.staging]\nweb.site = \"x\"\n[environments.staging.ap]\napp = \"y\"\n",
            Code::NoComponent,
            "`api`?",
        ),
        (
            "[environments.staging]\nclass = \"production\"\napi.app = \"x\"\n",
            Code::ClassConflict,
            "called `staging`",
        ),
        ("[environments.Staging]\n", Code::Malformed, "lower-case"),
        ("[environments.pr]\nmirrors = \"pr\"\n", Code::Circle, "leads back to `pr`"),
        ("[environments.pr]\nfly.api = \"ftp://x\"\n", Code::Malformed, "begins with `https://`"),
        ("[environments.pr]\nfly.api = \"https://u:hunter2@x\"\n", Code::SecretLiteral, "password"),
        (
            "[environments.pr]\nfly.token = \"env:FLY_TOKEN_PRODUCTION\"\n",
            Code::SharedSecret,
            "token per environment",
        ),
        ("[environments.pr]\nclas = \"preview\"\n", Code::UnknownKey, "did you mean `class`?"),
        ("[environments.pr]\naccess = \"publik\"\n", Code::UnknownWord, "did you mean `public`?"),
        (
            "[environments.pr]\napi.app = \"x\"\napi.overlay.vm.memory = \"100mb\"\n",
            Code::Guest,
            "256 to 2048 MB",
        ),
        (
            "[environments.pr]\napi = { app = \"x\", overlay = { envv = { A = \"hunter2\" } } }\n",
            Code::UnknownKey,
            "`env`?",
        ),
        (
            "[environments.pr]\nfreeze = [{ from = \"Fri 16:00\", to = \"Mon 08:00\", zone = \"Europe/Berln\", reason = \"x\" }]\n",
            Code::Malformed,
            "did you mean `Europe/Berlin`?",
        ),
        (
            "[environments.pr]\nfreeze = [{ from = \"Fri 16:00\", to = \"Mon 08:00\", zone = \"CEST\", reason = \"x\" }]\n",
            Code::Malformed,
            "`CEST` is not a time zone",
        ),
        (
            "[environments.pr]\nfreeze = [{ from = \"Fri 16:00\", to = \"Mon 08:00\", reason = \"x\" }]\n",
            Code::Missing,
            "another instant in each time zone",
        ),
        (
            "[environments.pr]\nfreeze = [{ from = \"Fri 16:00\", to = \"Mon 8\", zone = \"UTC\", reason = \"x\" }]\n",
            Code::Malformed,
            "such as `Fri 16:00`",
        ),
        (
            "[environments.pr]\nfreeze = [{ from = \"2027-01-04T08:00\", to = \"2026-12-20T00:00\", zone = \"UTC\", reason = \"x\" }]\n",
            Code::FreezeSpan,
            "ends before it begins",
        ),
        (
            "[environments.pr]\nfreeze = [{ from = \"Fri 16:00\", to = \"Fri 16:00\", zone = \"UTC\", reason = \"x\" }]\n",
            Code::FreezeSpan,
            "begins when it ends",
        ),
        (
            "[environments.pr]\nfreeze = [{ from = \"Fri 16:00\", to = \"2026-12-20T00:00\", zone = \"UTC\", reason = \"x\" }]\n",
            Code::FreezeSpan,
            "a weekday at one end",
        ),
        ("[environments.pr]\nparity.may-difer = []\n", Code::UnknownKey, "did you mean `may-differ`?"),
        ("[environments.pr]\ndrift.ignores = []\n", Code::UnknownKey, "did you mean `ignore`?"),
        ("[environments.pr]\ndrift.ignore = [\"cuont\"]\n", Code::UnknownWord, "did you mean `count`?"),
        ("[environments.pr]\ndrift.ignore = [\"env.1X\"]\n", Code::Malformed, "letters, digits and `_`"),
        ("[environments.pr]\ndrift.ignore = \"count\"\n", Code::WrongType, "drift.ignore"),
    ];
    for (rest, code, said) in table {
        let problem = among(&format!("{production}{rest}"));
        assert_eq!(problem.code, *code, "{problem}");
        assert!(problem.to_string().contains(said), "{said:?} is not in\n{problem}");
        assert!(!problem.to_string().contains("hunter2"), "{problem}");
    }
}

#[test]
fn the_journal_is_not_in_a_promoted_database() {
    for url in
        ["postgres://j@db.abcref.supabase.co/p", "postgres://postgres.abcref@pooler.supabase.com:6543/p"]
    {
        let text = format!(
            "{BASE}[components.db]\nmigrations = \"m\"\n[environments.pr]\ndb.project = \"abcref\"\n[store]\nurl = \"{url}\"\n"
        );
        let text = text.replace("[people]\nleads = [\"github:1\"]\n[components.db]", "[components.db]");
        let problem = only(&text);
        assert_eq!((problem.code, problem.key.as_str()), (Code::StorePromoted, "store.url"), "{problem}");
    }
}

#[test]
fn production_is_persistent() {
    let problem = among("[environments.production]\nlifecycle = \"on-demand\"\napi.app = \"runner\"\n");
    assert_eq!((problem.code, problem.line), (Code::ClassConflict, 8));
}

#[test]
fn a_production_does_not_mirror_a_staging() {
    let problem = among("[environments.staging]\n[environments.production]\nmirrors = \"staging\"\n");
    assert_eq!(problem.code, Code::ClassConflict, "{problem}");
}

#[test]
fn promotions_in_a_circle_are_named_on_every_edge() {
    let text = format!(
        "{BASE}[environments.a]\n[environments.b]\n[promotion.a.b]\n[promotion.b.a]\n[promotion.a.a]\n"
    );
    let list = all(&text);
    assert_eq!(list.len(), 3, "{list:#?}");
    assert!(list.iter().all(|p| p.code == Code::Circle), "{list:#?}");
}

#[test]
fn p11_shared_secrets_may_be_shared_when_the_file_says_so() {
    let shared = "[environments.a]\nfly.token = \"env:T\"\n[environments.b]\nfly.token = \"env:T\"\n";
    assert_eq!(among(shared).code, Code::SharedSecret);
    assert_eq!(all(&format!("{BASE}{shared}[shared]\nsecrets = [\"env:T\"]\n")), []);
}

#[test]
fn p11_a_right_to_images_of_one_environment_is_none_of_another() {
    let production = "[environments.production]\napi.app = \"a\"\n";
    for (rest, key) in [
        ("registry.pull = \"env:FLY_TOKEN_PRODUCTION\"\n", "environments.pr.registry.pull"),
        ("registry = { push = \"env:FLY_TOKEN_PRODUCTION\" }\n", "environments.pr.registry.push"),
    ] {
        let problem = among(&format!("{production}[environments.pr]\n{rest}"));
        assert_eq!((problem.code, problem.key.as_str()), (Code::SharedSecret, key), "{problem}");
    }
    // Of one environment they may be one and the same.
    let text = format!("{BASE}[environments.pr]\nregistry = {{ pull = \"env:R\", push = \"env:R\" }}\n");
    assert_eq!(all(&text), []);
    let problem = among("[environments.pr]\nregistry.pul = \"env:R\"\n");
    assert!(problem.to_string().contains("did you mean `pull`?"), "{problem}");
    let problem = among("[environments.pr]\nregistry.pull = \"hunter2\"\n");
    assert_eq!(problem.code, Code::SecretLiteral);
    assert!(!problem.to_string().contains("hunter2"), "{problem}");
}

/// fly.md 5: separate organisations need a copy, and a copy needs no right to deploy.
#[test]
fn a_copy_across_organisations_by_tokens_that_deploy_is_said() {
    let file = |staging: &str, production: &str| {
        format!(
            "{BASE}[environments.staging]\nfly.org = \"acme-staging\"\napi.app = \"s\"\n{staging}\
             [environments.production]\nfly.org = \"acme-prod\"\napi.app = \"p\"\n{production}"
        )
    };
    let notes = |text: &str| {
        let parsed = envconfig::project::Project::parse("understudy.toml", text).unwrap();
        parsed.findings.into_iter().map(|it| (it.code, it.key, it.severity.to_string())).collect::<Vec<_>>()
    };
    let note = |key: &str| (Code::CopyToken, key.to_owned(), "note".to_owned());
    let (pull, push) = ("environments.staging.registry.pull", "environments.production.registry.push");
    assert_eq!(notes(&file("", "")), [note(pull), note(push)]);
    assert_eq!(notes(&file("registry.pull = \"env:A\"\n", "")), [note(push)]);
    assert_eq!(notes(&file("registry.pull = \"env:A\"\n", "registry.push = \"env:B\"\n")), []);
    // In one organisation nothing is copied.
    assert_eq!(notes(&file("", "").replace("acme-prod", "acme-staging")), []);
}

#[test]
fn components_are_of_one_kind() {
    let environments = "[environments.production]\n";
    let table = [
        ("[components.api]\n", Code::KindUnclear, "neither `kind` nor"),
        ("[components.api]\nconfig = \"a\"\ndir = \"b\"\n", Code::KindUnclear, "both `config` and `dir`"),
        (
            "[components.api]\nkind = \"fly\"\ndir = \"b\"\n",
            Code::KindUnclear,
            "belongs to the kind `static`",
        ),
        ("[components.api]\nkind = \"fly\"\n", Code::Missing, "has no `config`"),
        ("[components.api]\nkind = \"flyy\"\n", Code::UnknownWord, "did you mean `fly`?"),
        ("[components.fly]\nconfig = \"a\"\n", Code::ReservedName, "cannot be called `fly`"),
        ("[components.api]\nconfig = \"a\"\nhealthy = {}\n", Code::Missing, "started-for"),
        ("[components]\n", Code::Missing, "`components` is empty"),
        ("", Code::Missing, "`components` is missing"),
    ];
    for (components, code, said) in table {
        let people = "[people]\na = [\"github:1\"]\n";
        let problem = only(&format!("{components}{environments}{people}"));
        assert_eq!(problem.code, code, "{problem}");
        assert!(problem.to_string().contains(said), "{said:?} is not in\n{problem}");
    }
}

#[test]
fn people_are_named_by_what_cannot_change_hands() {
    for (person, said) in [
        ("github:octocat", "gh api users/LOGIN"),
        ("ssh:MD5:aa", "43 characters"),
        ("alice", "`github:<numeric id>`"),
        ("github:0", "numeric id"),
        ("github:+5", "numeric id"),
    ] {
        let text = format!("{BASE}more = [\"{person}\"]\n{ENVIRONMENTS}");
        let problem = only(&text);
        assert_eq!((problem.code, problem.line, problem.column), (Code::Malformed, 7, 9), "{problem}");
        assert!(problem.to_string().contains(said), "{problem}");
    }
}

#[test]
fn what_runs_only_in_production_cannot_be_tested() {
    let environments = "[environments.production]\napi.app = \"a\"\nweb.site = \"w\"\n[environments.staging]\napi.app = \"b\"\n";
    let problem = among(environments);
    assert_eq!((problem.code, problem.severity, problem.line), (Code::Unproven, Severity::Warning, 9));
}

#[test]
fn nobody_to_approve_is_a_warning() {
    let text = format!(
        "[components.api]\nconfig = \"a\"\n{}",
        "[environments.production]\n[environments.staging]\n"
    );
    let problem = only(&text);
    assert_eq!((problem.code, problem.severity), (Code::TooFewApprovers, Severity::Warning));
    // What helps is somebody who can prove who they are.
    assert!(problem.hint.as_ref().is_some_and(|hint| hint.contains("ssh:SHA256:")), "{problem}");
    assert!(Project::parse("f", &text).is_ok());
}

#[test]
fn p9_a_syntax_error_has_a_place_and_shows_no_value() {
    let problem = only("[components.api]\nconfig = \"fly.toml\"\ntoken = \"fo1_topsecret\n");
    assert_eq!((problem.code, problem.line), (Code::Syntax, 3), "{problem}");
    assert!(!problem.to_string().contains("topsecret"), "{problem}");
    let twice = only("[people]\na = []\na = [\"topsecret\"]\n");
    assert_eq!((twice.code, twice.line, twice.column), (Code::Syntax, 3, 1), "{twice}");
    assert!(!twice.to_string().contains("topsecret"), "{twice}");
}

/// A secret in any wrong place: as a token, under a misspelt key, beside another mistake, in an overlay's variables.
#[test]
fn p9_no_message_repeats_a_secret() {
    let secret = "fm2_lJPECAAAAAAAhunter2";
    let places = [
        format!("[environments.pr]\nfly = {{ token = \"{secret}\" }}\n"),
        format!("[environments.pr]\nfly = {{ tokn = \"{secret}\" }}\n"),
        format!("[environments.pr]\nfly = {{ token = \"{secret}\", orgg = \"x\", org = 3 }}\n"),
        format!("[environments.pr]\nfly = {{ token = [\"{secret}\"] }}\n"),
        format!("[environments.pr]\nfly = {{ token = {{ value = \"{secret}\" }} }}\n"),
        format!("[environments.pr]\nfly.api = \"https://x:{secret}@h\"\n"),
        format!("[environments.pr]\nfly.api = \"{secret}\"\n"),
        format!("[environments.pr]\nap = {{ app = \"x\", overlay = {{ env = {{ K = \"{secret}\" }} }} }}\n"),
        format!("[environments.pr]\napi = {{ app = 3, overlay = {{ env = {{ K = \"{secret}\" }} }} }}\n"),
        format!("[environments.pr]\nweb = {{ site = 3, env = {{ K = \"{secret}\" }} }}\n"),
        format!("[environments.pr]\nweb = {{ site = \"x\", env = \"{secret}\" }}\n"),
        format!("[store]\nurl = \"postgres://u:{secret}@h/d\"\n"),
        format!("[store]\nurl = \"host={secret}\"\n"),
        format!("[store]\nurl = \"{secret}\"\nurll = 1\n"),
        format!("[secrets]\ntoken = \"{secret}\"\n"),
        format!("[shared]\nsecrets = [\"{secret}\"]\n"),
        format!("[project]\nname = \"\"\"\n{secret}\n"),
        format!("token = {secret}\n"),
    ];
    for place in places {
        let result = Project::parse("understudy.toml", &format!("{BASE}{ENVIRONMENTS}{place}"));
        let problems = result.expect_err(&place);
        for text in [problems.to_string(), format!("{problems:?}"), serde_json::to_string(&problems).unwrap()]
        {
            assert!(!text.contains("hunter2"), "{place}\n{text}");
        }
    }
}

/// What stands in `[components.NAME] secrets`, and what is said of it, with line and column.
#[test]
fn a_wrong_list_of_secrets_is_told_and_never_quoted() {
    let table: &[(&str, Code, (u32, u32), &str)] = &[
        ("secrets = { requird = [] }", Code::Missing, (3, 11), "has no `required`"),
        ("secrets = { required = [], extra = 1 }", Code::UnknownKey, (3, 28), "unknown key `extra`"),
        ("secrets = [\"A\"]", Code::WrongType, (3, 11), "expected a table"),
        ("secrets = { required = \"A\" }", Code::WrongType, (3, 24), "expected a list"),
        ("secrets = { required = [\"A\", \"A\"] }", Code::Malformed, (3, 30), "`A` is listed twice"),
        ("secrets = { required = [\"A=hunter2\"] }", Code::Malformed, (3, 25), "only names belong here"),
    ];
    for (line, code, at, part) in table {
        let text = format!("{BASE}{ENVIRONMENTS}").replacen(
            "[components.web]",
            &format!("{line}\n[components.web]"),
            1,
        );
        let list = all(&text);
        let first =
            list.iter().find(|problem| problem.code == *code).unwrap_or_else(|| panic!("{line}: {list:#?}"));
        assert_eq!((first.line, first.column), *at, "{line}: {first}");
        let said = first.to_string();
        assert!(said.contains(part) && !said.contains("hunter2"), "{line}: {said}");
    }
    let dir = format!("{BASE}{ENVIRONMENTS}")
        .replace("dir = \"dist\"", "dir = \"dist\"\nsecrets = { required = [] }");
    assert_eq!(only(&dir).code, Code::UnknownKey, "only a Fly app has secrets");
}
