mod answers;
mod authenticator;
mod enrolling;
mod forms;
mod mutations;
mod vectors;
