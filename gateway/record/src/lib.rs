//! What is written down and never quietly edited: calls, questions, answers and how to undo, with the people and keys these
//! stand on. It asks nobody, knows no tool, and decides only what its own rows may come to.
//!
//! Its rooms, each of which knows only those before it: `webauthn`, `model`, `state`, `audit`, `store`, `verify`.

pub mod audit;
pub mod model;
pub mod state;
pub mod store;
pub mod verify;
pub mod webauthn;
