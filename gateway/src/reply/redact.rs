//! Replies without held secrets.

use mollyguard_tools::contract::{Evidence, Target};

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

pub(crate) fn redact_targets(targets: &mut [Target], redactor: &Redactor) {
    for target in targets {
        redactor.string(&mut target.path);
        if let Some(uid) = &mut target.uid {
            redactor.string(uid);
        }
    }
}

pub(crate) fn redact_evidence(evidence: &mut [Evidence], redactor: &Redactor) {
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
