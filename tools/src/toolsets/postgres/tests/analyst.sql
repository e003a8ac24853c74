-- What an analyst asks; each statement on one line is a read.
CREATE EXTENSION pg_trgm; CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE EXTENSION unaccent;
CREATE TYPE order_status AS ENUM ('open', 'paid', 'shipped');
CREATE DOMAIN amount AS numeric(10, 2) CHECK (VALUE >= 0);
CREATE TABLE customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, email citext, country char(2), tags text[], attributes hstore, created_at timestamptz DEFAULT now());
CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer_id bigint REFERENCES customers, status order_status, total amount, placed_on date, shipped_at timestamp, doc jsonb, raw json, span daterange, ip inet, note text);
CREATE TABLE items (order_id bigint REFERENCES orders, line int, sku varchar(20), price numeric, quantity int, PRIMARY KEY (order_id, line));
CREATE TABLE staff (id int PRIMARY KEY, boss int, name text);
CREATE TABLE events (id bigint, kind text, at timestamptz, payload jsonb) PARTITION BY RANGE (at);
CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE INDEX ON orders (placed_on); CREATE INDEX ON customers (lower(name)); CREATE INDEX ON orders (customer_id) WHERE status = 'open';
CREATE VIEW big_orders AS SELECT o.*, c.name FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.total > 50;
CREATE MATERIALIZED VIEW totals AS SELECT customer_id, sum(total) AS sum FROM orders GROUP BY 1;
CREATE SCHEMA "Odd"; CREATE TABLE "Odd"."Table" ("Column one" int, "select" text); CREATE SEQUENCE numbers;
CREATE FUNCTION order_total(o orders) RETURNS numeric LANGUAGE sql STABLE AS 'SELECT o.total * 2';
INSERT INTO customers (name, email, country, tags, attributes) VALUES ('Ada', 'ada@x.org', 'GB', '{a,b}', 'k=>v'), ('Bob', 'bob@x.org', 'US', '{}', NULL);
INSERT INTO orders (customer_id, status, total, placed_on, doc, raw, span, ip, note) VALUES (1, 'open', 10, '2026-01-01', '{"a": {"b": [1, 2]}}', '{"x": 1}', '[2026-01-01,2026-02-01)', '10.0.0.1', 'fragile'), (2, 'paid', 99.5, '2026-02-01', '{}', '[]', NULL, NULL, NULL);
INSERT INTO items VALUES (1, 1, 'A-1', 2.5, 4), (2, 1, 'B-2', 99.5, 1); INSERT INTO staff VALUES (1, NULL, 'top'), (2, 1, 'mid'), (3, 2, 'low');
INSERT INTO events VALUES (1, 'click', '2026-05-05', '{"page": "/"}');
-- statements
SELECT 1
SELECT * FROM customers
TABLE customers
TABLE public.customers
VALUES (1, 'a'), (2, 'b')
SHOW server_version
SHOW search_path
SHOW ALL
SHOW TimeZone
EXPLAIN SELECT * FROM orders
EXPLAIN ANALYZE SELECT * FROM orders
EXPLAIN (ANALYZE, BUFFERS, VERBOSE, FORMAT JSON) SELECT * FROM orders WHERE id = 1
EXPLAIN (COSTS OFF) SELECT count(*) FROM items
EXPLAIN VERBOSE SELECT 1
SELECT count(*) FROM orders WHERE status = 'open'
SELECT status, count(*), sum(total), avg(total)::numeric(10,2) FROM orders GROUP BY status ORDER BY 2 DESC
SELECT * FROM orders WHERE status = 'open'::order_status
SELECT * FROM orders WHERE status IN ('open', 'paid')
SELECT total::text, total::amount FROM orders
SELECT CAST('5' AS amount)
SELECT enum_range(NULL::order_status)
SELECT c.name, o.total FROM customers c JOIN orders o ON o.customer_id = c.id
SELECT c.name, o.total FROM customers c LEFT JOIN orders o ON o.customer_id = c.id AND o.total > 50 WHERE o.id IS NULL
SELECT * FROM orders JOIN items ON items.order_id = orders.id RIGHT JOIN customers ON true
SELECT * FROM orders o FULL OUTER JOIN items i ON i.order_id = o.id
SELECT * FROM orders CROSS JOIN customers
SELECT * FROM items a JOIN items b USING (order_id)
SELECT * FROM customers NATURAL JOIN staff
SELECT DISTINCT country FROM customers
SELECT DISTINCT ON (customer_id) customer_id, id FROM orders ORDER BY customer_id, placed_on DESC
SELECT name FROM customers ORDER BY name COLLATE "C" DESC NULLS LAST LIMIT 10 OFFSET 0
SELECT name FROM customers ORDER BY created_at FETCH FIRST 5 ROWS ONLY
SELECT name FROM customers ORDER BY id FETCH FIRST 1 ROWS WITH TIES
SELECT name FROM customers ORDER BY name USING <
SELECT * FROM customers WHERE name LIKE 'A%'
SELECT * FROM customers WHERE name NOT LIKE 'A%' AND name ILIKE '%b'
SELECT * FROM customers WHERE name SIMILAR TO '(A|B)%'
SELECT * FROM customers WHERE name ~ '^A' AND name !~ 'z' AND name ~* 'a' AND name !~* 'q'
SELECT * FROM customers WHERE name LIKE 'a!%' ESCAPE '!'
SELECT * FROM customers WHERE name LIKE ANY (ARRAY['A%', 'B%'])
SELECT * FROM customers WHERE email = 'ADA@X.ORG'
SELECT lower(email), upper(name), initcap(name) FROM customers
SELECT * FROM customers WHERE lower(name) = 'ada'
SELECT similarity(name, 'ada'), name % 'ada', name <-> 'ada' FROM customers ORDER BY name <-> 'ada'
SELECT unaccent(name) FROM customers
SELECT attributes -> 'k', attributes ? 'k', akeys(attributes) FROM customers
SELECT tags[1], tags[1:2], array_length(tags, 1), cardinality(tags) FROM customers
SELECT * FROM customers WHERE 'a' = ANY (tags)
SELECT * FROM customers WHERE tags @> ARRAY['a'] OR tags && '{b}' OR tags <@ ARRAY['a', 'b']
SELECT unnest(tags) FROM customers
SELECT c.id, t.tag, t.n FROM customers c, unnest(c.tags) WITH ORDINALITY AS t(tag, n)
SELECT c.id, t FROM customers c CROSS JOIN LATERAL unnest(c.tags) AS t
SELECT array_agg(name ORDER BY name), string_agg(name, ', ' ORDER BY name DESC) FROM customers
SELECT array_to_string(ARRAY[1, 2, NULL], ',', '*'), string_to_array('a,b', ',')
SELECT ARRAY(SELECT id FROM orders ORDER BY id)
SELECT ARRAY[[1, 2], [3, 4]], (ARRAY[1, 2, 3])[2:], array_position(ARRAY['a', 'b'], 'b')
SELECT array_remove(ARRAY[1, 2], 1), array_append(ARRAY[1], 2), array_cat(ARRAY[1], ARRAY[2]), 1 || ARRAY[2]
SELECT doc -> 'a' -> 'b' ->> 0, doc #> '{a,b}', doc #>> '{a,b,0}' FROM orders
SELECT doc->'a'->>'b' FROM orders WHERE doc ? 'a'
SELECT * FROM orders WHERE doc @> '{"a": {}}' OR doc <@ '{}'
SELECT * FROM orders WHERE doc ?| ARRAY['a', 'z'] OR doc ?& ARRAY['a']
SELECT * FROM orders WHERE doc @? '$.a.b[*] ? (@ > 1)' OR doc @@ '$.a.b[0] == 1'
SELECT doc - 'a', doc #- '{a,b}', doc || '{"z": 1}' FROM orders
SELECT jsonb_path_query(doc, '$.a.b[*]') FROM orders
SELECT jsonb_path_query_array(doc, '$.a.b'), jsonb_path_exists(doc, '$.a') FROM orders
SELECT key, value FROM orders, jsonb_each(doc)
SELECT o.id, e.value FROM orders o CROSS JOIN LATERAL jsonb_array_elements(o.doc #> '{a,b}') AS e
SELECT jsonb_pretty(doc), jsonb_typeof(doc), jsonb_set(doc, '{a}', '1') FROM orders
SELECT row_to_json(c), to_jsonb(c) FROM customers c
SELECT json_agg(o), jsonb_object_agg(id, status) FROM orders o
SELECT json_build_object('id', id, 'total', total), jsonb_build_array(id, total) FROM orders
SELECT * FROM json_to_recordset('[{"a": 1, "b": "x"}]') AS x(a int, b text)
SELECT * FROM jsonb_to_record('{"a": 1}') AS x(a int)
SELECT raw ->> 'x', json_typeof(raw), json_array_length('[1]') FROM orders WHERE id = 1
SELECT (jsonb_populate_record(NULL::staff, '{"id": 7}')).id
SELECT date_trunc('month', placed_on), sum(total) FROM orders GROUP BY 1 ORDER BY 1
SELECT extract(year FROM placed_on), date_part('dow', placed_on) FROM orders
SELECT placed_on + 7, placed_on - 1, placed_on + interval '1 month', placed_on - DATE '2025-12-31' FROM orders
SELECT now(), current_date, current_timestamp, localtimestamp, clock_timestamp()
SELECT now() - interval '7 days', now() AT TIME ZONE 'Europe/Berlin'
SELECT timestamp '2026-01-01 10:00' AT TIME ZONE 'UTC' AT TIME ZONE 'Asia/Tokyo'
SELECT age(now(), timestamptz '2020-01-01'), age(timestamp '2020-01-01')
SELECT to_char(placed_on, 'YYYY-MM-DD'), to_date('2026', 'YYYY'), to_timestamp(0), to_number('1,2', '9,9') FROM orders
SELECT make_date(2026, 1, 1), make_interval(days => 3), make_timestamptz(2026, 1, 1, 0, 0, 0)
SELECT date_bin('15 minutes', now(), '2000-01-01')
SELECT justify_interval(interval '40 days'), extract(epoch FROM interval '1 day')
SELECT (DATE '2026-01-01', DATE '2026-02-01') OVERLAPS (DATE '2026-01-15', DATE '2026-03-01')
SELECT * FROM orders WHERE placed_on BETWEEN '2026-01-01' AND '2026-12-31'
SELECT * FROM orders WHERE placed_on BETWEEN SYMMETRIC '2026-12-31' AND '2026-01-01'
SELECT * FROM orders WHERE placed_on >= current_date - 30
SELECT d::date FROM generate_series('2026-01-01'::date, '2026-01-10', '1 day') AS d
SELECT d, count(o.id) FROM generate_series(DATE '2026-01-01', DATE '2026-02-01', INTERVAL '1 month') d LEFT JOIN orders o ON date_trunc('month', o.placed_on) = d GROUP BY d
SELECT generate_series(1, 3), generate_subscripts(ARRAY[1, 2], 1)
SELECT * FROM generate_series(1, 10, 2) WITH ORDINALITY AS g(v, n)
SELECT * FROM ROWS FROM (generate_series(1, 2), generate_series(1, 3)) AS x(a, b)
SELECT span @> DATE '2026-01-15', span && daterange('2026-01-01', '2026-01-02'), lower(span), upper(span), isempty(span) FROM orders
SELECT int4range(1, 5) * int4range(3, 8), int4range(1, 5) -|- int4range(5, 8), numrange(1, 2) << numrange(3, 4)
SELECT range_agg(span) FROM orders
SELECT ip << inet '10.0.0.0/8', host(ip), masklen(ip), family(ip) FROM orders
SELECT total IS DISTINCT FROM 10, total IS NOT DISTINCT FROM 10, note IS NULL, note IS NOT NULL FROM orders
SELECT COALESCE(note, 'none'), NULLIF(note, ''), GREATEST(1, 2), LEAST(1, 2) FROM orders
SELECT CASE WHEN total > 50 THEN 'big' ELSE 'small' END, CASE status WHEN 'open' THEN 1 ELSE 2 END FROM orders
SELECT count(*) FILTER (WHERE total > 50), sum(total) FILTER (WHERE status = 'open') FROM orders
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY total), percentile_disc(ARRAY[0.1, 0.9]) WITHIN GROUP (ORDER BY total) FROM orders
SELECT mode() WITHIN GROUP (ORDER BY status) FROM orders
SELECT rank(10) WITHIN GROUP (ORDER BY total) FROM orders
SELECT customer_id, status, sum(total) FROM orders GROUP BY GROUPING SETS ((customer_id), (status), ())
SELECT customer_id, status, sum(total), grouping(customer_id, status) FROM orders GROUP BY ROLLUP (customer_id, status)
SELECT customer_id, status, count(*) FROM orders GROUP BY CUBE (customer_id, status)
SELECT customer_id, count(*) FROM orders GROUP BY customer_id HAVING count(*) > 0 AND sum(total) > 1
SELECT stddev(total), variance(total), corr(total, id), regr_slope(total, id), covar_pop(total, id) FROM orders
SELECT bool_and(total > 0), bool_or(total > 50), every(true), bit_and(1), bit_or(2) FROM orders
SELECT count(DISTINCT customer_id), sum(DISTINCT total), min(placed_on), max(note) FROM orders
SELECT row_number() OVER (), rank() OVER (ORDER BY total), dense_rank() OVER w, ntile(4) OVER w FROM orders WINDOW w AS (ORDER BY total DESC)
SELECT lag(total) OVER (PARTITION BY customer_id ORDER BY placed_on), lead(total, 1, 0) OVER (ORDER BY id) FROM orders
SELECT sum(total) OVER (ORDER BY placed_on ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) FROM orders
SELECT avg(total) OVER (ORDER BY placed_on RANGE BETWEEN '7 days' PRECEDING AND '1 day' FOLLOWING) FROM orders
SELECT sum(total) OVER (ORDER BY id GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW) FROM orders
SELECT sum(total) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE TIES) FROM orders
SELECT first_value(total) OVER w, last_value(total) OVER w, nth_value(total, 2) OVER w FROM orders WINDOW w AS (PARTITION BY status ORDER BY id)
SELECT percent_rank() OVER (ORDER BY total), cume_dist() OVER (ORDER BY total) FROM orders
SELECT sum(sum(total)) OVER (ORDER BY status) FROM orders GROUP BY status
WITH recent AS (SELECT * FROM orders WHERE placed_on > '2025-01-01') SELECT count(*) FROM recent
WITH a AS MATERIALIZED (SELECT 1 AS x), b AS NOT MATERIALIZED (SELECT 2 AS y) SELECT * FROM a, b
WITH a(x) AS (VALUES (1), (2)) SELECT sum(x) FROM a
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10) SELECT sum(i) FROM n
WITH RECURSIVE tree AS (SELECT id, name, 0 AS depth FROM staff WHERE boss IS NULL UNION ALL SELECT s.id, s.name, t.depth + 1 FROM staff s JOIN tree t ON s.boss = t.id) SELECT * FROM tree
WITH RECURSIVE tree AS (SELECT id, boss FROM staff WHERE boss IS NULL UNION ALL SELECT s.id, s.boss FROM staff s JOIN tree t ON s.boss = t.id) SEARCH DEPTH FIRST BY id SET path SELECT * FROM tree ORDER BY path
WITH RECURSIVE tree AS (SELECT id, boss FROM staff UNION ALL SELECT s.id, s.boss FROM staff s JOIN tree t ON s.boss = t.id) CYCLE id SET looped USING path SELECT * FROM tree
SELECT 1 UNION SELECT 2 UNION ALL SELECT 3
(SELECT id FROM orders INTERSECT SELECT id FROM customers) EXCEPT SELECT 5 ORDER BY 1
SELECT id FROM orders EXCEPT ALL SELECT id FROM customers
SELECT * FROM orders WHERE customer_id IN (SELECT id FROM customers WHERE country = 'GB')
SELECT * FROM orders WHERE EXISTS (SELECT 1 FROM items WHERE items.order_id = orders.id)
SELECT * FROM orders WHERE total > ALL (SELECT price FROM items WHERE quantity > 100)
SELECT * FROM orders WHERE total = ANY (SELECT price FROM items)
SELECT * FROM orders WHERE (customer_id, status) IN ((1, 'open'), (2, 'paid'))
SELECT (SELECT name FROM customers c WHERE c.id = o.customer_id) FROM orders o
SELECT * FROM customers c, LATERAL (SELECT * FROM orders o WHERE o.customer_id = c.id ORDER BY placed_on DESC LIMIT 1) x
SELECT * FROM customers c LEFT JOIN LATERAL (SELECT sum(total) AS s FROM orders WHERE customer_id = c.id) x ON true
SELECT * FROM orders TABLESAMPLE BERNOULLI (50)
SELECT * FROM orders TABLESAMPLE SYSTEM (10) REPEATABLE (1)
SELECT * FROM ONLY events
SELECT * FROM events WHERE at >= '2026-01-01'
SELECT tableoid::regclass, count(*) FROM events GROUP BY 1
SELECT payload ->> 'page', count(*) FROM events GROUP BY 1
SELECT * FROM big_orders
SELECT * FROM totals
SELECT "Column one", "select" FROM "Odd"."Table"
SELECT last_value FROM numbers
SELECT last_value, is_called FROM public.numbers
SELECT o.*, c.* FROM orders o, customers c WHERE o.customer_id = c.id
SELECT (o).total FROM orders o
SELECT public.orders.total FROM public.orders
SELECT length(name), char_length(name), octet_length(name), left(name, 1), right(name, 1), reverse(name) FROM customers
SELECT substring(name FROM 1 FOR 2), substring(name, 2), substring(name FROM '^A'), substr(name, 1, 1) FROM customers
SELECT trim(name), trim(BOTH 'A' FROM name), ltrim(name), rtrim(name, 'a'), btrim(name) FROM customers
SELECT position('a' IN name), strpos(name, 'a'), overlay(name PLACING 'x' FROM 1), replace(name, 'a', 'b') FROM customers
SELECT split_part('a-b', '-', 1), lpad('1', 3, '0'), rpad('1', 3), repeat('x', 3), translate('abc', 'a', 'x')
SELECT regexp_replace(name, 'a', 'b', 'g'), regexp_matches(name, 'a'), regexp_split_to_array(name, '') FROM customers
SELECT regexp_match(name, '(.)'), regexp_count(name, 'a'), starts_with(name, 'A'), name ^@ 'A' FROM customers
SELECT concat(name, 1), concat_ws('-', name, country), name || '-' || country, format('%s %I %L', name, 'x', 'y') FROM customers
SELECT md5(name), encode(sha256('x'), 'hex'), decode('00', 'hex'), ascii('a'), chr(65), to_hex(255) FROM customers
SELECT quote_ident('a b'), quote_literal('x'), quote_nullable(NULL)
SELECT E'a\nb', 'it''s', $$dollar$$, $tag$dollar $$ tag$tag$, U&'\0041'
SELECT name COLLATE "C" < 'B' COLLATE "C" FROM customers
SELECT abs(-1), ceil(1.5), floor(1.5), round(1.55, 1), trunc(1.9), mod(7, 2), power(2, 3), sqrt(4), exp(1), ln(2), log(10), sign(-1)
SELECT 7 / 2, 7 % 2, 2 ^ 3, |/ 4, ||/ 8, @ -1, 5 & 3, 5 | 3, 5 # 3, ~ 5, 1 << 2, 8 >> 1
SELECT random(), gen_random_uuid(), pi(), width_bucket(5, 0, 10, 5), div(7, 2), gcd(4, 6)
SELECT 1::float8 / 3, 'NaN'::float8, '1e3'::numeric, 0.1 + 0.2, 10::money
SELECT '1'::int, '{1,2}'::int[], 'x'::varchar(5), B'101', X'FF', '101'::bit(3), 1::bool, 'yes'::boolean
SELECT to_tsvector('english', note) @@ to_tsquery('english', 'fragile') FROM orders
SELECT ts_rank(to_tsvector(note), plainto_tsquery('fragile')), ts_headline(note, websearch_to_tsquery('fragile')) FROM orders
SELECT 'a b'::tsvector, phraseto_tsquery('a b'), 'a & b'::tsquery, setweight(to_tsvector('a'), 'A')
SELECT point(1, 2) <-> point(3, 4), box '(0,0),(1,1)' @> point '(0.5,0.5)', circle '((0,0),1)' && circle '((1,1),1)'
SELECT xpath('/a/text()', '<a>x</a>'::xml), xmlelement(name a, 'x')
SELECT * FROM XMLTABLE('/a/b' PASSING ('<a><b>1</b></a>'::xml) COLUMNS v int PATH '.')
SELECT pg_typeof(total), pg_column_size(doc) FROM orders
SELECT num_nulls(1, NULL), num_nonnulls(1, NULL)
SELECT (1, 'a') = (1, 'a'), ROW(1, 2) < ROW(1, 3), (1, 2) IS NULL
SELECT TRUE AND NOT FALSE OR NULL, 1 IS NOT NULL, (1 = 1) IS TRUE, NULL IS UNKNOWN
SELECT * FROM (VALUES (1, 'one'), (2, 'two')) AS t(id, name)
SELECT * FROM (SELECT id FROM orders) AS x(y) WHERE y > 0
SELECT count(*) FROM (SELECT 1 FROM orders LIMIT 5) q
SELECT 1 AS "Quoted", 2 two, 3 AS three
SELECT -- a comment⏎ 1 /* another /* nested */ one */
SELECT current_user, session_user, current_database(), current_schema(), version(), current_setting('work_mem')
SELECT pid, usename, state, wait_event_type, query_start, left(query, 50) FROM pg_stat_activity WHERE state <> 'idle'
SELECT pid, pg_blocking_pids(pid) FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0
SELECT l.pid, l.mode, l.granted, l.relation::regclass FROM pg_locks l JOIN pg_stat_activity a USING (pid)
SELECT relname, n_live_tup, n_dead_tup, last_autovacuum FROM pg_stat_user_tables ORDER BY n_dead_tup DESC
SELECT indexrelname, idx_scan, pg_size_pretty(pg_relation_size(indexrelid)) FROM pg_stat_user_indexes
SELECT heap_blks_hit::float / NULLIF(heap_blks_hit + heap_blks_read, 0) FROM pg_statio_user_tables
SELECT datname, numbackends, xact_commit, blks_hit, deadlocks FROM pg_stat_database
SELECT pg_size_pretty(pg_database_size(current_database())), pg_size_pretty(pg_total_relation_size('orders'))
SELECT relname, pg_table_size(oid), pg_indexes_size(oid) FROM pg_class WHERE relkind = 'r' ORDER BY 2 DESC LIMIT 5
SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema NOT IN ('pg_catalog', 'information_schema')
SELECT column_name, data_type, is_nullable, column_default FROM information_schema.columns WHERE table_name = 'orders' ORDER BY ordinal_position
SELECT * FROM information_schema.table_constraints WHERE table_name = 'orders'
SELECT tc.table_name, kcu.column_name FROM information_schema.table_constraints tc JOIN information_schema.key_column_usage kcu USING (constraint_name)
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'orders'::regclass
SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'orders'
SELECT pg_get_indexdef(indexrelid), indisunique FROM pg_index WHERE indrelid = 'public.orders'::regclass
SELECT viewname, definition FROM pg_views WHERE schemaname = 'public'
SELECT n.nspname, p.proname, pg_get_function_arguments(p.oid) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'public' LIMIT 5
SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attnum > 0
SELECT obj_description('orders'::regclass), col_description('orders'::regclass, 1)
SELECT e.enumlabel FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid WHERE t.typname = 'order_status'
SELECT rolname, rolsuper FROM pg_roles
SELECT name, setting, unit FROM pg_settings WHERE name LIKE '%mem%'
SELECT extname, extversion FROM pg_extension
SELECT * FROM pg_stat_replication
SELECT * FROM pg_replication_slots
SELECT pg_is_in_recovery(), pg_current_wal_lsn(), pg_postmaster_start_time()
SELECT has_table_privilege('orders', 'select'), has_schema_privilege('public', 'usage')
SELECT tablename, attname, n_distinct FROM pg_stats WHERE tablename = 'orders'
SELECT * FROM pg_sequences
SELECT c.relname FROM pg_catalog.pg_class c WHERE c.relname OPERATOR(pg_catalog.~) '^(orders)$' COLLATE pg_catalog.default
SELECT inhrelid::regclass, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE inhparent = 'events'::regclass
SELECT * FROM pg_partition_tree('events')
SELECT xmin, ctid, id FROM orders
SELECT age(datfrozenxid), datname FROM pg_database
SELECT sum(i.price * i.quantity) AS revenue, date_trunc('week', o.placed_on)::date AS week FROM items i JOIN orders o ON o.id = i.order_id GROUP BY week ORDER BY week
SELECT customer_id, 100.0 * sum(total) / sum(sum(total)) OVER () AS share FROM orders GROUP BY customer_id
SELECT *, total - avg(total) OVER (PARTITION BY customer_id) AS diff FROM orders
SELECT id FROM orders WHERE note IS NULL OR note = '' ORDER BY CASE WHEN total IS NULL THEN 1 ELSE 0 END, total DESC
SELECT id FROM orders WHERE total::int % 2 = 0 AND NOT (status = 'paid')
SELECT id FROM orders WHERE md5(id::text) < '8'
SELECT count(*) AS n, width_bucket(total, 0, 100, 10) AS bucket FROM orders GROUP BY bucket
SELECT customer_id, array_agg(DISTINCT status) FROM orders GROUP BY customer_id
SELECT jsonb_agg(jsonb_build_object('sku', sku, 'n', quantity) ORDER BY line) FROM items GROUP BY order_id
SELECT corr(price::float8, quantity::float8) FROM items
SELECT id, lead(placed_on) OVER (ORDER BY placed_on) - placed_on AS gap FROM orders
SELECT to_char(total, 'FM999G999D00'), total::money FROM orders
SELECT count(*) FROM pg_class WHERE relkind = 'r';
