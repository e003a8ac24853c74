-- Functions of the names of built-in ones, preferred because their arguments fit exactly.
CREATE FUNCTION lower(varchar) RETURNS text LANGUAGE plpgsql AS 'BEGIN PERFORM hit(''lower''); RETURN $1; END';
CREATE FUNCTION ceil(int) RETURNS int LANGUAGE plpgsql AS 'BEGIN PERFORM hit(''ceil''); RETURN $1; END';
CREATE FUNCTION floor(int) RETURNS int LANGUAGE plpgsql AS 'BEGIN PERFORM hit(''floor''); RETURN $1; END';
CREATE FUNCTION public.substring(varchar, int) RETURNS text LANGUAGE plpgsql AS 'BEGIN PERFORM hit(''substring''); RETURN $1; END';
CREATE FUNCTION public.overlay(varchar, varchar, int) RETURNS text LANGUAGE plpgsql AS 'BEGIN PERFORM hit(''overlay''); RETURN $1; END';
CREATE FUNCTION format(varchar) RETURNS text LANGUAGE plpgsql AS 'BEGIN PERFORM hit(''format''); RETURN $1; END';
CREATE FUNCTION generate_series(int, varchar) RETURNS SETOF int LANGUAGE plpgsql AS 'BEGIN PERFORM hit(''series''); RETURN; END';
CREATE FUNCTION date(varchar) RETURNS date LANGUAGE plpgsql AS 'BEGIN PERFORM hit(''date''); RETURN now(); END';
CREATE FUNCTION state(int, varchar) RETURNS int LANGUAGE plpgsql AS 'BEGIN PERFORM hit(''max''); RETURN $1; END';
CREATE AGGREGATE max(varchar) (SFUNC = state, STYPE = int);
CREATE AGGREGATE count(varchar) (SFUNC = state, STYPE = int, INITCOND = '0');
CREATE FUNCTION similarity(text, text) RETURNS real LANGUAGE plpgsql AS 'BEGIN PERFORM hit(''similarity''); RETURN 1; END';
CREATE FUNCTION row_number(varchar) RETURNS int LANGUAGE plpgsql AS 'BEGIN PERFORM hit(''rownumber''); RETURN 1; END';
CREATE FUNCTION danger(t) RETURNS int LANGUAGE plpgsql AS 'BEGIN PERFORM hit(''attribute''); RETURN 1; END';
CREATE FUNCTION danger_any(anyelement) RETURNS int LANGUAGE plpgsql AS 'BEGIN PERFORM hit(''anyelement''); RETURN 1; END';
CREATE FUNCTION danger_defaults(t, int DEFAULT 1) RETURNS int LANGUAGE plpgsql AS 'BEGIN PERFORM hit(''defaults''); RETURN 1; END';
CREATE FUNCTION danger_variadic(VARIADIC t[]) RETURNS int LANGUAGE plpgsql AS 'BEGIN PERFORM hit(''variadic''); RETURN 1; END';
CREATE FUNCTION definer(t) RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN PERFORM hit(''definer''); RETURN 1; END';
CREATE FUNCTION of_row(pg_namespace) RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN PERFORM hit(''ofrow''); RETURN 1; END';
-- statements
SELECT lower(name) FROM t
SELECT LOWER(name) FROM t
SELECT "lower"(name) FROM t
SELECT lower /* x */ (name) FROM t
SELECT * FROM t WHERE lower(name) = 'one'
SELECT * FROM t ORDER BY lower(name)
SELECT ceil(id) FROM t
SELECT floor(id) FROM t
SELECT substring(name, 1) FROM t
SELECT overlay(name, name, 1) FROM t
SELECT format(name) FROM t
SELECT * FROM t, generate_series(1, t.name)
SELECT * FROM t, LATERAL generate_series(1, t.name)
SELECT date(name) FROM t
SELECT max(name) FROM t
SELECT count(name) FROM t
SELECT count(name) OVER () FROM t
SELECT max(name) FILTER (WHERE true) FROM t
SELECT similarity('a', 'b')
SELECT row_number(name) FROM t
SELECT t.danger FROM t
SELECT (t).danger FROM t
SELECT x.danger FROM t x
SELECT (x.*).danger FROM t x
SELECT x . "danger" FROM t AS x
SELECT (SELECT t FROM t LIMIT 1).danger
SELECT t.danger_any FROM t
SELECT t.danger_defaults FROM t
SELECT t.danger_variadic FROM t
SELECT t.definer FROM t
SELECT n.of_row FROM pg_namespace n
SELECT danger(t) FROM t
SELECT hit('direct')
SELECT public.hit('direct')
SELECT hit_immutable('direct')
EXPLAIN SELECT hit_immutable('planned')
EXPLAIN SELECT lower(name) FROM t
SELECT pg_catalog.lower(name) FROM t
SELECT pg_catalog.count(name) FROM t
