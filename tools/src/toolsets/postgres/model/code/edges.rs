//! What hangs on what in the catalogue, as far as code runs through it: one question for each kind of thing, asked for all
//! of a kind at once.
//!
//! Columns that some of PostgreSQL 13 to 18 lack are read through `to_jsonb`. Ids below 16384 are the server's own; but a
//! view keeps its id when somebody replaces it, so the server's own are looked through like others.

/// Of relations `$1`, those of `$2` being written and those of `$4` computed anew: whatever reading, planning, rewriting or
/// writing them evaluates. `$3` are the extensions whose views are known.
///
/// Planning folds what is declared immutable: index expressions and predicates, checks, statistics, partition bounds. So
/// those belong to reading.
pub(super) const RELATIONS: &str = "WITH rel AS MATERIALIZED (SELECT c.*, n.nspname, c.oid = ANY ($2) AS written, c.oid = ANY ($4) AS rebuilt, \
      pg_catalog.quote_ident(n.nspname::text) || '.' || pg_catalog.quote_ident(c.relname::text) AS shown \
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
      WHERE c.oid = ANY ($1) AND (c.oid >= 16384 OR c.relkind = 'v') AND NOT (c.relkind = 'v' \
        AND c.relowner IN (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolsuper) \
        AND EXISTS (SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid \
          WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e' \
          AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND e.extname::text = ANY ($3)))) \
    SELECT 'act'::text, 0::oid, 'reads another server'::text, 'the foreign table ' || shown FROM rel WHERE relkind = 'f' \
    UNION ALL SELECT 'act', 0::oid, 'uses an access method of its own', shown FROM rel WHERE relam >= 16384 \
    UNION ALL SELECT CASE WHEN written THEN 'tree_write' ELSE 'tree' END, 0::oid, r.ev_action::text, 'the view ' || shown \
      FROM rel JOIN pg_catalog.pg_rewrite r ON r.ev_class = rel.oid WHERE relkind = 'v' AND r.ev_type = '1' \
    UNION ALL SELECT 'tree_write', 0::oid, t.tree, 'the rule ' || pg_catalog.quote_ident(r.rulename::text) || ' of ' || shown \
      FROM rel JOIN pg_catalog.pg_rewrite r ON r.ev_class = rel.oid, \
      LATERAL (VALUES (r.ev_qual::text), (r.ev_action::text)) AS t (tree) \
      WHERE written AND r.ev_type <> '1' AND r.ev_enabled <> 'D' \
    UNION ALL SELECT CASE WHEN written THEN 'write' WHEN rebuilt THEN 'rebuild' ELSE 'read' END, i.inhrelid, NULL, shown FROM rel \
      JOIN pg_catalog.pg_inherits i ON i.inhparent = rel.oid \
    UNION ALL SELECT 'read', i.inhparent, NULL, shown FROM rel JOIN pg_catalog.pg_inherits i ON i.inhrelid = rel.oid \
    UNION ALL SELECT 'tree', 0::oid, d.adbin::text, 'the ' || CASE WHEN a.attgenerated = '' THEN 'default of ' ELSE \
      'generated ' END || 'column ' || pg_catalog.quote_ident(a.attname::text) || ' of ' || shown FROM rel \
      JOIN pg_catalog.pg_attrdef d ON d.adrelid = rel.oid \
      JOIN pg_catalog.pg_attribute a ON a.attrelid = rel.oid AND a.attnum = d.adnum WHERE written OR a.attgenerated = 'v' OR rebuilt AND a.attgenerated <> '' \
    UNION ALL SELECT 'tree', 0::oid, k.conbin::text, 'the constraint ' || pg_catalog.quote_ident(k.conname::text) || ' of ' \
      || shown FROM rel JOIN pg_catalog.pg_constraint k ON k.conrelid = rel.oid WHERE k.conbin IS NOT NULL \
    UNION ALL SELECT 'operator', o.oid, NULL, 'the constraint ' || pg_catalog.quote_ident(k.conname::text) || ' of ' || shown \
      FROM rel JOIN pg_catalog.pg_constraint k ON rel.oid IN (k.conrelid, k.confrelid), \
      LATERAL pg_catalog.unnest(k.conexclop || k.conpfeqop || k.conppeqop || k.conffeqop) AS o (oid) \
      WHERE (written OR rebuilt) AND o.oid >= 16384 \
    UNION ALL SELECT 'read', k.confrelid, NULL, shown FROM rel JOIN pg_catalog.pg_constraint k ON k.conrelid = rel.oid \
      WHERE (written OR rebuilt) AND k.contype = 'f' \
    UNION ALL SELECT CASE WHEN k.confdeltype::text IN ('c', 'n', 'd') OR k.confupdtype::text IN ('c', 'n', 'd') \
      THEN 'write' ELSE 'read' END, k.conrelid, NULL, shown FROM rel JOIN pg_catalog.pg_constraint k \
      ON k.confrelid = rel.oid WHERE written AND k.contype = 'f' \
    UNION ALL SELECT 'tree', 0::oid, t.tree, 'the index ' || i.indexrelid::pg_catalog.regclass::text FROM rel \
      JOIN pg_catalog.pg_index i ON i.indrelid = rel.oid, \
      LATERAL (VALUES (i.indexprs::text), (i.indpred::text)) AS t (tree) WHERE t.tree IS NOT NULL \
    UNION ALL SELECT 'class', o.oid, NULL, 'the index ' || i.indexrelid::pg_catalog.regclass::text FROM rel \
      JOIN pg_catalog.pg_index i ON i.indrelid = rel.oid, LATERAL pg_catalog.unnest(i.indclass::oid[]) AS o (oid) \
      WHERE o.oid >= 16384 \
    UNION ALL SELECT 'act', 0::oid, 'uses an access method of its own', 'the index ' || i.oid::pg_catalog.regclass::text \
      FROM rel JOIN pg_catalog.pg_index x ON x.indrelid = rel.oid JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid \
      JOIN pg_catalog.pg_am m ON m.oid = i.relam WHERE m.oid >= 16384 AND m.amname::text <> ALL ('{bloom,hnsw,ivfflat}') \
    UNION ALL SELECT 'tree', 0::oid, rel.relpartbound::text, 'the bound of ' || shown FROM rel WHERE relpartbound IS NOT NULL \
    UNION ALL SELECT 'tree', 0::oid, p.partexprs::text, 'the partition key of ' || shown FROM rel \
      JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = rel.oid WHERE p.partexprs IS NOT NULL \
    UNION ALL SELECT 'class', o.oid, NULL, 'the partition key of ' || shown FROM rel \
      JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = rel.oid, \
      LATERAL pg_catalog.unnest(p.partclass::oid[]) AS o (oid) WHERE o.oid >= 16384 \
    UNION ALL SELECT 'tree', 0::oid, pg_catalog.to_jsonb(x) ->> 'stxexprs', 'the statistics ' \
      || pg_catalog.quote_ident(x.stxname::text) FROM rel JOIN pg_catalog.pg_statistic_ext x ON x.stxrelid = rel.oid \
      WHERE pg_catalog.to_jsonb(x) ->> 'stxexprs' IS NOT NULL \
    UNION ALL SELECT 'tree', 0::oid, t.tree, 'the policy ' || pg_catalog.quote_ident(p.polname::text) || ' of ' || shown \
      FROM rel JOIN pg_catalog.pg_policy p ON p.polrelid = rel.oid, \
      LATERAL (VALUES (p.polqual::text), (p.polwithcheck::text)) AS t (tree) \
      WHERE relrowsecurity AND t.tree IS NOT NULL AND (written OR p.polcmd IN ('r', '*')) \
    UNION ALL SELECT 'tree', 0::oid, t.tgqual::text, 'the trigger ' || pg_catalog.quote_ident(t.tgname::text) || ' of ' \
      || shown FROM rel JOIN pg_catalog.pg_trigger t ON t.tgrelid = rel.oid \
      WHERE written AND t.tgenabled <> 'D' AND t.tgqual IS NOT NULL \
    UNION ALL SELECT 'trigger', t.tgfoid, NULL, 'the trigger ' || pg_catalog.quote_ident(t.tgname::text) || ' of ' || shown \
      FROM rel JOIN pg_catalog.pg_trigger t ON t.tgrelid = rel.oid \
      WHERE written AND t.tgenabled <> 'D' AND NOT t.tgisinternal \
    UNION ALL SELECT 'type', a.atttypid, NULL, 'the column ' || pg_catalog.quote_ident(a.attname::text) || ' of ' || shown \
      FROM rel JOIN pg_catalog.pg_attribute a ON a.attrelid = rel.oid \
      WHERE a.attnum > 0 AND NOT a.attisdropped AND a.atttypid >= 16384 \
    UNION ALL SELECT 'type', rel.reltype, NULL, shown FROM rel WHERE rel.reltype >= 16384";

/// Of types `$1`: what their values are checked, converted, compared and read by.
pub(super) const TYPES: &str = "WITH kind AS MATERIALIZED (SELECT t.*, pg_catalog.format_type(t.oid, NULL) AS shown, \
      t.typowner IN (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolsuper) AND EXISTS (SELECT FROM pg_catalog.pg_depend d \
        JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid WHERE d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass \
        AND d.objid = t.oid AND d.deptype = 'e' AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass \
        AND e.extname::text = ANY ($2)) AS known \
      FROM pg_catalog.pg_type t WHERE t.oid = ANY ($1) AND t.oid >= 16384), \
    ranges AS (SELECT g.*, (pg_catalog.to_jsonb(g) ->> 'rngmultitypid')::oid AS many FROM pg_catalog.pg_range g) \
    SELECT 'tree'::text, 0::oid, k.conbin::text, 'the domain ' || shown FROM kind \
      JOIN pg_catalog.pg_constraint k ON k.contypid = kind.oid WHERE k.conbin IS NOT NULL \
    UNION ALL SELECT 'tree', 0::oid, kind.typdefaultbin::text, 'the default of the type ' || shown FROM kind \
      WHERE kind.typdefaultbin IS NOT NULL \
    UNION ALL SELECT 'type', o.oid, NULL, 'the type ' || shown FROM kind, \
      LATERAL (VALUES (kind.typbasetype), (kind.typelem), (kind.typarray)) AS o (oid) WHERE o.oid >= 16384 \
    UNION ALL SELECT 'type', a.atttypid, NULL, 'the type ' || shown FROM kind \
      JOIN pg_catalog.pg_attribute a ON a.attrelid = kind.typrelid WHERE a.attnum > 0 AND a.atttypid >= 16384 \
    UNION ALL SELECT 'type', o.oid, NULL, 'the type ' || shown FROM kind \
      JOIN ranges g ON kind.oid IN (g.rngtypid, g.many), \
      LATERAL (VALUES (g.rngsubtype), (g.rngtypid), (g.many)) AS o (oid) WHERE o.oid >= 16384 \
    UNION ALL SELECT 'function', o.oid, NULL, 'the range type ' || shown FROM kind \
      JOIN ranges g ON kind.oid IN (g.rngtypid, g.many), \
      LATERAL (VALUES (g.rngcanonical::oid), (g.rngsubdiff::oid)) AS o (oid) WHERE o.oid <> 0 \
    UNION ALL SELECT 'class', g.rngsubopc, NULL, 'the range type ' || shown FROM kind \
      JOIN ranges g ON kind.oid IN (g.rngtypid, g.many) WHERE g.rngsubopc >= 16384 \
    UNION ALL SELECT 'input', o.oid, NULL, 'the type ' || shown FROM kind, \
      LATERAL (VALUES (kind.typinput::oid), (kind.typoutput::oid), (kind.typreceive::oid), (kind.typsend::oid), \
        (kind.typmodin::oid), (kind.typmodout::oid), (kind.typanalyze::oid)) AS o (oid) \
      WHERE kind.typtype = 'b' AND kind.typelem = 0 AND NOT known AND o.oid <> 0 \
    UNION ALL SELECT 'function', c.castfunc, NULL, 'a cast of the type ' || shown FROM kind \
      JOIN pg_catalog.pg_cast c ON kind.oid IN (c.castsource, c.casttarget) WHERE c.castfunc <> 0 \
    UNION ALL SELECT 'type', o.oid, NULL, 'a cast of the type ' || shown FROM kind \
      JOIN pg_catalog.pg_cast c ON kind.oid IN (c.castsource, c.casttarget), \
      LATERAL (VALUES (c.castsource), (c.casttarget)) AS o (oid) WHERE o.oid >= 16384 \
    UNION ALL SELECT 'class', c.oid, NULL, 'comparing values of the type ' || shown FROM kind \
      JOIN pg_catalog.pg_opclass c ON c.opcintype = kind.oid WHERE c.oid >= 16384";

/// Of operator classes `$1`: the functions and operators of their families.
pub(super) const CLASSES: &str = "SELECT 'function'::text, a.amproc::oid, NULL::text, \
      'the operator class ' || pg_catalog.quote_ident(c.opcname::text) FROM pg_catalog.pg_opclass c \
      JOIN pg_catalog.pg_amproc a ON a.amprocfamily = c.opcfamily WHERE c.oid = ANY ($1) AND (a.amproc::oid >= 16384 \
        OR NOT EXISTS (SELECT FROM pg_catalog.pg_amproc b WHERE b.oid < 16384 AND b.amproc::oid = a.amproc::oid)) \
    UNION ALL SELECT 'operator', a.amopopr, NULL, 'the operator class ' || pg_catalog.quote_ident(c.opcname::text) \
      FROM pg_catalog.pg_opclass c JOIN pg_catalog.pg_amop a ON a.amopfamily = c.opcfamily \
      WHERE c.oid = ANY ($1) AND a.amopopr >= 16384";

/// Of operators `$1`: their function, its estimators, and what the planner may put in their place.
pub(super) const OPERATORS: &str = "SELECT 'function'::text, f.oid, NULL::text, \
      'the operator ' || o.oid::pg_catalog.regoperator::text FROM pg_catalog.pg_operator o, \
      LATERAL (VALUES (o.oprcode::oid), (o.oprrest::oid), (o.oprjoin::oid)) AS f (oid) \
      WHERE o.oid = ANY ($1) AND o.oid >= 16384 AND f.oid >= 16384 \
    UNION ALL SELECT 'function', o.oprcode::oid, NULL, 'the operator ' || o.oid::pg_catalog.regoperator::text \
      FROM pg_catalog.pg_operator o WHERE o.oid = ANY ($1) AND o.oid >= 16384 AND o.oprcode::oid BETWEEN 1 AND 16383 \
    UNION ALL SELECT 'operator', f.oid, NULL, 'the operator ' || o.oid::pg_catalog.regoperator::text \
      FROM pg_catalog.pg_operator o, LATERAL (VALUES (o.oprcom), (o.oprnegate)) AS f (oid) \
      WHERE o.oid = ANY ($1) AND o.oid >= 16384 AND f.oid >= 16384";

/// Of functions `$1`: what it takes to judge them. `$2` are the extensions whose C code is known.
pub(super) const FUNCTIONS: &str = "SELECT p.oid, n.nspname::text, p.proname::text, \
      pg_catalog.pg_get_function_identity_arguments(p.oid), l.lanname::text, p.provolatile::text, p.prokind::text, p.prosrc, \
      pg_catalog.to_jsonb(p) ->> 'prosqlbody', p.proargdefaults::text, \
      p.proowner IN (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolsuper) AND EXISTS (SELECT FROM pg_catalog.pg_depend d \
        JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass \
        AND d.objid = p.oid AND d.deptype = 'e' AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass \
        AND e.extname::text = ANY ($2)), \
      p.oid < 16384 AND (EXISTS (SELECT FROM pg_catalog.pg_cast c WHERE c.castfunc = p.oid AND c.oid < 16384) \
        OR EXISTS (SELECT FROM pg_catalog.pg_operator o WHERE o.oprcode::oid = p.oid AND o.oid < 16384)), \
      pg_catalog.array_remove(ARRAY(SELECT DISTINCT t.oid FROM pg_catalog.unnest(coalesce(p.proallargtypes, \
        p.proargtypes::oid[]) || p.prorettype) AS t (oid) WHERE t.oid >= 16384), NULL), \
      ARRAY(SELECT f.oid FROM pg_catalog.pg_aggregate a, LATERAL (VALUES (a.aggtransfn::oid), (a.aggfinalfn::oid), \
        (a.aggcombinefn::oid), (a.aggserialfn::oid), (a.aggdeserialfn::oid), (a.aggmtransfn::oid), (a.aggminvtransfn::oid), \
        (a.aggmfinalfn::oid)) AS f (oid) WHERE a.aggfnoid::oid = p.oid AND f.oid <> 0) || p.prosupport::oid, \
      ARRAY(SELECT a.aggsortop FROM pg_catalog.pg_aggregate a WHERE a.aggfnoid::oid = p.oid AND a.aggsortop >= 16384), \
      p.prosecdef, coalesce(p.proconfig::text, ''), coalesce(p.probin::text, '') \
    FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace \
    JOIN pg_catalog.pg_language l ON l.oid = p.prolang WHERE p.oid = ANY ($1)";

/// What texts may mean by names: functions `$1` unqualified, `$2`.`$3` qualified; every name `$4` that may be a function in
/// attribute notation; operators `$5`; relations and types `$6`.`$7` (an empty schema is any on the path); sequences `$8`.
/// `$9` looks for unqualified names everywhere, for a text that runs under another path. `$10` are names that are harmless
/// as far as they are the server's own and written in C (languages 12 and 13): others can have been replaced. `$11` the schemas on the path.
pub(super) const NAMES: &str = "WITH \
    path AS MATERIALIZED (SELECT n.oid, n.nspname::text FROM pg_catalog.pg_namespace n \
      WHERE $9 AND n.nspname::text NOT IN ('pg_catalog', 'information_schema', 'pg_toast') \
      OR n.nspname::text = ANY ($11)), \
    written AS (SELECT w.s, w.n FROM ROWS FROM (pg_catalog.unnest($6), pg_catalog.unnest($7)) AS w (s, n)), \
    qualified AS (SELECT w.s, w.n FROM ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3)) AS w (s, n)) \
    SELECT 'function'::text, p.oid, NULL::text, ''::text FROM pg_catalog.pg_proc p WHERE p.proname::text = ANY ($1) \
      AND p.oid >= 16384 AND p.pronamespace IN (SELECT path.oid FROM path) \
    UNION ALL SELECT 'function', p.oid, NULL, '' FROM pg_catalog.pg_proc p \
      WHERE p.oid < 16384 AND (p.proname::text <> ALL ($10) OR p.prolang NOT IN (12, 13)) AND (p.proname::text = ANY ($1) \
        OR p.proname::text IN (SELECT q.n FROM qualified q WHERE q.s IN ('pg_catalog', 'information_schema'))) \
    UNION ALL SELECT 'function', p.oid, NULL, '' FROM pg_catalog.pg_proc p \
      JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace JOIN qualified q ON q.s = n.nspname AND q.n = p.proname \
      WHERE p.oid >= 16384 \
    UNION ALL SELECT 'function', p.oid, NULL, '' FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_type t \
      ON t.oid = CASE p.provariadic WHEN 0 THEN p.proargtypes[0] ELSE p.provariadic END \
      WHERE p.oid >= 16384 AND p.proname::text = ANY ($4) AND p.pronamespace IN (SELECT path.oid FROM path) \
      AND p.pronargs - p.pronargdefaults <= 1 AND t.typtype IN ('c', 'p', 'd') \
    UNION ALL SELECT 'operator', o.oid, NULL, '' FROM pg_catalog.pg_operator o WHERE o.oid >= 16384 \
      AND o.oprname::text = ANY ($5) AND o.oprnamespace IN (SELECT path.oid FROM path) \
    UNION ALL SELECT 'relation', c.oid, c.relname::text, c.relkind::text FROM written w \
      JOIN pg_catalog.pg_class c ON c.relname::text = w.n JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
      WHERE (c.oid >= 16384 AND c.relkind <> 'c' OR c.relkind = 'v') AND (n.nspname::text = w.s OR w.s = '' \
        AND (n.oid IN (SELECT path.oid FROM path) OR $9 AND n.nspname::text = 'information_schema')) \
    UNION ALL SELECT 'type', t.oid, NULL, '' FROM written w JOIN pg_catalog.pg_type t ON t.typname::text = w.n \
      JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace \
      WHERE t.oid >= 16384 AND (n.nspname::text = w.s OR w.s = '' AND n.oid IN (SELECT path.oid FROM path)) \
    UNION ALL SELECT 'draw', c.oid, c.relname::text, '' FROM pg_catalog.pg_class c WHERE c.relkind = 'S' AND c.relname::text = ANY ($8)";

/// What runs wherever values of built-in types are, named or not: casts between those, and support functions that somebody
/// added to the server's own operator families, whosever functions they are made with; conversions of the connection's encoding.
pub(super) const EVERYWHERE: &str = "SELECT 'function'::text, c.castfunc, NULL::text, \
      'a cast between built-in types'::text FROM pg_catalog.pg_cast c \
      WHERE c.oid >= 16384 AND c.castfunc <> 0 AND c.castsource < 16384 AND c.casttarget < 16384 \
    UNION ALL SELECT 'function', a.amproc::oid, NULL, 'an operator class' FROM pg_catalog.pg_amproc a \
      WHERE a.oid >= 16384 AND (a.amprocfamily < 16384 OR a.amproclefttype < 16384 AND a.amprocrighttype < 16384) \
      AND (a.amproc::oid >= 16384 OR NOT EXISTS (SELECT FROM pg_catalog.pg_amproc b WHERE b.oid < 16384 \
        AND b.amproc::oid = a.amproc::oid)) \
    UNION ALL SELECT 'operator', a.amopopr, NULL, 'an operator class' FROM pg_catalog.pg_amop a \
      WHERE a.amopopr >= 16384 AND (a.amopfamily < 16384 OR a.amoplefttype < 16384 AND a.amoprighttype < 16384) \
    UNION ALL SELECT 'input', c.conproc::oid, NULL, 'the conversion ' || pg_catalog.quote_ident(c.conname::text) \
      FROM pg_catalog.pg_conversion c WHERE c.oid >= 16384 AND c.condefault";

/// What runs when the schema is changed by commands of these tags, or by any where `$1` is empty.
pub(super) const EVENTS: &str = "SELECT 'trigger'::text, e.evtfoid, NULL::text, \
      'the event trigger ' || pg_catalog.quote_ident(e.evtname::text) FROM pg_catalog.pg_event_trigger e \
      WHERE e.evtenabled <> 'D' \
      AND e.evtevent::text <> 'login' AND (e.evttags IS NULL OR $1 = '{}' OR e.evttags && $1)";
