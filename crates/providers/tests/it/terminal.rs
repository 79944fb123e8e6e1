//! Notices on a terminal.

use std::{
    io,
    sync::{Arc, Mutex},
};

use promotion::machine::Phase;
use promotion::ports::{Notice, Notifier as _, PortErrorKind};
use providers::TerminalNotices;

/// A terminal that can be read back, or that is gone.
#[derive(Clone, Default)]
struct Screen(Arc<Mutex<Vec<u8>>>, bool);

impl io::Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.1 {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn notice(urgent: bool, text: &str) -> Notice {
    Notice {
        id: "n-1".to_owned(),
        promotion: "p-1".parse().unwrap(),
        environment: "production".parse().unwrap(),
        phase: Phase::Deploying,
        plan: None,
        urgent,
        text: text.to_owned(),
    }
}

#[tokio::test]
async fn one_line_for_each_and_a_mark_where_a_human_must_look() {
    let screen = Screen::default();
    let notices = TerminalNotices::new(Box::new(screen.clone()));
    notices.notify(&notice(false, "p-1 deploys")).await.unwrap();
    notices.notify(&notice(true, "p-1 cannot be put back")).await.unwrap();
    let text = String::from_utf8(screen.0.lock().unwrap().clone()).unwrap();
    assert_eq!(text, "-- p-1 deploys\n!! p-1 cannot be put back\n");
}

#[tokio::test]
async fn a_text_from_elsewhere_cannot_drive_the_terminal() {
    let screen = Screen::default();
    let notices = TerminalNotices::new(Box::new(screen.clone()));
    notices.notify(&notice(false, "check \u{1b}[2Jsaid\nall is well\r!")).await.unwrap();
    let text = String::from_utf8(screen.0.lock().unwrap().clone()).unwrap();
    assert_eq!(text.lines().count(), 1, "{text:?}");
    assert!(text.trim_end().chars().all(|c| !c.is_control()), "{text:?}");
}

#[tokio::test]
async fn a_terminal_that_is_gone_is_told_apart_from_a_message_that_came() {
    let notices = TerminalNotices::new(Box::new(Screen(Arc::default(), true)));
    let lost = notices.notify(&notice(true, "p-1")).await.unwrap_err();
    assert_eq!(lost.kind, PortErrorKind::NotSent);
}
