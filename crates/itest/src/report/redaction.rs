//! Taking secrets out of reports, and cutting reports to size afterwards: a secret that was cut in half first
//! would not be recognised.

use super::{CaseReport, Exchange, Failure, Report, Retry, SuiteReport, TargetReport};
use crate::{
    redact::{Redact, Redactor},
    suite::problem::Problem,
};

/// The longest expected or actual value, in characters.
const VALUE_MAX: usize = 400;
/// The longest excerpt of a body, in characters.
const BODY_MAX: usize = 2_000;

/// Keeps the beginning and says how much is left out.
fn cut(text: &mut String, max: usize) {
    if let Some((at, _)) = text.char_indices().nth(max) {
        let left_out = text[at..].chars().count();
        text.truncate(at);
        text.push_str(&format!("… ({left_out} more characters)"));
    }
}

impl Redact for TargetReport {
    fn redact(&mut self, redactor: &Redactor) {
        let Self { name, url, environment, version, commit, digest, waived, refused } = self;
        name.redact(redactor);
        url.redact(redactor);
        for text in [environment, version, commit, digest, waived, refused] {
            text.redact(redactor);
        }
    }
}

impl TargetReport {
    /// Cuts what the target said to size. Once, after redaction.
    pub(crate) fn bound(&mut self) {
        for text in
            [&mut self.environment, &mut self.version, &mut self.commit, &mut self.digest, &mut self.refused]
        {
            text.iter_mut().for_each(|text| cut(text, VALUE_MAX));
        }
    }
}

impl CaseReport {
    /// Cuts what the target said to size. Once, after redaction.
    pub(crate) fn bound(&mut self) {
        cut(&mut self.name, VALUE_MAX);
        self.reason.iter_mut().for_each(|reason| cut(reason, VALUE_MAX));
        let kept = self.retries.iter_mut().flat_map(|retry| &mut retry.failures);
        for failure in self.failures.iter_mut().chain(kept) {
            cut(&mut failure.expected, VALUE_MAX);
            cut(&mut failure.actual, VALUE_MAX);
        }
        if let Some(exchange) = &mut self.exchange {
            cut(&mut exchange.request, VALUE_MAX);
            cut(&mut exchange.body, BODY_MAX);
        }
    }
}

impl Redact for CaseReport {
    fn redact(&mut self, redactor: &Redactor) {
        let Self {
            name,
            tags,
            line: _,
            verdict: _,
            reason,
            attempts: _,
            duration_ms: _,
            retries,
            failures,
            exchange,
        } = self;
        name.redact(redactor);
        tags.redact(redactor);
        reason.redact(redactor);
        retries.redact(redactor);
        failures.redact(redactor);
        exchange.redact(redactor);
    }
}

impl Redact for Retry {
    fn redact(&mut self, redactor: &Redactor) {
        let Self { step, attempt: _, reason, delay_ms: _, failures } = self;
        step.redact(redactor);
        reason.redact(redactor);
        failures.redact(redactor);
    }
}

impl Redact for Failure {
    fn redact(&mut self, redactor: &Redactor) {
        let Self { step, assertion, expected, actual, line: _ } = self;
        for text in [step, assertion, expected, actual] {
            text.redact(redactor);
        }
    }
}

impl Redact for Exchange {
    fn redact(&mut self, redactor: &Redactor) {
        let Self { request, status: _, duration_ms: _, body } = self;
        request.redact(redactor);
        body.redact(redactor);
    }
}

impl Redact for Problem {
    fn redact(&mut self, redactor: &Redactor) {
        let Self { line: _, column: _, message, help } = self;
        message.redact(redactor);
        help.redact(redactor);
    }
}

impl Redact for SuiteReport {
    fn redact(&mut self, redactor: &Redactor) {
        let Self { file, name, problems, cases } = self;
        file.redact(redactor);
        name.redact(redactor);
        problems.redact(redactor);
        cases.redact(redactor);
    }
}

impl Redact for Report {
    fn redact(&mut self, redactor: &Redactor) {
        let Self {
            schema: _,
            duration_ms: _,
            interrupted: _,
            fail_on_flaky: _,
            totals: _,
            targets,
            suites,
            warnings,
        } = self;
        targets.redact(redactor);
        suites.redact(redactor);
        warnings.redact(redactor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_says_how_much_is_missing() {
        let mut text = "äöü".repeat(3);
        cut(&mut text, 4);
        assert_eq!(text, "äöüä… (5 more characters)");
        let mut short = "abcd".to_owned();
        cut(&mut short, 4);
        assert_eq!(short, "abcd");
    }

    #[test]
    fn a_secret_across_the_cut_is_hidden_whole() {
        let mut redactor = Redactor::default();
        redactor.learn(&"hunter22".into());
        let failure = Failure {
            step: String::new(),
            assertion: String::new(),
            expected: String::new(),
            actual: format!("{}hunter22", "x".repeat(VALUE_MAX - 4)),
            line: 1,
        };
        let mut case = CaseReport {
            name: String::new(),
            tags: Vec::new(),
            line: 1,
            verdict: crate::report::Verdict::Failed,
            reason: None,
            attempts: 1,
            duration_ms: 0,
            retries: Vec::new(),
            failures: vec![failure],
            exchange: None,
        };
        case.redact(&redactor);
        case.bound();
        assert_eq!(case.failures[0].actual, format!("{}***", "x".repeat(VALUE_MAX - 4)));
    }
}
