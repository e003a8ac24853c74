//! The toolset on a real server.

#[path = "../../../tests/src/servers/postgres.rs"]
mod cluster;
mod reads;
mod world;
mod write_faults;
mod write_laws;
mod writes;
