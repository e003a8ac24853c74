-- A cast of a type's arrays, where no column has that array type.
CREATE TYPE mood AS ENUM ('fine', 'bad');
CREATE FUNCTION moods_money(mood[]) RETURNS money LANGUAGE plpgsql AS 'BEGIN PERFORM hit(''array''); RETURN 1::money; END';
CREATE CAST (mood[] AS money) WITH FUNCTION moods_money(mood[]) AS IMPLICIT;
CREATE TABLE moods (m mood);
INSERT INTO moods VALUES ('fine');
CREATE TYPE span AS RANGE (subtype = int4, multirange_type_name = span_multirange);
CREATE FUNCTION spans_money(span_multirange) RETURNS money LANGUAGE plpgsql AS 'BEGIN PERFORM hit(''multirange''); RETURN 1::money; END';
CREATE CAST (span_multirange AS money) WITH FUNCTION spans_money(span_multirange) AS IMPLICIT;
CREATE TABLE spans (s span);
INSERT INTO spans VALUES ('[1,2]');
GRANT SELECT ON ALL TABLES IN SCHEMA public TO PUBLIC;
-- statements
SELECT ARRAY[m]::money FROM moods
SELECT array_agg(m)::money FROM moods
SELECT CAST(ARRAY(SELECT m FROM moods) AS money)
SELECT multirange(s)::money FROM spans
SELECT range_agg(s)::money FROM spans
SELECT s FROM spans
