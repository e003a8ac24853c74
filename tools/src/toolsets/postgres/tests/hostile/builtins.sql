-- Text alone tells: what runs here is PostgreSQL's own.
CREATE TABLE t (id int PRIMARY KEY, name varchar, doc jsonb);
INSERT INTO t VALUES (1, 'one', '{"a": 1}'), (2, 'two', NULL);
CREATE SEQUENCE s;
SELECT nextval('s');
SELECT lo_from_bytea(77001, 'kept');
CREATE PROCEDURE p() LANGUAGE sql AS 'DELETE FROM t';
CREATE VIEW v AS SELECT * FROM t;
CREATE MATERIALIZED VIEW m AS SELECT * FROM t;
-- statements
WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d
WITH d AS (UPDATE t SET name = 'x' RETURNING *) SELECT count(*) FROM d
WITH a AS (WITH b AS (INSERT INTO t VALUES (9) RETURNING 1) SELECT * FROM b) SELECT * FROM a
WITH d AS MATERIALIZED (DELETE FROM v RETURNING id) TABLE d
SELECT * FROM (WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d) x
WITH d AS (MERGE INTO t USING t s ON t.id = s.id WHEN MATCHED THEN DELETE RETURNING 1) SELECT 1
DELETE FROM t
INSERT INTO t VALUES (3)
UPDATE t SET name = 'x'
MERGE INTO t USING t s ON t.id = s.id WHEN MATCHED THEN DELETE
TRUNCATE t
EXPLAIN ANALYZE DELETE FROM t
EXPLAIN (ANALYZE) UPDATE t SET name = 'x'
EXPLAIN (ANALYZE true, COSTS off) INSERT INTO t VALUES (5)
EXPLAIN (ANALYZE 1) DELETE FROM t
EXPLAIN (COSTS, ANALYZE on) WITH d AS (DELETE FROM t RETURNING 1) SELECT 1
EXPLAIN ANALYZE VERBOSE CREATE TABLE made AS SELECT 1
EXPLAIN ANALYZE CREATE TABLE made AS SELECT 1
EXPLAIN (ANALYZE) CREATE MATERIALIZED VIEW made AS SELECT 1
EXPLAIN ANALYZE SELECT * INTO made FROM t
EXPLAIN ANALYZE REFRESH MATERIALIZED VIEW m
EXPLAIN ANALYZE EXECUTE nothing
EXPLAIN ANALYZE DECLARE c CURSOR FOR SELECT 1
EXPLAIN ANALYZE SELECT pg_reload_conf()
SELECT * INTO made FROM t
SELECT 1 AS a INTO TEMP made
SELECT * INTO UNLOGGED TABLE made FROM t
CREATE TABLE made AS SELECT 1
CREATE TEMP TABLE made (a int)
CREATE VIEW made AS SELECT 1
CREATE FUNCTION made() RETURNS int LANGUAGE sql AS 'SELECT 1'
CREATE EXTENSION dblink
DROP TABLE t
DROP SCHEMA public CASCADE
ALTER TABLE t ADD COLUMN x int
ALTER SYSTEM SET work_mem = '1MB'
ALTER ROLE postgres SET work_mem = '1MB'
GRANT ALL ON t TO public
REVOKE ALL ON t FROM public
REASSIGN OWNED BY postgres TO postgres
COMMENT ON TABLE t IS 'x'
SECURITY LABEL ON TABLE t IS 'x'
REFRESH MATERIALIZED VIEW m
REINDEX TABLE t
CLUSTER t
VACUUM t
VACUUM FULL
ANALYZE t
CHECKPOINT
LOAD 'auto_explain'
SELECT * FROM t FOR UPDATE
SELECT * FROM t FOR NO KEY UPDATE
SELECT * FROM t FOR SHARE SKIP LOCKED
SELECT * FROM t FOR KEY SHARE NOWAIT
SELECT * FROM (SELECT * FROM t FOR UPDATE) x
LOCK TABLE t IN ACCESS EXCLUSIVE MODE
COPY t TO PROGRAM 'touch hit_copy'
COPY t FROM PROGRAM 'echo 7; touch hit_copy'
COPY (SELECT 1) TO '/tmp/hit_copy'
COPY (SELECT 1) TO STDOUT
COPY t FROM STDIN
COPY (DELETE FROM t RETURNING *) TO STDOUT
DO $$ BEGIN DELETE FROM t; END $$
DO LANGUAGE plpgsql 'BEGIN DELETE FROM t; END'
CALL p()
EXECUTE x
EXECUTE x(1)
PREPARE x AS DELETE FROM t
DEALLOCATE ALL
DECLARE c CURSOR WITH HOLD FOR SELECT * FROM t
FETCH ALL FROM c
MOVE c
CLOSE ALL
LISTEN a
NOTIFY a, 'b'
UNLISTEN *
SET ROLE postgres
SET LOCAL transaction_read_only = off
SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE
SET TRANSACTION READ WRITE
SET SESSION AUTHORIZATION DEFAULT
SET standard_conforming_strings = off
SET search_path = evil
RESET ALL
RESET ROLE
DISCARD ALL
BEGIN
BEGIN READ WRITE
START TRANSACTION READ WRITE
COMMIT
COMMIT AND CHAIN
END
ROLLBACK
ABORT
SAVEPOINT a
RELEASE a
ROLLBACK TO a
PREPARE TRANSACTION 'x'
COMMIT PREPARED 'x'
COMMIT; DROP SCHEMA public CASCADE;
SELECT 1; DELETE FROM t
SELECT 1;; DELETE FROM t;
;DELETE FROM t
ROLLBACK; BEGIN; DELETE FROM t; COMMIT
END; DELETE FROM t; BEGIN
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'victim'
SELECT pg_catalog.pg_terminate_backend(pid, 100) FROM pg_stat_activity WHERE application_name = 'victim'
SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'victim'
SELECT count(*) FROM pg_stat_activity WHERE pg_terminate_backend(pid)
SELECT pg_reload_conf()
SELECT pg_rotate_logfile()
SELECT pg_rotate_logfile_old()
SELECT pg_log_backend_memory_contexts(pg_backend_pid())
SELECT set_config('transaction_read_only', 'off', false)
SELECT set_config('role', 'postgres', false)
SELECT set_config('search_path', 'evil', true)
SELECT setseed(0.5)
SELECT setval('s', 100)
SELECT setval('s'::regclass, 100, false)
SELECT nextval('s')
SELECT nextval('s'::regclass) FROM t
SELECT currval('s')
SELECT lastval()
SELECT lo_create(0)
SELECT lo_creat(-1)
SELECT lo_from_bytea(0, 'x')
SELECT lo_put(77001, 0, 'gone')
SELECT lo_unlink(77001)
SELECT lo_truncate(lo_open(77001, 131072), 0)
SELECT lowrite(lo_open(77001, 131072), 'x')
SELECT lo_import('/etc/hostname')
SELECT lo_import('/etc/hostname', 77002)
SELECT lo_export(77001, 'hit_lo')
SELECT lo_get(77001)
SELECT pg_read_file('postgresql.conf')
SELECT pg_read_binary_file('postgresql.conf')
SELECT pg_read_server_files
SELECT * FROM pg_ls_dir('.')
SELECT * FROM pg_ls_waldir()
SELECT * FROM pg_ls_logdir()
SELECT (pg_stat_file('postgresql.conf')).size
SELECT pg_file_write('hit_file', 'x', false)
SELECT pg_catalog.pg_file_rename('a', 'b')
SELECT pg_file_unlink('postgresql.conf')
SELECT pg_file_sync('postgresql.conf')
SELECT pg_logical_emit_message(false, 'a', 'b')
SELECT pg_switch_wal()
SELECT pg_create_restore_point('a')
SELECT pg_create_physical_replication_slot('hit')
SELECT pg_create_logical_replication_slot('hit', 'pgoutput')
SELECT pg_drop_replication_slot('kept')
SELECT pg_copy_physical_replication_slot('kept', 'hit')
SELECT pg_replication_slot_advance('kept', pg_current_wal_lsn())
SELECT pg_replication_origin_create('hit')
SELECT pg_replication_origin_drop('hit')
SELECT * FROM pg_logical_slot_get_changes('kept', NULL, NULL)
SELECT pg_promote()
SELECT pg_wal_replay_pause()
SELECT pg_backup_start('x')
SELECT pg_advisory_lock(1)
SELECT pg_advisory_lock_shared(1, 2)
SELECT pg_try_advisory_lock(1)
SELECT pg_advisory_xact_lock(1)
SELECT pg_advisory_unlock_all()
SELECT pg_notify('a', 'b')
SELECT pg_stat_reset()
SELECT pg_stat_reset_shared('bgwriter')
SELECT pg_stat_reset_single_table_counters('t'::regclass)
SELECT pg_stat_reset_slru('Notify')
SELECT pg_stat_reset_replication_slot('kept')
SELECT pg_stat_clear_snapshot()
SELECT pg_stat_force_next_flush()
SELECT pg_export_snapshot()
SELECT pg_current_xact_id()
SELECT txid_current()
SELECT pg_sleep(600)
SELECT pg_sleep_for('10 minutes')
SELECT pg_sleep_until('infinity')
SELECT query_to_xml('DELETE FROM t', true, true, '')
SELECT query_to_xmlschema('SELECT pg_reload_conf()', true, true, '')
SELECT query_to_xml_and_xmlschema('SELECT pg_reload_conf()', true, true, '')
SELECT table_to_xml('v'::regclass, true, true, '')
SELECT schema_to_xml('public', true, true, '')
SELECT database_to_xml(true, true, '')
SELECT cursor_to_xml('c', 1, true, true, '')
SELECT * FROM ts_stat('SELECT to_tsvector(pg_reload_conf()::text)')
SELECT ts_rewrite('a'::tsquery, 'SELECT ''a''::tsquery, to_tsquery(pg_reload_conf()::text)')
SELECT pg_input_is_valid('1', 'evil')
SELECT domain_in('1', 1, 1)
SELECT binary_upgrade_set_next_pg_type_oid(1)
SELECT brin_summarize_new_values('t'::regclass)
SELECT gin_clean_pending_list('t'::regclass)
SELECT pg_import_system_collations('public')
SELECT pg_extension_config_dump('t', '')
SELECT pg_nextoid('pg_class', 'oid', 'pg_class_oid_index')
SELECT pg_stop_making_pinned_objects()
SELECT currtid2('t', '(0,1)')
SELECT unique_key_recheck()
SELECT suppress_redundant_updates_trigger()
SELECT * FROM dblink('dbname=postgres', 'DELETE FROM t') AS x(a int)
SELECT dblink_exec('dbname=postgres', 'CREATE TABLE made()')
SELECT * FROM crosstab('DELETE FROM t') AS x(a int)
SELECT * FROM ROWS FROM (pg_ls_dir('.'), generate_series(1, 2)) AS x(a, b)
SELECT * FROM t, LATERAL pg_notify('a', t.name)
SELECT * FROM t ORDER BY pg_notify('a', name)
SELECT count(*) FROM t GROUP BY pg_reload_conf()
SELECT count(*) FROM t HAVING pg_reload_conf()
SELECT 1 LIMIT (SELECT CASE WHEN pg_reload_conf() THEN 1 END)
SELECT 1 OFFSET (pg_reload_conf()::int)
SELECT 1 FETCH FIRST (pg_reload_conf()::int) ROWS ONLY
SELECT CASE WHEN true THEN pg_reload_conf() END
SELECT COALESCE(NULL, pg_reload_conf())
SELECT (ARRAY[pg_reload_conf()])[1]
SELECT (ARRAY[1, 2])[pg_reload_conf()::int]
SELECT (ARRAY[1, 2])[1:pg_reload_conf()::int]
SELECT ROW(pg_reload_conf())
SELECT (ROW(pg_reload_conf())).f1
SELECT sum(id) FILTER (WHERE pg_reload_conf()) FROM t
SELECT string_agg(name, ',' ORDER BY pg_reload_conf()) FROM t
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY pg_reload_conf()::int) FROM t
SELECT sum(id) OVER (PARTITION BY pg_reload_conf()) FROM t
SELECT sum(id) OVER w FROM t WINDOW w AS (ORDER BY pg_reload_conf())
SELECT sum(id) OVER (ORDER BY id ROWS BETWEEN (pg_reload_conf()::int) PRECEDING AND CURRENT ROW) FROM t
SELECT * FROM t TABLESAMPLE BERNOULLI (pg_reload_conf()::int * 100)
SELECT * FROM t TABLESAMPLE SYSTEM (100) REPEATABLE (pg_reload_conf()::int)
SELECT count(*) FROM t GROUP BY GROUPING SETS ((pg_reload_conf()), ())
SELECT count(*) FROM t GROUP BY CUBE (pg_reload_conf(), id)
SELECT DISTINCT ON (pg_reload_conf()) id FROM t
SELECT * FROM t a JOIN t b ON pg_reload_conf()
SELECT * FROM t WHERE id IN (SELECT 1 WHERE pg_reload_conf())
SELECT * FROM t WHERE id = ANY (ARRAY[pg_reload_conf()::int])
SELECT * FROM t WHERE EXISTS (SELECT pg_reload_conf())
SELECT * FROM t WHERE id BETWEEN pg_reload_conf()::int AND 5
SELECT * FROM t WHERE name LIKE 'a' ESCAPE pg_reload_conf()::text
VALUES (1), (pg_reload_conf()::int)
SELECT 1 UNION ALL SELECT pg_reload_conf()::int
SELECT * FROM XMLTABLE('/a' PASSING (('<a>' || pg_reload_conf()::text || '</a>')::xml) COLUMNS b text PATH '.')
SELECT * FROM XMLTABLE('/a' PASSING ('<a/>'::xml) COLUMNS b text PATH 'b' DEFAULT pg_reload_conf()::text)
SELECT * FROM JSON_TABLE('{}', '$' COLUMNS (a int PATH '$.a' DEFAULT pg_reload_conf()::int ON EMPTY))
SELECT xmlelement(name a, xmlattributes(pg_reload_conf() AS b))
SELECT extract(epoch FROM pg_reload_conf()::text::timestamp)
SELECT substring('abc' FROM pg_reload_conf()::int)
SELECT overlay('abc' PLACING pg_reload_conf()::text FROM 1)
SELECT position(pg_reload_conf()::text IN 'a')
SELECT trim(BOTH pg_reload_conf()::text FROM 'a')
SELECT ceil(pg_reload_conf()::int)
SELECT now() AT TIME ZONE pg_reload_conf()::text
SELECT 'a' COLLATE "C" || pg_reload_conf()
SELECT format('%s', VARIADIC ARRAY[pg_reload_conf()::text])
SELECT make_interval(days => pg_reload_conf()::int)
WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + pg_reload_conf()::int FROM r WHERE i < 3) SELECT * FROM r
