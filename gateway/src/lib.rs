#![doc = include_str!("../ARCHITECTURE.md")]

pub mod call;
pub mod cli;
pub mod config;
pub mod confirm;
pub mod credentials;
pub mod doctor;
pub mod gateway;
mod limits;
pub mod local;
pub mod mcp;
pub mod notify;
pub mod operator_socket;
pub mod operators;
pub mod page;
mod platform;
pub mod policy;
pub mod pruning;
pub mod registry;
pub mod reply;
pub mod retention;
pub mod targets;
