//! What relations are like, as a digest that moves with their definition. Other things are meant by their ids, so that it does
//! not move when those are renamed. What they hold is counted in `contents`.

use tokio_postgres::types::Type;

use super::catalog::{Relation, cell, quote};
use super::contents::Contents;
use crate::contract::{Digest, ToolError};
use crate::toolsets::postgres::connect::Tx;

/// Makes the rest of the transaction find nothing but the catalogue by unqualified names, whatever the role's own search
/// path is. Gives that path back.
pub(crate) async fn harden(tx: &Tx<'_>) -> Result<String, ToolError> {
    let path: String = tx.value("SELECT pg_catalog.current_setting('search_path')", &[]).await?;
    tx.run("SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL synchronize_seqscans = off; SET LOCAL row_security = off")
        .await?;
    Ok(path)
}

/// Puts the role's own search path into force again.
pub(crate) async fn soften(tx: &Tx<'_>, path: &str) -> Result<(), ToolError> {
    let path = path.to_owned();
    tx.rows("SELECT pg_catalog.set_config('search_path', $1, true)", &[(&path, Type::TEXT)]).await?;
    Ok(())
}

/// The definition of these relations, with everything that belongs to them.
pub(crate) async fn shape(tx: &Tx<'_>, oids: &[u32]) -> Result<Digest, ToolError> {
    let oids = oids.to_vec();
    let rows = tx.rows(SHAPE, &[(&oids, Type::OID_ARRAY), (&DISPLAYED, Type::TEXT)]).await?;
    let mut lines = Vec::with_capacity(rows.len());
    for row in &rows {
        lines.push(cell::<String>(row, 0)?);
    }
    lines.sort_unstable();
    Ok(Digest::of(&lines))
}

/// What an expression says of its own text: where it stood, and whether a cast was written or implied. The server's own text
/// writes some implied ones out.
pub(crate) const DISPLAYED: &str = ":(location|(func|relabel|coerce|coercion|convert|row_)format) -?[0-9]+";

const SHAPE: &str = "\
    SELECT pg_catalog.jsonb_build_array('relation', c.oid, c.relname, c.relnamespace, c.relkind, c.relowner, \
        c.relacl::text, c.reloptions::text, c.relpersistence, c.relrowsecurity, c.relforcerowsecurity, c.reltablespace, \
        c.relreplident, c.relispartition, c.relpartbound::text, c.reloftype, c.relam)::text \
    FROM pg_catalog.pg_class c WHERE c.oid = ANY ($1) \
    UNION ALL SELECT pg_catalog.jsonb_build_array('column', a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, \
        a.attnotnull, a.attidentity, a.attgenerated, a.attcollation, a.attacl::text, a.attoptions::text, a.attstorage, \
        a.attislocal, a.attinhcount, a.attisdropped, a.attfdwoptions::text, \
        pg_catalog.regexp_replace(d.adbin::text, $2, '', 'g'))::text \
    FROM pg_catalog.pg_attribute a \
    LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
    WHERE a.attrelid = ANY ($1) AND a.attnum > 0 AND NOT a.attisdropped \
    UNION ALL SELECT pg_catalog.jsonb_build_array('index', i.indexrelid, i.indrelid, c.relname, i.indisunique, \
        i.indisprimary, i.indisvalid, i.indisreplident, i.indisclustered, i.indkey::text, i.indclass::text, \
        i.indcollation::text, i.indoption::text, i.indexprs::text, i.indpred::text, c.relam, c.reloptions::text, \
        c.reltablespace)::text \
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = ANY ($1) \
    UNION ALL SELECT pg_catalog.jsonb_build_array('constraint', k.oid, k.conname, k.contype, k.conrelid, k.confrelid, \
        k.conkey, k.confkey, k.condeferrable, k.condeferred, k.convalidated, k.confupdtype, k.confdeltype, \
        k.confmatchtype, k.conbin::text, k.conislocal, k.coninhcount, k.connoinherit)::text \
    FROM pg_catalog.pg_constraint k WHERE k.conrelid = ANY ($1) OR k.confrelid = ANY ($1) \
    UNION ALL SELECT pg_catalog.jsonb_build_array('trigger', t.oid, t.tgname, t.tgrelid, t.tgfoid, t.tgtype, t.tgenabled, \
        t.tgattr::text, t.tgargs::text, t.tgqual::text, t.tgdeferrable, t.tginitdeferred, t.tgconstraint)::text \
    FROM pg_catalog.pg_trigger t WHERE t.tgrelid = ANY ($1) \
    UNION ALL SELECT pg_catalog.jsonb_build_array('policy', p.oid, p.polname, p.polrelid, p.polcmd, p.polpermissive, \
        p.polroles::text, p.polqual::text, p.polwithcheck::text)::text \
    FROM pg_catalog.pg_policy p WHERE p.polrelid = ANY ($1) \
    UNION ALL SELECT pg_catalog.jsonb_build_array('rule', r.oid, r.rulename, r.ev_class, r.ev_type, r.ev_enabled, \
        r.is_instead, r.ev_qual::text, r.ev_action::text)::text \
    FROM pg_catalog.pg_rewrite r WHERE r.ev_class = ANY ($1) \
    UNION ALL SELECT pg_catalog.jsonb_build_array('inherits', h.inhrelid, h.inhparent, h.inhseqno)::text \
    FROM pg_catalog.pg_inherits h WHERE h.inhrelid = ANY ($1) OR h.inhparent = ANY ($1) \
    UNION ALL SELECT pg_catalog.jsonb_build_array('published', p.prpubid, p.prrelid)::text \
    FROM pg_catalog.pg_publication_rel p WHERE p.prrelid = ANY ($1) \
    UNION ALL SELECT pg_catalog.jsonb_build_array('sequence', s.seqrelid, s.seqtypid, s.seqstart, s.seqincrement, \
        s.seqmax, s.seqmin, s.seqcache, s.seqcycle)::text \
    FROM pg_catalog.pg_sequence s WHERE s.seqrelid = ANY ($1) OR EXISTS (SELECT FROM pg_catalog.pg_depend d \
        WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = s.seqrelid \
        AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = ANY ($1) \
        AND d.deptype IN ('a', 'i')) \
    UNION ALL SELECT pg_catalog.jsonb_build_array('comment', d.classoid, d.objoid, d.objsubid, d.description)::text \
    FROM pg_catalog.pg_description d WHERE d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass \
        AND d.objoid = ANY ($1)";

/// When a row of these relations was last written, as far as the server keeps it.
pub(crate) async fn last_write(
    tx: &Tx<'_>,
    relations: &[Relation],
    contents: &Contents,
    most: u64,
) -> Result<String, ToolError> {
    let tables: Vec<&Relation> = relations.iter().filter(|relation| relation.kind == 'r').collect();
    let kept: bool =
        tx.value("SELECT pg_catalog.current_setting('track_commit_timestamp')::bool", &[]).await.unwrap_or_default();
    if kept && tables.len() == 1 && contents.runs.is_none() {
        let bound = i64::try_from(most).unwrap_or(i64::MAX);
        let sql = format!(
            "SELECT pg_catalog.max(pg_catalog.pg_xact_commit_timestamp(q.xmin))::text FROM \
             (SELECT t.xmin FROM ONLY {} AS t LIMIT $1) AS q",
            tables[0].quoted()
        );
        let at: Option<String> = tx.value(&sql, &[(&bound, Type::INT8)]).await?;
        return Ok(match at {
            Some(at) => format!("the newest row that is still there was written at {at}"),
            None => "no row tells when it was written".into(),
        });
    }
    let oids: Vec<u32> = tables.iter().map(|relation| relation.oid).collect();
    let sql = "SELECT coalesce(pg_catalog.sum(s.n_tup_ins + s.n_tup_upd + s.n_tup_del), 0)::int8 \
               FROM pg_catalog.pg_stat_all_tables s WHERE s.relid = ANY ($1)";
    let writes: i64 = tx.value(sql, &[(&oids, Type::OID_ARRAY)]).await?;
    Ok(format!(
        "{} were written since the statistics began; the server keeps no time of the last one",
        crate::text::count(writes.unsigned_abs(), "row")
    ))
}

/// Relations by their ids, in that order.
pub(crate) async fn relations(tx: &Tx<'_>, oids: &[u32]) -> Result<Vec<Relation>, ToolError> {
    let mut found = Vec::with_capacity(oids.len());
    for oid in oids {
        found.push(super::catalog::relation_of(tx, *oid).await?);
    }
    Ok(found)
}

/// Takes the strongest lock on these tables, and waits no longer for it than a change may.
pub(crate) async fn lock(tx: &Tx<'_>, relations: &[Relation]) -> Result<(), ToolError> {
    let mut tables: Vec<&Relation> = relations.iter().filter(|relation| matches!(relation.kind, 'r' | 'p')).collect();
    // One order for everybody, so that two calls wait for each other and not in a circle.
    tables.sort_by_key(|relation| relation.oid);
    for table in tables {
        tx.run(&format!("LOCK TABLE ONLY {} IN ACCESS EXCLUSIVE MODE", table.quoted())).await?;
    }
    Ok(())
}

/// A role as SQL.
pub(crate) fn role(name: Option<&str>) -> String {
    name.map_or_else(|| "PUBLIC".into(), quote)
}
