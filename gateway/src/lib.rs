#![doc = include_str!("../ARCHITECTURE.md")]

mod approval;
pub mod args;
pub mod audit;
pub mod call;
pub mod cli;
pub mod config;
pub mod confirm;
pub mod credentials;
pub mod desk;
pub mod doctor;
pub mod gateway;
pub mod identity;
pub mod journal;
pub mod local;
pub mod mcp;
pub mod overlap;
pub mod own;
mod platform;
pub mod policy;
mod preview;
mod reading;
pub mod recovery;
pub mod registry;
pub mod reply;
mod steps;
pub mod store;
mod twins;
