//! A small service for the tests' images: plain threads and sockets, nothing of the crate under test.
//!
//! Listens on `HOST`:`PORT`. Answers with its environment as lines and its machine's id in `x-machine-id`; `/healthz` 200 unless `HEALTH` says another code;
//! `/slow?MS` late; `/count` how many POSTs came; `/exit?CODE` ends; `/stream` in chunks; `/upgrade` echoes
//! bytes; `/drop` closes without an answer. `EXIT` set: ends at once with it.
//! `IDLE_MS` set: closes a kept connection that was idle so long. `DEAF` set: ignores where it is told to listen.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::exit,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

static POSTS: AtomicU64 = AtomicU64::new(0);

#[expect(clippy::disallowed_methods, reason = "a test program is told where to listen by its environment")]
fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[expect(clippy::exit, reason = "the tests want to see exit codes")]
fn end(code: i32) -> ! {
    exit(code)
}

fn main() {
    if let Some(code) = env("EXIT").and_then(|c| c.parse().ok()) {
        end(code);
    }
    if env("DEAF").is_some() {
        // Listens, but not where it was told to.
        let listener = TcpListener::bind("127.0.0.1:0");
        thread::sleep(Duration::from_secs(3600));
        drop(listener);
    }
    let host = env("HOST").unwrap_or_else(|| String::from("0.0.0.0"));
    let port = env("PORT").unwrap_or_else(|| String::from("8080"));
    let Ok(listener) = TcpListener::bind(format!("{host}:{port}")) else { end(98) };
    let _ = writeln!(std::io::stdout(), "listening on {host}:{port}");
    for stream in listener.incoming().flatten() {
        thread::spawn(move || {
            // A peer that goes away ends its thread.
            let _ = serve(stream);
        });
    }
}

fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let idle = env("IDLE_MS").and_then(|ms| ms.parse().ok()).map(Duration::from_millis);
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let line = line.trim().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let mut words = first.split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        answer(&mut stream, method, target, &body)?;
        // Like real servers: a kept connection may be idle for so long, a new one longer.
        stream.set_read_timeout(idle)?;
    }
}

fn answer(stream: &mut TcpStream, method: &str, target: &str, body: &[u8]) -> std::io::Result<()> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if method == "POST" {
        POSTS.fetch_add(1, Ordering::SeqCst);
    }
    match path {
        "/healthz" => {
            let code = env("HEALTH").unwrap_or_else(|| String::from("200"));
            let answer = format!("HTTP/1.1 {code} Whatever\r\ncontent-length: 2\r\n\r\nok");
            return stream.write_all(answer.as_bytes());
        }
        "/slow" => thread::sleep(Duration::from_millis(query.parse().unwrap_or(0))),
        "/exit" => end(query.parse().unwrap_or(0)),
        "/count" => return text(stream, &POSTS.load(Ordering::SeqCst).to_string()),
        "/echo" => return text(stream, &String::from_utf8_lossy(body)),
        "/drop" => return Err(std::io::ErrorKind::ConnectionAborted.into()),
        "/upgrade" => {
            write!(
                stream,
                "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n"
            )?;
            let mut buffer = [0; 64];
            loop {
                let n = stream.read(&mut buffer)?;
                if n == 0 {
                    return Err(std::io::ErrorKind::UnexpectedEof.into());
                }
                stream.write_all(&buffer[..n])?;
            }
        }
        "/stream" => {
            write!(stream, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
            for part in ["one", "two", "six"] {
                write!(stream, "3\r\n{part}\r\n")?;
                stream.flush()?;
                thread::sleep(Duration::from_millis(query.parse().unwrap_or(0)));
            }
            return write!(stream, "0\r\n\r\n");
        }
        _ => {}
    }
    let names = [
        "FLY_APP_NAME",
        "FLY_MACHINE_ID",
        "FLY_REGION",
        "FLY_PROCESS_GROUP",
        "FLY_IMAGE_REF",
        "FLY_MACHINE_VERSION",
        "PRIMARY_REGION",
        "VERSION",
        "SECRET",
        "FROM_IMAGE",
    ];
    let lines: Vec<String> = names.iter().filter_map(|n| Some(format!("{n}={}", env(n)?))).collect();
    text(stream, &lines.join("\n"))
}

fn text(stream: &mut TcpStream, body: &str) -> std::io::Result<()> {
    let id = env("FLY_MACHINE_ID").map(|id| format!("x-machine-id: {id}\r\n")).unwrap_or_default();
    let answer = format!("HTTP/1.1 200 OK\r\n{id}content-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(answer.as_bytes())
}
