use super::{Output, plain_text};
use crate::Exit;
use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Mutex};

/// A writer that keeps what it gets, or fails in one way.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>, Option<ErrorKind>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.1 {
            Some(kind) => Err(kind.into()),
            None => self.0.lock().unwrap().write(bytes),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[test]
fn people_get_text_and_programs_one_object() {
    let (person, program) = (Sink::default(), Sink::default());
    for (sink, json) in [(&person, false), (&program, true)] {
        let out = Output::to(json, sink.clone());
        out.text("a heading\n").unwrap();
        out.emit(&serde_json::json!({"n": 1}), |v| format!("n is {}\n", v["n"])).unwrap();
    }
    assert_eq!(person.text(), "a heading\nn is 1\n");
    assert_eq!(program.text(), "{\"n\":1}\n");
}

#[test]
fn a_second_object_is_our_bug() {
    let out = Output::to(true, Sink::default());
    out.emit(&1, |_| String::new()).unwrap();
    assert_eq!(out.emit(&2, |_| String::new()).unwrap_err().exit, Exit::Bug);
}

#[test]
fn a_closed_pipe_is_no_failure_and_a_full_disk_is_one() {
    let closed = Output::to(false, Sink(Arc::default(), Some(ErrorKind::BrokenPipe)));
    closed.text("x").unwrap();
    closed.text("y").unwrap();
    let full = Output::to(false, Sink(Arc::default(), Some(ErrorKind::StorageFull)));
    assert_eq!(full.text("x").unwrap_err().exit, Exit::Usage);
}

#[test]
fn control_characters_go() {
    assert_eq!(plain_text("a\u{1b}[31mb\u{1b}[0m\tc\nd\r\u{7}"), "ab\tc\nd");
}
