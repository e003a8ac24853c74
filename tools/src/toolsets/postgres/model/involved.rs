//! What a statement may reach: the tables it names, what foreign keys, partitions, rules and triggers lead to from there, and
//! the sequences on the way. A superset, found before the statement runs.

use std::collections::BTreeSet;

use tokio_postgres::types::Type;

use super::catalog::cell;
use super::layout::is_unsteady;
use crate::contract::ToolError;
use crate::sql::Verb;
use crate::toolsets::postgres::connect::Tx;

/// What may be reached.
#[derive(Debug, Default)]
pub(crate) struct Involved {
    /// The tables and views.
    pub tables: BTreeSet<u32>,
    /// The functions of triggers and defaults.
    functions: BTreeSet<u32>,
    /// The sequences that may be drawn from.
    pub sequences: Vec<u32>,
    /// A trigger, rule or default on the way gives another value each time.
    pub unsteady: bool,
}

/// Partitions and children below, parents above; the tables a foreign key's action changes; what rules lead to; what
/// triggers' functions name.
const TABLES: &str = "SELECT i.inhrelid FROM pg_catalog.pg_inherits i WHERE i.inhparent = ANY ($1) \
    UNION SELECT i.inhparent FROM pg_catalog.pg_inherits i WHERE i.inhrelid = ANY ($1) \
    UNION SELECT k.conrelid FROM pg_catalog.pg_constraint k WHERE k.contype = 'f' AND k.confrelid = ANY ($1) \
      AND (k.confdeltype::text IN ('c', 'n', 'd') OR k.confupdtype::text IN ('c', 'n', 'd')) \
    UNION SELECT c.oid FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_depend d \
      ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid \
      JOIN pg_catalog.pg_class c ON c.oid = d.refobjid AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass \
      WHERE r.ev_class = ANY ($1) AND r.ev_type <> '1' AND r.ev_enabled <> 'D' AND c.oid >= 16384 \
      AND c.relkind IN ('r', 'p', 'v', 'f') \
    UNION SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace, \
      pg_catalog.pg_proc p WHERE p.oid = ANY ($2) AND c.relkind IN ('r', 'p', 'v', 'f') \
      AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') \
      AND pg_catalog.strpos(pg_catalog.lower(p.prosrc), pg_catalog.lower(c.relname::text)) > 0";

/// The functions of triggers, of defaults, of rules, and those that such functions name.
const FUNCTIONS: &str = "SELECT t.tgfoid FROM pg_catalog.pg_trigger t WHERE t.tgrelid = ANY ($1) AND NOT t.tgisinternal \
      AND t.tgenabled::text IN ('O', 'A') \
    UNION SELECT d.refobjid FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_attrdef a ON a.oid = d.objid \
      WHERE d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND a.adrelid = ANY ($1) \
      AND d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass \
    UNION SELECT d.refobjid FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_attribute a ON a.atttypid = d.objid \
      JOIN pg_catalog.pg_type t ON t.oid = d.objid AND t.typtype = 'd' AND t.typdefault IS NOT NULL \
      WHERE d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND a.attrelid = ANY ($1) \
      AND d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass \
    UNION SELECT d.refobjid FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_depend d \
      ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid \
      WHERE r.ev_class = ANY ($1) AND r.ev_type <> '1' AND r.ev_enabled <> 'D' \
      AND d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass \
    UNION SELECT f.oid FROM pg_catalog.pg_proc f JOIN pg_catalog.pg_namespace n ON n.oid = f.pronamespace, \
      pg_catalog.pg_proc p WHERE p.oid = ANY ($2) AND n.nspname NOT IN ('pg_catalog', 'information_schema') \
      AND pg_catalog.strpos(pg_catalog.lower(p.prosrc), pg_catalog.lower(f.proname::text)) > 0";

const TEXTS: &str = "SELECT l.lanname::text, p.prosrc FROM pg_catalog.pg_proc p \
    JOIN pg_catalog.pg_language l ON l.oid = p.prolang WHERE p.oid = ANY ($1)";

/// What may say on the way that a value is another one each time: rules; views where a rule or trigger writes what they show;
/// the defaults of views' columns, which no table's column knows of; those a foreign key sets, or, where `$2` says that the
/// statement itself resets columns, any; the conditions of triggers.
const SAID: &str = "SELECT pg_catalog.pg_get_ruledef(r.oid) FROM pg_catalog.pg_rewrite r WHERE r.ev_class = ANY ($1) \
      AND r.ev_enabled <> 'D' AND (r.ev_type <> '1' OR EXISTS (SELECT FROM pg_catalog.pg_rewrite o \
        WHERE o.ev_class = r.ev_class AND o.ev_type <> '1' AND o.ev_enabled <> 'D') OR EXISTS (\
        SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = r.ev_class AND t.tgtype & 64 <> 0 AND t.tgenabled <> 'D')) \
    UNION ALL SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid) FROM pg_catalog.pg_attrdef d \
      JOIN pg_catalog.pg_class c ON c.oid = d.adrelid WHERE d.adrelid = ANY ($1) AND (c.relkind = 'v' OR $2 OR EXISTS (\
        SELECT FROM pg_catalog.pg_constraint k WHERE k.contype = 'f' AND k.conrelid = d.adrelid AND d.adnum = ANY (k.conkey) \
        AND 'd' IN (k.confdeltype::text, k.confupdtype::text))) \
    UNION ALL SELECT pg_catalog.regexp_replace(pg_catalog.pg_get_triggerdef(t.oid), '^.* WHEN (.*) EXECUTE .*$', '\\1') \
      FROM pg_catalog.pg_trigger t WHERE t.tgrelid = ANY ($1) AND NOT t.tgisinternal AND t.tgqual IS NOT NULL \
      AND t.tgenabled::text IN ('O', 'A')";

/// Whether there are rules that act.
const RULES: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_rewrite r WHERE r.ev_class = ANY ($1) AND r.ev_type <> '1' \
    AND r.ev_enabled <> 'D')";

/// Those of the columns, those that defaults and rules draw from, those that functions name; or all there are.
const SEQUENCES: &str = "SELECT s.oid FROM pg_catalog.pg_class s WHERE s.relkind = 'S' AND ($3 OR EXISTS (\
      SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass \
      AND d.objid = s.oid AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = ANY ($1) \
      AND d.deptype::text IN ('a', 'i')) OR EXISTS (\
      SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_attrdef a ON a.oid = d.objid \
      WHERE d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND a.adrelid = ANY ($1) \
      AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = s.oid) OR EXISTS (\
      SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid \
      WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND r.ev_class = ANY ($1) \
      AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = s.oid) OR EXISTS (\
      SELECT FROM pg_catalog.pg_proc p WHERE p.oid = ANY ($2) \
      AND pg_catalog.strpos(pg_catalog.lower(p.prosrc), pg_catalog.lower(s.relname::text)) > 0))";

/// What a statement that names these tables may reach.
pub(crate) async fn involved(tx: &Tx<'_>, named: &[u32], verb: Verb, sql: &str) -> Result<Involved, ToolError> {
    let mut found = Involved { tables: named.iter().copied().collect(), ..Involved::default() };
    loop {
        let size = (found.tables.len(), found.functions.len());
        let (tables, functions): (Vec<u32>, Vec<u32>) =
            (found.tables.iter().copied().collect(), found.functions.iter().copied().collect());
        let params = [(&tables as _, Type::OID_ARRAY), (&functions as _, Type::OID_ARRAY)];
        for row in &tx.rows(FUNCTIONS, &params).await? {
            found.functions.insert(cell(row, 0)?);
        }
        for row in &tx.rows(TABLES, &params).await? {
            found.tables.insert(cell(row, 0)?);
        }
        if size == (found.tables.len(), found.functions.len()) {
            break;
        }
    }
    let opaque = found.read(tx).await?;
    // What only deletes, or sets columns to what is written, evaluates no default.
    let sql = sql.to_ascii_lowercase();
    let written = sql.contains("default");
    // Of a new row the columns know themselves what is not steady; one that was there gets it by SET.
    let resets = written && (!matches!(verb, Verb::Insert) || sql.contains("conflict") || sql.contains("update"));
    found.unsteady |= says_unsteady(tx, &found, resets).await?;
    let rules = tx.value::<bool>(RULES, &[(&found.oids() as _, Type::OID_ARRAY)]).await?;
    let defaults = written || rules || sets_default(tx, &found).await?;
    let draws = matches!(verb, Verb::Insert | Verb::Merge) || !found.functions.is_empty() || defaults;
    if draws {
        let (tables, functions): (Vec<u32>, Vec<u32>) =
            (found.tables.iter().copied().collect(), found.functions.iter().copied().collect());
        let params = [(&tables as _, Type::OID_ARRAY), (&functions as _, Type::OID_ARRAY), (&opaque as _, Type::BOOL)];
        for row in &tx.rows(SEQUENCES, &params).await? {
            found.sequences.push(cell(row, 0)?);
        }
    }
    Ok(found)
}

async fn says_unsteady(tx: &Tx<'_>, found: &Involved, resets: bool) -> Result<bool, ToolError> {
    for row in &tx.rows(SAID, &[(&found.oids() as _, Type::OID_ARRAY), (&resets as _, Type::BOOL)]).await? {
        if cell::<Option<String>>(row, 0)?.is_some_and(|text| is_unsteady(&text)) {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn sets_default(tx: &Tx<'_>, found: &Involved) -> Result<bool, ToolError> {
    let tables = found.oids();
    let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.confrelid = ANY ($1) \
        AND 'd' IN (k.confdeltype::text, k.confupdtype::text))";
    tx.value(sql, &[(&tables as _, Type::OID_ARRAY)]).await
}

impl Involved {
    fn oids(&self) -> Vec<u32> {
        self.tables.iter().copied().collect()
    }

    /// Reads the functions' texts; whether one of them could draw from any sequence.
    async fn read(&mut self, tx: &Tx<'_>) -> Result<bool, ToolError> {
        let functions: Vec<u32> = self.functions.iter().copied().collect();
        let mut opaque = false;
        for row in &tx.rows(TEXTS, &[(&functions as _, Type::OID_ARRAY)]).await? {
            let (language, text): (String, String) = (cell(row, 0)?, cell(row, 1)?);
            let text = text.to_ascii_lowercase();
            let known = ["sql", "plpgsql", "internal"].contains(&language.as_str());
            opaque |= !known || text.contains("execute");
            self.unsteady |= !known || is_unsteady(&text);
        }
        Ok(opaque)
    }
}
