-- Casts with somebody's functions between types that are all PostgreSQL's own.
CREATE FUNCTION point_number(point) RETURNS int LANGUAGE plpgsql AS 'BEGIN PERFORM hit(''point''); RETURN 1; END';
CREATE CAST (point AS int) WITH FUNCTION point_number(point) AS ASSIGNMENT;
CREATE FUNCTION number_text(int) RETURNS text LANGUAGE plpgsql AS 'BEGIN PERFORM hit(''number''); RETURN ''x''; END';
CREATE CAST (int AS text) WITH FUNCTION number_text(int) AS IMPLICIT;
-- statements
SELECT '(1,2)'::point::int
SELECT 1::text
SELECT CAST(1 AS text)
SELECT upper(1)
SELECT length(count(*)::int) FROM pg_class
SELECT x::text FROM generate_series(1, 2) x
