-- Operators of the names that SQL's own syntax uses.
CREATE FUNCTION eq(varchar, varchar) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RETURN hit(''eq''); END';
CREATE OPERATOR = (FUNCTION = eq, LEFTARG = varchar, RIGHTARG = varchar);
CREATE OPERATOR ~~ (FUNCTION = eq, LEFTARG = varchar, RIGHTARG = varchar);
CREATE FUNCTION plus(int, varchar) RETURNS int LANGUAGE plpgsql AS 'BEGIN PERFORM hit(''plus''); RETURN 1; END';
CREATE OPERATOR + (FUNCTION = plus, LEFTARG = int, RIGHTARG = varchar);
CREATE OPERATOR @- (FUNCTION = plus, LEFTARG = int, RIGHTARG = varchar);
CREATE OPERATOR === (FUNCTION = pg_terminate_backend, LEFTARG = int, RIGHTARG = bigint);
CREATE FUNCTION neg(varchar) RETURNS int LANGUAGE plpgsql AS 'BEGIN PERFORM hit(''neg''); RETURN 1; END';
CREATE OPERATOR - (FUNCTION = neg, RIGHTARG = varchar);
CREATE OPERATOR !!! (FUNCTION = neg, RIGHTARG = varchar);
-- statements
SELECT name = name FROM t
SELECT * FROM t a JOIN t b USING (name)
SELECT * FROM t a NATURAL JOIN t b
SELECT NULLIF(name, name) FROM t
SELECT CASE name WHEN name THEN 1 END FROM t
SELECT name IN (name) FROM t
SELECT name = ANY (ARRAY[name]) FROM t
SELECT name IN (SELECT name FROM t) FROM t
SELECT (name, 1) = (name, 1) FROM t
SELECT name IS DISTINCT FROM name FROM t
SELECT name LIKE name FROM t
SELECT id + name FROM t
SELECT id@-name FROM t
SELECT id @- name FROM t
SELECT pid === 1000::bigint FROM pg_stat_activity WHERE application_name = 'victim'
SELECT - name FROM t
SELECT -name FROM t
SELECT !!!name FROM t
SELECT !!! name FROM t
SELECT 1
