//! The toolset on a real server.

#[path = "../../../tests/src/servers/postgres.rs"]
mod cluster;
mod reads;
mod schema_accidents;
mod schema_laws;
mod schema_world;
mod world;
