//! What the answers of the people who may answer are worth, and what an installation can prove at best. Who they are is
//! `mollyguard_record::model`, how a passkey shows it `mollyguard_record::webauthn`.

mod assurance;
mod ceiling;
mod code;
mod tries;
mod typed_code;

pub use assurance::{People, Separation, assurance_of};
pub(crate) use ceiling::LINK;
pub use ceiling::{Facts, ceiling, people};
pub use code::Code;
pub(crate) use tries::Tries;
pub use typed_code::TypedCode;
