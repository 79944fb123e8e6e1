//! Failures of a shim on their way to the launcher: a step and what the system said, through a pipe that closes by
//! itself when the program starts.

use std::{
    fs::File,
    io::{self, Write as _},
};

use super::spec::Answer;
use crate::runtime::Cell;

/// A refused step.
#[derive(Debug)]
pub(super) struct Failure {
    step: String,
    source: io::Error,
}

impl Failure {
    pub(super) fn new(step: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self { step: step.into(), source: source.into() }
    }

    fn into_answer(self) -> Answer {
        let errno = self.source.raw_os_error();
        Answer::Failed { step: self.step, errno, text: self.source.to_string() }
    }
}

/// Names the step that a system call belongs to.
pub(super) trait Step<T> {
    fn step(self, step: impl Into<String>) -> Result<T, Failure>;
}

impl<T, E: Into<io::Error>> Step<T> for Result<T, E> {
    fn step(self, step: impl Into<String>) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(step, error))
    }
}

/// The writing end of the pipe to the starter. Each process on the way to the program holds a copy; when the last one
/// is closed (by the program's start, or by an end) the answer is complete.
#[derive(Debug)]
pub(super) struct Report(Option<File>);

impl Report {
    pub(super) fn new(pipe: File) -> Self {
        Self(Some(pipe))
    }

    /// This process has nothing more to say.
    pub(super) fn close(&mut self) {
        self.0 = None;
    }

    pub(super) fn started(&mut self, cell: &Cell) {
        self.send(&Answer::Started(cell.clone()));
    }

    pub(super) fn failed(&mut self, failure: Failure) {
        self.send(&failure.into_answer());
    }

    /// Lines are shorter than `PIPE_BUF`, so writers do not mix. A starter that is gone does not matter.
    fn send(&mut self, answer: &Answer) {
        if let (Some(pipe), Ok(mut line)) = (&mut self.0, serde_json::to_vec(answer)) {
            line.push(b'\n');
            drop(pipe.write_all(&line));
        }
    }
}
