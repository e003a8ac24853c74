//! The functions known to change nothing, by dialect. What is not here is refused.
//!
//! The lists are laid out by hand: one name a line would be six hundred lines.

mod postgres;

use super::Dialect;

/// What calling a listed function means. None of them changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Its value follows from its arguments and the data.
    Steady,
    /// Another value each time, or one of the connection.
    Volatile,
    /// Reads the clock unless its argument at this place says a time.
    Clock {
        /// Where the time value stands among the arguments.
        time_at: usize,
    },
}

/// What calling `name` (in lower case) means, or `None` when it is not listed.
pub(super) fn effect(name: &str, dialect: Dialect) -> Option<Effect> {
    let lists: (&[&str], &[&str]) = match dialect {
        Dialect::Sqlite => {
            match name {
                "date" | "time" | "datetime" | "julianday" | "unixepoch" => return Some(Effect::Clock { time_at: 0 }),
                "strftime" => return Some(Effect::Clock { time_at: 1 }),
                _ => {}
            }
            (SQLITE, SQLITE_VOLATILE)
        }
        Dialect::Postgres => (postgres::STEADY, postgres::VOLATILE),
        Dialect::MySql => (MYSQL, MYSQL_VOLATILE),
    };
    if STANDARD.contains(&name) || lists.0.contains(&name) {
        return Some(Effect::Steady);
    }
    lists.1.contains(&name).then_some(Effect::Volatile)
}

/// The same, with the functions of well-known extensions: only for a text whose names are looked up in the catalogue
/// before it runs, because anybody can define a function of such a name.
pub(super) fn extended(name: &str, dialect: Dialect) -> Option<Effect> {
    let extension = dialect == Dialect::Postgres && postgres::EXTENSIONS.contains(&name);
    effect(name, dialect).or(extension.then_some(Effect::Volatile))
}

/// Whether a PostgreSQL cast to this type, as the parser prints it, runs only built-in code.
pub(super) fn built_in_type(printed: &str) -> bool {
    let lower = printed.to_ascii_lowercase();
    let bare = lower.trim_end_matches("[]");
    let word = bare.split(['(', ' ']).next().unwrap_or_default();
    !bare.contains('.') && postgres::TYPES.contains(&word)
}

/// In every dialect.
#[rustfmt::skip]
const STANDARD: &[&str] = &[
    "abs", "avg", "ceil", "ceiling", "coalesce", "concat", "concat_ws", "count", "cume_dist", "dense_rank", "exp",
    "first_value", "floor", "lag", "last_value", "lead", "length", "ln", "log", "log10", "lower", "ltrim", "max",
    "min", "mod", "nth_value", "ntile", "nullif", "octet_length", "percent_rank", "pi", "power", "radians",
    "degrees", "rank", "replace", "round", "row_number", "rtrim", "sign", "sin", "cos", "tan", "asin", "acos",
    "atan", "atan2", "sqrt", "substr", "substring", "sum", "trim", "upper",
];

/// <https://sqlite.org/lang_corefunc.html>, `lang_aggfunc`, `lang_mathfunc`, `json1`, FTS5's auxiliary functions, and the
/// pragma functions that describe the schema. Left out: `load_extension`, `fts3_tokenizer`, `fts5`, `optimize`, `dbstat`
/// with arguments, which no deadline ends, and what only the command-line shell has (`readfile`, `writefile`, `edit`, `fsdir`).
#[rustfmt::skip]
const SQLITE: &[&str] = &[
    "acosh", "asinh", "atanh", "bm25", "char", "cosh", "format", "generate_series", "glob",
    "group_concat", "hex", "highlight", "if", "ifnull", "iif", "instr", "json", "json_array", "json_array_length",
    "json_each", "json_error_position", "json_extract", "json_group_array", "json_group_object", "json_insert",
    "json_object", "json_patch", "json_pretty", "json_quote", "json_remove", "json_replace", "json_set",
    "json_tree", "json_type", "json_valid", "jsonb", "jsonb_array", "jsonb_each", "jsonb_extract",
    "jsonb_group_array", "jsonb_group_object", "jsonb_insert", "jsonb_object", "jsonb_patch", "jsonb_remove",
    "jsonb_replace", "jsonb_set", "jsonb_tree", "like", "likelihood", "likely", "log2", "match", "matchinfo",
    "median", "offsets", "percentile", "percentile_cont", "percentile_disc", "pow", "pragma_foreign_key_list",
    "pragma_index_info", "pragma_index_list", "pragma_index_xinfo", "pragma_table_info", "pragma_table_list",
    "pragma_table_xinfo", "printf", "quote", "sinh", "snippet", "soundex", "string_agg", "subtype", "tanh",
    "timediff", "total", "trunc", "typeof", "unhex", "unicode", "unistr", "unistr_quote", "unlikely", "zeroblob",
];

#[rustfmt::skip]
const SQLITE_VOLATILE: &[&str] = &[
    "changes", "current_date", "current_time", "current_timestamp", "last_insert_rowid", "random", "randomblob",
    "sqlite_compileoption_get", "sqlite_compileoption_used", "sqlite_source_id", "sqlite_version", "total_changes",
];

#[rustfmt::skip]
const MYSQL: &[&str] = &[
    "ascii", "bin", "bit_and", "bit_count", "bit_length", "bit_or", "char", "char_length", "crc32", "date",
    "date_add", "date_format", "date_sub", "datediff", "day", "dayname", "dayofmonth", "dayofweek", "dayofyear",
    "elt", "field", "find_in_set", "format", "from_days", "from_unixtime", "greatest", "group_concat", "hex",
    "hour", "if", "ifnull", "insert", "instr", "json_array", "json_arrayagg", "json_contains", "json_extract",
    "json_keys", "json_length", "json_object", "json_objectagg", "json_search", "json_type", "json_unquote",
    "json_valid", "last_day", "lcase", "least", "left", "locate", "log2", "lpad", "makedate", "md5", "microsecond",
    "mid", "minute", "month", "monthname", "oct", "ord", "period_diff", "position", "pow", "quarter", "quote",
    "regexp_instr", "regexp_like", "regexp_replace", "regexp_substr", "repeat", "reverse", "right", "rpad",
    "second", "sha1", "sha2", "soundex", "space", "std", "stddev", "str_to_date", "strcmp", "substring_index",
    "time", "time_format", "timediff", "timestampdiff", "to_days", "truncate", "ucase", "unhex", "var_pop",
    "variance", "week", "weekday", "weekofyear", "year", "yearweek",
];

#[rustfmt::skip]
const MYSQL_VOLATILE: &[&str] = &[
    "connection_id", "curdate", "current_date", "current_time", "current_timestamp", "current_user", "curtime",
    "database", "found_rows", "last_insert_id", "localtime", "localtimestamp", "now", "rand", "row_count", "schema",
    "sysdate", "unix_timestamp", "user", "utc_date", "utc_time", "utc_timestamp", "uuid", "version",
];
