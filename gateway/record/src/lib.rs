//! What is written down and never quietly edited: calls, questions, answers and how to undo, with the people and keys these
//! stand on. It decides nothing, asks nobody, and knows no tool.
//!
//! Its rooms, each of which knows only those before it: `webauthn`, `model`, `state`, `audit`, `store`, `verify`.

pub mod audit;
pub mod model;
pub mod state;
pub mod store;
pub mod verify;
pub mod webauthn;
