-- How values of built-in types are compared: indexes, sorting and ranges take that from operator classes, not by a name.
CREATE SCHEMA aside;
CREATE FUNCTION aside.below(point, point) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM public.hit(''below''); RETURN false; END';
CREATE FUNCTION aside.compared(point, point) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM public.hit(''points''); RETURN 0; END';
CREATE OPERATOR aside.@< (FUNCTION = aside.below, LEFTARG = point, RIGHTARG = point);
CREATE OPERATOR aside.@<= (FUNCTION = aside.below, LEFTARG = point, RIGHTARG = point);
CREATE OPERATOR aside.@= (FUNCTION = aside.below, LEFTARG = point, RIGHTARG = point);
CREATE OPERATOR aside.@>= (FUNCTION = aside.below, LEFTARG = point, RIGHTARG = point);
CREATE OPERATOR aside.@> (FUNCTION = aside.below, LEFTARG = point, RIGHTARG = point);
CREATE OPERATOR CLASS aside.points DEFAULT FOR TYPE point USING btree AS OPERATOR 1 aside.@<, OPERATOR 2 aside.@<=, OPERATOR 3 aside.@=, OPERATOR 4 aside.@>=, OPERATOR 5 aside.@>, FUNCTION 1 aside.compared(point, point);
CREATE FUNCTION aside.numbers(int, int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN btint4cmp($1, $2); END';
CREATE OPERATOR CLASS aside.numbers FOR TYPE int USING btree AS OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 aside.numbers(int, int);
CREATE TABLE compared (n int);
INSERT INTO compared SELECT generate_series(1, 5000);
CREATE INDEX ON compared (n aside.numbers);
ANALYZE compared;
CREATE OR REPLACE FUNCTION aside.numbers(int, int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM public.hit(''numbers''); RETURN btint4cmp($1, $2); END';
CREATE TYPE span AS RANGE (subtype = int, subtype_opclass = aside.numbers);
GRANT USAGE ON SCHEMA aside TO PUBLIC;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO PUBLIC;
-- statements
SELECT x FROM (VALUES ('(1,2)'::point), ('(3,4)'::point)) v(x) ORDER BY x
SELECT DISTINCT x FROM (VALUES ('(1,2)'::point), ('(3,4)'::point)) v(x)
SELECT count(*) FROM (VALUES ('(1,2)'::point), ('(3,4)'::point)) v(x) GROUP BY x
SELECT rank() OVER (ORDER BY x) FROM (VALUES ('(1,2)'::point), ('(3,4)'::point)) v(x)
SELECT ROW('(1,2)'::point) < ROW('(1,2)'::point)
SELECT ARRAY['(1,2)'::point] < ARRAY['(1,2)'::point]
SELECT n FROM compared WHERE n = 7
SELECT n FROM compared WHERE n BETWEEN 3 AND 5 ORDER BY n
SELECT '[1,2]'::span
SELECT '{[1,2]}'::public.span::text
SELECT id FROM t
