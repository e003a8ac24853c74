-- A database as a user sees it, one fact a line: what kind of fact, what it is about, and the fact. Nothing is told by its id.
SET search_path = pg_catalog; SET jit = off;
CREATE TEMPORARY VIEW ours AS SELECT oid, nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema$|mollyguard_trash)';
CREATE TEMPORARY VIEW rel AS SELECT c.*, c.oid::regclass::text AS shown FROM pg_class c JOIN ours n ON n.oid = c.relnamespace;
-- A sequence of a column, and an index, are facts about their table.
CREATE TEMPORARY VIEW about AS SELECT rel.oid, coalesce(i.indrelid::regclass::text, d.refobjid::regclass::text, shown) AS about
    FROM rel LEFT JOIN pg_index i ON i.indexrelid = rel.oid LEFT JOIN pg_depend d ON rel.relkind = 'S' AND d.objid = rel.oid
    AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') AND d.refclassid = 'pg_class'::regclass;
CREATE TEMPORARY VIEW facts AS
SELECT 'relation' AS kind, about, concat_ws('|', shown, relkind, pg_get_userbyid(relowner), 'acl ' || relacl::text, reloptions, relpersistence, relrowsecurity,
    relforcerowsecurity, relreplident, relispartition, pg_get_expr(relpartbound, r.oid), relispopulated, am.amname, reltablespace, reloftype::regtype,
    (SELECT reloptions FROM pg_class t WHERE t.oid = r.reltoastrelid)) AS fact
    FROM rel r JOIN about USING (oid) LEFT JOIN pg_am am ON am.oid = r.relam
UNION ALL SELECT 'column', about, concat_ws('|', row_number() OVER (PARTITION BY attrelid ORDER BY attnum), attname, shown, format_type(atttypid, atttypmod),
    attnotnull, 'identity ' || attidentity::text, 'generated ' || attgenerated::text, 'default ' || pg_get_expr(adbin, adrelid), attcollation::regcollation,
    'acl ' || attacl::text, 'options ' || attoptions::text, attstorage, attstattarget, attislocal, attinhcount)
    FROM rel r JOIN about USING (oid) JOIN pg_attribute a ON a.attrelid = r.oid AND attnum > 0 AND NOT attisdropped AND r.relkind NOT IN ('i', 'I', 'S')
    LEFT JOIN pg_attrdef d ON d.adrelid = r.oid AND d.adnum = a.attnum
UNION ALL SELECT 'index', indrelid::regclass::text, concat_ws('|', pg_get_indexdef(indexrelid), indisprimary, indisvalid, indisready, indisclustered, indisreplident,
    (SELECT string_agg(inhparent::regclass::text, ',') FROM pg_inherits WHERE inhrelid = indexrelid)) FROM pg_index JOIN rel r ON r.oid = indrelid
UNION ALL SELECT 'constraint', about, concat_ws('|', conname, shown, pg_get_constraintdef(k.oid), convalidated, conislocal, coninhcount, connoinherit,
    conindid::regclass, (SELECT p.conrelid::regclass FROM pg_constraint p WHERE p.oid = k.conparentid))
    FROM pg_constraint k JOIN rel r ON r.oid = conrelid JOIN about ON about.oid = r.oid
UNION ALL SELECT 'trigger', tgrelid::regclass::text, concat_ws('|', CASE WHEN NOT tgisinternal THEN pg_get_triggerdef(t.oid) ELSE tgfoid::regproc::text || tgconstrrelid::regclass END,
    tgenabled, (SELECT p.tgrelid::regclass FROM pg_trigger p WHERE p.oid = t.tgparentid)) FROM pg_trigger t JOIN rel r ON r.oid = tgrelid
UNION ALL SELECT 'policy', polrelid::regclass::text, concat_ws('|', polname, polcmd, polpermissive, polroles::regrole[], pg_get_expr(polqual, polrelid), 'check',
    pg_get_expr(polwithcheck, polrelid)) FROM pg_policy p JOIN rel r ON r.oid = polrelid
UNION ALL SELECT 'rule', ev_class::regclass::text, concat_ws('|', pg_get_ruledef(w.oid), ev_enabled) FROM pg_rewrite w JOIN rel r ON r.oid = ev_class
UNION ALL SELECT 'sequence', about, concat_ws('|', shown, seqtypid::regtype, seqstart, seqincrement, seqmax, seqmin, seqcache, seqcycle,
    (SELECT d.deptype::text || ' ' || a.attname FROM pg_depend d JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
     WHERE d.classid = 'pg_class'::regclass AND d.objid = seqrelid AND d.deptype IN ('a', 'i'))) FROM pg_sequence s JOIN rel r ON r.oid = seqrelid JOIN about ON about.oid = r.oid
UNION ALL SELECT 'statistics', stxrelid::regclass::text, concat_ws('|', pg_get_statisticsobjdef(s.oid), stxname, stxnamespace::regnamespace) FROM pg_statistic_ext s JOIN rel r ON r.oid = stxrelid
UNION ALL SELECT 'inherits', about, concat_ws('|', inhrelid::regclass, inhparent::regclass, inhseqno) FROM pg_inherits JOIN about ON about.oid = inhrelid
UNION ALL SELECT 'comment', about, concat_ws('|', shown, (SELECT attname FROM pg_attribute WHERE attrelid = objoid AND attnum = objsubid), description)
    FROM pg_description d JOIN rel r ON r.oid = objoid JOIN about ON about.oid = r.oid WHERE classoid = 'pg_class'::regclass
UNION ALL SELECT 'comment', coalesce((SELECT stxrelid::regclass::text FROM pg_statistic_ext x WHERE classoid = 'pg_statistic_ext'::regclass AND x.oid = objoid),
    substring(i.identity FROM ' on (.*)$'), i.identity), concat_ws('|', i.identity, description) FROM pg_description d CROSS JOIN LATERAL pg_identify_object(classoid, objoid, objsubid) i
    WHERE classoid <> 'pg_class'::regclass AND objoid >= 16384
UNION ALL SELECT 'published', prrelid::regclass::text, concat_ws('|', pubname, prattrs, pg_get_expr(prqual, prrelid)) FROM pg_publication_rel p JOIN rel r ON r.oid = prrelid
    JOIN pg_publication b ON b.oid = prpubid
UNION ALL SELECT 'schema published', pnnspid::regnamespace::text, pubname FROM pg_publication_namespace p JOIN pg_publication b ON b.oid = pnpubid
UNION ALL SELECT 'type', format_type(t.oid, NULL), concat_ws('|', typtype, typnotnull, typdefault, format_type(typbasetype, typtypmod), 'acl ' || typacl::text, pg_get_userbyid(typowner),
    (SELECT string_agg(enumlabel, ',' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid),
    (SELECT string_agg(pg_get_constraintdef(k.oid), ',' ORDER BY conname) FROM pg_constraint k WHERE contypid = t.oid))
    FROM pg_type t JOIN ours n ON n.oid = typnamespace WHERE typelem = 0
UNION ALL SELECT 'array type', format_type(e.oid, NULL), t.typname FROM pg_type t JOIN pg_type e ON e.typarray = t.oid JOIN ours n ON n.oid = t.typnamespace
UNION ALL SELECT 'index column', i.indrelid::regclass::text, concat_ws('|', r.shown, a.attnum, a.attname, a.attstattarget) FROM pg_index i JOIN rel r ON r.oid = i.indexrelid
    JOIN pg_attribute a ON a.attrelid = i.indexrelid
UNION ALL SELECT 'function', p.oid::regprocedure::text, concat_ws('|', pg_get_functiondef(p.oid), 'acl ' || proacl::text, pg_get_userbyid(proowner)) FROM pg_proc p JOIN ours n ON n.oid = pronamespace
UNION ALL SELECT 'schema', nspname, concat_ws('|', pg_get_userbyid(nspowner), 'acl ' || nspacl::text) FROM pg_namespace JOIN ours USING (nspname)
UNION ALL SELECT 'defaults', coalesce(nullif(defaclnamespace, 0)::regnamespace::text, ''), concat_ws('|', defaclrole::regrole, defaclobjtype, defaclacl) FROM pg_default_acl
UNION ALL SELECT 'database', datname, concat_ws('|', pg_get_userbyid(datdba), 'acl ' || datacl::text, datconnlimit, datallowconn, shobj_description(d.oid, 'pg_database'),
    (SELECT string_agg(concat_ws('/', setrole::regrole, setconfig), ',' ORDER BY setrole) FROM pg_db_role_setting WHERE setdatabase = d.oid)) FROM pg_database d;
SELECT replace(concat_ws('|', kind, about, fact), E'\n', '\n') FROM facts ORDER BY kind, about, fact;
SELECT format('SELECT %L, last_value, is_called FROM %s;', 'position|' || about || '|' || shown, shown) FROM rel JOIN about USING (oid) WHERE relkind = 'S' ORDER BY 1 \gexec
SELECT format('SELECT %L, to_json(t::text) FROM ONLY %s AS t ORDER BY t::text;', 'row|' || shown, shown) FROM rel WHERE relkind IN ('r', 'm') AND relispopulated ORDER BY 1 \gexec
