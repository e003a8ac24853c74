mod answers;
pub(crate) mod authenticator;
mod enrolling;
mod forms;
mod mutations;
mod vectors;
