#![doc = include_str!("../ARCHITECTURE.md")]

pub mod args;
pub mod audit;
pub mod call;
pub mod config;
pub mod confirm;
pub mod credentials;
pub mod gateway;
pub mod identity;
pub mod journal;
pub mod mcp;
pub mod own;
pub mod policy;
pub mod recovery;
pub mod registry;
pub mod reply;
pub mod store;
