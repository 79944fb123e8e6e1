//! A server of HTTP/1.0 in miniature: answers every request with its own arguments' text.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
};

/// `serve ADDRESS [ADDRESS] TEXT`, and `serve-env TEXT` for a program that honours `HOST` and `PORT`. A request for
/// `/fetch/ADDRESS` is passed on to that address.
pub(crate) fn run(args: &[String]) -> io::Result<()> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve", address, text] => serve(&[address], text),
        ["serve", address, second, text] => serve(&[address, second], text),
        ["serve-env", text] => {
            #[expect(
                clippy::disallowed_methods,
                reason = "this program stands for one that reads its environment"
            )]
            let [host, port] = ["HOST", "PORT"].map(|name| std::env::var(name).unwrap_or_default());
            serve(&[&format!("{host}:{port}")], text)
        }
        _ => Err(io::Error::from(io::ErrorKind::InvalidInput)),
    }
}

fn serve(addresses: &[&str], text: &str) -> io::Result<()> {
    let mut listeners = Vec::new();
    for address in addresses {
        // Servers bind on any thread, so this one does.
        let bound = std::thread::scope(|scope| scope.spawn(|| TcpListener::bind(address)).join());
        listeners.push(bound.map_err(|_| io::Error::other("the thread that binds panicked"))??);
    }
    std::thread::scope(|scope| {
        for listener in &listeners {
            scope.spawn(move || {
                for stream in listener.incoming().flatten() {
                    scope.spawn(move || drop(answer(stream, text)));
                }
            });
        }
    });
    Ok(())
}

fn answer(mut stream: TcpStream, text: &str) -> io::Result<()> {
    let mut head = [0u8; 1024];
    let n = stream.read(&mut head)?;
    let head = String::from_utf8_lossy(&head[..n]).into_owned();
    let path = head.split_ascii_whitespace().nth(1).unwrap_or("/");
    let body = match path.strip_prefix("/fetch/") {
        Some(address) => fetch(address).unwrap_or_else(|error| format!("error: {error}")),
        None => text.to_owned(),
    };
    stream.write_all(format!("HTTP/1.0 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).as_bytes())
}

fn fetch(address: &str) -> io::Result<String> {
    let address: SocketAddr = address.parse().map_err(io::Error::other)?;
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned()))
}
