//! The toolset on a real server.

mod analyst;
#[path = "../../../tests/src/servers/postgres.rs"]
mod cluster;
mod generator;
mod hostile;
mod reads;
mod world;
