//! What a statement's text cannot tell and the catalogue can: whether a name it writes is somebody's own function, operator,
//! cast, type or view, and what code those run. Asked in the transaction that then runs the statement.

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::catalog::cell;
use super::session::Tx;
use crate::contract::ToolError;
use crate::sql::{Class, Uses, examine};
use crate::text::shown;

/// Extensions whose operators, casts, types and overloads of built-in functions change nothing. Only what a superuser owns
/// counts as theirs: whoever created an extension can add functions to it.
const EXTENSIONS: &[&str] = &[
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

/// Operators that SQL's own syntax looks up by name: `CASE x WHEN`, `IN`, `BETWEEN`, `LIKE`, `USING`, `NULLIF`.
const IMPLIED: &[&str] = &["=", "<>", "<", "<=", ">", ">=", "~~", "!~~", "~~*", "!~~*", "~", "!~"];

/// More findings than this are not looked through.
const MOST_FINDINGS: usize = 500;

/// Refuses a statement that may run somebody's own code, unless the session's role could do no harm with it.
///
/// # Errors
/// `Untouched`: why it does not run.
pub(super) async fn check(tx: &Tx<'_>, uses: &Uses) -> Result<(), ToolError> {
    // Compiling the questions would take two hundred times as long as answering them.
    tx.run("SET LOCAL jit = off").await?;
    own_names_first(tx).await?;
    let mut code = Vec::new();
    for finding in findings(tx, uses).await? {
        if let Some(runs) = judge(finding)? {
            code.push(runs);
        }
    }
    let Some(first) = code.first() else { return Ok(()) };
    match reasons_for_caution(tx).await?.first() {
        None => Ok(()),
        Some(reason) => Err(ToolError::refused(format!(
            "not certainly a read: it may run code that is not PostgreSQL's own ({first}), and the role is not kept from \
             doing harm with it: {reason}"
        ))
        .with_next(
            "read the tables behind it; or a person sets `read_secret` to a role that is no superuser and may execute no \
             SECURITY DEFINER function",
        )),
    }
}

/// Before anything else is asked: the questions themselves use operators.
async fn own_names_first(tx: &Tx<'_>) -> Result<(), ToolError> {
    let path: Vec<String> = tx.value("SELECT pg_catalog.current_schemas(true)::pg_catalog.text[]", &[]).await?;
    match path.iter().find(|schema| !schema.starts_with("pg_temp_")) {
        Some(first) if first == "pg_catalog" => Ok(()),
        first => Err(ToolError::refused(format!(
            "not certainly a read: the role's `search_path` looks for functions in `{}` before PostgreSQL's own",
            shown(first.map_or("", String::as_str)),
        ))
        .with_next("a person takes `pg_catalog` out of the role's or database's `search_path`")),
    }
}

/// One row of what the catalogue says.
struct Finding {
    kind: String,
    name: String,
    within: String,
    definition: String,
}

async fn findings(tx: &Tx<'_>, uses: &Uses) -> Result<Vec<Finding>, ToolError> {
    let all = |names: &std::collections::BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>();
    let mut operators = all(&uses.operators);
    operators.extend(IMPLIED.iter().map(|&name| name.to_owned()));
    let (schemas, relations): (Vec<String>, Vec<String>) = uses.dotted.iter().flat_map(|name| places(name)).unzip();
    let extensions: Vec<&str> = EXTENSIONS.to_vec();
    let (calls, unlisted, names) = (all(&uses.calls), all(&uses.unlisted), all(&uses.names));
    let rows = tx
        .rows(
            FINDINGS,
            &[
                (&calls, Type::TEXT_ARRAY),
                (&unlisted, Type::TEXT_ARRAY),
                (&names, Type::TEXT_ARRAY),
                (&operators, Type::TEXT_ARRAY),
                (&schemas, Type::TEXT_ARRAY),
                (&relations, Type::TEXT_ARRAY),
                (&extensions, Type::TEXT_ARRAY),
            ],
        )
        .await?;
    if rows.len() > MOST_FINDINGS {
        return Err(ToolError::refused(
            "not certainly a read: it reaches more views and code than can be looked through",
        ));
    }
    rows.iter().map(finding).collect()
}

fn finding(row: &Row) -> Result<Finding, ToolError> {
    Ok(Finding { kind: cell(row, 0)?, name: cell(row, 1)?, within: cell(row, 2)?, definition: cell(row, 3)? })
}

/// What a dotted name can mean as a relation or type: schema (empty for any on the path) and name.
fn places(name: &[String]) -> Vec<(String, String)> {
    let pair = |schema: &str, name: &str| (schema.to_owned(), name.to_owned());
    match name {
        [name] => vec![pair("", name)],
        [schema, name] => vec![pair(schema, name)],
        [first, second, third] => vec![pair(first, second), pair(second, third)],
        [_, second, third, ..] => vec![pair(second, third)],
        [] => Vec::new(),
    }
}

/// What code a finding may run, in words; an error where it runs nothing that can be accepted.
fn judge(finding: Finding) -> Result<Option<String>, ToolError> {
    let Finding { kind, name, within, definition } = finding;
    let (name, within) = (shown(&name), shown(&within));
    let refuse = |what: String, next: String| Err(ToolError::refused(format!("not a read: {what}")).with_next(next));
    match kind.as_str() {
        "overload" => refuse(
            format!("`{name}` may be the function of schema `{within}` instead of PostgreSQL's own"),
            format!("write `pg_catalog.{name}(…)`"),
        ),
        "builtin" => refuse(
            format!("it calls `{name}`, which is not on the list of functions known to be harmless"),
            "send exactly one SELECT that calls built-in functions only".into(),
        ),
        "foreign" => refuse(
            format!("`{within}.{name}` is a foreign table: reading it reaches another server"),
            "ask that server's own target".into(),
        ),
        "attribute" => Ok(Some(format!("`{name}` may call the function `{within}.{name}`"))),
        "operator" => Ok(Some(format!("the operator `{name}` of schema `{within}`"))),
        "cast" => Ok(Some(format!("a cast with the function `{name}`"))),
        "type" => Ok(Some(format!("the type `{within}.{name}`"))),
        "view" | "policy" | "domain" => Ok(match examine(&definition) {
            Ok((Class::Read, _)) => None,
            Ok(_) => Some(format!("the {kind} `{name}` does more than read")),
            Err(refusal) => Some(format!("the {kind} `{name}`: {refusal}")),
        }),
        _ => Ok(Some(format!("`{name}` in `{within}`"))),
    }
}

/// Why code run by this session could do harm although the transaction only reads.
async fn reasons_for_caution(tx: &Tx<'_>) -> Result<Vec<String>, ToolError> {
    let extensions: Vec<&str> = EXTENSIONS.to_vec();
    let rows = tx.rows(CAUTION, &[(&extensions, Type::TEXT_ARRAY)]).await?;
    rows.iter().map(|row| cell::<String>(row, 0).map(|reason| shown(&reason))).collect()
}

/// Built-in objects have ids below 16384, whatever schema they lie in. Views, policies, indexes, checks, partition keys and
/// statistics run their functions with the reader's rights, the last four while the statement is planned. Casts between
/// built-in types and operator classes for them run wherever such values are, named or not.
const FINDINGS: &str = "WITH RECURSIVE \
    path AS (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname::text = ANY(pg_catalog.current_schemas(true)::text[])), \
    super AS (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolsuper), \
    member AS MATERIALIZED (SELECT d.classid, d.objid FROM pg_catalog.pg_depend d \
      JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid \
      WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e' AND e.extname::text = ANY($7)), \
    code AS MATERIALIZED (SELECT p.oid, p.proname, n.nspname, p.pronamespace, p.pronargs, p.pronargdefaults, \
      CASE p.provariadic WHEN 0 THEN p.proargtypes[0] ELSE p.provariadic END AS takes \
      FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace \
      WHERE p.oid >= 16384 AND NOT (p.prolang = 12 AND p.prosrc ~ '^(multi)?range_constructor[0-3]$') \
        AND NOT (p.proowner IN (SELECT s.oid FROM super s) AND EXISTS (SELECT 1 FROM member m \
        WHERE m.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND m.objid = p.oid))), \
    operator AS MATERIALIZED (SELECT o.oid, o.oprname, n.nspname, o.oprnamespace FROM pg_catalog.pg_operator o \
      JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace \
      WHERE o.oid >= 16384 AND NOT (o.oprowner IN (SELECT s.oid FROM super s) AND EXISTS (SELECT 1 FROM member m \
        WHERE m.classid = 'pg_catalog.pg_operator'::pg_catalog.regclass AND m.objid = o.oid))), \
    written AS (SELECT w.s, w.n FROM ROWS FROM (pg_catalog.unnest($5), pg_catalog.unnest($6)) AS w (s, n)), \
    reach (oid) AS (SELECT c.oid FROM written w JOIN pg_catalog.pg_class c ON c.relname::text = w.n \
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
        WHERE c.oid >= 16384 AND (n.nspname::text = w.s OR w.s = '' AND n.oid IN (SELECT p.oid FROM path p)) \
      UNION SELECT next.oid FROM reach JOIN LATERAL ( \
        SELECT d.refobjid AS oid FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class v ON v.oid = r.ev_class \
          JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid \
          WHERE r.ev_class = reach.oid AND v.relkind = 'v' \
            AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass \
        UNION ALL SELECT i.inhrelid FROM pg_catalog.pg_inherits i WHERE i.inhparent = reach.oid \
        UNION ALL SELECT d.refobjid FROM pg_catalog.pg_policy p \
          JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass AND d.objid = p.oid \
          WHERE p.polrelid = reach.oid AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass \
      ) next ON true WHERE next.oid >= 16384), \
    rel AS MATERIALIZED (SELECT c.oid, c.relname, n.nspname, c.relkind, c.reltype, c.relrowsecurity \
      FROM reach JOIN pg_catalog.pg_class c ON c.oid = reach.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
      WHERE NOT (c.relowner IN (SELECT s.oid FROM super s) AND EXISTS (SELECT 1 FROM member m \
        WHERE m.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND m.objid = c.oid))), \
    kinds (oid) AS ((SELECT a.atttypid FROM rel JOIN pg_catalog.pg_attribute a ON a.attrelid = rel.oid WHERE a.attnum > 0 \
        UNION SELECT rel.reltype FROM rel \
        UNION SELECT t.oid FROM written w JOIN pg_catalog.pg_type t ON t.typname::text = w.n \
          JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace \
          WHERE t.oid >= 16384 AND (n.nspname::text = w.s OR w.s = '' AND n.oid IN (SELECT p.oid FROM path p)) \
        UNION SELECT d.refobjid FROM rel JOIN pg_catalog.pg_rewrite r ON r.ev_class = rel.oid \
          JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid \
          WHERE d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass) \
      UNION SELECT next.oid FROM kinds JOIN LATERAL ( \
        SELECT t.typbasetype AS oid FROM pg_catalog.pg_type t WHERE t.oid = kinds.oid \
        UNION ALL SELECT t.typelem FROM pg_catalog.pg_type t WHERE t.oid = kinds.oid \
        UNION ALL SELECT a.atttypid FROM pg_catalog.pg_type t JOIN pg_catalog.pg_attribute a ON a.attrelid = t.typrelid \
          WHERE t.oid = kinds.oid AND a.attnum > 0 \
        UNION ALL SELECT t.typarray FROM pg_catalog.pg_type t WHERE t.oid = kinds.oid \
        UNION ALL SELECT pg_catalog.unnest(ARRAY[g.rngsubtype, g.rngtypid, g.rngmultitypid]) FROM pg_catalog.pg_range g \
          WHERE kinds.oid IN (g.rngtypid, g.rngmultitypid) \
      ) next ON true WHERE next.oid >= 16384), \
    policy AS (SELECT p.oid, p.polname, p.polqual, p.polrelid, rel.nspname, rel.relname FROM pg_catalog.pg_policy p \
      JOIN rel ON rel.oid = p.polrelid WHERE rel.relrowsecurity AND p.polcmd IN ('r', '*') \
        AND (pg_catalog.row_security_active(rel.oid) OR EXISTS (SELECT 1 FROM rel v WHERE v.relkind = 'v'))), \
    runs (class, oid, name) AS ( \
      SELECT 'pg_catalog.pg_rewrite'::pg_catalog.regclass::oid, r.oid, rel.relname FROM rel \
        JOIN pg_catalog.pg_rewrite r ON r.ev_class = rel.oid WHERE rel.relkind = 'v' \
      UNION ALL SELECT 'pg_catalog.pg_policy'::pg_catalog.regclass::oid, p.oid, p.relname FROM policy p \
      UNION ALL SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::oid, i.indexrelid, rel.relname FROM rel \
        JOIN pg_catalog.pg_index i ON i.indrelid = rel.oid \
      UNION ALL SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::oid, rel.oid, rel.relname FROM rel \
      UNION ALL SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass::oid, k.oid, rel.relname FROM rel \
        JOIN pg_catalog.pg_constraint k ON k.conrelid = rel.oid \
      UNION ALL SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass::oid, k.oid, k.conname FROM kinds \
        JOIN pg_catalog.pg_constraint k ON k.contypid = kinds.oid \
      UNION ALL SELECT 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass::oid, x.oid, rel.relname FROM rel \
        JOIN pg_catalog.pg_statistic_ext x ON x.stxrelid = rel.oid) \
    (SELECT 'overload'::text, c.proname::text, c.nspname::text, ''::text FROM code c \
      WHERE c.proname::text = ANY($1) AND c.pronamespace IN (SELECT p.oid FROM path p) \
    UNION ALL SELECT 'builtin', p.proname::text, ''::text, ''::text FROM pg_catalog.pg_proc p \
      WHERE p.oid < 16384 AND p.proname::text = ANY($2) \
    UNION ALL SELECT 'foreign', rel.relname::text, rel.nspname::text, ''::text FROM rel WHERE rel.relkind = 'f' \
    UNION ALL SELECT 'attribute', c.proname::text, c.nspname::text, ''::text FROM code c \
      JOIN pg_catalog.pg_type t ON t.oid = c.takes \
      WHERE c.proname::text = ANY($3) AND c.pronamespace IN (SELECT p.oid FROM path p) \
        AND c.pronargs - c.pronargdefaults <= 1 AND t.typtype IN ('c', 'p', 'd') \
    UNION ALL SELECT 'operator', o.oprname::text, o.nspname::text, ''::text FROM operator o \
      WHERE o.oprname::text = ANY($4) AND o.oprnamespace IN (SELECT p.oid FROM path p) \
    UNION ALL SELECT 'cast', c.proname::text, ''::text, ''::text FROM pg_catalog.pg_cast k JOIN code c ON c.oid = k.castfunc \
      WHERE k.castsource IN (SELECT s.oid FROM kinds s) OR k.casttarget IN (SELECT s.oid FROM kinds s) \
        OR k.castsource < 16384 AND k.casttarget < 16384 \
    UNION ALL SELECT 'code', c.nspname::text || '.' || c.proname::text, 'an operator class'::text, ''::text \
      FROM pg_catalog.pg_amproc a JOIN code c ON c.oid = a.amproc \
      WHERE a.amproclefttype < 16384 OR a.amproclefttype IN (SELECT s.oid FROM kinds s) \
    UNION ALL SELECT 'operator', o.oprname::text, o.nspname::text, ''::text \
      FROM pg_catalog.pg_amop a JOIN operator o ON o.oid = a.amopopr \
      WHERE a.amoplefttype < 16384 OR a.amoplefttype IN (SELECT s.oid FROM kinds s) \
    UNION ALL SELECT 'type', t.typname::text, n.nspname::text, ''::text FROM kinds JOIN pg_catalog.pg_type t ON t.oid = kinds.oid \
      JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace \
      WHERE t.oid >= 16384 AND t.typtype = 'b' AND t.typelem = 0 AND NOT (t.typowner IN (SELECT s.oid FROM super s) \
        AND EXISTS (SELECT 1 FROM member m WHERE m.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND m.objid = t.oid)) \
    UNION ALL SELECT 'code', c.nspname::text || '.' || c.proname::text, runs.name::text, ''::text FROM runs \
      JOIN pg_catalog.pg_depend d ON d.classid = runs.class AND d.objid = runs.oid \
        AND d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass JOIN code c ON c.oid = d.refobjid \
    UNION ALL SELECT 'operator', o.oprname::text, o.nspname::text, ''::text FROM runs \
      JOIN pg_catalog.pg_depend d ON d.classid = runs.class AND d.objid = runs.oid \
        AND d.refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass JOIN operator o ON o.oid = d.refobjid \
    UNION ALL SELECT 'view', rel.nspname::text || '.' || rel.relname::text, ''::text, pg_catalog.pg_get_viewdef(rel.oid) \
      FROM rel WHERE rel.relkind = 'v' \
    UNION ALL SELECT 'policy', p.polname::text, p.relname::text, \
      'SELECT ' || pg_catalog.pg_get_expr(p.polqual, p.polrelid) FROM policy p WHERE p.polqual IS NOT NULL \
    UNION ALL SELECT 'domain', k.conname::text, ''::text, 'SELECT ' || pg_catalog.pg_get_expr(k.conbin, 0) FROM kinds \
      JOIN pg_catalog.pg_constraint k ON k.contypid = kinds.oid WHERE k.conbin IS NOT NULL) LIMIT 501";

/// What remains within reach of code in a transaction that only reads: rights that are lent (a superuser's, an owner's by
/// `SECURITY DEFINER`), untrusted languages, other servers, and built-in functions that act outside of transactions.
const CAUTION: &str = "WITH mine AS (SELECT r.oid, r.rolname, r.rolsuper, r.rolreplication FROM pg_catalog.pg_roles r \
      WHERE pg_catalog.pg_has_role(session_user, r.oid, 'MEMBER')) \
    (SELECT 'it is a superuser, or can become one'::text WHERE EXISTS (SELECT 1 FROM mine m WHERE m.rolsuper) \
    UNION ALL SELECT 'it may replicate' WHERE EXISTS (SELECT 1 FROM mine m WHERE m.rolreplication) \
    UNION ALL SELECT 'it is a member of ' || m.rolname::text FROM mine m WHERE m.oid < 16384 AND m.rolname::text <> ALL \
      ('{pg_read_all_data,pg_write_all_data,pg_read_all_stats,pg_read_all_settings,pg_stat_scan_tables,pg_monitor,\
      pg_database_owner}'::text[]) \
    UNION ALL SELECT 'it may execute ' || n.nspname::text || '.' || p.proname::text || ', which ' \
      || CASE WHEN p.prosecdef THEN 'has its owner''s rights' ELSE 'is written in ' || l.lanname::text END \
      FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace \
      JOIN pg_catalog.pg_language l ON l.oid = p.prolang \
      WHERE p.oid >= 16384 AND (p.prosecdef OR NOT l.lanpltrusted) \
        AND NOT (p.prolang = 12 AND p.prosrc ~ '^(multi)?range_constructor[0-3]$') \
        AND p.prorettype NOT IN ('pg_catalog.trigger'::pg_catalog.regtype, 'pg_catalog.event_trigger'::pg_catalog.regtype) \
        AND NOT (p.proowner IN (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolsuper) \
          AND EXISTS (SELECT 1 FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid \
          WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e' \
            AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND e.extname::text = ANY($1))) \
        AND EXISTS (SELECT 1 FROM mine m WHERE pg_catalog.has_function_privilege(m.oid, p.oid, 'EXECUTE')) \
    UNION ALL SELECT 'it may read the foreign table ' || c.relname::text FROM pg_catalog.pg_class c WHERE c.relkind = 'f' \
      AND EXISTS (SELECT 1 FROM mine m WHERE pg_catalog.has_table_privilege(m.oid, c.oid, 'SELECT')) \
    UNION ALL SELECT 'it may execute ' || p.proname::text FROM pg_catalog.pg_proc p \
      WHERE p.oid < 16384 AND p.proname::text = ANY ('{lo_export,lo_import,pg_create_restore_point,pg_file_rename,\
        pg_file_unlink,pg_file_write,pg_log_backend_memory_contexts,pg_promote,pg_reload_conf,pg_rotate_logfile,\
        pg_stat_reset,pg_stat_reset_shared,pg_stat_reset_single_table_counters,pg_stat_reset_slru,pg_switch_wal,\
        pg_wal_replay_pause,pg_wal_replay_resume,pg_backup_start,pg_backup_stop}'::text[]) \
        AND EXISTS (SELECT 1 FROM mine m WHERE pg_catalog.has_function_privilege(m.oid, p.oid, 'EXECUTE'))) LIMIT 1";
