//! The laws, over generated databases and calls; the accidents, replayed; the bounds; and what a person is told.

mod accidents;
mod bounds;
mod functions;
mod guests;
mod kept;
mod laws;
mod orphans;
mod promises;
mod replies;
mod room;
mod spelled;
mod spelling;
mod strangers;
mod stretches;
mod world;
mod writes;
