//! The toolset on a real server.

#[path = "../../../tests/src/servers/postgres.rs"]
mod cluster;
mod analyst;
mod hostile;
mod reads;
mod world;
