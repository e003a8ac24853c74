//! The toolset on a real server.

mod activity;
mod analyst;
mod anew;
mod check;
#[path = "../../../../../tests/src/servers/postgres.rs"]
#[expect(unreachable_pub, reason = "the file is public in another package")]
mod cluster;
mod counting;
mod describe;
mod encodings;
mod exact_types;
mod generator;
mod hostile;
mod kept;
mod kept_whole;
mod made_of_builtins;
mod only;
mod others;
mod outside;
mod places;
mod places_render;
mod quarantined;
mod reads;
mod resolved;
mod schema_accidents;
mod schema_generated;
mod schema_laws;
mod schema_shape;
mod schema_since;
mod schema_world;
mod spelling;
mod terminate;
mod tls;
mod trial_budget;
mod trial_turns;
mod turns_of_users;
mod unsteady;
mod vouched;
mod world;
mod write_faults;
mod write_laws;
mod writes;
