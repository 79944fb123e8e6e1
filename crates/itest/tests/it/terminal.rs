//! What people read.

use itest::{Terminal, event_line};

use crate::{
    server::{Server, status},
    support::{execute, execute_listening, one_step, run_of, run_of_all},
};

#[tokio::test]
async fn a_failure_reads_without_colour_and_says_where_and_what() {
    let server = Server::staging(|_| status(200, "{\"stdout\": \"helo\\n\"}")).await;
    let step = "name = \"run\"\nrequest = \"GET /x\"\nexpect.json.\"$.stdout\" = \"hello\\n\"";
    let run = run_of_all(&[&one_step(step), "name = 1\n"], &server.url());
    let report = execute(&run).await;
    let text = Terminal::new(&report).to_string();
    let times: Vec<_> = text
        .lines()
        .map(|line| match (line.find('['), line.find(']'), line.find(" in ")) {
            (Some(from), Some(to), _) => format!("{}[…]{}", &line[..from], &line[to + 1..]),
            (.., Some(at)) => format!("{} in …", &line[..at]),
            _ => line.to_owned(),
        })
        .collect();
    let url = server.url();
    assert_eq!(
        times,
        [
            "    FAIL […] s::c",
            "      at 0.toml:3",
            "    step run  (0.toml:8)",
            "         json $.stdout equals",
            "         expected \"hello\\n\"",
            "         actual   \"helo\\n\"",
            &format!("    sent GET {url}/x -> 200 in …"),
            "       | {\"stdout\": \"helo\\n\"}",
            "",
            " PROBLEM 1.toml:1:8: `name` must be a string, not integer",
            "",
            "   TOTAL 0 passed, 1 failed, 1 unreadable in …",
        ]
    );
    assert!(!text.contains('\u{1b}'));
    assert!(Terminal::new(&report).coloured(true).to_string().contains("\u{1b}[31m    FAIL\u{1b}[0m"));
}

#[tokio::test]
async fn a_target_can_neither_drive_the_terminal_nor_forge_a_workflow_command() {
    let server =
        Server::staging(|_| status(500, "\u{1b}[2J\r\n::error::forged\n::set-output name=x::y")).await;
    let run = run_of(&one_step("request = \"GET /x\"\nexpect.body = \"\""), &server.url());
    let (report, events) = execute_listening(&run).await;
    let lines: Vec<_> = events.iter().filter_map(|event| event_line(event, false)).collect();
    let text = format!("{}\n{}", lines.join("\n"), Terminal::new(&report));
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    assert!(text.lines().all(|line| !line.trim_start().starts_with("::")), "{text}");
    assert!(text.contains("\\u{1b}[2J"), "{text}");
}
