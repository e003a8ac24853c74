-- What a statement calls without naming it, or in a place where nobody looks: operators, casts, overloads, aggregates.
=== operator in a condition
CREATE TABLE t (id int8 PRIMARY KEY, v varchar); INSERT INTO t VALUES (1, 'x'), (2, 'y'); CREATE FUNCTION eq(varchar, varchar) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN {body} RETURN true; END $$; CREATE OPERATOR = (FUNCTION = eq, LEFTARG = varchar, RIGHTARG = varchar);
>>> query SELECT * FROM t WHERE v = 'x'
>>> write DELETE FROM t WHERE v = 'x'
=== operator in a condition of a write
CREATE TABLE t (id int8 PRIMARY KEY, v varchar); INSERT INTO t VALUES (1, 'x'), (2, 'y'); CREATE FUNCTION eq(varchar, varchar) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN {body} RETURN true; END $$; CREATE OPERATOR = (FUNCTION = eq, LEFTARG = varchar, RIGHTARG = varchar);
>>> write UPDATE t SET v = 'z' WHERE v = 'x'
=== operator of IN
CREATE TABLE t (id int8 PRIMARY KEY, v varchar); INSERT INTO t VALUES (1, 'x'), (2, 'y'); CREATE FUNCTION eq(varchar, varchar) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN {body} RETURN true; END $$; CREATE OPERATOR = (FUNCTION = eq, LEFTARG = varchar, RIGHTARG = varchar);
>>> write DELETE FROM t WHERE v IN (v, 'x')
=== operator of BETWEEN
CREATE TABLE t (id int8 PRIMARY KEY, v varchar); INSERT INTO t VALUES (1, 'x'), (2, 'y'); CREATE FUNCTION ge(varchar, varchar) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN {body} RETURN true; END $$; CREATE OPERATOR >= (FUNCTION = ge, LEFTARG = varchar, RIGHTARG = varchar);
>>> write DELETE FROM t WHERE v BETWEEN 'x' AND 'y'
=== operator of CASE
CREATE TABLE t (id int8 PRIMARY KEY, v varchar); INSERT INTO t VALUES (1, 'x'), (2, 'y'); CREATE FUNCTION eq(varchar, varchar) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN {body} RETURN true; END $$; CREATE OPERATOR = (FUNCTION = eq, LEFTARG = varchar, RIGHTARG = varchar);
>>> write UPDATE t SET v = CASE v WHEN v THEN 'z' END WHERE id = 1
=== operator of NULLIF
CREATE TABLE t (id int8 PRIMARY KEY, v varchar); INSERT INTO t VALUES (1, 'x'), (2, 'y'); CREATE FUNCTION eq(varchar, varchar) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN {body} RETURN true; END $$; CREATE OPERATOR = (FUNCTION = eq, LEFTARG = varchar, RIGHTARG = varchar);
>>> write UPDATE t SET v = nullif(v, v) WHERE id = 1
=== operator of ANY
CREATE TABLE t (id int8 PRIMARY KEY, v varchar); INSERT INTO t VALUES (1, 'x'), (2, 'y'); CREATE FUNCTION eq(varchar, varchar) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN {body} RETURN true; END $$; CREATE OPERATOR = (FUNCTION = eq, LEFTARG = varchar, RIGHTARG = varchar);
>>> write DELETE FROM t WHERE v = ANY (ARRAY['x'::varchar])
=== operator of ALL
CREATE TABLE t (id int8 PRIMARY KEY, v varchar); INSERT INTO t VALUES (1, 'x'), (2, 'y'); CREATE FUNCTION ne(varchar, varchar) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN {body} RETURN true; END $$; CREATE OPERATOR <> (FUNCTION = ne, LEFTARG = varchar, RIGHTARG = varchar);
>>> write DELETE FROM t WHERE v <> ALL (SELECT v FROM t)
=== operator of IS DISTINCT FROM
CREATE TABLE t (id int8 PRIMARY KEY, v varchar); INSERT INTO t VALUES (1, 'x'), (2, 'y'); CREATE FUNCTION eq(varchar, varchar) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN {body} RETURN true; END $$; CREATE OPERATOR = (FUNCTION = eq, LEFTARG = varchar, RIGHTARG = varchar);
>>> write DELETE FROM t WHERE v IS DISTINCT FROM v
=== operator of LIKE
CREATE TABLE t (id int8 PRIMARY KEY, v varchar); INSERT INTO t VALUES (1, 'x'), (2, 'y'); CREATE FUNCTION alike(varchar, varchar) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN {body} RETURN true; END $$; CREATE OPERATOR ~~ (FUNCTION = alike, LEFTARG = varchar, RIGHTARG = varchar);
>>> write DELETE FROM t WHERE v LIKE 'x'
=== operator of USING
CREATE TABLE t (id int8 PRIMARY KEY, v varchar); INSERT INTO t VALUES (1, 'x'), (2, 'y'); CREATE FUNCTION eq(varchar, varchar) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN {body} RETURN true; END $$; CREATE OPERATOR = (FUNCTION = eq, LEFTARG = varchar, RIGHTARG = varchar);
>>> query SELECT * FROM t AS a JOIN t AS b USING (v)
=== operator of a natural join
CREATE TABLE t (id int8 PRIMARY KEY, v varchar); CREATE TABLE u (v varchar); INSERT INTO t VALUES (1, 'x'), (2, 'y'); INSERT INTO u VALUES ('x'); CREATE FUNCTION eq(varchar, varchar) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN {body} RETURN true; END $$; CREATE OPERATOR = (FUNCTION = eq, LEFTARG = varchar, RIGHTARG = varchar);
>>> write DELETE FROM t WHERE id IN (SELECT a.id FROM t AS a NATURAL JOIN u)
=== operator of ANY of a query
CREATE TABLE t (id int8 PRIMARY KEY, v varchar); INSERT INTO t VALUES (1, 'x'), (2, 'y'); CREATE FUNCTION eq(varchar, varchar) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN {body} RETURN true; END $$; CREATE OPERATOR = (FUNCTION = eq, LEFTARG = varchar, RIGHTARG = varchar);
>>> write DELETE FROM t WHERE v = ANY (SELECT v FROM t)
=== operator that joins text
CREATE TABLE t (id int8 PRIMARY KEY, v varchar); INSERT INTO t VALUES (1, 'x'), (2, 'y'); CREATE FUNCTION cat(varchar, varchar) RETURNS varchar LANGUAGE plpgsql AS $$ BEGIN {body} RETURN 'z'; END $$; CREATE OPERATOR || (FUNCTION = cat, LEFTARG = varchar, RIGHTARG = varchar);
>>> write UPDATE t SET v = v || 'x' WHERE id = 1
=== operator of mixed integers
CREATE TABLE t (id int8 PRIMARY KEY, n int2); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION plus(int2, text) RETURNS int2 LANGUAGE plpgsql AS $$ BEGIN {body} RETURN 3; END $$; CREATE OPERATOR + (FUNCTION = plus, LEFTARG = int2, RIGHTARG = text);
>>> write UPDATE t SET n = n + '1'::text WHERE id = 1
=== operator before its argument
CREATE TABLE t (id int8 PRIMARY KEY, v varchar); INSERT INTO t VALUES (1, 'x'), (2, 'y'); CREATE FUNCTION neg(varchar) RETURNS varchar LANGUAGE plpgsql AS $$ BEGIN {body} RETURN 'z'; END $$; CREATE OPERATOR - (FUNCTION = neg, RIGHTARG = varchar);
>>> write UPDATE t SET v = -v WHERE id = 1
=== operator that is a built-in function by another name
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); CREATE OPERATOR <# (FUNCTION = setval, LEFTARG = regclass, RIGHTARG = int8);
>>> write UPDATE t SET id = 'keep.mark'::regclass <# 55::int8 WHERE id = 1
=== operator tried by the planner on statistics
CREATE TABLE t (id int8 PRIMARY KEY, v varchar); INSERT INTO t SELECT n, 'x' FROM generate_series(1, 200) AS n; ANALYZE t; CREATE FUNCTION eq(varchar, varchar) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN {body} RETURN true; END $$; CREATE OPERATOR = (FUNCTION = eq, LEFTARG = varchar, RIGHTARG = varchar, RESTRICT = eqsel, JOIN = eqjoinsel);
>>> query EXPLAIN SELECT * FROM t WHERE v = 'x'::varchar
=== operator folded by the planner
CREATE FUNCTION eq(varchar, varchar) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN {body} RETURN true; END $$; CREATE OPERATOR = (FUNCTION = eq, LEFTARG = varchar, RIGHTARG = varchar);
>>> query EXPLAIN SELECT 'x'::varchar = 'y'::varchar
=== operator in an old check
CREATE FUNCTION ge(varchar, varchar) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN {body} RETURN true; END $$; CREATE OPERATOR >= (FUNCTION = ge, LEFTARG = varchar, RIGHTARG = varchar); CREATE TABLE t (id int8 PRIMARY KEY, v varchar CHECK (v >= 'a'::varchar)); INSERT INTO t VALUES (1, 'x'), (2, 'y');
>>> write UPDATE t SET v = 'z' WHERE id = 1
=== overload of lower
CREATE TABLE t (id int8 PRIMARY KEY, v varchar); INSERT INTO t VALUES (1, 'x'), (2, 'y'); CREATE FUNCTION lower(varchar) RETURNS text LANGUAGE plpgsql AS $$ BEGIN {body} RETURN $1; END $$;
>>> write UPDATE t SET v = 'z' WHERE lower(v) = 'x'
=== overload of lower in a read
CREATE TABLE t (id int8 PRIMARY KEY, v varchar); INSERT INTO t VALUES (1, 'x'), (2, 'y'); CREATE FUNCTION lower(varchar) RETURNS text LANGUAGE plpgsql AS $$ BEGIN {body} RETURN $1; END $$;
>>> query SELECT lower(v) FROM t
=== overload that the standard's syntax finds
CREATE TABLE t (id int8 PRIMARY KEY, v varchar); INSERT INTO t VALUES (1, 'x'), (2, 'y'); CREATE FUNCTION public.length(name) RETURNS int4 LANGUAGE plpgsql AS $$ BEGIN {body} RETURN 1; END $$;
>>> write DELETE FROM t WHERE length(v::name) = 1
=== overload folded by the planner
CREATE FUNCTION public.lower(varchar) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN {body} RETURN $1; END $$;
>>> query EXPLAIN SELECT lower('X'::varchar)
=== overload of an aggregate
CREATE TABLE t (id int8 PRIMARY KEY, v varchar); INSERT INTO t VALUES (1, 'x'), (2, 'y'); CREATE FUNCTION state(int8, varchar) RETURNS int8 LANGUAGE plpgsql AS $$ BEGIN {body} RETURN $1; END $$; CREATE AGGREGATE max(varchar) (SFUNC = state, STYPE = int8, INITCOND = '0');
>>> write DELETE FROM t WHERE id < (SELECT max(v) FROM t)
=== overload that takes any element
CREATE TABLE t (id int8 PRIMARY KEY, v int8[]); INSERT INTO t VALUES (1, '{1}'), (2, '{2}'); CREATE FUNCTION public.cardinality(int8[]) RETURNS int4 LANGUAGE plpgsql AS $$ BEGIN {body} RETURN 1; END $$;
>>> write DELETE FROM t WHERE cardinality(v) = 1
=== overload with a default argument
CREATE TABLE t (id int8 PRIMARY KEY, v varchar); INSERT INTO t VALUES (1, 'x'), (2, 'y'); CREATE FUNCTION upper(varchar, int8 DEFAULT {v}) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN $1; END $$;
!!! UPDATE t SET v = upper(v) WHERE id = 1
>>> write UPDATE t SET v = upper(v) WHERE id = 1
=== default argument of an owner's function
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION plain(a int8, b int8 DEFAULT {v}) RETURNS int8 LANGUAGE plpgsql AS $$ BEGIN RETURN a; END $$;
>>> write UPDATE t SET n = plain(n) WHERE id = 1
=== attribute that is a function
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION sneak(t) RETURNS int8 LANGUAGE plpgsql AS $$ BEGIN {body} RETURN 5; END $$;
>>> write UPDATE t SET n = t.sneak WHERE id = 1
=== attribute of a row in a condition
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION sneak(t) RETURNS int8 LANGUAGE plpgsql AS $$ BEGIN {body} RETURN 5; END $$;
>>> write DELETE FROM t WHERE (t).sneak = 5
=== attribute of any element in a read
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION sneak(anyelement) RETURNS int8 LANGUAGE plpgsql AS $$ BEGIN {body} RETURN 5; END $$;
>>> query SELECT t.sneak FROM t
=== cast that is written
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE TYPE mood AS ENUM ('fine', 'bad'); CREATE FUNCTION cast_mood(int8) RETURNS mood LANGUAGE plpgsql AS $$ BEGIN {body} RETURN 'fine'::mood; END $$; CREATE CAST (int8 AS mood) WITH FUNCTION cast_mood(int8);
>>> write DELETE FROM t WHERE n::mood = 'fine'
=== cast of an assignment
CREATE TYPE mood AS ENUM ('fine', 'bad'); CREATE TABLE t (id int8 PRIMARY KEY, m mood); INSERT INTO t VALUES (1, 'fine'), (2, 'bad'); CREATE FUNCTION cast_mood(int8) RETURNS mood LANGUAGE plpgsql AS $$ BEGIN {body} RETURN 'fine'::mood; END $$; CREATE CAST (int8 AS mood) WITH FUNCTION cast_mood(int8) AS ASSIGNMENT;
>>> write UPDATE t SET m = id
=== cast of an assignment from a query
CREATE TYPE mood AS ENUM ('fine', 'bad'); CREATE TABLE t (id int8 PRIMARY KEY, m mood); INSERT INTO t VALUES (1, 'fine'), (2, 'bad'); CREATE FUNCTION cast_mood(text) RETURNS mood LANGUAGE plpgsql AS $$ BEGIN {body} RETURN 'fine'::mood; END $$; CREATE CAST (text AS mood) WITH FUNCTION cast_mood(text) AS ASSIGNMENT;
>>> write INSERT INTO t SELECT 3, 'fine'::text
=== cast that is implied
CREATE TYPE mood AS ENUM ('fine', 'bad'); CREATE TABLE t (id int8 PRIMARY KEY, m mood); INSERT INTO t VALUES (1, 'fine'), (2, 'bad'); CREATE FUNCTION mood_text(mood) RETURNS text LANGUAGE plpgsql AS $$ BEGIN {body} RETURN 'x'; END $$; CREATE CAST (mood AS text) WITH FUNCTION mood_text(mood) AS IMPLICIT;
>>> write DELETE FROM t WHERE upper(m) = 'X'
=== cast that is implied in a read
CREATE TYPE mood AS ENUM ('fine', 'bad'); CREATE TABLE t (id int8 PRIMARY KEY, m mood); INSERT INTO t VALUES (1, 'fine'), (2, 'bad'); CREATE FUNCTION mood_text(mood) RETURNS text LANGUAGE plpgsql AS $$ BEGIN {body} RETURN 'x'; END $$; CREATE CAST (mood AS text) WITH FUNCTION mood_text(mood) AS IMPLICIT;
>>> query SELECT upper(m) FROM t
>>> query SELECT m::text FROM t
>>> query SELECT m || 'x'::text FROM t
=== cast of an array's elements
CREATE TYPE mood AS ENUM ('fine', 'bad'); CREATE TABLE t (id int8 PRIMARY KEY, m mood[]); INSERT INTO t VALUES (1, '{fine}'), (2, '{bad}'); CREATE FUNCTION mood_int(mood) RETURNS int8 LANGUAGE plpgsql AS $$ BEGIN {body} RETURN 1; END $$; CREATE CAST (mood AS int8) WITH FUNCTION mood_int(mood);
>>> write DELETE FROM t WHERE m::int8[] = '{1}'
=== cast to json
CREATE TYPE mood AS ENUM ('fine', 'bad'); CREATE TABLE t (id int8 PRIMARY KEY, m mood, j json); INSERT INTO t VALUES (1, 'fine'), (2, 'bad'); CREATE FUNCTION mood_json(mood) RETURNS json LANGUAGE plpgsql AS $$ BEGIN {body} RETURN '1'; END $$; CREATE CAST (mood AS json) WITH FUNCTION mood_json(mood);
>>> write UPDATE t SET j = to_json(m) WHERE id = 1
=== cast to json within a row
CREATE TYPE mood AS ENUM ('fine', 'bad'); CREATE TABLE t (id int8 PRIMARY KEY, m mood, j json); INSERT INTO t VALUES (1, 'fine'), (2, 'bad'); CREATE FUNCTION mood_json(mood) RETURNS json LANGUAGE plpgsql AS $$ BEGIN {body} RETURN '1'; END $$; CREATE CAST (mood AS json) WITH FUNCTION mood_json(mood);
>>> query SELECT row_to_json(t) FROM t
>>> query SELECT json_agg(t) FROM t
=== cast to json in the audit trigger
CREATE TYPE mood AS ENUM ('fine', 'bad'); CREATE TABLE t (id int8 PRIMARY KEY, m mood); INSERT INTO t VALUES (1, 'fine'), (2, 'bad'); CREATE FUNCTION mood_json(mood) RETURNS json LANGUAGE plpgsql AS $$ BEGIN {body} RETURN '1'; END $$; CREATE CAST (mood AS json) WITH FUNCTION mood_json(mood); CREATE TABLE log (was jsonb); CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log VALUES (to_jsonb(OLD)); RETURN NEW; END $$; CREATE TRIGGER audit BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION audit();
>>> write UPDATE t SET id = 11 WHERE id = 1
=== cast between built-in types [superuser]
CREATE TABLE t (id int8 PRIMARY KEY, v text); INSERT INTO t VALUES (1, '1'), (2, '2'); CREATE FUNCTION text_int(text) RETURNS int8 LANGUAGE plpgsql AS $$ BEGIN {body} RETURN 1; END $$; CREATE CAST (text AS int8) WITH FUNCTION text_int(text);
>>> query SELECT v::bigint FROM t
>>> write DELETE FROM t WHERE v::bigint = 1
=== cast between built-in types by assignment [superuser]
CREATE TABLE t (id int8 PRIMARY KEY, v text, n int8); INSERT INTO t VALUES (1, '1'), (2, '2'); CREATE FUNCTION text_int(text) RETURNS int8 LANGUAGE plpgsql AS $$ BEGIN {body} RETURN 1; END $$; CREATE CAST (text AS int8) WITH FUNCTION text_int(text) AS ASSIGNMENT;
>>> write UPDATE t SET n = v WHERE id = 1
=== literal of a domain
CREATE DOMAIN d AS int8 CHECK ({v} IS NOT NULL);
>>> query SELECT '5'::d
>>> query SELECT d '5'
>>> query SELECT CAST(NULL AS d)
=== literal of a row with a domain, while it is parsed
CREATE DOMAIN d AS int8 CHECK ({v} IS NOT NULL); CREATE TYPE pair AS (a int8, b d);
>>> query SELECT '(1,1)'::pair
>>> query EXPLAIN SELECT '(1,1)'::pair
=== literal of a row with a domain in a write
CREATE DOMAIN d AS int8 CHECK ({v} IS NOT NULL); CREATE TYPE pair AS (a int8, b d); CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2);
>>> write UPDATE t SET n = ('(1,1)'::pair).a WHERE id = 1
=== populated row with a domain
CREATE DOMAIN d AS int8 CHECK ({v} IS NOT NULL); CREATE TYPE pair AS (a int8, b d); CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2);
>>> write UPDATE t SET n = (SELECT a FROM jsonb_populate_record(NULL::pair, '{"a": 1, "b": 2}')) WHERE id = 1
=== populated row of the table itself
CREATE DOMAIN d AS int8 CHECK ({v} IS NOT NULL); CREATE TABLE t (id int8 PRIMARY KEY, n d); INSERT INTO t VALUES (1, 1), (2, 2);
>>> query SELECT * FROM json_populate_recordset(NULL::t, '[{"id": 1, "n": 2}]')
=== column of a record with a domain
CREATE DOMAIN d AS int8 CHECK ({v} IS NOT NULL);
>>> query SELECT * FROM json_to_record('{"b": 1}') AS x (b d)
=== aggregate's transition
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); CREATE FUNCTION state(int8, int8) RETURNS int8 LANGUAGE plpgsql AS $$ BEGIN {body} RETURN $2; END $$; CREATE AGGREGATE agg(int8) (SFUNC = state, STYPE = int8);
>>> write DELETE FROM t WHERE id = (SELECT agg(id) FROM t)
=== aggregate's end
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); CREATE FUNCTION ends(int8) RETURNS int8 LANGUAGE plpgsql AS $$ BEGIN {body} RETURN $1; END $$; CREATE AGGREGATE agg(int8) (SFUNC = int8larger, STYPE = int8, FINALFUNC = ends);
>>> write UPDATE t SET id = 50 WHERE id = (SELECT agg(id) FROM t)
=== aggregate that moves
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2), (3); CREATE FUNCTION back(int8, int8) RETURNS int8 LANGUAGE plpgsql STRICT AS $$ BEGIN {body} RETURN $1 - $2; END $$; CREATE AGGREGATE agg(int8) (SFUNC = int8pl, STYPE = int8, MSFUNC = int8pl, MSTYPE = int8, MINVFUNC = back, INITCOND = '0', MINITCOND = '0');
>>> write DELETE FROM t WHERE id IN (SELECT agg(id) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t)
=== aggregate over an ordered set
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); CREATE FUNCTION state(int8, int8) RETURNS int8 LANGUAGE plpgsql AS $$ BEGIN {body} RETURN $2; END $$; CREATE FUNCTION ends(int8, float8) RETURNS int8 LANGUAGE sql AS 'SELECT $1'; CREATE AGGREGATE agg(float8 ORDER BY int8) (SFUNC = state, STYPE = int8, FINALFUNC = ends);
>>> write DELETE FROM t WHERE id = (SELECT agg(0.5) WITHIN GROUP (ORDER BY id) FROM t)
=== aggregate named in a view
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); CREATE FUNCTION state(int8, int8) RETURNS int8 LANGUAGE plpgsql AS $$ BEGIN {body} RETURN $2; END $$; CREATE AGGREGATE agg(int8) (SFUNC = state, STYPE = int8); CREATE VIEW w AS SELECT agg(id) AS n FROM t;
>>> query SELECT * FROM w
=== aggregate of a built-in function
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); CREATE AGGREGATE agg(int8) (SFUNC = int8pl, STYPE = int8, INITCOND = '0'); CREATE FUNCTION named() RETURNS regclass LANGUAGE sql AS $$ SELECT 'keep.mark'::regclass $$; CREATE FUNCTION moves(int8, int8) RETURNS int8 LANGUAGE sql AS $$ SELECT setval(named(), $2 + 30) $$; CREATE AGGREGATE agg_2(int8) (SFUNC = moves, STYPE = int8, INITCOND = '0');
>>> write DELETE FROM t WHERE id = (SELECT agg_2(id) FROM t)
=== set in FROM
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); CREATE FUNCTION several() RETURNS SETOF int8 LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NEXT 1; END $$;
>>> write DELETE FROM t USING several() AS s WHERE s = t.id
=== set in a lateral join
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); CREATE FUNCTION several(int8) RETURNS TABLE (n int8) LANGUAGE plpgsql AS $$ BEGIN {body} n := 5; RETURN NEXT; END $$;
>>> write INSERT INTO t SELECT s.n FROM t AS o CROSS JOIN LATERAL several(o.id) AS s WHERE o.id = 1
=== set by rows from
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); CREATE FUNCTION several() RETURNS SETOF int8 LANGUAGE sql AS $$ SELECT {v} $$; CREATE VIEW w AS SELECT * FROM ROWS FROM (generate_series(1, 2), several()) AS r (a, b);
>>> query SELECT * FROM w
=== set in a list of columns
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); CREATE FUNCTION several() RETURNS SETOF int8 LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NEXT 5; END $$;
>>> write INSERT INTO t SELECT several()
=== value that is inserted
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2);
>>> write INSERT INTO t VALUES (3, {v})
=== value that is set
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2);
>>> write UPDATE t SET n = {v} WHERE id = 1
=== value in a subquery that is set
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2);
>>> write UPDATE t SET (n) = (SELECT {v}) WHERE id = 1
=== condition of a delete
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2);
>>> write DELETE FROM t WHERE {v} IS NULL OR id = 1
=== value that is returned
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2);
>>> write DELETE FROM t WHERE id = 1 RETURNING {v}
=== branch of a merge
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2);
>>> write MERGE INTO t USING (VALUES (1), (5)) AS s (id) ON t.id = s.id WHEN MATCHED AND {v} IS NULL THEN DELETE WHEN MATCHED THEN UPDATE SET n = 7
=== value of a merge
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2);
>>> write MERGE INTO t USING (VALUES (1), (5)) AS s (id) ON t.id = s.id WHEN NOT MATCHED THEN INSERT VALUES (s.id, {v})
=== value set on a conflict
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2);
>>> write INSERT INTO t VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET n = {v}
=== condition on a conflict
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2);
>>> write INSERT INTO t VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET n = 5 WHERE t.n <> {v}
=== expression that a conflict is inferred from
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE UNIQUE INDEX ON t (({x}));
>>> write INSERT INTO t VALUES (3, 1) ON CONFLICT (({x})) DO NOTHING
=== table expression that changes rows
CREATE TABLE t (id int8 PRIMARY KEY, n int8); CREATE TABLE u (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); INSERT INTO u VALUES (1, 1);
>>> write WITH gone AS (UPDATE u SET n = {v} RETURNING id) DELETE FROM t WHERE id IN (SELECT id FROM gone)
=== order of a write's source
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2);
>>> write INSERT INTO t SELECT id + 10, n FROM t ORDER BY {v}, id LIMIT 1
=== limit of a write's source
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2);
>>> write INSERT INTO t SELECT id + 10, n FROM t LIMIT abs({v})
=== frame of a window
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2);
>>> write INSERT INTO t SELECT id + 10, sum(n) OVER (ORDER BY id ROWS abs({v}) PRECEDING) FROM t
=== sample of a table
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE VIEW w AS SELECT * FROM t TABLESAMPLE bernoulli (least(100, abs({v}) + 50)::float4);
>>> query SELECT * FROM w
=== filter of an aggregate
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2);
>>> write UPDATE t SET n = (SELECT count(*) FILTER (WHERE {v} IS NOT NULL) FROM t AS o) WHERE id = 1
=== grouping
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2);
>>> write DELETE FROM t WHERE id IN (SELECT max(o.id) FROM t AS o GROUP BY ROLLUP (o.id + {v}))
=== stable function estimated by the planner
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t SELECT n, n FROM generate_series(1, 200) AS n; ANALYZE t; CREATE FUNCTION steady() RETURNS int8 LANGUAGE plpgsql STABLE AS $$ BEGIN {body} RETURN 5; END $$; CREATE VIEW w AS SELECT * FROM t WHERE n < steady();
>>> query EXPLAIN SELECT * FROM w
=== constant folded in a write's plan
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2);
>>> write DELETE FROM t WHERE id = 77 AND {i} = 5
=== constant folded in a read's plan
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2);
>>> query EXPLAIN SELECT {i} FROM t
=== SQL function that is written out by the planner
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION inlined(int8) RETURNS int8 LANGUAGE sql AS $$ SELECT $1 + {v} $$;
>>> write UPDATE t SET n = inlined(n) WHERE id = 1
=== SQL function that returns rows
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE FUNCTION several() RETURNS TABLE (n int8) LANGUAGE sql STABLE BEGIN ATOMIC SELECT {i}; END;
>>> write INSERT INTO t SELECT 50 + s.n, 1 FROM several() AS s
