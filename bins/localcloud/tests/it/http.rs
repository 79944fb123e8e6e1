//! Plain HTTP by hand: one request, one connection.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use serde_json::Value;

const ANSWERS_IN: Duration = Duration::from_secs(60);

/// Status and body; none when there is no connection or no answer.
pub(crate) fn http(method: &str, url: &str, token: Option<&str>, body: &str) -> Option<(u16, String)> {
    let (host, path) = url.strip_prefix("http://")?.split_once('/')?;
    let mut stream = TcpStream::connect(host).ok()?;
    stream.set_read_timeout(Some(ANSWERS_IN)).ok()?;
    let token = token.map_or_else(String::new, |token| format!("authorization: Bearer {token}\r\n"));
    let request = format!(
        "{method} /{path} HTTP/1.1\r\nhost: {host}\r\n{token}connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

/// A call that must succeed, answered with JSON.
pub(crate) fn json(method: &str, url: &str, token: &str, body: &Value) -> Value {
    let (status, answer) = http(method, url, Some(token), &body.to_string()).expect("the server answers");
    assert!((200..300).contains(&status), "{method} {url}: {status} {answer}");
    serde_json::from_str(&answer).unwrap_or(Value::Null)
}
