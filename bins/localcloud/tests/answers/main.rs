//! A service for the machines of the tests: answers every request with `VERSION` and its machine's name, on `HOST`:`PORT`.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
};

#[expect(clippy::disallowed_methods, reason = "a test program is told where to listen by its environment")]
fn var(name: &str, otherwise: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| otherwise.to_owned())
}

fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind(format!("{}:{}", var("HOST", "0.0.0.0"), var("PORT", "8080")))?;
    for stream in listener.incoming() {
        // A client that goes away ends only its own connection.
        let _ = stream.and_then(answer);
    }
    Ok(())
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let body = format!("{} {}", var("VERSION", "none"), var("FLY_MACHINE_ID", "nowhere"));
    write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}
