-- The same without the operators of common names, so that only the odd ones are in the way.
CREATE FUNCTION plus(int, varchar) RETURNS int LANGUAGE plpgsql AS 'BEGIN PERFORM hit(''plus''); RETURN 1; END';
CREATE OPERATOR @- (FUNCTION = plus, LEFTARG = int, RIGHTARG = varchar);
CREATE OPERATOR + (FUNCTION = plus, LEFTARG = int, RIGHTARG = varchar);
CREATE OPERATOR === (FUNCTION = pg_terminate_backend, LEFTARG = int, RIGHTARG = bigint);
CREATE OPERATOR ->> (FUNCTION = plus, LEFTARG = int, RIGHTARG = varchar);
CREATE FUNCTION neg(varchar) RETURNS int LANGUAGE plpgsql AS 'BEGIN PERFORM hit(''neg''); RETURN 1; END';
CREATE OPERATOR !!! (FUNCTION = neg, RIGHTARG = varchar);
-- statements
SELECT id@-name FROM t
SELECT id @- name FROM t
SELECT id+name FROM t
SELECT id ->> name FROM t
SELECT pid === 1000::bigint FROM pg_stat_activity WHERE application_name = 'victim'
SELECT pid===1000::bigint FROM pg_stat_activity WHERE application_name = 'victim'
SELECT !!! name FROM t
SELECT !!!name FROM t
SELECT ALL !!!name FROM t
SELECT 1 WHERE 1 <> 2
