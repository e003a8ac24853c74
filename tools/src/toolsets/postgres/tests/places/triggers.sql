-- What runs because rows or schemas change, or because somebody may not see all of them.
=== trigger before an insert
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2);
CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== trigger after an insert
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2);
CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NULL; END $$; CREATE TRIGGER trig AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== trigger before an update of a column
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2);
CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NEW; END $$; CREATE TRIGGER trig BEFORE UPDATE OF n ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write UPDATE t SET n = 5 WHERE id = 1
=== trigger before a delete
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2);
CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN OLD; END $$; CREATE TRIGGER trig BEFORE DELETE ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write DELETE FROM t WHERE id = 1
=== trigger of a statement, before
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2);
CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NULL; END $$; CREATE TRIGGER trig BEFORE UPDATE ON t EXECUTE FUNCTION trig();
>>> write UPDATE t SET id = 5 WHERE id = 77
=== trigger of a statement, with transition tables
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2);
CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF EXISTS (SELECT FROM gone) THEN {body} END IF; RETURN NULL; END $$; CREATE TRIGGER trig AFTER DELETE ON t REFERENCING OLD TABLE AS gone EXECUTE FUNCTION trig();
>>> write DELETE FROM t WHERE id = 1
=== condition of a trigger
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2);
CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW WHEN (NEW.id > 0 AND {v} IS NULL) EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== condition of a trigger after an update
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2);
CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$; CREATE TRIGGER trig AFTER UPDATE ON t FOR EACH ROW WHEN (OLD.id IS DISTINCT FROM {v}) EXECUTE FUNCTION trig();
>>> write UPDATE t SET id = 11 WHERE id = 1
=== constraint trigger that is deferred
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2);
CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NULL; END $$; CREATE CONSTRAINT TRIGGER trig AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
!!! INSERT INTO t (id) VALUES (3); SET CONSTRAINTS ALL IMMEDIATE
=== trigger of a partition
CREATE TABLE t (id int8) PARTITION BY RANGE (id); CREATE TABLE part PARTITION OF t FOR VALUES FROM (0) TO (100); INSERT INTO t VALUES (1), (2);
CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON part FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== trigger of a child
CREATE TABLE t (id int8); CREATE TABLE kid () INHERITS (t); INSERT INTO kid VALUES (1), (2);
CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN OLD; END $$; CREATE TRIGGER trig BEFORE DELETE ON kid FOR EACH ROW EXECUTE FUNCTION trig();
>>> write DELETE FROM t WHERE id = 1
=== trigger of a table that a cascade reaches
CREATE TABLE base (id int8 PRIMARY KEY); INSERT INTO base VALUES (1), (2); CREATE TABLE t (id int8 PRIMARY KEY, b int8 REFERENCES base ON DELETE CASCADE); INSERT INTO t VALUES (1, 1), (2, 2);
CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN OLD; END $$; CREATE TRIGGER trig BEFORE DELETE ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write DELETE FROM base WHERE id = 1
=== trigger of a table that a cascade of a cascade reaches
CREATE TABLE a (id int8 PRIMARY KEY); CREATE TABLE b (id int8 PRIMARY KEY REFERENCES a ON UPDATE CASCADE); CREATE TABLE t (id int8 PRIMARY KEY REFERENCES b ON UPDATE CASCADE); INSERT INTO a VALUES (1), (2); INSERT INTO b VALUES (1), (2); INSERT INTO t VALUES (1), (2);
CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NEW; END $$; CREATE TRIGGER trig BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write UPDATE a SET id = 11 WHERE id = 1
=== trigger of a table that a trigger writes to
CREATE TABLE t (id int8 PRIMARY KEY); CREATE TABLE deep (id int8); INSERT INTO t VALUES (1), (2);
CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO deep VALUES (NEW.id); RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
CREATE FUNCTION trig_deep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NEW; END $$; CREATE TRIGGER trig AFTER INSERT ON deep FOR EACH ROW EXECUTE FUNCTION trig_deep();
>>> write INSERT INTO t (id) VALUES (3)
=== trigger of a table that a trigger writes to under a name it makes up
CREATE TABLE t (id int8 PRIMARY KEY); CREATE TABLE deep (id int8); INSERT INTO t VALUES (1), (2);
CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'INSERT INTO de' || 'ep VALUES (1)'; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
CREATE FUNCTION trig_2() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NEW; END $$; CREATE TRIGGER trig AFTER INSERT ON deep FOR EACH ROW EXECUTE FUNCTION trig_2();
>>> write INSERT INTO t (id) VALUES (3)
=== trigger that catches what it raises
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2);
CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN BEGIN {body} RAISE EXCEPTION 'x'; EXCEPTION WHEN OTHERS THEN NULL; END; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== trigger that raises
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2);
CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RAISE EXCEPTION 'no'; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== trigger's declaration
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2);
CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE n int8 := {v}; BEGIN RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== trigger's loop over a query
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2);
CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE r record; BEGIN FOR r IN SELECT {v} AS n LOOP NULL; END LOOP; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== trigger's cursor with a bound query
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2);
CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE c CURSOR FOR SELECT {v} AS n; n int8; BEGIN OPEN c; FETCH c INTO n; CLOSE c; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== trigger's call of a procedure
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); CREATE PROCEDURE proc() LANGUAGE plpgsql AS $$ BEGIN {body} END $$;
CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN CALL proc(); RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== trigger's read of a view
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); CREATE VIEW w AS SELECT {v} AS n;
CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM n FROM w; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== trigger's assignment to a domain
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1), (2); CREATE DOMAIN d AS int8 CHECK ({v} IS NOT NULL);
CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE x d; BEGIN x := 5; NEW.n := x; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== trigger whose argument names the sequence
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2);
CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval(TG_ARGV[0]::regclass); RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig('keep.mark');
>>> write INSERT INTO t (id) VALUES (3)
=== trigger whose argument is the statement
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2);
CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE TG_ARGV[0]; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig('SELECT setval(''keep.mark'', 9)');
>>> write INSERT INTO t (id) VALUES (3)
=== trigger whose row names the sequence
CREATE TABLE t (id int8 PRIMARY KEY, s text); INSERT INTO t VALUES (1), (2);
CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval(NEW.s::regclass); RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id, s) VALUES (3, 'keep.mark')
=== trigger that copies to a file [superuser]
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2);
CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN COPY t TO '{folder}/data/hit_copy'; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== trigger that copies to a program [superuser]
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2);
CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN COPY (SELECT 1) TO PROGRAM $c$cat; touch hit_copy$c$; RETURN OLD; END $$; CREATE TRIGGER trig BEFORE DELETE ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write DELETE FROM t WHERE id = 1
=== trigger instead of a write to a view
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); CREATE VIEW w AS SELECT * FROM t;
CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} INSERT INTO t VALUES (NEW.id); RETURN NEW; END $$; CREATE TRIGGER trig INSTEAD OF INSERT ON w FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO w (id) VALUES (3)
=== trigger of a truncate
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2);
CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NULL; END $$; CREATE TRIGGER trig BEFORE TRUNCATE ON t EXECUTE FUNCTION trig();
>>> truncate t
!!! TRUNCATE t
=== trigger that always fires
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2);
CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NEW; END $$; CREATE TRIGGER trig BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION trig(); ALTER TABLE t ENABLE ALWAYS TRIGGER trig;
>>> write UPDATE t SET id = 11 WHERE id = 1
=== trigger of an upsert
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2);
CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NEW; END $$; CREATE TRIGGER trig BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id, n) VALUES (1, 5) ON CONFLICT (id) DO UPDATE SET n = excluded.n
=== rule that also inserts
CREATE TABLE t (id int8 PRIMARY KEY); CREATE TABLE log (n int8); INSERT INTO t VALUES (1), (2); CREATE RULE r AS ON INSERT TO t DO ALSO INSERT INTO log VALUES ({v});
>>> write INSERT INTO t (id) VALUES (3)
=== rule that also selects
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); CREATE RULE r AS ON UPDATE TO t DO ALSO SELECT {v};
>>> write UPDATE t SET id = 11 WHERE id = 1
=== rule instead
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE RULE r AS ON DELETE TO t DO INSTEAD UPDATE t SET n = {v} WHERE id = OLD.id;
>>> write DELETE FROM t WHERE id = 1
=== condition of a rule
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); CREATE RULE r AS ON INSERT TO t WHERE {v} IS NULL DO INSTEAD NOTHING;
>>> write INSERT INTO t (id) VALUES (3)
=== rule of a view
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE VIEW w AS SELECT * FROM t; CREATE RULE r AS ON UPDATE TO w DO INSTEAD UPDATE t SET n = {v} WHERE id = OLD.id;
>>> write UPDATE w SET n = 1 WHERE id = 1
=== policy that hides rows
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY; CREATE POLICY p ON t USING ({v} IS NOT NULL);
>>> write DELETE FROM t WHERE id = 1
=== policy that checks rows
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY; CREATE POLICY p ON t USING (true) WITH CHECK ({v} IS NOT NULL);
>>> write INSERT INTO t (id) VALUES (3)
=== policy that restricts
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY; CREATE POLICY p ON t USING (true); CREATE POLICY q ON t AS RESTRICTIVE FOR UPDATE USING ({v} IS NOT NULL);
>>> write UPDATE t SET id = 11 WHERE id = 1
=== policy with a query
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY; CREATE POLICY p ON t USING (id IN (SELECT 1 WHERE {v} IS NOT NULL));
>>> write UPDATE t SET id = 11 WHERE id = 1
=== policy that a look counts under
CREATE TABLE t (id int8); INSERT INTO t VALUES (1), (2); ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY; CREATE POLICY p ON t FOR SELECT USING ({v} IS NOT NULL);
>>> drop table t
>>> truncate t
!!! SELECT count(*) FROM t
=== policy of a view's owner [superuser]
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON t USING ({v} IS NOT NULL); GRANT ALL ON t TO {other}; GRANT USAGE, CREATE ON SCHEMA public, keep TO {other}; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public, keep, pg_catalog TO {other}; CREATE VIEW w AS SELECT * FROM t; ALTER VIEW w OWNER TO {other};
>>> query SELECT * FROM w
=== view
CREATE VIEW w AS SELECT {v} AS n;
>>> query SELECT * FROM w
=== view of a view
CREATE VIEW w AS SELECT {v} AS n; CREATE VIEW x AS SELECT * FROM w; CREATE VIEW y AS SELECT count(n) FROM x;
>>> query SELECT * FROM y
=== view behind a barrier
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); CREATE VIEW w WITH (security_barrier) AS SELECT * FROM t WHERE {v} IS NOT NULL;
>>> query SELECT count(*) FROM w
=== view with a common table expression
CREATE VIEW w AS WITH RECURSIVE c (n) AS (SELECT 1::int8 UNION ALL SELECT n + 1 FROM c WHERE n < 2 AND {v} IS NOT NULL) SELECT * FROM c;
>>> query SELECT * FROM w
=== view with a window
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); CREATE VIEW w AS SELECT sum(id) OVER (ORDER BY {v}) FROM t;
>>> query TABLE w
=== view that a write reads
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); CREATE VIEW w AS SELECT 3 AS id WHERE {v} IS NOT NULL;
>>> write INSERT INTO t SELECT * FROM w
=== view that a write goes through
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); CREATE VIEW w AS SELECT * FROM t WHERE {v} IS NOT NULL;
>>> write DELETE FROM w WHERE id = 1
=== view with a check option
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); CREATE VIEW w AS SELECT * FROM t WHERE {v} IS NOT NULL WITH CASCADED CHECK OPTION;
>>> write INSERT INTO w (id) VALUES (3)
=== view folded while planning
CREATE VIEW w AS SELECT {i} AS n;
>>> query EXPLAIN SELECT * FROM w
=== view that joins laterally
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); CREATE VIEW w AS SELECT * FROM t, LATERAL (SELECT {v} + t.id AS n OFFSET 0) AS l;
>>> query SELECT * FROM w
=== event trigger at the start of a change of schema [superuser]
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2);
CREATE FUNCTION evt() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$; CREATE EVENT TRIGGER evt ON ddl_command_start EXECUTE FUNCTION evt();
>>> alter ALTER TABLE t ADD COLUMN n int8
=== event trigger at the end of a change of schema [superuser]
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2);
CREATE FUNCTION evt() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$; CREATE EVENT TRIGGER evt ON ddl_command_end EXECUTE FUNCTION evt();
>>> alter CREATE TABLE made (id int8)
=== event trigger for some commands [superuser]
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2);
CREATE FUNCTION evt() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$; CREATE EVENT TRIGGER evt ON ddl_command_end WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION evt();
>>> alter CREATE INDEX ON t (id)
=== event trigger after something is dropped [superuser]
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2);
CREATE FUNCTION evt() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$; CREATE EVENT TRIGGER evt ON sql_drop EXECUTE FUNCTION evt();
>>> purge table t
!!! DROP TABLE t
=== event trigger before a table is rewritten [superuser]
CREATE TABLE t (id int8 PRIMARY KEY, n int4); INSERT INTO t VALUES (1), (2);
CREATE FUNCTION evt() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$; CREATE EVENT TRIGGER evt ON table_rewrite EXECUTE FUNCTION evt();
>>> alter ALTER TABLE t ALTER COLUMN n TYPE int8
=== event trigger on what a quarantine needs [superuser]
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2);
CREATE FUNCTION evt() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$; CREATE EVENT TRIGGER evt ON ddl_command_start WHEN TAG IN ('ALTER TABLE', 'CREATE SCHEMA', 'CREATE TABLE AS', 'SELECT INTO') EXECUTE FUNCTION evt();
>>> drop table t
>>> truncate t
!!! CREATE SCHEMA elsewhere; ALTER TABLE t SET SCHEMA elsewhere
