-- Schemas as people have them, and what a call comes to there.
=== numbers, times and ids by default
CREATE TABLE t (id serial PRIMARY KEY, at timestamptz DEFAULT now(), day date DEFAULT current_date, key uuid DEFAULT gen_random_uuid(), n int DEFAULT 1 + 2, tags text[] DEFAULT '{}', doc jsonb DEFAULT '{}'::jsonb, who text DEFAULT current_user); INSERT INTO t DEFAULT VALUES; INSERT INTO t DEFAULT VALUES;
>>> write INSERT INTO t (n) VALUES (5) => reversible
>>> write UPDATE t SET n = 5 WHERE id = 1 => reversible
>>> write DELETE FROM t WHERE id = 1 => reversible
>>> query SELECT * FROM t => answered
>>> query SELECT count(*) FROM t WHERE at > now() - interval '1 day' => answered
>>> drop table t => reversible
=== identity and clock
CREATE TABLE t (id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(), r float8 DEFAULT random(), txid xid8 DEFAULT pg_current_xact_id()); INSERT INTO t DEFAULT VALUES;
>>> write INSERT INTO t DEFAULT VALUES => reversible
>>> write DELETE FROM t => reversible
=== checks and generated columns
CREATE TABLE t (id int8 PRIMARY KEY, email text CHECK (email ~* '^[^@]+@[^@]+$'), name text CHECK (length(trim(name)) BETWEEN 1 AND 80), net numeric(10, 2) CHECK (net >= 0), gross numeric(10, 2) GENERATED ALWAYS AS (round(net * 1.19, 2)) STORED, state text CHECK (state IN ('new', 'done')), words tsvector GENERATED ALWAYS AS (to_tsvector('english', coalesce(name, ''))) STORED, CHECK (state IS NOT NULL OR net IS NULL));
INSERT INTO t VALUES (1, 'a@b.c', 'one', 1, DEFAULT, 'new', DEFAULT), (2, 'b@b.c', 'two', 2, DEFAULT, 'done', DEFAULT);
CREATE UNIQUE INDEX ON t (lower(email)); CREATE INDEX ON t USING gin (words); CREATE INDEX ON t (state) WHERE state <> 'done'; CREATE INDEX ON t (date_trunc('day', '2026-01-01'::timestamp)); CREATE STATISTICS s ON (net * 2), lower(email) FROM t;
>>> write INSERT INTO t (id, email, name, net, state) VALUES (3, 'c@b.c', 'three', 3, 'new') => reversible
>>> write UPDATE t SET net = net * 2 WHERE lower(email) = 'a@b.c' => reversible
>>> write DELETE FROM t WHERE state = 'done' => reversible
>>> query SELECT lower(email), gross FROM t WHERE words @@ to_tsquery('english', 'one') => answered
>>> alter ALTER TABLE t ADD COLUMN note text CHECK (length(note) < 100) => reversible
>>> alter CREATE INDEX ON t (upper(name)) => reversible
>>> drop table t => reversible
=== the updated_at trigger
CREATE TABLE t (id int8 PRIMARY KEY, n int8, updated_at timestamptz); INSERT INTO t VALUES (1, 1), (2, 2);
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.updated_at := now(); RETURN NEW; END; $$; CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION touch();
>>> write UPDATE t SET n = 5 WHERE id = 1 => reversible
>>> write INSERT INTO t (id, n) VALUES (3, 3) => reversible
>>> write DELETE FROM t WHERE id = 2 => reversible
=== the updated_at trigger, spelt otherwise
CREATE TABLE t (id int8 PRIMARY KEY, n int8, updated_at timestamptz); INSERT INTO t VALUES (1, 1), (2, 2);
CREATE OR REPLACE FUNCTION touch() RETURNS trigger AS $body$ BEGIN IF ROW(NEW.*) IS DISTINCT FROM ROW(OLD.*) THEN NEW.updated_at = CURRENT_TIMESTAMP; RETURN NEW; ELSE RETURN OLD; END IF; END $body$ LANGUAGE plpgsql; CREATE TRIGGER touch BEFORE UPDATE ON t FOR EACH ROW EXECUTE PROCEDURE touch();
>>> write UPDATE t SET n = 5 WHERE id = 1 => reversible
=== the audit trigger
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE TABLE log (id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, op text, was jsonb, at timestamptz DEFAULT now());
CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF TG_OP = 'DELETE' THEN INSERT INTO log (op, was) VALUES (TG_OP, to_jsonb(OLD)); RETURN OLD; END IF; INSERT INTO log (op, was) VALUES (TG_OP, to_jsonb(NEW)); RETURN NEW; END $$; CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION audit();
>>> write UPDATE t SET n = 5 WHERE id = 1 => reversible
>>> write DELETE FROM t WHERE id = 2 => reversible
=== a counter kept by a trigger
CREATE TABLE total (id int PRIMARY KEY, n int8); INSERT INTO total VALUES (1, 2); CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2);
CREATE FUNCTION counted() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE d int8 := 0; BEGIN d := CASE WHEN TG_OP = 'INSERT' THEN 1 ELSE -1 END; UPDATE total SET n = n + d WHERE id = 1; RETURN NULL; END $$; CREATE TRIGGER counted AFTER INSERT OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION counted();
>>> write INSERT INTO t (id) VALUES (3) => reversible
>>> write DELETE FROM t WHERE id = 1 => reversible
=== a trigger that refuses
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2);
CREATE FUNCTION positive() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.n < 0 THEN RAISE EXCEPTION 'n of % is negative', NEW.id; END IF; RETURN NEW; END $$; CREATE TRIGGER positive BEFORE INSERT OR UPDATE ON t FOR EACH ROW WHEN (NEW.n IS NOT NULL) EXECUTE FUNCTION positive();
>>> write UPDATE t SET n = 5 WHERE id = 1 => reversible
=== domains, enums and ranges
CREATE DOMAIN email AS text CHECK (VALUE ~ '@'); CREATE DOMAIN positive AS int8 DEFAULT 1 NOT NULL CHECK (VALUE > 0); CREATE TYPE mood AS ENUM ('fine', 'bad'); CREATE TYPE pair AS (a int, b text);
CREATE TABLE t (id int8 PRIMARY KEY, e email, p positive, m mood DEFAULT 'fine', c pair, r int8range, EXCLUDE USING gist (r WITH &&)); INSERT INTO t VALUES (1, 'a@b', 1, 'fine', '(1,x)', '[1,2)'), (2, 'b@b', 2, 'bad', NULL, '[3,4)');
>>> write INSERT INTO t (id, e, r) VALUES (3, 'c@b', '[5,6)') => reversible
>>> write UPDATE t SET m = 'bad', p = p + 1 WHERE id = 1 => reversible
>>> query SELECT id, e, p, m FROM t WHERE m = 'fine' ORDER BY m => answered
=== partitions by month
CREATE TABLE t (id int8 GENERATED ALWAYS AS IDENTITY, at date NOT NULL, n int8 CHECK (n > 0)) PARTITION BY RANGE (at); CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM ('2026-01-01') TO ('2026-02-01'); CREATE TABLE t_rest PARTITION OF t DEFAULT; ALTER TABLE t ADD PRIMARY KEY (id, at); INSERT INTO t (at, n) VALUES ('2026-01-05', 1), ('2026-03-05', 2);
>>> write INSERT INTO t (at, n) VALUES ('2026-01-06', 3) => reversible
>>> write UPDATE t SET at = '2026-04-01' WHERE n = 1 => reversible
>>> query SELECT count(*) FROM t WHERE at >= '2026-01-01' => answered
=== partitions by an expression
CREATE TABLE t (id int8, at timestamp NOT NULL) PARTITION BY RANGE (date_trunc('month', at)); CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM ('2026-01-01') TO ('2026-02-01'); INSERT INTO t VALUES (1, '2026-01-05');
>>> write INSERT INTO t VALUES (2, '2026-01-06') => asked about
>>> query SELECT * FROM t WHERE at > '2026-01-01' => answered
=== references
CREATE TABLE cust (id serial PRIMARY KEY, name varchar(40) NOT NULL UNIQUE); CREATE TABLE t (id int8 GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, cust int REFERENCES cust ON DELETE CASCADE, n numeric DEFAULT 0); INSERT INTO cust (name) VALUES ('a'), ('b'); INSERT INTO t (cust, n) VALUES (1, 1), (2, 2);
>>> write DELETE FROM cust WHERE name = 'a' => reversible
>>> write INSERT INTO t (cust, n) SELECT id, length(name) FROM cust => reversible
>>> write UPDATE t SET n = c.id FROM cust c WHERE c.id = t.cust AND c.name LIKE 'a%' => reversible
>>> query SELECT c.name, sum(t.n) FROM t JOIN cust c ON c.id = t.cust GROUP BY c.name ORDER BY 2 DESC => answered
>>> truncate t => reversible
=== views
CREATE TABLE t (id int8 PRIMARY KEY, n int8, gone boolean DEFAULT false); INSERT INTO t VALUES (1, 1), (2, 2); CREATE VIEW w AS SELECT id, n FROM t WHERE NOT gone; CREATE VIEW x AS SELECT date_trunc('day', now()) AS day, count(*) AS n, string_agg(id::text, ',' ORDER BY id) AS ids FROM w;
>>> query SELECT * FROM w => answered
>>> query SELECT * FROM x => answered
>>> write UPDATE w SET n = 5 WHERE id = 1 => reversible
>>> alter CREATE VIEW made AS SELECT upper(ids) AS ids FROM x => reversible
>>> drop view x => reversible
=== the owner's functions
CREATE FUNCTION net(gross numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT round(gross / 1.19, 2)'; CREATE FUNCTION slug(t text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN lower(regexp_replace(t, '[^a-zA-Z0-9]+', '-', 'g'));
CREATE TABLE t (id int8 PRIMARY KEY, gross numeric, net numeric GENERATED ALWAYS AS (net(gross)) STORED, title text, CHECK (net(gross) >= 0)); INSERT INTO t (id, gross, title) VALUES (1, 119, 'A b'), (2, 238, 'C d'); CREATE UNIQUE INDEX ON t (slug(title));
>>> write INSERT INTO t (id, gross, title) VALUES (3, 11.90, 'E f') => reversible
>>> write UPDATE t SET gross = 1.19 WHERE id = 1 => reversible
=== the owner's function in PL/pgSQL
CREATE FUNCTION valid(n int8) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ DECLARE rest int8; BEGIN rest := n % 7; IF rest = 6 THEN RETURN false; END IF; RETURN true; END $$;
CREATE TABLE t (id int8 PRIMARY KEY CHECK (valid(id))); INSERT INTO t VALUES (1), (2);
>>> write INSERT INTO t (id) VALUES (3) => reversible
=== rows that only some may see
CREATE TABLE t (id int8 PRIMARY KEY, who name DEFAULT current_user); INSERT INTO t VALUES (1), (2); ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON t USING (who = current_user) WITH CHECK (who = current_user);
>>> write UPDATE t SET id = 11 WHERE id = 1 => reversible
>>> query SELECT * FROM t => answered
=== a child table
CREATE TABLE t (id int8 PRIMARY KEY, n int8 CHECK (n > 0)); CREATE TABLE kid (m int8 DEFAULT 7, PRIMARY KEY (id)) INHERITS (t); INSERT INTO t VALUES (1, 1); INSERT INTO kid VALUES (2, 2);
>>> write UPDATE t SET n = n + 1 => reversible
>>> query SELECT sum(n) FROM t WHERE n > 0 => answered
=== additions
CREATE TABLE t (id int8 PRIMARY KEY);
>>> alter CREATE TABLE made (id bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), key uuid DEFAULT gen_random_uuid(), name text CHECK (length(name) > 0), t int8) => reversible
>>> alter CREATE TYPE made_mood AS ENUM ('fine', 'bad') => reversible
>>> alter ALTER TABLE t ADD COLUMN n int8 NOT NULL DEFAULT 0 => reversible
>>> alter ALTER TABLE t ALTER COLUMN id SET DEFAULT 5 => reversible
>>> alter ALTER TABLE t ADD CHECK (id > 0) => reversible
