-- Domains, casts and conversions that run code.
CREATE DOMAIN checked AS text CHECK (hit('domain_' || VALUE));
CREATE DOMAIN blunt AS text CHECK (pg_reload_conf() OR VALUE = '');
CREATE DOMAIN fair AS int CHECK (VALUE > 0);
CREATE TYPE pair AS (a int, b checked);
CREATE TYPE mood AS ENUM ('fine', 'bad');
CREATE FUNCTION mood_text(mood) RETURNS text LANGUAGE plpgsql AS 'BEGIN PERFORM hit(''cast''); RETURN ''x''; END';
CREATE CAST (mood AS text) WITH FUNCTION mood_text(mood) AS IMPLICIT;
CREATE FUNCTION mood_json(mood) RETURNS json LANGUAGE plpgsql AS 'BEGIN PERFORM hit(''castjson''); RETURN ''1''; END';
CREATE CAST (mood AS json) WITH FUNCTION mood_json(mood);
CREATE TABLE moods (id int, m mood, d text);
INSERT INTO moods VALUES (1, 'fine', 'x');
CREATE TABLE wrapped (id int, m mood[]);
INSERT INTO wrapped VALUES (1, '{fine}');
CREATE TABLE domains (id int, d checked);
CREATE FUNCTION row_text(domains) RETURNS text LANGUAGE plpgsql AS 'BEGIN PERFORM hit(''rowcast''); RETURN ''x''; END';
CREATE CAST (domains AS text) WITH FUNCTION row_text(domains) AS IMPLICIT;
CREATE TABLE blunts (id int, b blunt);
CREATE TABLE fairs (id int, f fair);
INSERT INTO fairs VALUES (1, 1);
GRANT SELECT ON ALL TABLES IN SCHEMA public TO PUBLIC;
-- statements
SELECT 'x'::checked
SELECT CAST('x' AS public.checked)
SELECT checked 'x'
SELECT '(1,x)'::pair
SELECT ROW(1, 'x')::pair
SELECT '{"(1,x)"}'::pair[]
SELECT COALESCE(d, 'x') FROM domains
SELECT (SELECT d FROM domains UNION ALL SELECT 'x')
SELECT d FROM domains UNION ALL SELECT 'x'
SELECT ARRAY[d, 'x'] FROM domains
SELECT CASE WHEN false THEN d ELSE 'x' END FROM domains
SELECT COALESCE((SELECT d FROM domains), 'x')
SELECT GREATEST((SELECT d FROM domains), 'x')
SELECT * FROM (VALUES ((SELECT d FROM domains)), ('x')) v
SELECT json_populate_record(NULL::pair, '{"a": 1, "b": "x"}')
SELECT * FROM json_populate_recordset(NULL::domains, '[{"id": 1, "d": "x"}]')
SELECT * FROM json_to_record('{"b": "x"}') AS x(b checked)
SELECT * FROM jsonb_to_recordset('[{"b": "x"}]') AS x(b public.checked)
SELECT * FROM XMLTABLE('/a' PASSING ('<a>x</a>'::xml) COLUMNS b checked PATH '.')
SELECT jsonb_populate_record(NULL::pair, '{"b": "x"}')
SELECT 'y'::blunt
SELECT COALESCE((SELECT b FROM blunts), 'y')
SELECT 5::fair
SELECT COALESCE((SELECT f FROM fairs), 3)
SELECT m FROM moods
SELECT m::text FROM moods
SELECT m || 'x' FROM moods
SELECT upper(m) FROM moods
SELECT length(m) FROM moods
SELECT row_to_json(moods) FROM moods
SELECT json_agg(m) FROM moods
SELECT to_json(m) FROM wrapped
SELECT to_jsonb(wrapped) FROM wrapped
SELECT * FROM wrapped
SELECT upper('fine'::mood)
SELECT quote_literal('fine'::mood)
SELECT upper(domains) FROM domains
SELECT domains::text FROM domains
SELECT enum_range(NULL::mood)
SELECT id FROM t
