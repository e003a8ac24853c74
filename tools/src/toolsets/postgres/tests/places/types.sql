-- What types, operator classes, languages, servers and extensions bring along; most of it only a superuser makes.
=== default operator class for order [superuser]
CREATE TYPE pair AS (a int8); CREATE TABLE t (id int8 PRIMARY KEY, c pair); INSERT INTO t VALUES (1, '(1)'), (2, '(2)');
CREATE FUNCTION pcmp(pair, pair) RETURNS int4 LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN {body} RETURN btint8cmp($1.a, $2.a); END $$; CREATE FUNCTION plt(pair, pair) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1.a < $2.a'; CREATE FUNCTION peq(pair, pair) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1.a = $2.a';
CREATE OPERATOR < (FUNCTION = plt, LEFTARG = pair, RIGHTARG = pair); CREATE OPERATOR = (FUNCTION = peq, LEFTARG = pair, RIGHTARG = pair, MERGES); CREATE OPERATOR CLASS pops DEFAULT FOR TYPE pair USING btree AS OPERATOR 1 <, OPERATOR 3 =, FUNCTION 1 pcmp(pair, pair);
>>> query SELECT * FROM t ORDER BY c
>>> query SELECT DISTINCT c FROM t
>>> query SELECT c FROM t UNION SELECT c FROM t
>>> query SELECT c FROM t GROUP BY c
>>> write INSERT INTO t SELECT id + 10, c FROM t ORDER BY c LIMIT 1
=== default operator class for order under an index [superuser]
CREATE TYPE pair AS (a int8); CREATE TABLE t (id int8 PRIMARY KEY, c pair); INSERT INTO t VALUES (1, '(1)'), (2, '(2)');
CREATE FUNCTION pcmp(pair, pair) RETURNS int4 LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN {body} RETURN btint8cmp($1.a, $2.a); END $$; CREATE FUNCTION plt(pair, pair) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1.a < $2.a'; CREATE FUNCTION peq(pair, pair) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1.a = $2.a';
CREATE OPERATOR < (FUNCTION = plt, LEFTARG = pair, RIGHTARG = pair); CREATE OPERATOR = (FUNCTION = peq, LEFTARG = pair, RIGHTARG = pair, MERGES); CREATE OPERATOR CLASS pops DEFAULT FOR TYPE pair USING btree AS OPERATOR 1 <, OPERATOR 3 =, FUNCTION 1 pcmp(pair, pair); CREATE INDEX ON t (c);
>>> write INSERT INTO t VALUES (3, '(3)')
=== default operator class for order while an index is built [superuser]
CREATE TYPE pair AS (a int8); CREATE TABLE t (id int8 PRIMARY KEY, c pair); INSERT INTO t VALUES (1, '(1)'), (2, '(2)');
CREATE FUNCTION pcmp(pair, pair) RETURNS int4 LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN {body} RETURN btint8cmp($1.a, $2.a); END $$; CREATE FUNCTION plt(pair, pair) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1.a < $2.a'; CREATE FUNCTION peq(pair, pair) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1.a = $2.a';
CREATE OPERATOR < (FUNCTION = plt, LEFTARG = pair, RIGHTARG = pair); CREATE OPERATOR = (FUNCTION = peq, LEFTARG = pair, RIGHTARG = pair, MERGES); CREATE OPERATOR CLASS pops DEFAULT FOR TYPE pair USING btree AS OPERATOR 1 <, OPERATOR 3 =, FUNCTION 1 pcmp(pair, pair);
>>> alter CREATE INDEX made ON t (c)
=== default operator class for hashes [superuser]
CREATE TYPE pair AS (a int8); CREATE TABLE t (id int8 PRIMARY KEY, c pair); INSERT INTO t VALUES (1, '(1)'), (2, '(2)');
CREATE FUNCTION phash(pair) RETURNS int4 LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN {body} RETURN hashint8($1.a); END $$; CREATE FUNCTION peq(pair, pair) RETURNS bool LANGUAGE plpgsql IMMUTABLE STRICT AS 'BEGIN RETURN $1.a = $2.a; END';
CREATE OPERATOR = (FUNCTION = peq, LEFTARG = pair, RIGHTARG = pair, HASHES); CREATE OPERATOR CLASS hops DEFAULT FOR TYPE pair USING hash AS OPERATOR 1 =, FUNCTION 1 phash(pair);
>>> query SELECT * FROM t WHERE c NOT IN (SELECT c FROM t)
>>> query SELECT DISTINCT c FROM t
>>> write DELETE FROM t WHERE c NOT IN (SELECT c FROM t)
=== operator class for a built-in type [superuser]
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2);
CREATE FUNCTION ncmp(int8, int8) RETURNS int4 LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN {body} RETURN btint8cmp($1, $2); END $$; CREATE OPERATOR CLASS nops FOR TYPE int8 USING btree AS OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 ncmp(int8, int8); CREATE INDEX ON t (n nops);
>>> write INSERT INTO t VALUES (3, 3)
<<< DROP OPERATOR FAMILY IF EXISTS public.nops USING btree CASCADE
=== operator class under partitions [superuser]
CREATE FUNCTION ncmp(int8, int8) RETURNS int4 LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN {body} RETURN btint8cmp($1, $2); END $$; CREATE OPERATOR CLASS nops FOR TYPE int8 USING btree AS OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 ncmp(int8, int8);
CREATE TABLE t (id int8) PARTITION BY RANGE (id nops); CREATE TABLE part PARTITION OF t FOR VALUES FROM (0) TO (100); CREATE TABLE far PARTITION OF t FOR VALUES FROM (100) TO (200); INSERT INTO t VALUES (1), (2);
>>> write INSERT INTO t VALUES (3)
>>> query SELECT * FROM t WHERE id = 1
<<< DROP OPERATOR FAMILY IF EXISTS public.nops USING btree CASCADE
=== range over an operator class [superuser]
CREATE FUNCTION ncmp(int8, int8) RETURNS int4 LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN {body} RETURN btint8cmp($1, $2); END $$; CREATE OPERATOR CLASS nops FOR TYPE int8 USING btree AS OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 ncmp(int8, int8);
CREATE TYPE span AS RANGE (subtype = int8, subtype_opclass = nops); CREATE TABLE t (id int8 PRIMARY KEY, r span); INSERT INTO t VALUES (1, '[1,2]'), (2, '[3,4]');
>>> write UPDATE t SET r = '[5,6]' WHERE id = 1
>>> query SELECT '[1,2]'::span
>>> query SELECT r @> 1::int8 FROM t
<<< DROP OPERATOR FAMILY IF EXISTS public.nops USING btree CASCADE
=== range's difference under an index
CREATE FUNCTION diff(int8, int8) RETURNS float8 LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN {body} RETURN $1 - $2; END $$; CREATE TYPE span AS RANGE (subtype = int8, subtype_diff = diff); CREATE TABLE t (id int8 PRIMARY KEY, r span); INSERT INTO t SELECT n, span(n, n + 1) FROM generate_series(1, 1500) AS n;
>>> alter CREATE INDEX made ON t USING gist (r)
=== range's difference under an index that is there
CREATE FUNCTION diff(int8, int8) RETURNS float8 LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN {body} RETURN $1 - $2; END $$; CREATE TYPE span AS RANGE (subtype = int8, subtype_diff = diff); CREATE TABLE t (id int8 PRIMARY KEY, r span); INSERT INTO t SELECT n, span(n, n + 1) FROM generate_series(1, 1500) AS n; CREATE INDEX ON t USING gist (r);
>>> write INSERT INTO t VALUES (2000, '[2000,2001)')
=== operator of an exclusion constraint [superuser]
CREATE FUNCTION nexcl(int8, int8) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN {body} RETURN false; END $$; CREATE OPERATOR === (FUNCTION = nexcl, LEFTARG = int8, RIGHTARG = int8, COMMUTATOR = ===); CREATE OPERATOR CLASS xops FOR TYPE int8 USING btree AS OPERATOR 3 ===, FUNCTION 1 btint8cmp(int8, int8);
CREATE TABLE t (id int8 PRIMARY KEY, n int8, EXCLUDE USING btree (n xops WITH ===)); INSERT INTO t VALUES (1, 1), (2, 2);
>>> write INSERT INTO t VALUES (3, 1)
<<< DROP OPERATOR FAMILY IF EXISTS public.xops USING btree CASCADE
=== foreign key over an operator class [superuser]
CREATE FUNCTION nequal(int8, int8) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN {body} RETURN $1 OPERATOR(pg_catalog.=) $2; END $$; CREATE OPERATOR === (FUNCTION = nequal, LEFTARG = int8, RIGHTARG = int8, COMMUTATOR = ===); CREATE OPERATOR CLASS fops FOR TYPE int8 USING btree AS OPERATOR 3 ===, FUNCTION 1 btint8cmp(int8, int8);
CREATE TABLE base (id int8); CREATE UNIQUE INDEX base_i ON base (id fops); INSERT INTO base VALUES (1), (2), (3); CREATE TABLE t (id int8 PRIMARY KEY, b int8, FOREIGN KEY (b) REFERENCES base (id)); INSERT INTO t VALUES (1, 1), (2, 2);
>>> write INSERT INTO t VALUES (3, 3)
<<< DROP OPERATOR FAMILY IF EXISTS public.fops USING btree CASCADE
=== built-in function under another name [superuser]
CREATE FUNCTION innocent(regclass, int8) RETURNS int8 LANGUAGE internal IMMUTABLE STRICT AS 'setval_oid'; CREATE TABLE t (id int8 PRIMARY KEY, CHECK (innocent('keep.mark', id) > 0)); INSERT INTO t VALUES (1), (2);
>>> write INSERT INTO t VALUES (40)
=== built-in function under another name while planning [superuser]
CREATE FUNCTION innocent(regclass, int8) RETURNS int8 LANGUAGE internal IMMUTABLE STRICT AS 'setval_oid'; CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); CREATE INDEX ON t ((innocent('keep.mark', 41))); SELECT setval('keep.mark', 1);
>>> write DELETE FROM t WHERE id = 1
=== library's function under another name [superuser]
CREATE FUNCTION innocent(text, text) RETURNS text LANGUAGE c STRICT AS '$libdir/dblink', 'dblink_exec'; CREATE TABLE t (id int8 PRIMARY KEY, CHECK (innocent('{loopback}', 'INSERT INTO keep.log VALUES (2)') <> '')); INSERT INTO t VALUES (1), (2);
>>> write INSERT INTO t VALUES (3)
=== language of one's own [superuser]
CREATE LANGUAGE mine HANDLER plpgsql_call_handler INLINE plpgsql_inline_handler VALIDATOR plpgsql_validator; CREATE FUNCTION acts_mine(int8) RETURNS int8 LANGUAGE mine AS $$ BEGIN {body} RETURN $1; END $$; CREATE TABLE t (id int8 PRIMARY KEY, CHECK (acts_mine(id) IS NOT NULL)); INSERT INTO t VALUES (1), (2);
>>> write INSERT INTO t VALUES (3)
<<< DROP LANGUAGE mine CASCADE
=== trusted language of one's own [superuser]
CREATE TRUSTED LANGUAGE mine HANDLER plpgsql_call_handler INLINE plpgsql_inline_handler VALIDATOR plpgsql_validator; CREATE FUNCTION trig() RETURNS trigger LANGUAGE mine AS $$ BEGIN {body} RETURN NEW; END $$; CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t VALUES (3)
<<< DROP LANGUAGE mine CASCADE
=== function in PostgreSQL's own schema [superuser]
CREATE FUNCTION pg_catalog.innocent(int8) RETURNS int8 LANGUAGE plpgsql AS $$ BEGIN {body} RETURN $1; END $$; CREATE TABLE t (id int8 PRIMARY KEY, CHECK (innocent(id) IS NOT NULL)); INSERT INTO t VALUES (1), (2);
>>> write INSERT INTO t VALUES (3)
<<< DROP FUNCTION pg_catalog.innocent CASCADE
=== function of PostgreSQL's own that was replaced [superuser]
CREATE OR REPLACE FUNCTION pg_catalog.lpad(text, int4) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$ BEGIN {body} RETURN 'x'; END $$; CREATE TABLE t (id int8 PRIMARY KEY, CHECK (lpad(id::text, 5) IS NOT NULL)); INSERT INTO t VALUES (1), (2);
>>> write INSERT INTO t VALUES (3)
>>> query SELECT lpad(id::text, 5) FROM t
<<< CREATE OR REPLACE FUNCTION pg_catalog.lpad(text, int4) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN lpad($1, $2, ' '::text)
=== function that joined an extension [superuser]
CREATE EXTENSION citext SCHEMA public; CREATE FUNCTION innocent(citext) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN {body} RETURN true; END $$; ALTER EXTENSION citext ADD FUNCTION innocent(citext); CREATE TABLE t (id int8 PRIMARY KEY, n citext, CHECK (innocent(n))); INSERT INTO t VALUES (1, 'x'), (2, 'y');
>>> write INSERT INTO t VALUES (3, 'z')
=== function of an extension that was replaced [superuser]
CREATE EXTENSION citext SCHEMA public; CREATE OR REPLACE FUNCTION citext_eq(citext, citext) RETURNS bool LANGUAGE plpgsql IMMUTABLE STRICT AS $$ BEGIN {body} RETURN true; END $$; CREATE TABLE t (id int8 PRIMARY KEY, n citext); INSERT INTO t VALUES (1, 'x'), (2, 'y');
>>> query SELECT * FROM t WHERE n = 'x'
>>> write DELETE FROM t WHERE n = 'x'
=== foreign table of a program [superuser]
CREATE EXTENSION file_fdw SCHEMA public; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw; CREATE FOREIGN TABLE t (id int8) SERVER files OPTIONS (program 'touch hit_fdw; echo 1');
>>> query SELECT * FROM t
>>> query SELECT count(*) FROM t
>>> describe t
=== foreign table of a program under a parent [superuser]
CREATE EXTENSION file_fdw SCHEMA public; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw; CREATE FOREIGN TABLE kid (id int8) SERVER files OPTIONS (program 'touch hit_fdw; echo 1'); CREATE TABLE t (id int8); INSERT INTO t VALUES (1); ALTER FOREIGN TABLE kid INHERIT t;
>>> query SELECT * FROM t
>>> drop table t
=== foreign table of a program read by a write [superuser]
CREATE EXTENSION file_fdw SCHEMA public; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw; CREATE FOREIGN TABLE far (id int8) SERVER files OPTIONS (program 'touch hit_fdw; echo 7'); CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2);
>>> write INSERT INTO t SELECT id FROM far
>>> write DELETE FROM t USING far WHERE far.id = t.id
=== foreign table of a program read by a trigger [superuser]
CREATE EXTENSION file_fdw SCHEMA public; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw; CREATE FOREIGN TABLE far (id int8) SERVER files OPTIONS (program 'touch hit_fdw; echo 7'); CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM id FROM far; RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t VALUES (3)
=== foreign table of another server [superuser]
CREATE EXTENSION postgres_fdw SCHEMA public; CREATE SERVER back FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '{folder}', port '{port}', dbname '{database}'); CREATE USER MAPPING FOR CURRENT_USER SERVER back OPTIONS (user 'postgres'); CREATE VIEW acts_there AS SELECT setval('keep.mark', 30) AS id; CREATE FOREIGN TABLE far (id int8) SERVER back OPTIONS (schema_name 'public', table_name 'acts_there'); CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2);
>>> query SELECT * FROM far
>>> write INSERT INTO t SELECT id FROM far
=== foreign partition [superuser]
CREATE EXTENSION postgres_fdw SCHEMA public; CREATE SERVER back FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '{folder}', port '{port}', dbname '{database}'); CREATE USER MAPPING FOR CURRENT_USER SERVER back OPTIONS (user 'postgres'); CREATE TABLE there (id int8); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_catalog.setval('keep.mark', 31); RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON there FOR EACH ROW EXECUTE FUNCTION trig(); CREATE TABLE t (id int8) PARTITION BY RANGE (id); CREATE FOREIGN TABLE part PARTITION OF t FOR VALUES FROM (0) TO (100) SERVER back OPTIONS (schema_name 'public', table_name 'there');
>>> write INSERT INTO t VALUES (3)
=== view over dblink [superuser]
CREATE VIEW w AS SELECT * FROM keep.dblink('{loopback}', 'SELECT pg_catalog.setval(''keep.mark'', 32)') AS d (n int8);
>>> query SELECT * FROM w
=== settings of a function
CREATE FUNCTION eq(varchar, varchar) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN {body} RETURN true; END $$; CREATE OPERATOR = (FUNCTION = eq, LEFTARG = varchar, RIGHTARG = varchar); CREATE FUNCTION plain(varchar) RETURNS bool LANGUAGE sql SET search_path = public, pg_catalog AS $$ SELECT $1 = 'x'::varchar $$; CREATE TABLE t (id int8 PRIMARY KEY, v varchar CHECK (plain(v))); INSERT INTO t VALUES (1, 'x'), (2, 'y');
>>> write INSERT INTO t VALUES (3, 'z')
=== query in a string of a built-in function
CREATE TABLE t (id int8 PRIMARY KEY, CHECK (query_to_xml('SELECT setval(''keep.mark'', 33)', true, true, '') IS NOT NULL)); INSERT INTO t VALUES (1), (2); SELECT setval('keep.mark', 1);
>>> write INSERT INTO t VALUES (3)
=== query in a string of a view
CREATE VIEW w AS SELECT query_to_xml('SELECT pg_logical_emit_message(false, ''hit'', ''x'')', true, true, '') AS x;
>>> query SELECT * FROM w
=== statistics of words from a query
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); CREATE VIEW w AS SELECT * FROM ts_stat('SELECT to_tsvector(''simple'', setval(''keep.mark'', 34)::text)');
>>> write INSERT INTO t SELECT 50 + ndoc FROM w
=== view of a schema as text
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); CREATE VIEW acting AS SELECT setval('keep.mark', 35) AS n; CREATE VIEW w AS SELECT table_to_xml('acting'::regclass, true, true, '') AS x;
>>> write INSERT INTO t SELECT 60 FROM w WHERE x IS NOT NULL
=== trigger of an owner whose function sets a role
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql SET work_mem = '1MB' AS $$ BEGIN {body} RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t VALUES (3)
