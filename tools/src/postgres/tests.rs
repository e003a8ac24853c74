//! The toolset on a real server.

#[path = "../../../tests/src/servers/postgres.rs"]
mod cluster;
mod describe;
mod others;
mod reads;
mod world;
