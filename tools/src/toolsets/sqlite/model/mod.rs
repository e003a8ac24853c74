//! What the tools of this set share.

pub(super) mod answer;
pub(super) mod contents;
pub(super) mod cut_short;
pub(super) mod dropped;
pub(super) mod effect;
pub(super) mod effects;
pub(super) mod images;
pub(super) mod kind;
pub(super) mod orphans;
pub(super) mod probe;
pub(super) mod put_back;
pub(super) mod quarantine;
pub(super) mod recorder;
pub(super) mod removal;
pub(super) mod schema;
pub(super) mod stands;
pub(super) mod trial;
pub(super) mod turns;
pub(super) mod undo;
pub(super) mod value;
