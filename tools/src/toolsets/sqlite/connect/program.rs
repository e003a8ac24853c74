//! What a statement does with each value it meets, told from the program SQLite compiles it to: `EXPLAIN` lists every step,
//! those of triggers, checks, generated columns and indexes included, and runs none.
//!
//! SQLite lets itself be stopped only where its program jumps back. Between two such places every step may go through a value
//! as long as [`super::budget`] lets it be, so each has a cost here: tenths of a nanosecond for a byte of the longest value,
//! measured and rounded up. What is not known costs the most.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

use super::bounded;
use super::room::Size;

/// A step or function that is not known; as much as the dearest that is.
const UNKNOWN: u64 = 2_000;

/// SQLite's own `LIKE` or `GLOB` with the longest pattern they are given.
const PATTERN: u64 = 2_000;

/// A function of [`super::bounded`]: it looks at the clock itself.
const BOUNDED: u64 = 20;

/// Looking for a key in an index compares it with a dozen others, each put together from its pages.
const SEEK: Cost = Cost { bytes: 60, spelled: 200 };

/// Comparing with one key of an index.
const BESIDE: Cost = Cost { bytes: 6, spelled: 20 };

/// Comparing two values that are there.
const COMPARED: Cost = Cost { bytes: 4, spelled: 15 };

/// Reading a number from a text.
const NUMBER: u64 = 15;

/// What any statement takes that reads: the pages of the database it keeps, and itself.
const READING: usize = 5 << 19;

/// What a sort or a table of its own takes before it goes to a file.
const KEEPING: usize = 5 << 19;

/// A sort takes no fewer pages than this before it does.
const SORTED_PAGES: usize = 250;

/// No value is ever longer.
const LONGEST: usize = 1 << 30;

/// How often a row that is kept is there at once: put together, put there, and taken out again.
const KEPT_ROWS: usize = 3;

/// Functions that look at no more than the beginning of a value.
#[rustfmt::skip]
const QUICK: &[&str] = &[
    "changes", "coalesce", "count", "cume_dist", "current_date", "current_time", "current_timestamp", "date", "datetime",
    "dense_rank", "first_value", "if", "ifnull", "iif", "julianday", "last_insert_rowid", "last_value", "likelihood",
    "likely", "nth_value", "ntile", "octet_length", "percent_rank", "pi", "random", "rank", "row_number",
    "sqlite_source_id", "sqlite_version", "subtype", "time", "timediff", "total_changes", "typeof", "unicode",
    "unixepoch", "unlikely", "zeroblob",
];

/// Functions that go through a value once.
#[rustfmt::skip]
const ONCE: &[&str] = &[
    "abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "avg", "ceil", "ceiling", "cos", "cosh", "degrees", "exp",
    "floor", "group_concat", "hex", "lag", "lead", "length", "ln", "log10", "log2", "lower", "ltrim", "radians",
    "randomblob", "round", "rtrim", "sign", "sin", "sinh", "soundex", "sqrt", "string_agg", "substr", "substring", "sum",
    "tan", "tanh", "total", "trim", "trunc", "unhex", "upper",
];

/// What comparing costs byte by byte, and under a collation that spells it out.
#[derive(Clone, Copy)]
struct Cost {
    bytes: u64,
    spelled: u64,
}

/// The sum over a program's steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Program {
    /// Tenths of a nanosecond for each byte of the longest value.
    work: u64,
    /// The same for each byte times each byte.
    square: u64,
    /// How often it searches with `LIKE` or `GLOB`.
    patterns: u64,
    /// How many values it builds or reads, each of which may be held at the same time.
    pub held: usize,
    /// A value may become so many times as long within a function.
    grows: usize,
    /// It sorts, groups or keeps rows of its own on the way.
    pub keeps: bool,
    /// How many sorts and tables of its own it fills.
    kept: usize,
    /// What it takes however short its values are, without its sorts.
    base: usize,
    /// How many sorts it has, and how much each of them takes at least.
    pub sorts: usize,
    part: usize,
}

/// How a database stores what it holds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stored {
    /// Text is stored as UTF-16.
    wide: bool,
    /// The bytes of a page.
    page: usize,
}

impl Stored {
    /// Asks a connection to it.
    pub(crate) fn of(conn: &Connection) -> rusqlite::Result<Self> {
        let page: u32 = conn.query_row("PRAGMA page_size", [], |row| row.get(0))?;
        Ok(Self { wide: bounded::wide(conn)?, page: page as usize })
    }
}

/// One step, as `EXPLAIN` shows it.
struct Step<'a> {
    name: &'a str,
    first: i64,
    second: i64,
    third: i64,
    more: &'a str,
    flags: i64,
}

/// What is remembered from step to step.
#[derive(Default)]
struct Reader {
    program: Program,
    /// Cursors over keys that are compared by more than their bytes.
    spelled: BTreeMap<i64, bool>,
    /// How often each column of a cursor is read.
    columns: BTreeMap<(i64, i64), u64>,
    /// Sorts and tables of the program's own, and what is put into more than its literals.
    own: BTreeMap<i64, bool>,
    filled: BTreeSet<i64>,
    page: usize,
    /// The steps just before: a literal put into this register, and a record of it in that one.
    literal: Option<i64>,
    record: Option<i64>,
}

impl Program {
    /// What the statement is compiled to, on a connection as it will run there.
    pub(crate) fn of(conn: &Connection, statement: &str, stored: Stored) -> rusqlite::Result<Self> {
        let mut explained = conn.prepare(&format!("EXPLAIN {statement}"))?;
        let mut rows = explained.raw_query();
        let mut reader = Reader { page: stored.page, ..Reader::default() };
        while let Some(row) = rows.next()? {
            if row.get::<_, i64>(0)? == 0 {
                reader.next_program();
            }
            reader.read(&Step::of(row)?);
        }
        reader.next_program();
        let mut program = reader.program;
        // Text is turned from one encoding into the other for whatever looks at it.
        if stored.wide {
            program.work = program.work.saturating_mul(4);
        }
        Ok(program)
    }

    /// Tenths of a nanosecond that all of it takes between two looks at the clock, where no value is longer than this.
    pub(crate) fn takes(&self, longest: usize, own_patterns: bool) -> u64 {
        let patterns = self.patterns.saturating_mul(if own_patterns { BOUNDED } else { PATTERN });
        let longest = longest as u64;
        let square = self.square.saturating_mul(longest);
        self.work.saturating_add(patterns).saturating_add(square).saturating_mul(longest)
    }

    /// How long a value may be, so that it takes no more than so many tenths of a nanosecond, and holds no more than that
    /// size has.
    pub(crate) fn longest(&self, tenths: u64, size: Size, own_patterns: bool) -> (usize, usize) {
        let values = self.held.saturating_add(self.kept.saturating_mul(KEPT_ROWS)).max(1);
        let base = READING.max(size.part()).saturating_add(self.sorts.saturating_mul(self.part.max(size.part())));
        let held = size.longest(base.saturating_add(self.base), values, self.sorts) / self.grows.max(1);
        // A function that makes as many of one value as another is long.
        let (mut fits, mut exceeds) = (0_usize, LONGEST + 1);
        while fits + 1 < exceeds {
            let middle = fits.midpoint(exceeds);
            if self.takes(middle, own_patterns) <= tenths { fits = middle } else { exceeds = middle }
        }
        (fits, held)
    }
}

impl<'a> Step<'a> {
    fn of(row: &'a Row<'_>) -> rusqlite::Result<Self> {
        let text = |at: usize| {
            Ok::<_, rusqlite::Error>(match row.get_ref(at)? {
                ValueRef::Text(text) => std::str::from_utf8(text).unwrap_or("?"),
                _ => "",
            })
        };
        let number = |at: usize| row.get::<_, i64>(at);
        Ok(Self {
            name: text(1)?,
            first: number(2)?,
            second: number(3)?,
            third: number(4)?,
            more: text(5)?,
            flags: number(6)?,
        })
    }

    /// Whether an operand that is text is read as a number: the affinity of the comparison (`SQLITE_AFF_NUMERIC` and up).
    fn reads_numbers(&self) -> bool {
        self.flags & 0x47 >= 0x43
    }

    /// Whether columns of this record or these registers are given a number's affinity.
    fn makes_numbers(&self) -> u64 {
        self.more.bytes().filter(|letter| matches!(letter, b'C'..=b'F')).count() as u64
    }

    /// Whether a key is compared by more than its bytes: `k(2,NOCASE,-B)`, `NOCASE-8`.
    fn spells(&self) -> bool {
        let Some(keys) = self.more.strip_prefix("k(") else {
            return !(self.more.is_empty() || self.more.starts_with("BINARY"));
        };
        let mut keys = keys.trim_end_matches(')').split(',');
        keys.next();
        keys.any(|key| !matches!(key.trim_start_matches(['-', 'N', '.']), "" | "B"))
    }

    /// How many keys: `k(2,…)`.
    fn keys(&self) -> u64 {
        let count = self.more.strip_prefix("k(").and_then(|keys| keys.split([',', ')']).next());
        count.and_then(|count| count.parse().ok()).unwrap_or(1)
    }

    /// The function it calls, with how many arguments: `substr(3)`.
    fn function(&self) -> (&str, u64) {
        let (name, rest) = self.more.split_once('(').unwrap_or((self.more, ""));
        (name, rest.trim_end_matches(')').parse().unwrap_or(0))
    }
}

impl Reader {
    /// Closes the account of a program: a trigger's has cursors and registers of its own.
    fn next_program(&mut self) {
        // The columns of one row are one row, however many they are; the same column again is one more.
        let mut rows: BTreeMap<i64, u64> = BTreeMap::new();
        for ((cursor, _), times) in std::mem::take(&mut self.columns) {
            let most = rows.entry(cursor).or_default();
            *most = times.max(*most);
        }
        let read: u64 = rows.values().sum();
        self.program.work = self.program.work.saturating_add(read.saturating_mul(10));
        self.program.held = self.program.held.saturating_add(usize::try_from(read).unwrap_or(usize::MAX));
        let own = std::mem::take(&mut self.own);
        for (_, sorts) in own.into_iter().filter(|(cursor, _)| self.filled.contains(cursor)) {
            self.program.kept += 1;
            if sorts {
                self.program.sorts += 1;
                self.program.part = KEEPING.max(SORTED_PAGES * self.page);
            } else {
                self.program.base = self.program.base.saturating_add(KEEPING);
            }
        }
        self.filled.clear();
        self.spelled.clear();
        (self.literal, self.record) = (None, None);
    }

    fn read(&mut self, step: &Step<'_>) {
        let (literal, record) = (self.literal.take(), self.record.take());
        let work = match step.name {
            "Integer" | "Int64" | "Real" | "String8" | "String" | "Blob" => {
                self.literal = Some(step.second);
                if step.name == "Blob" {
                    // A filter of megabytes is made for a join.
                    self.program.base = self.program.base.saturating_add(usize::try_from(step.first).unwrap_or(0));
                }
                0
            }
            // `IN (…)` lists its literals one by one, each no longer than the statement's text.
            "MakeRecord" if step.second == 1 && literal == Some(step.first) => {
                self.record = Some(step.third);
                0
            }
            "IdxInsert" if record == Some(step.second) => 0,
            "IdxInsert" | "Insert" | "SorterInsert" => {
                self.filled.insert(step.first);
                self.plain(step)
            }
            // What many conditions find is remembered row by row.
            "RowSetAdd" | "RowSetTest" => {
                self.own.insert(-1 - step.first, false);
                self.filled.insert(-1 - step.first);
                0
            }
            "Column" => {
                self.column(step);
                0
            }
            "Function" | "PureFunc" | "AggStep" | "AggStep1" | "AggInverse" => self.call(step),
            "AggFinal" => {
                self.program.held += 1;
                20
            }
            "VColumn" => {
                self.program.held += 1;
                250
            }
            "Concat" => {
                self.program.held += 1;
                10
            }
            "OpenRead" | "OpenWrite" | "OpenEphemeral" | "OpenAutoindex" | "SorterOpen" | "ReopenIdx" => {
                self.spelled.insert(step.first, step.spells());
                if !matches!(step.name, "OpenRead" | "OpenWrite" | "ReopenIdx") {
                    self.program.keeps = true;
                    self.own.insert(step.first, step.name == "SorterOpen");
                }
                0
            }
            "OpenDup" => {
                let spelled = self.spelled.get(&step.second).copied().unwrap_or(true);
                self.spelled.insert(step.first, spelled);
                0
            }
            _ => {
                if step.name == "Copy" {
                    self.program.held += 1 + usize::try_from(step.third).unwrap_or(0);
                }
                self.plain(step)
            }
        };
        self.program.work = self.program.work.saturating_add(work);
    }

    fn column(&mut self, step: &Step<'_>) {
        // The length in bytes, or the type, of a column is known without reading it (`OPFLAG_TYPEOFARG`).
        if step.flags & 0x80 == 0 {
            *self.columns.entry((step.first, step.second)).or_default() += 1;
        }
    }

    /// Steps that cost what they are, whatever came before.
    fn plain(&self, step: &Step<'_>) -> u64 {
        let spelled = self.spelled.get(&step.first).copied().unwrap_or(true);
        let of = |cost: Cost| if spelled { cost.spelled } else { cost.bytes };
        let by_key = !matches!(step.more, "" | "0");
        match step.name {
            // Nothing of a value is looked at, or what is is a number.
            "Init" | "Goto" | "Gosub" | "Return" | "InitCoroutine" | "EndCoroutine" | "Yield" | "Halt"
            | "HaltIfNull" | "BeginSubrtn" | "Null" | "SoftNull" | "Variable" | "Move" | "IntCopy" | "FkCheck"
            | "ResultRow" | "CollSeq" | "AddImm" | "RealAffinity" | "ElseEq" | "Permutation" | "Jump" | "Once"
            | "IsNull" | "NotNull" | "IsType" | "ZeroOrNull" | "IfNullRow" | "Offset" | "Count" | "Savepoint"
            | "AutoCommit" | "Transaction" | "ReadCookie" | "SequenceTest" | "OpenPseudo" | "Close" | "ColumnsUsed"
            | "SeekHit" | "Sequence" | "NewRowid" | "ResetCount" | "Rowid" | "NullRow" | "SeekEnd" | "Last"
            | "IfSizeBetween" | "Sort" | "Rewind" | "IfEmpty" | "Prev" | "Next" | "DeferredSeek" | "IdxRowid"
            | "FinishSeek" | "RowSetAdd" | "RowSetRead" | "RowSetTest" | "Program" | "Param" | "FkCounter"
            | "FkIfZero" | "MemMax" | "IfPos" | "OffsetLimit" | "IfNotZero" | "DecrJumpZero" | "ResetSorter"
            | "TableLock" | "CursorLock" | "CursorUnlock" | "Expire" | "ClrSubtype" | "GetSubtype" | "SetSubtype"
            | "FilterAdd" | "Filter" | "Trace" | "Noop" | "Explain" | "ReleaseReg" | "CursorHint" | "Abortable"
            | "VBegin" | "VOpen" | "VInitIn" | "Clear" => 0,
            "Copy" => 3 * (1 + u64::try_from(step.third).unwrap_or_default()),
            "SCopy" => 3,
            "If" | "IfNot" | "Not" | "BitNot" | "IsTrue" | "MustBeInt" | "SeekRowid" | "NotExists" => NUMBER,
            "And" | "Or" | "Add" | "Subtract" | "Multiply" | "Divide" | "Remainder" | "BitAnd" | "BitOr"
            | "ShiftLeft" | "ShiftRight" | "Cast" => 2 * NUMBER,
            "Eq" | "Ne" | "Lt" | "Le" | "Gt" | "Ge" => {
                let compared = if step.spells() { COMPARED.spelled } else { COMPARED.bytes };
                compared + if step.reads_numbers() { 2 * NUMBER } else { 0 }
            }
            "Compare" => step.keys() * if step.spells() { COMPARED.spelled } else { COMPARED.bytes },
            "Affinity" => step.makes_numbers() * NUMBER,
            "TypeCheck" => u64::try_from(step.second).unwrap_or(UNKNOWN) * NUMBER,
            // The columns of a record are one value.
            "MakeRecord" => 5 + step.makes_numbers().min(1) * NUMBER,
            "AggValue" | "RowData" | "RowCell" | "SorterData" | "SorterInsert" | "Delete" => 10,
            "Insert" => 20,
            "SeekLT" | "SeekLE" | "SeekGE" | "SeekGT" if !by_key => NUMBER,
            "SeekLT" | "SeekLE" | "SeekGE" | "SeekGT" | "SeekScan" | "IfNoHope" | "NoConflict" | "NotFound"
            | "Found" | "IdxInsert" | "IdxDelete" | "IFindKey" => of(SEEK),
            "IdxLE" | "IdxGT" | "IdxLT" | "IdxGE" | "SorterCompare" => of(BESIDE),
            // A merge compares with a few others.
            "SorterNext" | "SorterSort" => 4 * of(BESIDE),
            "VFilter" | "VNext" | "VUpdate" | "VCheck" => 250,
            _ => UNKNOWN,
        }
    }

    /// A function, by its name and the number of its arguments.
    fn call(&mut self, step: &Step<'_>) -> u64 {
        let (name, arguments) = step.function();
        let name = name.to_ascii_lowercase();
        let program = &mut self.program;
        program.held += 1 + usize::try_from(arguments / 2).unwrap_or(usize::MAX);
        if name.starts_with("json") {
            match (name.trim_start_matches("jsonb").trim_start_matches("json"), arguments) {
                // It looks for each key of one object among those of the other.
                ("_patch", _) => program.square = program.square.saturating_add(1),
                // Each element gets a line of its own, indented as deeply as it lies: up to a thousand times.
                ("_pretty", 0 | 1) => {
                    program.grows = program.grows.max(2_000);
                    return 6_000;
                }
                ("_pretty", _) => {
                    program.grows = program.grows.max(1 << 13);
                    program.square = program.square.saturating_add(2);
                }
                _ => {}
            }
            return 200 + 40 * arguments;
        }
        match (name.as_str(), arguments) {
            ("like" | "glob", _) => {
                program.patterns += 1;
                0
            }
            ("instr" | "replace", _) | ("trim" | "ltrim" | "rtrim" | "unhex", 2) => BOUNDED,
            (name, _) if QUICK.contains(&name) => 5,
            (name, _) if ONCE.contains(&name) => NUMBER,
            ("log" | "mod" | "pow" | "power" | "atan2" | "nullif", _) => 2 * NUMBER,
            ("min" | "max" | "concat" | "concat_ws" | "char", _) => 15 * arguments.max(1),
            ("quote" | "printf" | "format" | "unistr" | "unistr_quote" | "strftime", _) => 40 + 10 * arguments,
            ("snippet" | "highlight" | "bm25" | "matchinfo" | "offsets" | "match" | "->" | "->>", _) => 250,
            _ => UNKNOWN,
        }
    }
}
