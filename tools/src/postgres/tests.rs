//! The toolset on a real server.

mod activity;
mod analyst;
mod check;
#[path = "../../../tests/src/servers/postgres.rs"]
#[expect(unreachable_pub, reason = "the file is public in another package")]
mod cluster;
mod describe;
mod hostile;
mod others;
mod reads;
mod terminate;
mod world;
mod write_faults;
mod write_laws;
mod writes;
