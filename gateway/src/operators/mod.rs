//! The people who answer for an installation, and what proves that an answer is theirs.

pub(crate) mod webauthn;
