//! Approvals, evidence, notices and suites.

use crate::model::{
    Attestation, Claim, EnvironmentName, Person, Place, Release, Statement, SuiteName, Word, canonical,
};
use crate::ports::{Approvals, Attestor, Checks, Notice, Notifier, PortErrorKind, Verdict};

/// `good` is by `who`; the same proof is none for another plan, promotion or decision, and neither is nonsense.
pub async fn approvals(approvals: &dyn Approvals, good: &Claim, who: &Person) {
    assert_eq!(&approvals.verify(good).await.expect("a good proof"), who);
    assert_eq!(&approvals.verify(good).await.expect("asking twice changes nothing"), who);
    let mut bad = vec![
        Claim { plan: canonical::hash("another plan", ""), ..good.clone() },
        Claim { proof: "nonsense".to_owned(), ..good.clone() },
        Claim { proof: String::new(), ..good.clone() },
    ];
    bad.push(Claim {
        decision: match good.decision {
            crate::model::Decision::Approve => crate::model::Decision::Reject,
            crate::model::Decision::Reject => crate::model::Decision::Approve,
        },
        ..good.clone()
    });
    bad.push(Claim { promotion: crate::model::PromotionId::new("another").expect("a name"), ..good.clone() });
    for claim in bad {
        let error = approvals.verify(&claim).await.expect_err("no proof of this claim");
        assert_eq!(error.kind, PortErrorKind::Refused, "{error}");
    }
}

/// `good` is by `who`, whoever it names; the same proof is none for another text, and neither are nonsense or no proof at
/// all. What proves `approval` proves no word, and what proves a word no approval.
pub async fn words(approvals: &dyn Approvals, good: &Word, who: &Person, approval: &Claim) {
    assert_eq!(&approvals.verify_word(good).await.expect("a good proof"), who);
    assert_eq!(&approvals.verify_word(good).await.expect("asking twice changes nothing"), who);
    let other = Person::new("ssh:SHA256:somebody-else").expect("a name");
    match approvals.verify_word(&Word { by: other, ..good.clone() }).await {
        Ok(person) => assert_eq!(&person, who, "the proof says who it was, not the name beside it"),
        Err(error) => assert_eq!(error.kind, PortErrorKind::Refused, "{error}"),
    }
    approvals.verify(approval).await.expect("a good proof of an approval");
    let bad = [
        Word { text: good.text.replacen("production", "staging", 1), ..good.clone() },
        Word { text: format!("{} ", good.text), ..good.clone() },
        Word { proof: Some("nonsense".to_owned()), ..good.clone() },
        Word { proof: Some(String::new()), ..good.clone() },
        Word { proof: None, ..good.clone() },
        Word { proof: Some(approval.proof.clone()), ..good.clone() },
    ];
    for word in bad {
        assert!(word != *good, "the word speaks of `production`");
        let error = approvals.verify_word(&word).await.expect_err("no proof of this word");
        assert_eq!(error.kind, PortErrorKind::Refused, "{error}");
    }
    let proof = good.proof.clone().unwrap_or_default();
    let misused = approvals.verify(&Claim { proof, ..approval.clone() }).await.expect_err("no approval");
    assert_eq!(misused.kind, PortErrorKind::Refused, "{misused}");
}

/// What is signed verifies, and nothing else does.
pub async fn attestor(attestor: &dyn Attestor, statement: &Statement) {
    let signed = attestor.sign(statement).await.expect("a signature");
    assert_eq!(signed.statement, *statement, "the statement is signed as it is");
    attestor.verify(&signed).await.expect("its own signature");
    let again = attestor.sign(statement).await.expect("a signature");
    assert_eq!(again.by, signed.by);
    attestor.verify(&again).await.expect("signing twice gives two good signatures");
    let other_suite = SuiteName::new("another").expect("a name");
    let forged = [
        Attestation { statement: Statement { suite: other_suite, ..statement.clone() }, ..signed.clone() },
        Attestation {
            statement: Statement { release: canonical::hash("another", ""), ..statement.clone() },
            ..signed.clone()
        },
        Attestation { signature: "nonsense".to_owned(), ..signed.clone() },
        Attestation { by: Person::new("ssh:SHA256:somebody-else").expect("a name"), ..signed.clone() },
    ];
    for attestation in forged {
        let error = attestor.verify(&attestation).await.expect_err("a forgery");
        assert_eq!(error.kind, PortErrorKind::Refused, "{error}");
    }
}

/// A notice may be told again with the same id.
pub async fn notifier(notifier: &dyn Notifier, notice: &Notice) {
    notifier.notify(notice).await.expect("it is told");
    notifier.notify(notice).await.expect("the same again");
    notifier.notify(&Notice { urgent: !notice.urgent, ..notice.clone() }).await.expect("changed");
}

/// `suite` passes for `release` in `environment`; edges that answer are edges there are.
pub async fn checks(
    checks: &dyn Checks,
    environment: &EnvironmentName,
    release: &Release,
    suite: &SuiteName,
    place: &Place,
) {
    let report = checks.run(environment, release, suite).await.expect("a report");
    assert_eq!(report.suite, *suite, "it says which suite it was");
    assert_eq!(report.verdict, Verdict::Passed, "{:?}", report.why);
    assert!(report.passed > 0 && report.failed == 0, "a pass has at least one test and no failure");
    let again = checks.run(environment, release, suite).await.expect("a report");
    assert_eq!(again.verdict, report.verdict, "a suite may be run again");
    let edges = checks.edges(place);
    for answer in checks.ask_edges(place).await {
        assert!(edges.contains(&answer.edge), "{} answers and is none of {edges:?}", answer.edge);
    }
}
