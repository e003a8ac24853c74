//! The toolset on a real server.

mod activity;
mod check;
#[path = "../../../tests/src/servers/postgres.rs"]
mod cluster;
mod describe;
mod others;
mod reads;
mod terminate;
mod world;
