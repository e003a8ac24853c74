-- Text that a parser and the server may read differently; ⏎ is a line break, ␍ a carriage return, ⇥ a form feed.
CREATE TABLE t (id int PRIMARY KEY, name varchar);
INSERT INTO t VALUES (1, 'one'), (2, 'two');
CREATE SEQUENCE s;
-- statements
SELECT E'a'⏎'b\'', pg_reload_conf() --'
SELECT E'a' -- x⏎'b\'', pg_reload_conf() --'
SELECT E'a' 'b\'', pg_reload_conf() --'
SELECT 'a'⏎'b\', pg_reload_conf() --'
SELECT 'a\', pg_reload_conf() --'
SELECT E'\\', pg_reload_conf() --'
SELECT E'\'', pg_reload_conf() --'
SELECT E'\x27, pg_reload_conf() --'
SELECT E'\047', pg_reload_conf() --'
SELECT E'\u0027', pg_reload_conf() --'
SELECT U&'\0027', pg_reload_conf() --'
SELECT U&'\', pg_reload_conf() --'
SELECT U&'!0027' UESCAPE '!', pg_reload_conf() --'
SELECT U&"pg_reload\005fconf"()
SELECT u&"pg_reload!005fconf" UESCAPE '!' ()
SELECT "pg_reload_conf"()
SELECT PG_RELOAD_CONF()
SELECT Pg_Catalog . /* x */ pg_reload_conf ( )
SELECT pg_catalog."pg_reload_conf"()
SELECT "pg_catalog"."pg_reload_conf"()
SELECT pg_reload_conf⏎()
SELECT pg_reload_conf/**/()
SELECT pg_reload_conf -- x⏎()
SELECT 1 #--'⏎ 1, pg_reload_conf() --'
SELECT 1 <--'⏎ 1, pg_reload_conf() --'
SELECT 1 @--'⏎ 1, pg_reload_conf() --'
SELECT 1 ->--'⏎ 1, pg_reload_conf() --'
SELECT 1 +--'⏎ 1, pg_reload_conf() --'
SELECT 1 ~/*'*/ 1, pg_reload_conf() --'
SELECT 1 |/*'*/ 1, pg_reload_conf() --'
SELECT 1 &/*'*/ 1, pg_reload_conf() /*'*/
SELECT /* /* */ 1, pg_reload_conf() */ 2
SELECT /* /* */ */ pg_reload_conf()
SELECT /* -- */ pg_reload_conf()
SELECT 1 -- /*⏎, pg_reload_conf() -- */
SELECT 1 --␍, pg_reload_conf()
SELECT 1 --⇥, pg_reload_conf()
SELECT 1, --⏎pg_reload_conf()
SELECT $$a$$, pg_reload_conf(), $$b$$
SELECT $a$ $$ $a$, pg_reload_conf()
SELECT $a$ $A$, pg_reload_conf(), $a$
SELECT $😀$ ' $😀$, pg_reload_conf() --'
SELECT $é$ ' $é$, pg_reload_conf() --'
SELECT $1$ , pg_reload_conf(), $1$
SELECT $1$$, pg_reload_conf(), $1$$
SELECT 1 AS a$$, pg_reload_conf() AS b$$
SELECT a$a$ FROM (SELECT pg_reload_conf()) x(a$a$)
SELECT $$'$$, pg_reload_conf() --'
SELECT '$$', pg_reload_conf(), '$$'
SELECT "a""b", pg_reload_conf() FROM (SELECT 1) x("a""b")
SELECT "a"" , pg_reload_conf() , ""b" FROM (SELECT 1) x
SELECT `a`, pg_reload_conf()
SELECT 'a' "b", pg_reload_conf()
SELECT N'a\', pg_reload_conf() --'
SELECT X'00', pg_reload_conf()
SELECT B'0'⏎'1', pg_reload_conf()
SELECT 1 AS pg_reload_conf, pg_reload_conf()
SELECT 0x1F, pg_reload_conf()
SELECT 1_000, pg_reload_conf()
SELECT 1.e5, pg_reload_conf()
SELECT 1 "pg_reload_conf" ()
SELECT 1!, pg_reload_conf()
SELECT {fn pg_reload_conf()}
SELECT @a := pg_reload_conf()
SELECT 1\gexec
SELECT 1 \; DELETE FROM t
SELECT 1; DELETE FROM t
SELECT 1/**/;/**/DELETE FROM t
SELECT 1⏎;⏎DELETE FROM t
SELECT 'a;b'; DELETE FROM t
SELECT $$;$$; DELETE FROM t
/* SELECT 1 */ DELETE FROM t
--⏎DELETE FROM t
(DELETE FROM t)
((SELECT pg_reload_conf()))
SELECT(pg_reload_conf())
SELECT-pg_reload_conf()::int
SELECT"pg_reload_conf"()
select*from"pg_ls_dir"('.')
TABLE t; DELETE FROM t
VALUES (pg_reload_conf())
SELECT ﻿pg_reload_conf()
SELECT pg_reload_conf ()
SELECT pg_reload_conf ()
SELECT ｐｇ_reload_conf()
SELECT pg_reload_conf‮()
SELECT 'x' 'pg_reload_conf'
SELECT regclass 't', pg_reload_conf 'x'
SELECT t.pg_reload_conf FROM t
SELECT (t).pg_reload_conf FROM t
SELECT x.pg_reload_conf FROM (SELECT 1) x
SELECT pg_reload_conf FROM t
SELECT aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa(1)
SELECT 1 OPERATOR(public.+) 1
SELECT 1 OPERATOR("public".+) 1
SELECT 1 OPERATOR(+) 1
SELECT 1 OPERATOR(pg_catalog.+) pg_reload_conf()::int
SELECT 1 = OPERATOR(public.=) ANY (ARRAY[1])
SELECT id FROM t ORDER BY id USING OPERATOR(public.<)
SELECT 'a'::public.evil
SELECT CAST('a' AS evil)
SELECT evil 'a'
SELECT public.evil 'a'
SELECT 'a'::"int4"; DELETE FROM t
SELECT 1 WHERE 'a' ~ 'a' ~ pg_reload_conf()::text
SELECT 1 END, pg_reload_conf()
SELECT 1 END; DELETE FROM t
