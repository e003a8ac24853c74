//! What the record speaks of: who calls, what they are asked, who answers, and what an answer is worth.

mod because;
mod confirmation;
mod facts;
mod grant;
mod moment;
mod names;
mod need;
mod operator;
mod principal;
mod question;

pub use because::Because;
pub use confirmation::{
    Answer, Approval, Channel, Confirmation, ConfirmationState, Matches, TRIES, UNHEARD, matches, strength,
};
pub use facts::{Fact, Label, OwnWords, QuestionFacts, taken_back};
pub use grant::{Ended, Grant, GrantEnd, LONGEST, challenge};
pub use moment::{Moment, SinceBoot};
pub use names::{alike, count_apart, is_somebody_else};
pub use need::{Assurance, Need};
pub use operator::{
    Enrolment, Entry, Invitation, MOST_PASSKEYS, Means, Operator, Passkey, Session, check_name, check_user, not_linked,
};
pub use principal::Principal;
pub use question::{Aim, CallDigests, CallFacts, Coverage, digest_of_call, effect_of};
