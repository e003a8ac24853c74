#![doc = include_str!("../ARCHITECTURE.md")]

mod approval;
pub mod args;

mod bulk;
pub mod call;
pub mod cli;
pub mod config;
pub mod confirm;
pub mod credentials;
pub mod desk;
pub mod doctor;
mod exposed;
pub mod gateway;

pub mod journal;
pub mod local;
pub mod mcp;
pub mod notify;
pub mod operators;
pub mod overlap;
pub mod own;
pub mod page;
mod platform;
pub mod policy;
mod preview;
mod reading;
pub mod recovery;
mod refusals;
pub mod registry;
pub mod reply;
pub mod retention;
mod slots;
mod steps;

mod twins;
