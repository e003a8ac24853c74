//! Replies, and what is said of a call, without held secrets.

use mollyguard_record::model::Principal;
use mollyguard_tools::contract::{Evidence, Preflight, Target, TargetPath};

use super::{About, Reply};
use crate::credentials::Redactor;

impl Reply {
    /// The same reply without held secrets.
    #[must_use]
    pub(crate) fn redacted(mut self, redactor: &Redactor) -> Self {
        match &mut self {
            Self::Done(receipt) => {
                redactor.value(&mut receipt.output);
                receipt.about.redact(redactor);
            }
            Self::Refused(refusal) => {
                redactor.string(&mut refusal.message);
                redactor.string(&mut refusal.next);
                refusal.because.iter_mut().for_each(|because| redactor.string(&mut because.reason));
                if let Some(way) = &mut refusal.alternative {
                    redactor.value(way);
                }
                refusal.about.redact(redactor);
            }
            // The question's text was redacted before its digest was recorded.
            Self::Ask(question) => {
                if let Some(way) = &mut question.alternative {
                    redactor.value(way);
                }
                question.about.redact(redactor);
            }
        }
        self
    }
}

/// What a call acts on, without held secrets.
pub(crate) fn redacted_targets(targets: &[Target], redactor: &Redactor) -> Vec<Target> {
    let mut targets = targets.to_vec();
    redact_targets(&mut targets, redactor);
    targets
}

/// For whom a call is made. The client program names itself, so its name is foreign text.
pub(crate) fn redacted_principal(principal: &Principal, redactor: &Redactor) -> Principal {
    let client = principal.client.as_deref().map(|client| redactor.text(client).into_owned());
    Principal { client, ..principal.clone() }
}

/// What a look found, as people are told of it: without held secrets, and without the state kept for taking it back.
pub(crate) fn for_people(seen: &Preflight, redactor: &Redactor) -> Preflight {
    let mut seen = Preflight {
        targets: redacted_targets(&seen.targets, redactor),
        blast_radius: seen.blast_radius.clone(),
        evidence: seen.evidence.clone(),
        alternative: seen.alternative.clone(),
        summary: seen.summary.clone(),
        pre_image: None,
        ..*seen
    };
    redactor.string(&mut seen.summary);
    redact_evidence(&mut seen.evidence, redactor);
    redactor.parts(&mut seen.blast_radius);
    if let Some(way) = &mut seen.alternative {
        redactor.value(&mut way.args);
        redactor.string(&mut way.summary);
    }
    seen
}

fn redact_targets(targets: &mut [Target], redactor: &Redactor) {
    for target in targets {
        redact_path(&mut target.path, redactor);
        if let Some(uid) = &mut target.uid {
            redactor.string(uid);
        }
    }
}

/// A secret is looked for in what the path is made of, since it can hold what is escaped where that is shown, and in its text.
fn redact_path(path: &mut TargetPath, redactor: &Redactor) {
    let names: Vec<_> = path.segments().collect();
    let plain = names.join("/");
    let redacted = redactor.text(&plain);
    let text = if redacted == plain { redactor.text(path.shown()).into_owned() } else { redacted.into_owned() };
    if text != path.shown() {
        *path = TargetPath::as_shown(text);
    }
}

fn redact_evidence(evidence: &mut [Evidence], redactor: &Redactor) {
    for evidence in evidence {
        redactor.string(&mut evidence.what);
        redactor.string(&mut evidence.source);
    }
}

impl About {
    fn redact(&mut self, redactor: &Redactor) {
        redact_targets(&mut self.targets, redactor);
        redact_evidence(&mut self.evidence, redactor);
        if let Some(undo) = &mut self.undo {
            undo.lossy.iter_mut().for_each(|loss| redactor.string(loss));
        }
        if let Some(radius) = &mut self.blast_radius {
            redactor.parts(radius);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mollyguard_tools::contract::Secret;

    use super::*;
    use crate::credentials::Named;

    #[test]
    fn a_secret_in_a_path_is_found_however_the_path_is_cut_and_shown() {
        for secret in ["hunter/two-and-more", r"hunter\two-and-more", r"hunter\/two-and-more"] {
            let named = Named { reference: "env:X".into(), secret: Arc::new(Secret::new(secret.to_owned())) };
            let redactor = Redactor::new(&[named]).unwrap();
            let whole = TargetPath::of("uploads").below(secret).below("plan.txt");
            let cut = secret.split('/').fold(TargetPath::of("uploads"), TargetPath::below);
            for mut path in [whole, cut, TargetPath::as_shown(format!("uploads/{secret}"))] {
                let before = path.clone();
                redact_path(&mut path, &redactor);
                assert!(!path.shown().contains("hunter") && !path.shown().contains("two-and-more"), "{before}: {path}");
            }
            for name in ["plan.txt", "hunter", "a/b", r"a\b"] {
                let (mut path, before) = (TargetPath::of("uploads").below(name), TargetPath::of("uploads").below(name));
                redact_path(&mut path, &redactor);
                assert_eq!(path, before, "what holds none stays as it is");
            }
        }
    }
}
