//! The toolset on a real server.

mod activity;
mod analyst;
mod check;
#[path = "../../../tests/src/servers/postgres.rs"]
#[expect(unreachable_pub, reason = "the file is public in another package")]
mod cluster;
mod describe;
mod generator;
mod hostile;
mod others;
mod reads;
mod schema_accidents;
mod schema_laws;
mod schema_world;
mod terminate;
mod world;
mod write_faults;
mod write_laws;
mod writes;
