-- What a function's body can hold, and how it can be spelt. Bodies in PL/pgSQL run as triggers, those in SQL as checks.
=== assignment
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.n := {v}; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== assignment with an equals sign
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.n = {v}; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== assignment to an element
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE x int8[]; BEGIN x[1] := {v}; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== subscript of an assignment
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE x int8[]; BEGIN x[coalesce({v}, 1) % 5] := 1; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== assignment from a query
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.n := (SELECT max(g) FROM generate_series(1, 2) AS g WHERE {v} IS NOT NULL); RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== IF
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF {v} IS NULL THEN NULL; END IF; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== ELSIF
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF false THEN NULL; ELSIF {v} IS NULL THEN NULL; END IF; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== CASE of a statement
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN CASE {v} WHEN -99 THEN NULL; ELSE NULL; END CASE; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== WHEN of a statement
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN CASE WHEN {v} IS NULL THEN NULL; ELSE NULL; END CASE; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== WHILE
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN WHILE {v} IS NULL LOOP NULL; END LOOP; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== EXIT WHEN
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN LOOP EXIT WHEN {v} IS NOT NULL; END LOOP; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== CONTINUE WHEN
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN FOR i IN 1..1 LOOP CONTINUE WHEN {v} IS NOT NULL; END LOOP; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== FOR over numbers
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN FOR i IN 1..least({v}, 1) LOOP NULL; END LOOP; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== FOR over numbers, by steps
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN FOR i IN 1..2 BY greatest(abs({v}), 1) LOOP NULL; END LOOP; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== FOREACH
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE x int8; BEGIN FOREACH x IN ARRAY ARRAY[{v}] LOOP NULL; END LOOP; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== FOR over a query
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE r record; BEGIN FOR r IN (SELECT {v} AS n) LOOP NULL; END LOOP; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== FOR over dynamic SQL
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE r record; BEGIN FOR r IN EXECUTE 'SELECT ' || $q$ {v} $q$ LOOP NULL; END LOOP; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== dynamic SQL
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE $q$ SELECT {v} $q$; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== dynamic SQL's parameter
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'SELECT $1' USING {v}; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== dynamic SQL that is computed
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE format('SELECT %s', $q$ {v} $q$); RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== dynamic SQL of a cursor
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE c refcursor; x int8; BEGIN OPEN c FOR EXECUTE $q$ SELECT {v} $q$; FETCH c INTO x; CLOSE c; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== cursor
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE c refcursor; x int8; BEGIN OPEN c FOR SELECT {v}; FETCH c INTO x; CLOSE c; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== argument of a cursor
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE c CURSOR (a int8) FOR SELECT a; x int8; BEGIN OPEN c ({v}); FETCH c INTO x; CLOSE c; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== FETCH by a computed count
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE c refcursor; x int8; BEGIN OPEN c FOR SELECT 1; FETCH RELATIVE least(1, abs({v})) FROM c INTO x; CLOSE c; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== SELECT INTO
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE x int8; BEGIN SELECT {v} INTO x; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== INSERT
CREATE TABLE log (n int8);
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log VALUES ({v}); RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== UPDATE
CREATE TABLE log (n int8); INSERT INTO log VALUES (1);
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE log SET n = {v}; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== RETURNING INTO
CREATE TABLE log (n int8);
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE x int8; BEGIN INSERT INTO log VALUES (1) RETURNING {v} INTO x; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== DELETE
CREATE TABLE log (n int8); INSERT INTO log VALUES (1);
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM log WHERE n = {v}; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== PERFORM
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM {v}; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== PERFORM of a common table expression
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM n FROM (WITH c AS MATERIALIZED (SELECT {v} AS n) SELECT n FROM c) AS s; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== RAISE
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE DEBUG '%', {v}; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== RAISE USING
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE DEBUG 'x' USING HINT = ({v})::text; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== ASSERT
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ASSERT {v} IS NOT NULL; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== message of ASSERT
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN BEGIN ASSERT false, ({v})::text; EXCEPTION WHEN assert_failure THEN NULL; END; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== handler of an exception
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN BEGIN RAISE EXCEPTION 'x'; EXCEPTION WHEN OTHERS THEN {body} END; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== block in a block
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN <<outer>> DECLARE y int8 := {v}; BEGIN NULL; END; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== constant
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE x CONSTANT int8 := {v}; BEGIN NULL; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== RETURN
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN  RETURN ROW(NEW.id, {v})::t; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== argument of a procedure
CREATE PROCEDURE proc(int8) LANGUAGE plpgsql AS 'BEGIN NULL; END';
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN CALL proc({v}); RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== statement DO
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DO $d$ BEGIN {body} END $d$; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== option before the body
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$
#variable_conflict use_column
 DECLARE x int8; BEGIN SELECT {v} INTO x; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== name in quotes
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM "setval"('keep.mark', 61); RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== name in quotes with a schema
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM "pg_catalog" . "setval"('keep.mark', 61); RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== name with a comment in it
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_catalog./* x */setval /* y */ ('keep.mark', 61); RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== name after a comment that nests
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM /* /* */ setval('harmless', 1) */ setval('keep.mark', 61); RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== name with escapes
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM U&"s\0065tval"('keep.mark', 61); RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== name after a line comment
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN -- harmless: $x$ '
 PERFORM setval('keep.mark', 61); RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== name after a string that seems to go on
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM 'it''s -- ' || setval('keep.mark', 61); RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== name after an escape string
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM E'\'-- ' || setval('keep.mark', 61); RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== name in capitals
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM SETVAL('keep.mark', 61); RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== argument by name
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_terminate_backend(timeout => 5000, pid => {pid}); RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== sequence whose name is made up
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval(('ke' || 'ep.mark')::regclass); RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== sequence whose name is in a variable
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE s regclass := 'keep.' || 'mark'; BEGIN NEW.n := nextval(s); RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== sequence whose name is in a table
CREATE TABLE named (s text); INSERT INTO named VALUES ('keep.mark');
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.n := nextval((SELECT s::regclass FROM named)); RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== sequence by its oid
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE x oid := (SELECT c.oid FROM pg_class c WHERE c.relname = reverse('kram')); BEGIN NEW.n := nextval(x); RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== list of functions run through a string
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM query_to_xml(reverse(')16 ,''kram.peek''(lavtes TCELES'), true, true, ''); RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== operator that is a built-in function
CREATE OPERATOR <# (FUNCTION = setval, LEFTARG = regclass, RIGHTARG = int8);
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM 'keep.mark'::regclass <# 61::int8; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== function under PostgreSQL's name
CREATE FUNCTION length(varchar) RETURNS int4 LANGUAGE sql AS $q$ SELECT setval('keep.mark', 61)::int4 $q$;
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.n := length('x'::varchar); RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== function found by the function's own path
CREATE SCHEMA made; CREATE FUNCTION made.quiet(int8) RETURNS int8 LANGUAGE sql AS $q$ SELECT setval('keep.mark', 61) $q$; CREATE FUNCTION quiet(int8) RETURNS int8 LANGUAGE sql AS 'SELECT 1::int8';
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql SET search_path = made, pg_catalog AS $$ BEGIN NEW.n := quiet(1); RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== function found by a path set on the way
CREATE SCHEMA made; CREATE FUNCTION made.quiet(int8) RETURNS int8 LANGUAGE sql AS $q$ SELECT setval('keep.mark', 61) $q$; CREATE FUNCTION quiet(int8) RETURNS int8 LANGUAGE sql AS 'SELECT 1::int8';
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN SET LOCAL search_path = made, public; NEW.n := quiet(1); RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== function found by a path set by a function
CREATE SCHEMA made; CREATE FUNCTION made.quiet(int8) RETURNS int8 LANGUAGE sql AS $q$ SELECT setval('keep.mark', 61) $q$; CREATE FUNCTION quiet(int8) RETURNS int8 LANGUAGE sql AS 'SELECT 1::int8';
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('search_path', 'made, public', true); NEW.n := quiet(1); RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== SQL body of two statements
CREATE FUNCTION plain(int8) RETURNS int8 LANGUAGE sql  AS $$ SELECT {v}; SELECT $1 $$; CREATE TABLE t (id int8 PRIMARY KEY, n int8, CHECK (plain(id) IS NOT NULL OR id IS NULL)); INSERT INTO t VALUES (1, 1), (2, 2);
>>> write INSERT INTO t (id) VALUES (3)
=== SQL body that inserts
CREATE TABLE log (n int8);
CREATE FUNCTION plain(int8) RETURNS int8 LANGUAGE sql  AS $$ INSERT INTO log VALUES ({v}) RETURNING n $$; CREATE TABLE t (id int8 PRIMARY KEY, n int8, CHECK (plain(id) IS NOT NULL OR id IS NULL)); INSERT INTO t VALUES (1, 1), (2, 2);
>>> write INSERT INTO t (id) VALUES (3)
=== SQL body that reads a view
CREATE VIEW w AS SELECT {v} AS n;
CREATE FUNCTION plain(int8) RETURNS int8 LANGUAGE sql  AS $$ SELECT n FROM w $$; CREATE TABLE t (id int8 PRIMARY KEY, n int8, CHECK (plain(id) IS NOT NULL OR id IS NULL)); INSERT INTO t VALUES (1, 1), (2, 2);
>>> write INSERT INTO t (id) VALUES (3)
=== SQL body that reads a set
CREATE FUNCTION several() RETURNS SETOF int8 LANGUAGE plpgsql AS $q$ BEGIN {body} RETURN NEXT 1; END $q$;
CREATE FUNCTION plain(int8) RETURNS int8 LANGUAGE sql  AS $$ SELECT n FROM several() AS s (n) $$; CREATE TABLE t (id int8 PRIMARY KEY, n int8, CHECK (plain(id) IS NOT NULL OR id IS NULL)); INSERT INTO t VALUES (1, 1), (2, 2);
>>> write INSERT INTO t (id) VALUES (3)
=== SQL body that calls a procedure
CREATE PROCEDURE proc() LANGUAGE plpgsql AS $q$ BEGIN {body} END $q$;
CREATE FUNCTION plain(int8) RETURNS int8 LANGUAGE sql  AS $$ CALL proc(); SELECT $1 $$; CREATE TABLE t (id int8 PRIMARY KEY, n int8, CHECK (plain(id) IS NOT NULL OR id IS NULL)); INSERT INTO t VALUES (1, 1), (2, 2);
>>> write INSERT INTO t (id) VALUES (3)
=== SQL body of the standard with several statements
CREATE FUNCTION plain(int8) RETURNS int8 LANGUAGE sql  BEGIN ATOMIC SELECT {v}; SELECT $1; END; CREATE TABLE t (id int8 PRIMARY KEY, n int8, CHECK (plain(id) IS NOT NULL OR id IS NULL)); INSERT INTO t VALUES (1, 1), (2, 2);
>>> write INSERT INTO t (id) VALUES (3)
=== SQL body in a string
CREATE FUNCTION plain(int8) RETURNS int8 LANGUAGE sql  AS 'SELECT setval(''keep.mark'', 61)'; CREATE TABLE t (id int8 PRIMARY KEY, n int8, CHECK (plain(id) IS NOT NULL OR id IS NULL)); INSERT INTO t VALUES (1, 1), (2, 2);
>>> write INSERT INTO t (id) VALUES (3)
=== SQL body that casts to a domain
CREATE DOMAIN held AS int8 CHECK ({v} IS NOT NULL);
CREATE FUNCTION plain(int8) RETURNS int8 LANGUAGE sql  AS $$ SELECT ($1::held)::int8 $$; CREATE TABLE t (id int8 PRIMARY KEY, n int8, CHECK (plain(id) IS NOT NULL OR id IS NULL)); INSERT INTO t VALUES (1, 1), (2, 2);
>>> write INSERT INTO t (id) VALUES (3)
=== SQL body that calls what calls itself
CREATE FUNCTION deep(a int8, b int8) RETURNS int8 LANGUAGE plpgsql AS $q$ BEGIN IF b = 0 THEN RETURN {v}; END IF; RETURN deep(a, b - 1); END $q$;
CREATE FUNCTION plain(int8) RETURNS int8 LANGUAGE sql  AS $$ SELECT deep($1, 2) $$; CREATE TABLE t (id int8 PRIMARY KEY, n int8, CHECK (plain(id) IS NOT NULL OR id IS NULL)); INSERT INTO t VALUES (1, 1), (2, 2);
>>> write INSERT INTO t (id) VALUES (3)
