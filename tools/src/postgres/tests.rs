//! The toolset on a real server.

mod activity;
mod check;
#[path = "../../../tests/src/servers/postgres.rs"]
#[expect(unreachable_pub, reason = "the file is public in another package")]
mod cluster;
mod describe;
mod others;
mod reads;
mod terminate;
mod world;
