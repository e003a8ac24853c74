-- What a table computes by itself: defaults, generated columns, checks, partitions, indexes, statistics, its children.
=== default
CREATE TABLE t (id int8 PRIMARY KEY, n int8 DEFAULT {v}); INSERT INTO t VALUES (1, 1), (2, 2);
>>> write INSERT INTO t (id) VALUES (3)
=== default named in an update
CREATE TABLE t (id int8 PRIMARY KEY, n int8 DEFAULT {v}); INSERT INTO t VALUES (1, 1), (2, 2);
>>> write UPDATE t SET n = DEFAULT WHERE id = 1
=== default named in a merge
CREATE TABLE t (id int8 PRIMARY KEY, n int8 DEFAULT {v}); INSERT INTO t VALUES (1, 1), (2, 2);
>>> write MERGE INTO t USING (VALUES (1), (5)) AS s (id) ON t.id = s.id WHEN MATCHED THEN UPDATE SET n = 9 WHEN NOT MATCHED THEN INSERT (id) VALUES (s.id)
=== default of a text column
CREATE TABLE t (id int8 PRIMARY KEY, n text DEFAULT 'n' || {v}); INSERT INTO t VALUES (1, 'x'), (2, 'y');
>>> write INSERT INTO t (id) VALUES (3)
=== default of an array
CREATE TABLE t (id int8 PRIMARY KEY, n int8[] DEFAULT ARRAY[0, {v}]); INSERT INTO t VALUES (1, NULL), (2, NULL);
>>> write INSERT INTO t (id) VALUES (3)
=== default of a domain
CREATE DOMAIN d AS int8 DEFAULT {v}; CREATE TABLE t (id int8 PRIMARY KEY, n d); INSERT INTO t VALUES (1, 1), (2, 2);
>>> write INSERT INTO t (id) VALUES (3)
=== default of a domain over a domain
CREATE DOMAIN base AS int8 DEFAULT {v}; CREATE DOMAIN d AS base; CREATE TABLE t (id int8 PRIMARY KEY, n d); INSERT INTO t VALUES (1, 1), (2, 2);
>>> write INSERT INTO t (id) VALUES (3)
=== default set by a foreign key
CREATE TABLE base (id int8 PRIMARY KEY); INSERT INTO base VALUES (1), (2);
CREATE TABLE t (id int8 PRIMARY KEY, b int8 DEFAULT CASE WHEN {v} IS NULL THEN 1 ELSE 1 END REFERENCES base ON DELETE SET DEFAULT); INSERT INTO t VALUES (1, 1), (2, 2);
>>> write DELETE FROM base WHERE id = 2
=== default of a view's column
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE VIEW w AS SELECT * FROM t; ALTER VIEW w ALTER n SET DEFAULT {v};
>>> write INSERT INTO w (id) VALUES (3)
=== default of a partition alone
CREATE TABLE t (id int8, n int8) PARTITION BY RANGE (id); CREATE TABLE part PARTITION OF t FOR VALUES FROM (0) TO (100); ALTER TABLE part ALTER n SET DEFAULT {v}; INSERT INTO t VALUES (1, 1), (2, 2);
>>> write INSERT INTO part (id) VALUES (3)
=== default of a column that another table's trigger fills
CREATE TABLE deep (id int8, n int8 DEFAULT {v}); CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2);
CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO deep (id) VALUES (NEW.id); RETURN NEW; END $$; CREATE TRIGGER trig BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trig();
>>> write INSERT INTO t (id) VALUES (3)
=== generated column of a constant
CREATE TABLE t (id int8 PRIMARY KEY, n int8 GENERATED ALWAYS AS ({i}) STORED); INSERT INTO t VALUES (1), (2);
>>> write INSERT INTO t (id) VALUES (3)
=== generated column of a column
CREATE TABLE t (id int8 PRIMARY KEY, n int8 GENERATED ALWAYS AS ({x}) STORED); INSERT INTO t VALUES (1), (2);
>>> write UPDATE t SET id = 11 WHERE id = 1
=== generated column of a child
CREATE TABLE t (id int8); CREATE TABLE kid (n int8 GENERATED ALWAYS AS ({x}) STORED) INHERITS (t); INSERT INTO kid VALUES (1), (2);
>>> write UPDATE t SET id = 11 WHERE id = 1
=== generated column of a table that cascades
CREATE TABLE base (id int8 PRIMARY KEY); INSERT INTO base VALUES (1), (2);
CREATE TABLE t (id int8 PRIMARY KEY REFERENCES base ON UPDATE CASCADE, n int8 GENERATED ALWAYS AS ({x}) STORED); INSERT INTO t VALUES (1), (2);
>>> write UPDATE base SET id = 11 WHERE id = 1
=== check of a table
CREATE TABLE t (id int8 PRIMARY KEY, CHECK ({x} IS NOT NULL)); INSERT INTO t VALUES (1), (2);
>>> write INSERT INTO t (id) VALUES (3)
=== check that says it is volatile
CREATE TABLE t (id int8 PRIMARY KEY, CHECK ({v} IS NOT NULL)); INSERT INTO t VALUES (1), (2);
>>> write INSERT INTO t (id) VALUES (3)
=== check of a column
CREATE TABLE t (id int8 PRIMARY KEY, n int8 CHECK ({x} + n > 0)); INSERT INTO t VALUES (1, 1), (2, 2);
>>> write UPDATE t SET n = 3
=== check within a row comparison
CREATE TABLE t (id int8 PRIMARY KEY, CHECK (ROW({v}, id) IS DISTINCT FROM ROW(-1::int8, 0::int8))); INSERT INTO t VALUES (1), (2);
>>> write INSERT INTO t (id) VALUES (3)
=== check within a case
CREATE TABLE t (id int8 PRIMARY KEY, CHECK (CASE WHEN id > 2 THEN {v} IS NOT NULL ELSE true END)); INSERT INTO t VALUES (1), (2);
>>> write INSERT INTO t (id) VALUES (3)
=== check within any and an array
CREATE TABLE t (id int8 PRIMARY KEY, CHECK (id <> ALL (ARRAY[-5, {v} - 100000]))); INSERT INTO t VALUES (1), (2);
>>> write INSERT INTO t (id) VALUES (3)
=== check within coalesce and nullif
CREATE TABLE t (id int8 PRIMARY KEY, CHECK (coalesce(nullif({v}, -77), 1) <> -78)); INSERT INTO t VALUES (1), (2);
>>> write INSERT INTO t (id) VALUES (3)
=== check that is not valid
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); ALTER TABLE t ADD CHECK ({x} IS NOT NULL) NOT VALID;
>>> write UPDATE t SET id = 11 WHERE id = 1
=== check of a child
CREATE TABLE t (id int8); CREATE TABLE kid (CHECK ({x} IS NOT NULL)) INHERITS (t); INSERT INTO kid VALUES (1), (2);
>>> write UPDATE t SET id = 11 WHERE id = 1
=== check of a child of a child
CREATE TABLE t (id int8); CREATE TABLE kid () INHERITS (t); CREATE TABLE grandkid (CHECK ({v} IS NOT NULL)) INHERITS (kid); INSERT INTO grandkid VALUES (1), (2);
>>> write UPDATE t SET id = 11 WHERE id = 1
=== check of a partition
CREATE TABLE t (id int8) PARTITION BY RANGE (id); CREATE TABLE part PARTITION OF t (CHECK ({v} IS NOT NULL)) FOR VALUES FROM (0) TO (100); INSERT INTO t VALUES (1), (2);
>>> write INSERT INTO t (id) VALUES (3)
=== check of a partition that a row moves to
CREATE TABLE t (id int8) PARTITION BY RANGE (id); CREATE TABLE part PARTITION OF t FOR VALUES FROM (0) TO (50); CREATE TABLE far PARTITION OF t (CHECK ({v} IS NOT NULL)) FOR VALUES FROM (50) TO (100); INSERT INTO t VALUES (1), (2);
>>> write UPDATE t SET id = 60 WHERE id = 1
=== check that the planner folds for a child
CREATE TABLE t (id int8); CREATE TABLE kid (CHECK ({i} IS NOT NULL)) INHERITS (t); INSERT INTO kid VALUES (1), (2);
>>> query SELECT * FROM t WHERE id = 1
>>> query EXPLAIN SELECT * FROM t WHERE id = 1
=== check that the planner folds for a write
CREATE TABLE t (id int8); CREATE TABLE kid (CHECK ({i} IS NOT NULL)) INHERITS (t); INSERT INTO kid VALUES (1), (2);
>>> write DELETE FROM t WHERE id = 1
=== check of a table that a cascade reaches
CREATE TABLE base (id int8 PRIMARY KEY); INSERT INTO base VALUES (1), (2);
CREATE TABLE t (id int8 PRIMARY KEY, b int8 REFERENCES base ON UPDATE CASCADE ON DELETE SET NULL, CHECK ({v} IS NOT NULL)); INSERT INTO t VALUES (1, 1), (2, 2);
>>> write DELETE FROM base WHERE id = 1
=== check of a domain
CREATE DOMAIN d AS int8 CHECK ({v} IS NOT NULL); CREATE TABLE t (id int8 PRIMARY KEY, n d); INSERT INTO t VALUES (1, 1), (2, 2);
>>> write INSERT INTO t (id, n) VALUES (3, 3)
=== check of a domain of the key
CREATE DOMAIN d AS int8 CHECK (VALUE > 0 AND {v} IS NOT NULL); CREATE TABLE t (id d PRIMARY KEY); INSERT INTO t VALUES (1), (2);
>>> write UPDATE t SET id = 11 WHERE id = 1
=== check of a domain under a domain
CREATE DOMAIN base AS int8 CHECK ({v} IS NOT NULL); CREATE DOMAIN d AS base; CREATE TABLE t (id int8 PRIMARY KEY, n d); INSERT INTO t VALUES (1, 1), (2, 2);
>>> write INSERT INTO t (id, n) VALUES (3, 3)
=== check of a domain over an array
CREATE DOMAIN d AS int8[] CHECK ({v} IS NOT NULL); CREATE TABLE t (id int8 PRIMARY KEY, n d); INSERT INTO t VALUES (1, '{1}'), (2, '{2}');
>>> write UPDATE t SET n[1] = 5 WHERE id = 1
=== check of a domain of an array's elements
CREATE DOMAIN d AS int8 CHECK ({v} IS NOT NULL); CREATE TABLE t (id int8 PRIMARY KEY, n d[]); INSERT INTO t VALUES (1, '{1}'), (2, '{2}');
>>> write UPDATE t SET n = '{5}' WHERE id = 1
=== check of a domain over a composite type
CREATE TYPE pair AS (a int8, b int8); CREATE DOMAIN d AS pair CHECK ({v} IS NOT NULL); CREATE TABLE t (id int8 PRIMARY KEY, n d); INSERT INTO t VALUES (1, '(1,1)'), (2, '(2,2)');
>>> write UPDATE t SET n.a = 5 WHERE id = 1
=== check of a domain in a composite type
CREATE DOMAIN d AS int8 CHECK ({v} IS NOT NULL); CREATE TYPE pair AS (a int8, b d); CREATE TABLE t (id int8 PRIMARY KEY, n pair); INSERT INTO t VALUES (1, '(1,1)'), (2, '(2,2)');
>>> write UPDATE t SET n = '(5,5)' WHERE id = 1
=== check of a domain under a range
CREATE DOMAIN d AS int8 CHECK ({v} IS NOT NULL); CREATE TYPE span AS RANGE (subtype = d); CREATE TABLE t (id int8 PRIMARY KEY, n span); INSERT INTO t VALUES (1, '[1,2]'), (2, '[2,3]');
>>> write UPDATE t SET n = '[5,6]' WHERE id = 1
=== key of partitions by range
CREATE TABLE t (id int8) PARTITION BY RANGE ({x}); CREATE TABLE part PARTITION OF t FOR VALUES FROM (MINVALUE) TO (MAXVALUE); INSERT INTO t VALUES (1), (2);
>>> write INSERT INTO t (id) VALUES (3)
=== key of partitions by list
CREATE TABLE t (id int8) PARTITION BY LIST ({x}); CREATE TABLE part PARTITION OF t FOR VALUES IN (0, 1, 2, 3, 4); CREATE TABLE rest PARTITION OF t DEFAULT; INSERT INTO t VALUES (1), (2);
>>> write INSERT INTO t (id) VALUES (3)
=== key of partitions by hash
CREATE TABLE t (id int8) PARTITION BY HASH ({x}); CREATE TABLE part PARTITION OF t FOR VALUES WITH (MODULUS 1, REMAINDER 0); INSERT INTO t VALUES (1), (2);
>>> write INSERT INTO t (id) VALUES (3)
=== key of partitions checked in the partition
CREATE TABLE t (id int8) PARTITION BY RANGE ({x}); CREATE TABLE part PARTITION OF t FOR VALUES FROM (-100) TO (100); INSERT INTO t VALUES (1), (2);
>>> write INSERT INTO part (id) VALUES (3)
=== key of partitions of a partition
CREATE TABLE t (id int8) PARTITION BY RANGE (id); CREATE TABLE part PARTITION OF t FOR VALUES FROM (0) TO (100) PARTITION BY RANGE ({x}); CREATE TABLE leaf PARTITION OF part FOR VALUES FROM (MINVALUE) TO (MAXVALUE); INSERT INTO t VALUES (1), (2);
>>> write INSERT INTO t (id) VALUES (3)
=== key of partitions of a constant while planning
CREATE TABLE t (id int8) PARTITION BY RANGE (({i} + id)); CREATE TABLE part PARTITION OF t FOR VALUES FROM (MINVALUE) TO (MAXVALUE); INSERT INTO t VALUES (1), (2);
>>> query SELECT count(*) FROM t
!!! SELECT count(*) FROM t
=== index on a constant while planning
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); CREATE INDEX ON t (({i}));
>>> query SELECT * FROM t WHERE id = 1
>>> query EXPLAIN SELECT * FROM t WHERE id = 1
>>> query SELECT count(*) FROM t
=== index on a constant while a write is planned
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); CREATE INDEX ON t (({i}));
>>> write DELETE FROM t WHERE id = 1
=== index on an expression
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); CREATE INDEX ON t (({x}));
>>> write INSERT INTO t (id) VALUES (3)
=== unique index on an expression
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); CREATE UNIQUE INDEX ON t (id, ({x}));
>>> write INSERT INTO t (id) VALUES (3)
=== hash index on an expression
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); CREATE INDEX ON t USING hash (({x}));
>>> write UPDATE t SET id = 11 WHERE id = 1
=== brin index on an expression
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); CREATE INDEX ON t USING brin (({x}));
>>> write INSERT INTO t (id) VALUES (3)
=== gin index on an expression
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); CREATE INDEX ON t USING gin ((ARRAY[{x}]));
>>> write INSERT INTO t (id) VALUES (3)
=== gist index on an expression
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); CREATE INDEX ON t USING gist (int8range({x}, NULL));
>>> write INSERT INTO t (id) VALUES (3)
=== predicate of an index
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); CREATE INDEX ON t (id) WHERE {x} > 0;
>>> write INSERT INTO t (id) VALUES (3)
=== predicate of an index while planning
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); CREATE INDEX ON t (id) WHERE {i} > 0;
>>> query SELECT * FROM t WHERE id > 0
>>> query EXPLAIN SELECT * FROM t WHERE id > 0
=== predicate of an index while planning a write
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); CREATE INDEX ON t (id) WHERE {i} > 0;
>>> write UPDATE t SET id = 11 WHERE id = 1
=== predicate of a unique index
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); CREATE UNIQUE INDEX ON t (id) WHERE {x} IS NOT NULL;
>>> write INSERT INTO t (id) VALUES (3) ON CONFLICT (id) DO NOTHING
=== index of a partitioned table
CREATE TABLE t (id int8) PARTITION BY RANGE (id); CREATE TABLE part PARTITION OF t FOR VALUES FROM (0) TO (100); INSERT INTO t VALUES (1), (2); CREATE INDEX ON t (({x}));
>>> write INSERT INTO t (id) VALUES (3)
=== index of a child
CREATE TABLE t (id int8); CREATE TABLE kid () INHERITS (t); INSERT INTO kid VALUES (1), (2); CREATE INDEX ON kid (id) WHERE {i} > 0;
>>> query SELECT count(*) FROM t WHERE id = 1
=== index of a materialized view
CREATE MATERIALIZED VIEW m AS SELECT 1::int8 AS id; CREATE INDEX ON m (id) WHERE {i} > 0;
>>> query SELECT * FROM m WHERE id = 1
=== index of a table behind a view
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); CREATE INDEX ON t (({i})); CREATE VIEW w AS SELECT * FROM t;
>>> query SELECT * FROM w WHERE id = 1
=== index of a table in a foreign key
CREATE TABLE base (id int8 PRIMARY KEY); INSERT INTO base VALUES (1), (2), (3); CREATE INDEX ON base (id) WHERE {i} > 0; CREATE TABLE t (id int8 PRIMARY KEY, b int8 REFERENCES base); INSERT INTO t VALUES (1, 1), (2, 2);
>>> write INSERT INTO t (id, b) VALUES (3, 3)
!!! DISCARD PLANS; INSERT INTO t (id, b) VALUES (3, 3)
=== statistics on an expression
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE STATISTICS s ON (n + {i}), (id + 1) FROM t; ANALYZE t;
>>> query SELECT * FROM t WHERE id + 1 = 2 AND n = 1
>>> query EXPLAIN SELECT * FROM t WHERE id + 1 = 2 AND n = 1
=== statistics while a write is planned
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE STATISTICS s ON (n + {i}), (id + 1) FROM t; ANALYZE t;
>>> write DELETE FROM t WHERE id + 1 = 2 AND n = 1
=== exclusion constraint on an expression
CREATE TABLE t (id int8 PRIMARY KEY, EXCLUDE USING btree (id WITH =, ({x}) WITH =)); INSERT INTO t VALUES (1), (2);
>>> write INSERT INTO t (id) VALUES (3)
=== exclusion constraint's predicate
CREATE TABLE t (id int8 PRIMARY KEY, EXCLUDE USING btree (id WITH =) WHERE ({x} IS NOT NULL)); INSERT INTO t VALUES (1), (2);
>>> write INSERT INTO t (id) VALUES (3)
=== exclusion constraint that is deferred
CREATE TABLE t (id int8 PRIMARY KEY, EXCLUDE USING btree (id WITH =) WHERE ({x} IS NOT NULL) DEFERRABLE INITIALLY DEFERRED); INSERT INTO t VALUES (1), (2);
>>> write INSERT INTO t (id) VALUES (3)
=== default that makes up the name of its sequence
CREATE TABLE t (id int8 PRIMARY KEY, n int8 DEFAULT nextval(('ke' || 'ep.mark')::regclass)); INSERT INTO t VALUES (1, 1), (2, 2);
>>> write INSERT INTO t (id) VALUES (3)
=== default that asks a function for its sequence
CREATE FUNCTION named() RETURNS regclass LANGUAGE sql AS $$ SELECT reverse('kram.peek')::regclass $$; CREATE TABLE t (id int8 PRIMARY KEY, n int8 DEFAULT nextval(named())); INSERT INTO t VALUES (1, 1), (2, 2);
>>> write INSERT INTO t (id) VALUES (3)
=== check that makes up the name of a sequence
CREATE TABLE t (id int8 PRIMARY KEY, s text, CHECK (s IS NULL OR nextval(s::regclass) > 0)); INSERT INTO t VALUES (1), (2);
>>> write INSERT INTO t (id, s) VALUES (3, 'keep.mark')
=== default of a domain that makes up the name of its sequence
CREATE DOMAIN d AS int8 DEFAULT nextval(lower('KEEP.MARK')::regclass); CREATE TABLE t (id int8 PRIMARY KEY, n d); INSERT INTO t VALUES (1, 1), (2, 2);
>>> write INSERT INTO t (id) VALUES (3)
