//! What is known of code that nobody can read: extensions and built-in functions, by their names.

/// Extensions whose own C code, types and views change nothing but for [`ACTING`]. Only what a superuser owns counts as
/// theirs: whoever created an extension can add functions to it. Their functions in SQL and PL/pgSQL are read like others.
pub(super) const EXTENSIONS: &[&str] = &[
    "btree_gin",
    "btree_gist",
    "citext",
    "cube",
    "earthdistance",
    "fuzzystrmatch",
    "hstore",
    "intarray",
    "isn",
    "ltree",
    "pg_stat_statements",
    "pg_trgm",
    "pgcrypto",
    "plpgsql",
    "postgis",
    "seg",
    "unaccent",
    "uuid-ossp",
    "vector",
];

/// Functions of those extensions that act: they forget statistics, or set what holds for the session.
pub(super) const ACTING: &[&str] = &["pg_stat_statements_reset", "set_limit", "isn_weak", "accept_weak_input"];

/// Built-in functions of triggers, and those that only event triggers call. They change the row at hand, or nothing.
pub(super) const TRIGGERS: &[&str] = &[
    "pg_event_trigger_ddl_commands",
    "pg_event_trigger_dropped_objects",
    "pg_event_trigger_table_rewrite_oid",
    "pg_event_trigger_table_rewrite_reason",
    "suppress_redundant_updates_trigger",
    "tsvector_update_trigger",
    "tsvector_update_trigger_column",
    "unique_key_recheck",
];

/// Built-in functions that only read, and stand in the views that the server brings along; beside those, all that tell its
/// statistics.
pub(super) const OF_VIEWS: &[&str] = &[
    "has_foreign_data_wrapper_privilege",
    "pg_config",
    "pg_cursor",
    "pg_get_aios",
    "pg_get_backend_memory_contexts",
    "pg_get_publication_tables",
    "pg_get_replication_slots",
    "pg_get_shmem_allocations",
    "pg_get_shmem_allocations_numa",
    "pg_get_wait_events",
    "pg_hba_file_rules",
    "pg_ident_file_mappings",
    "pg_mcv_list_items",
    "pg_prepared_statement",
    "pg_prepared_xact",
    "pg_show_all_file_settings",
    "pg_show_replication_origin_status",
];

/// What tells the server's statistics is called so, and changes none.
pub(super) const STATISTICS: &str = "pg_stat_get_";

/// Built-in functions whose effect a rollback takes back: a notification that is not sent, a lock that ends with the
/// transaction, the transaction's own number. Harmless in a change, which is tried and rolled back; not in a read.
pub(super) const ROLLED_BACK: &[&str] = &[
    "pg_advisory_xact_lock",
    "pg_advisory_xact_lock_shared",
    "pg_current_xact_id",
    "pg_notify",
    "pg_try_advisory_xact_lock",
    "pg_try_advisory_xact_lock_shared",
    "txid_current",
];
