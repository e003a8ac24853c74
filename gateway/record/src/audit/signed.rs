//! Whether the approvals that passkeys signed hold, by the records alone: the key is the one that was enrolled, what it
//! signed is the call that was asked about, and no signature counts twice.

use std::collections::{HashMap, HashSet};

use mollyguard_tools::contract::Digest;
use mollyguard_tools::text::count;
use uuid::Uuid;

use super::chain::{Report, Wrong};
use super::{AuditEvent, AuditRecord};
use crate::model::{Passkey, challenge};
use crate::webauthn::{Assertion, verify_offline};

type Place = (Uuid, u64);

/// An answer with what a passkey signed.
struct Answer {
    place: Place,
    confirmation: Uuid,
    operator: Option<Uuid>,
    assertion: Box<Assertion>,
    lasts_s: Option<u64>,
}

/// What the records say of passkeys, and of what they signed. The streams of several processes are read one after the
/// other: an answer may be read before the enrolment it rests on.
#[derive(Default)]
pub(crate) struct Signatures {
    /// By the credential's id: whose it is.
    passkeys: HashMap<String, (Uuid, Box<Passkey>)>,
    /// What each question was about.
    asked: HashMap<Uuid, Digest>,
    answers: Vec<Answer>,
    /// The questions whose answer gave an approval for a while.
    granted: Vec<(Place, Uuid)>,
}

impl Signatures {
    /// Takes down what a record says.
    pub(crate) fn record(&mut self, record: &AuditRecord) {
        match &record.event {
            AuditEvent::Enrolled { operator, passkey: Some(passkey), .. } => {
                self.passkeys.insert(passkey.id(), (*operator, passkey.clone()));
            }
            // Told again, since the records of their enrolment may be gone.
            AuditEvent::Pruned { passkeys, .. } => {
                for told in passkeys {
                    let passkey = || (told.operator, Box::new(told.passkey.clone()));
                    self.passkeys.entry(told.passkey.id()).or_insert_with(passkey);
                }
            }
            AuditEvent::Asked { confirmation, call, .. } => {
                self.asked.insert(*confirmation, *call);
            }
            AuditEvent::Answered { confirmation, operator, assertion: Some(assertion), lasts_s, .. } => {
                let (place, assertion) = ((record.stream, record.seq), assertion.clone());
                let (confirmation, operator, lasts_s) = (*confirmation, *operator, *lasts_s);
                self.answers.push(Answer { place, confirmation, operator, assertion, lasts_s });
            }
            AuditEvent::Granted { confirmation, .. } => {
                self.granted.push(((record.stream, record.seq), *confirmation));
            }
            _ => {}
        }
    }

    /// What of it does not hold.
    pub(crate) fn finish(self, report: &mut Report) {
        for (place, confirmation) in self.unsigned() {
            let what =
                format!("the signed answer to confirmation `{confirmation}` was for one call, and not for a while");
            report.found(Wrong::Signature, Some(*place), what);
        }
        let mut seen = HashSet::new();
        let mut rests_on_pruned = 0_u64;
        for answer in &self.answers {
            if report.pruned.is_some() && !self.has_what_it_rests_on(answer) {
                rests_on_pruned += 1;
                continue;
            }
            report.signed += 1;
            let wrong = match self.check(answer) {
                Err(why) => Some(why),
                Ok(()) if !seen.insert((answer.confirmation, answer.assertion.credential.to_string())) => {
                    Some("it was counted before".to_owned())
                }
                Ok(()) => None,
            };
            if let Some(why) = wrong {
                let what = format!("the signed answer to confirmation `{}` does not hold: {why}", answer.confirmation);
                report.found(Wrong::Signature, Some(answer.place), what);
            }
        }
        if rests_on_pruned > 0 {
            let what = "rest on an enrolment or a question whose record was pruned, and could not be verified";
            report.notes.push(format!("{} that passkeys signed {what}", count(rests_on_pruned, "answer")));
        }
    }

    fn has_what_it_rests_on(&self, answer: &Answer) -> bool {
        let passkey = answer.assertion.credential.to_string();
        self.passkeys.contains_key(&passkey) && self.asked.contains_key(&answer.confirmation)
    }

    /// An approval for a while that the signed answer said nothing of.
    fn unsigned(&self) -> impl Iterator<Item = &(Place, Uuid)> {
        let brief = |answer: &&Answer| answer.lasts_s.is_none();
        let brief: HashSet<_> = self.answers.iter().filter(brief).map(|answer| answer.confirmation).collect();
        self.granted.iter().filter(move |(_, confirmation)| brief.contains(confirmation))
    }

    fn check(&self, answer: &Answer) -> Result<(), String> {
        let passkey = self.passkeys.get(&answer.assertion.credential.to_string());
        let (operator, passkey) = passkey.ok_or("no record says that the passkey was enrolled")?;
        if answer.operator != Some(*operator) {
            return Err("the passkey is another person's".to_owned());
        }
        let call = self.asked.get(&answer.confirmation).ok_or("no record says that the question was asked")?;
        let signed = challenge(*call, answer.lasts_s);
        verify_offline(&passkey.relying_party, signed.as_bytes(), &passkey.credential.key, &answer.assertion)
            .map(drop)
            .map_err(|wrong| wrong.to_string())
    }
}
