//! What the tools of this set share.

pub(super) mod alteration;
pub(super) mod anatomy;
pub(super) mod answer;
pub(super) mod catalog;
pub(super) mod code;
pub(super) mod contents;
pub(super) mod copies;
pub(super) mod ddl;
pub(super) mod dependents;
pub(super) mod exact;
pub(super) mod footprint;
pub(super) mod held;
pub(super) mod inverse;
pub(super) mod involved;
pub(super) mod kept;
pub(super) mod layout;
pub(super) mod listing;
pub(super) mod look;
pub(super) mod moves;
pub(super) mod named;
pub(super) mod params;
pub(super) mod put_back;
pub(super) mod quarantine;
pub(super) mod reach;
pub(super) mod rows;
pub(super) mod sequences;
pub(super) mod shape;
pub(super) mod subject;
pub(super) mod trial;
pub(super) mod types;
pub(super) mod undo;
pub(super) mod value;
pub(super) mod watch;

/// What is lent for every call, as a declaration names it.
pub(crate) const CREDENTIAL: Option<&str> = Some("a connection URL");
