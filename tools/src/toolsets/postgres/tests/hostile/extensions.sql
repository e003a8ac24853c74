-- Extensions, and what somebody adds to them.
CREATE EXTENSION dblink;
CREATE EXTENSION citext;
CREATE EXTENSION pg_trgm;
CREATE EXTENSION hstore;
CREATE EXTENSION tablefunc;
SELECT format('CREATE EXTENSION %I', name) FROM pg_available_extensions WHERE name = 'adminpack' \gexec
CREATE EXTENSION lo;
CREATE EXTENSION postgres_fdw;
CREATE EXTENSION isn;
CREATE EXTENSION intarray;
CREATE TABLE c (id int, name citext, h hstore);
INSERT INTO c VALUES (1, 'One', 'a=>1');
CREATE ROLE :"database";
GRANT ALL ON SCHEMA public TO :"database";
CREATE FUNCTION initcap(citext) RETURNS text LANGUAGE plpgsql AS 'BEGIN PERFORM hit(''initcap''); RETURN $1; END';
ALTER FUNCTION initcap(citext) OWNER TO :"database";
ALTER EXTENSION citext ADD FUNCTION initcap(citext);
CREATE VIEW v_dblink AS SELECT * FROM dblink('dbname=postgres', 'SELECT 1') AS x(a int);
CREATE VIEW v_trgm AS SELECT id, similarity(name::text, 'one') FROM c;
CREATE VIEW v_limit AS SELECT set_limit(0.9);
CREATE VIEW v_tab AS SELECT * FROM crosstab('SELECT 1, 2, hit(''crosstab'')::int') AS x(a int, b int);
GRANT SELECT ON ALL TABLES IN SCHEMA public TO PUBLIC;
-- statements
SELECT * FROM dblink('dbname=postgres', 'SELECT 1') AS x(a int)
SELECT dblink_connect('a', 'dbname=postgres')
SELECT dblink_exec('dbname=postgres', 'CREATE TABLE made()')
SELECT * FROM v_dblink
SELECT pg_file_write('hit_admin', 'x', false)
SELECT lo_manage()
SELECT set_limit(0.5)
SELECT isn_weak(true)
SELECT * FROM v_limit
SELECT * FROM crosstab('SELECT 1, 2, 3') AS x(a int, b int)
SELECT * FROM connectby('t', 'id', 'id', '1', 0) AS x(a int, b int, c int)
SELECT * FROM v_tab
SELECT initcap(name) FROM c
SELECT lower(name) FROM c
SELECT * FROM c WHERE name = 'ONE'
SELECT max(name) FROM c
SELECT h -> 'a', h ? 'a', akeys(h) FROM c
SELECT (each(h)).key FROM c
SELECT similarity('a', 'ab')
SELECT name::text % 'on' FROM c
SELECT 'One'::citext = 'ONE'
SELECT * FROM v_trgm
SELECT sort(ARRAY[2, 1])
