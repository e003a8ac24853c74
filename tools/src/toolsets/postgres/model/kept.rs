//! What the list of the quarantine says of what lies there.

use serde::{Deserialize, Serialize};

use crate::contract::Digest;

/// The quarantine's schema, and what every name in the quarantine starts with.
pub(crate) const TRASH: &str = "mollyguard_trash";

/// One entry of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// What it is brought back by.
    pub id: String,
    /// What it was, for people: `table public.bookings`.
    pub what: String,
    /// When it was dropped.
    pub at: String,
    /// The way back.
    pub way: Way,
    /// What it held by then; entries of earlier versions do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
}

/// The way back for one kind of thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Way {
    /// Relations in a schema of their own, each with its id, name, and the id and name of the schema it was in.
    Relations(Vec<Moved>),
    /// A column: its table's id, its number and name, and whether it gave up that it cannot be null.
    Column { table: u32, number: i16, name: String, not_null: bool },
    /// A schema by its id and name.
    Schema { oid: u32, name: String },
    /// Another database of the cluster, by its id and name, and whether it took connections. Earlier versions put those away;
    /// no target changes them any more.
    Database { oid: u32, name: String, open: bool },
    /// Copies of truncated tables.
    Copies(Copies),
}

/// A relation that was moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Moved {
    /// Its id.
    pub oid: u32,
    /// Its name.
    pub name: String,
    /// The id of the schema it was in.
    pub schema: u32,
}

impl Kept {
    /// Its name in the quarantine.
    pub(crate) fn trash(&self) -> String {
        format!("{TRASH}_{}", self.id)
    }
}

/// The id in a name of the quarantine.
pub(crate) fn id_in(name: &str) -> Option<&str> {
    name.strip_prefix(TRASH)?.strip_prefix('_')
}

/// A new id: what makes a name in the quarantine the only one.
pub(crate) fn new_id() -> String {
    uuid::Uuid::now_v7().simple().to_string().split_off(20)
}

/// What there was at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Held {
    /// Of the definition, with all that belongs to it.
    pub(crate) definition: Digest,
    /// How many rows were compared at most, of all tables together.
    pub(crate) most: u64,
    /// The tables with rows of their own.
    pub(crate) rows: Vec<Rows>,
    /// Where the sequences stand, those of the tables' columns included; none where nobody wrote that down.
    #[serde(default)]
    pub(crate) sequences: Option<Vec<Stands>>,
}

/// Where one sequence stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stands {
    pub(crate) oid: u32,
    /// The value drawn last and whether that was drawn; none where it could not be read.
    pub(crate) at: Option<String>,
}

/// The rows of one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rows {
    pub(crate) oid: u32,
    pub(crate) rows: u64,
    /// There are more than these.
    pub(crate) stopped: bool,
    /// Moves when one of them is written; none where they could not be read.
    pub(crate) digest: Option<Digest>,
    /// What the server had counted as written by then.
    pub(crate) writes: i64,
}

/// The copies that one call made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Copies {
    /// The tables, those that others refer to first.
    pub tables: Vec<Copy>,
    /// The sequences that started anew, with where they were.
    pub sequences: Vec<Position>,
    /// What was truncated: the table as SQL, with the tables that refer to it or without.
    pub root: String,
    /// Tables that refer to it were truncated too.
    pub cascade: bool,
}

/// The copy of one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Copy {
    /// The table's id.
    pub oid: u32,
    /// The copy's name in the quarantine.
    pub name: String,
    /// The copy's id.
    pub copy: u32,
    /// How many rows there are.
    pub rows: u64,
    /// The transaction that wrote all of them; entries of earlier versions do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrote: Option<String>,
}

/// Where a sequence was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// Its id.
    pub oid: u32,
    /// Its last value.
    pub last: i64,
    /// That value was given out.
    pub called: bool,
}
