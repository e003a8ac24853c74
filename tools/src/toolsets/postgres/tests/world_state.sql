-- Everything a read must leave as it was, one fact a line.
SELECT 'relation', c.oid::regclass, c.relkind, c.relfilenode, c.relacl, c.relowner, c.relnatts FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname !~ '^(pg_|information_schema)' ORDER BY c.oid;
SELECT pg_catalog.format('SELECT ''rows'', %L, pg_catalog.md5(pg_catalog.string_agg(pg_catalog.textin(pg_catalog.record_out(whole_row)), ''|'' ORDER BY pg_catalog.textin(pg_catalog.record_out(whole_row)))) FROM ONLY %s AS whole_row', c.oid::regclass, c.oid::regclass) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname !~ '^(pg_|information_schema)' AND c.relkind IN ('r', 'm') AND c.relname NOT IN ('indexed', 'expressed', 'counted', 'parent', 'child', 'parted', 'part', 'above') AND NOT EXISTS (SELECT 1 FROM pg_inherits i WHERE c.oid IN (i.inhrelid, i.inhparent)) AND NOT EXISTS (SELECT 1 FROM pg_statistic_ext s WHERE s.stxrelid = c.oid) ORDER BY c.oid \gexec
SELECT 'sequence', s.schemaname, s.sequencename, s.last_value FROM pg_sequences s ORDER BY 2, 3;
SELECT 'large object', l.loid, pg_catalog.md5(l.data) FROM pg_largeobject l ORDER BY 2, l.pageno;
SELECT 'large objects', pg_catalog.count(*) FROM pg_largeobject_metadata;
SELECT 'function', pg_catalog.count(*), pg_catalog.max(p.oid) FROM pg_proc p;
SELECT 'schema', n.nspname, n.nspacl FROM pg_namespace n WHERE n.nspname !~ '^pg_(temp|toast_temp)' ORDER BY 2;
SELECT 'extension', e.extname FROM pg_extension e ORDER BY 2;
SELECT 'setting', d.setrole, d.setconfig FROM pg_db_role_setting d ORDER BY 2;
SELECT 'slot', s.slot_name, s.restart_lsn FROM pg_replication_slots s WHERE s.database IS NULL ORDER BY 2;
SELECT 'origin', o.roname FROM pg_replication_origin o ORDER BY 2;
SELECT 'subscription', pg_catalog.count(*) FROM pg_subscription;
SELECT 'prepared', p.gid FROM pg_prepared_xacts p;
SELECT 'advisory', l.objid FROM pg_locks l WHERE l.locktype = 'advisory';
SELECT 'configuration loaded', pg_catalog.pg_conf_load_time();
SELECT 'statistics reset', d.stats_reset FROM pg_stat_database d WHERE d.datname = pg_catalog.current_database();
SELECT 'shared statistics reset', b.stats_reset FROM pg_stat_bgwriter b;
SELECT 'file', f FROM pg_catalog.pg_ls_dir('.') f WHERE f LIKE 'hit%' OR f LIKE '%.auto.conf.tmp' ORDER BY 2;
SELECT 'system settings', pg_catalog.md5(pg_catalog.pg_read_file('postgresql.auto.conf'));
SELECT 'temporary file', pg_catalog.pg_stat_file('/tmp/hit_copy', true);
SELECT 'victim', pg_catalog.count(*), pg_catalog.min(a.backend_start) FROM pg_stat_activity a WHERE a.application_name = 'victim' AND a.datname = pg_catalog.current_database();
SELECT 'listening', pg_catalog.pg_notification_queue_usage();
