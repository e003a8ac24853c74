//! The functions known to change nothing, by dialect. What is not here is refused.
//!
//! The lists are laid out by hand: one name a line would be six hundred lines.

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
        Dialect::Postgres => (POSTGRES, POSTGRES_VOLATILE),
        Dialect::MySql => (MYSQL, MYSQL_VOLATILE),
    };
    if STANDARD.contains(&name) || lists.0.contains(&name) {
        return Some(Effect::Steady);
    }
    lists.1.contains(&name).then_some(Effect::Volatile)
}

/// Whether a PostgreSQL cast to this type, as the parser prints it, runs only built-in code.
pub(super) fn built_in_type(printed: &str) -> bool {
    let lower = printed.to_ascii_lowercase();
    let bare = lower.trim_end_matches("[]");
    let word = bare.split(['(', ' ']).next().unwrap_or_default();
    !bare.contains('.') && POSTGRES_TYPES.contains(&word)
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
/// pragma functions that describe the schema. Left out: `load_extension`, `fts3_tokenizer`, `fts5`, `optimize`, and what
/// only the command-line shell has (`readfile`, `writefile`, `edit`, `fsdir`).
#[rustfmt::skip]
const SQLITE: &[&str] = &[
    "acosh", "asinh", "atanh", "bm25", "char", "cosh", "dbstat", "format", "generate_series", "glob",
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

/// Built-in, in `pg_catalog`, and without effect: catalogue and text, number, date, array, JSON and range functions.
#[rustfmt::skip]
const POSTGRES: &[&str] = &[
    "age", "array_agg", "array_append", "array_cat", "array_dims", "array_length", "array_lower", "array_ndims",
    "array_position", "array_positions", "array_prepend", "array_remove", "array_replace", "array_to_json",
    "array_to_string", "array_upper", "ascii", "bit_and", "bit_length", "bit_or", "bool_and", "bool_or", "btrim",
    "cardinality", "cbrt", "char_length", "character_length", "chr", "col_description", "convert_from",
    "convert_to", "corr", "covar_pop", "covar_samp", "date", "date_bin", "date_part", "date_trunc", "decode", "div",
    "encode", "every", "extract", "format", "format_type", "gcd", "generate_series", "generate_subscripts",
    "get_byte", "greatest", "has_column_privilege", "has_database_privilege", "has_schema_privilege",
    "has_table_privilege", "host", "initcap", "isempty", "isfinite", "json_agg", "json_array_elements",
    "json_array_elements_text", "json_array_length", "json_build_array", "json_build_object", "json_each",
    "json_each_text", "json_extract_path", "json_extract_path_text", "json_object", "json_object_agg",
    "json_object_keys", "json_strip_nulls", "json_typeof", "jsonb_agg", "jsonb_array_elements",
    "jsonb_array_elements_text", "jsonb_array_length", "jsonb_build_array", "jsonb_build_object", "jsonb_each",
    "jsonb_each_text", "jsonb_extract_path", "jsonb_extract_path_text", "jsonb_insert", "jsonb_object",
    "jsonb_object_agg", "jsonb_object_keys", "jsonb_path_exists", "jsonb_path_match", "jsonb_path_query",
    "jsonb_path_query_array", "jsonb_path_query_first", "jsonb_pretty", "jsonb_set", "jsonb_strip_nulls",
    "jsonb_typeof", "justify_days", "justify_hours", "justify_interval", "lcm", "least", "left", "lower_inc",
    "lower_inf", "lpad", "make_date", "make_interval", "make_time", "make_timestamp", "make_timestamptz", "md5",
    "mode", "num_nonnulls", "num_nulls", "numrange", "obj_description", "overlay", "parse_ident", "point", "percentile_cont",
    "percentile_disc", "pg_column_size", "pg_database_size", "pg_encoding_to_char", "pg_get_constraintdef",
    "pg_get_expr", "pg_get_functiondef", "pg_get_indexdef", "pg_get_ruledef", "pg_get_serial_sequence",
    "pg_get_triggerdef", "pg_get_userbyid", "pg_get_viewdef", "pg_indexes_size", "pg_relation_size",
    "pg_size_bytes", "pg_size_pretty", "pg_table_is_visible", "pg_table_size", "pg_total_relation_size",
    "pg_typeof", "position", "quote_ident", "quote_literal", "quote_nullable", "range_agg", "regexp_count",
    "regexp_instr", "regexp_like", "regexp_match", "regexp_matches", "regexp_replace", "regexp_split_to_array",
    "regexp_split_to_table", "regexp_substr", "regr_slope", "repeat", "reverse", "right", "row_to_json", "rpad",
    "scale", "sha256", "split_part", "starts_with", "stddev", "stddev_pop", "stddev_samp", "string_agg",
    "string_to_array", "string_to_table", "strpos", "to_ascii", "to_char", "to_date", "to_hex", "to_json",
    "to_jsonb", "to_number", "to_regclass", "to_regtype", "to_timestamp", "to_tsquery", "to_tsvector", "translate",
    "trunc", "ts_headline", "ts_rank", "tsrange", "tstzrange", "daterange", "int4range", "int8range", "unnest",
    "upper_inc", "upper_inf", "var_pop", "var_samp", "variance", "websearch_to_tsquery", "plainto_tsquery",
    "phraseto_tsquery", "width_bucket",
];

#[rustfmt::skip]
const POSTGRES_VOLATILE: &[&str] = &[
    "clock_timestamp", "current_catalog", "current_database", "current_date", "current_role", "current_schema",
    "current_schemas", "current_time", "current_timestamp", "current_user", "gen_random_uuid", "inet_server_addr",
    "inet_server_port", "localtime", "localtimestamp", "now", "pg_backend_pid", "pg_is_in_recovery",
    "pg_postmaster_start_time", "random", "session_user", "statement_timestamp", "timeofday",
    "transaction_timestamp", "user", "uuidv4", "uuidv7", "version",
];

#[rustfmt::skip]
const POSTGRES_TYPES: &[&str] = &[
    "aclitem", "bigint", "bit", "bool", "boolean", "box", "bpchar", "bytea", "char", "character", "cidr", "circle",
    "date", "datemultirange", "daterange", "decimal", "double", "float", "float4", "float8", "inet", "int", "int2",
    "int2vector", "int4", "int4multirange", "int4range", "int8", "int8multirange", "int8range", "integer", "interval",
    "json", "jsonb", "jsonpath", "line", "lseg", "macaddr", "macaddr8", "money", "name", "numeric", "nummultirange",
    "numrange", "oid", "oidvector", "path", "pg_lsn", "pg_snapshot", "point", "polygon", "real", "regclass",
    "regcollation", "regconfig", "regdictionary", "regnamespace", "regoper", "regoperator", "regproc", "regprocedure",
    "regrole", "regtype", "smallint", "text", "tid", "time", "timestamp", "timestamptz", "timetz", "tsmultirange",
    "tsquery", "tsrange", "tstzmultirange", "tstzrange", "tsvector", "uuid", "varbit", "varchar", "xid", "xid8", "xml",
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
