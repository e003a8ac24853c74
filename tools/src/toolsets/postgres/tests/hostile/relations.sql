-- Code behind the names of relations.
CREATE VIEW v_hit AS SELECT id, hit('view') FROM t;
CREATE VIEW v_over AS SELECT * FROM v_hit;
CREATE VIEW v_builtin AS SELECT id, pg_reload_conf() FROM t;
CREATE VIEW v_kill AS SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'victim';
CREATE VIEW v_text AS SELECT query_to_xml('SELECT pg_reload_conf()', true, true, '');
CREATE VIEW v_write AS SELECT lo_export(77001, 'hit_export');
CREATE SEQUENCE vs;
CREATE VIEW v_sequence AS SELECT nextval('vs') FROM t;
CREATE VIEW v_fine AS SELECT id, upper(name) AS name FROM t WHERE id > 0;
CREATE RECURSIVE VIEW v_recursive (n) AS SELECT 1 UNION ALL SELECT n + 1 FROM v_recursive WHERE n < 2 AND hit('recursive');
CREATE MATERIALIZED VIEW m_hit AS SELECT id, 1 AS x FROM t;
CREATE TABLE indexed (id int, name text);
INSERT INTO indexed VALUES (1, 'x');
CREATE FUNCTION quiet(text) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN true; END';
CREATE INDEX indexed_where ON indexed (id) WHERE quiet('predicate');
CREATE TABLE expressed (id int);
INSERT INTO expressed VALUES (1);
CREATE INDEX expressed_on ON expressed ((quiet('expression')));
CREATE TABLE counted (id int, b int);
CREATE STATISTICS counted_s ON (id + quiet('statistics')::int), b FROM counted;
CREATE TABLE parent (id int, CHECK (quiet('check')));
CREATE TABLE child (CHECK (quiet('childcheck'))) INHERITS (parent);
CREATE TABLE parted (id int) PARTITION BY LIST ((quiet('key' || id)));
CREATE TABLE part PARTITION OF parted FOR VALUES IN (true);
INSERT INTO parted VALUES (1);
CREATE OR REPLACE FUNCTION quiet(text) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN hit($1); END';
CREATE TABLE secured (id int);
INSERT INTO secured VALUES (1);
ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
CREATE POLICY secured_p ON secured USING (hit('policy'));
CREATE TABLE secured_builtin (id int);
INSERT INTO secured_builtin VALUES (1);
ALTER TABLE secured_builtin ENABLE ROW LEVEL SECURITY;
CREATE POLICY secured_builtin_p ON secured_builtin USING (pg_notify('a', 'b') IS NOT NULL);
CREATE ROLE :"database";
GRANT ALL ON SCHEMA public TO :"database";
GRANT SELECT ON ALL TABLES IN SCHEMA public TO :"database";
CREATE VIEW v_secured AS SELECT * FROM secured;
ALTER VIEW v_secured OWNER TO :"database";
CREATE EXTENSION file_fdw;
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE remote (line text) SERVER files OPTIONS (program 'touch hit_program; echo 1');
CREATE TABLE above (line text);
ALTER FOREIGN TABLE remote INHERIT above;
CREATE VIEW v_remote AS SELECT * FROM remote;
CREATE TABLE triggered (id int DEFAULT hit('default')::int);
CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM hit(''trigger''); RETURN NEW; END';
CREATE TRIGGER trig BEFORE INSERT ON triggered FOR EACH ROW EXECUTE FUNCTION trig();
CREATE RULE noisy AS ON UPDATE TO triggered DO ALSO SELECT hit('rule');
CREATE SCHEMA other;
CREATE VIEW other."Odd view" AS SELECT hit('odd');
GRANT SELECT ON ALL TABLES IN SCHEMA public, other TO PUBLIC;
GRANT USAGE ON SCHEMA other TO PUBLIC;
-- statements
SELECT * FROM v_hit
SELECT count(*) FROM v_hit
TABLE v_hit
TABLE public.v_hit
SELECT * FROM ONLY v_hit
SELECT * FROM "v_hit"
SELECT * FROM V_HIT
SELECT * FROM public . v_hit
SELECT * FROM v_over
SELECT * FROM t, v_over
SELECT * FROM (SELECT * FROM v_hit) x
WITH x AS (SELECT * FROM v_hit) SELECT * FROM x
WITH v_fine AS (SELECT * FROM v_hit) SELECT * FROM v_fine
SELECT (SELECT count(*) FROM v_hit)
SELECT EXISTS (TABLE v_hit)
SELECT 1 UNION SELECT id FROM v_hit
EXPLAIN ANALYZE SELECT * FROM v_hit
EXPLAIN SELECT * FROM v_hit
SELECT * FROM v_builtin
SELECT * FROM v_kill
SELECT * FROM v_text
SELECT * FROM v_write
SELECT * FROM v_sequence
SELECT * FROM v_recursive
SELECT * FROM v_fine
SELECT * FROM m_hit
SELECT * FROM indexed
SELECT * FROM indexed WHERE id = 1
EXPLAIN SELECT * FROM indexed WHERE id = 1
SELECT * FROM expressed
SELECT * FROM counted WHERE id = 1
SELECT * FROM parent
SELECT * FROM parent WHERE id = 1
SELECT * FROM child
SELECT * FROM parted
SELECT * FROM parted WHERE id = 1
SELECT * FROM part
SELECT * FROM secured
SELECT * FROM secured_builtin
SELECT * FROM v_secured
SELECT * FROM remote
SELECT * FROM above
SELECT * FROM v_remote
SELECT * FROM triggered
SELECT * FROM other."Odd view"
SELECT * FROM "other"."Odd view" x
SELECT table_to_xml('v_hit'::regclass, true, true, '')
SELECT pg_get_viewdef('v_hit'::regclass)
SELECT pg_relation_size('v_hit'::regclass)
SELECT * FROM pg_views WHERE viewname = 'v_hit'
SELECT * FROM information_schema.columns WHERE table_name = 'v_hit'
SELECT * FROM pg_stats WHERE tablename = 'indexed'
