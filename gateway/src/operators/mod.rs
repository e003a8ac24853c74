//! What the answers of the people who may answer are worth. Who they are is `mollyguard_record::model`, how a passkey shows it
//! `mollyguard_record::webauthn`.

mod assurance;
mod code;
mod tries;

pub use assurance::{People, Separation, assurance_of};
pub use code::Code;
pub(crate) use tries::Tries;
