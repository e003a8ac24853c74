-- Changes of schema whose own text holds it or whose work runs it, and what comes after.
=== new table's default
>>> alter CREATE TABLE made (id int8, n int8 DEFAULT {v})
>>> write INSERT INTO made (id) VALUES (1)
=== new table's check
>>> alter CREATE TABLE made (id int8, CHECK ({v} IS NOT NULL))
>>> write INSERT INTO made (id) VALUES (1)
=== new column's check in a new table
>>> alter CREATE TABLE made (id int8 CHECK (id IS DISTINCT FROM {v}))
>>> write INSERT INTO made (id) VALUES (1)
=== new table's generated column
>>> alter CREATE TABLE made (id int8, n int8 GENERATED ALWAYS AS ({x}) STORED)
>>> write INSERT INTO made (id) VALUES (1)
=== new table's key of partitions
>>> alter CREATE TABLE made (id int8) PARTITION BY RANGE (({x}))
>>> alter CREATE TABLE made_part PARTITION OF made FOR VALUES FROM (MINVALUE) TO (MAXVALUE)
>>> write INSERT INTO made (id) VALUES (1)
=== new table of a hostile domain
CREATE DOMAIN d AS int8 CHECK ({v} IS NOT NULL);
>>> alter CREATE TABLE made (id int8, n d)
>>> write INSERT INTO made (id, n) VALUES (1, 1)
=== new table with a default of a hostile domain
CREATE DOMAIN d AS int8 CHECK ({v} IS NOT NULL);
>>> alter CREATE TABLE made (id int8, n d DEFAULT 5)
>>> write INSERT INTO made (id) VALUES (1)
=== new partition
CREATE TABLE t (id int8) PARTITION BY RANGE ({x});
>>> alter CREATE TABLE made PARTITION OF t FOR VALUES FROM (MINVALUE) TO (MAXVALUE)
>>> write INSERT INTO t (id) VALUES (1)
=== new partition's bound
CREATE TABLE t (id int8) PARTITION BY RANGE (id);
>>> alter CREATE TABLE made PARTITION OF t FOR VALUES FROM ({v} - 1000000) TO (MAXVALUE)
=== new partition beside a default one
CREATE TABLE t (id int8) PARTITION BY LIST ({x}); CREATE TABLE rest PARTITION OF t DEFAULT; INSERT INTO t VALUES (1), (2);
>>> alter CREATE TABLE made PARTITION OF t FOR VALUES IN (77)
=== new child
CREATE TABLE t (id int8, CHECK ({v} IS NOT NULL));
>>> alter CREATE TABLE made (n int8) INHERITS (t)
>>> write INSERT INTO made (id) VALUES (1)
=== new view
>>> alter CREATE VIEW made AS SELECT {v} AS n
>>> query SELECT * FROM made
=== new view over an old one
CREATE VIEW w AS SELECT {v} AS n;
>>> alter CREATE VIEW made AS SELECT n FROM w
>>> query SELECT * FROM made
=== new view that a write reads
CREATE TABLE t (id int8 PRIMARY KEY);
>>> alter CREATE VIEW made AS SELECT {v} AS n
>>> write INSERT INTO t SELECT n FROM made
=== new index on an expression
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2);
>>> alter CREATE INDEX made ON t (({x}))
=== new index's predicate
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2);
>>> alter CREATE INDEX made ON t (id) WHERE {x} > 0
=== new index on a table without rows
CREATE TABLE t (id int8 PRIMARY KEY);
>>> alter CREATE INDEX made ON t (({x}))
>>> write INSERT INTO t (id) VALUES (1)
=== new index beside a hostile one
CREATE TABLE t (id int8 PRIMARY KEY, n int8 GENERATED ALWAYS AS ({x}) STORED); INSERT INTO t VALUES (1), (2); CREATE INDEX ON t (({i}));
>>> alter CREATE INDEX made ON t (n)
!!! ANALYZE t; UPDATE t SET id = id
=== new index on all of a row's domain
CREATE DOMAIN d AS int8 CHECK ({v} IS NOT NULL); CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2);
>>> alter CREATE INDEX made ON t ((id::d))
=== new column's default
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2);
>>> alter ALTER TABLE t ADD COLUMN made int8 DEFAULT {v}
=== new column's default in a table without rows
CREATE TABLE t (id int8 PRIMARY KEY);
>>> alter ALTER TABLE t ADD COLUMN made int8 DEFAULT {v}
>>> write INSERT INTO t (id) VALUES (1)
=== new column that is generated
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2);
>>> alter ALTER TABLE t ADD COLUMN made int8 GENERATED ALWAYS AS ({x}) STORED
=== new column with a check
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2);
>>> alter ALTER TABLE t ADD COLUMN made int8 CHECK ({v} IS NOT NULL)
=== new column of a hostile domain
CREATE DOMAIN d AS int8 DEFAULT 5 CHECK ({v} IS NOT NULL); CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2);
>>> alter ALTER TABLE t ADD COLUMN made d
=== new check
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2);
>>> alter ALTER TABLE t ADD CONSTRAINT made CHECK ({x} IS NOT NULL)
=== new check that is not valid
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2);
>>> alter ALTER TABLE t ADD CONSTRAINT made CHECK ({v} IS NOT NULL) NOT VALID
>>> write INSERT INTO t (id) VALUES (3)
=== new default
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2);
>>> alter ALTER TABLE t ALTER COLUMN n SET DEFAULT ({v} /* made */)
>>> write INSERT INTO t (id) VALUES (3)
=== new type of a column
CREATE TABLE t (id int8 PRIMARY KEY, n text); INSERT INTO t VALUES (1, '1'), (2, '2');
>>> alter ALTER TABLE t ALTER COLUMN n TYPE int8 USING {x}
=== new type of a column by a cast
CREATE TYPE made_of AS (w int8); CREATE FUNCTION casts(int8) RETURNS made_of LANGUAGE plpgsql AS $$ BEGIN {body} RETURN ROW($1); END $$; CREATE CAST (int8 AS made_of) WITH FUNCTION casts(int8) AS ASSIGNMENT; CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2);
>>> alter ALTER TABLE t ALTER COLUMN n TYPE made_of
=== new type of a column under a hostile check
CREATE TABLE t (id int8 PRIMARY KEY, n int4, CHECK ({x} + n IS NOT NULL)); INSERT INTO t VALUES (1, 1), (2, 2);
>>> alter ALTER TABLE t ALTER COLUMN n TYPE int8
=== new type of a column under a hostile index
CREATE TABLE t (id int8 PRIMARY KEY, n int4); INSERT INTO t VALUES (1, 1), (2, 2); CREATE INDEX ON t (({x}));
>>> alter ALTER TABLE t ALTER COLUMN n TYPE int8
=== not null that a hostile check might prove
CREATE TABLE t (id int8, CHECK (id IS NOT NULL), CHECK ({i} IS NOT NULL)); INSERT INTO t VALUES (1), (2);
>>> alter ALTER TABLE t ALTER COLUMN id SET NOT NULL
=== foreign key checked through a hostile index
CREATE TABLE base (id int8 PRIMARY KEY); INSERT INTO base VALUES (1), (2); CREATE INDEX ON base (id) WHERE {i} > 0; CREATE TABLE t (id int8 PRIMARY KEY, b int8); INSERT INTO t VALUES (1, 1), (2, 2);
>>> alter ALTER TABLE t ADD FOREIGN KEY (b) REFERENCES base
=== foreign key checked through a hostile policy
CREATE TABLE base (id int8 PRIMARY KEY); INSERT INTO base VALUES (1), (2); CREATE TABLE t (id int8 PRIMARY KEY, b int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE INDEX ON t (b) WHERE {i} > 0;
>>> alter ALTER TABLE t ADD FOREIGN KEY (b) REFERENCES base
=== foreign key checked later through a hostile index
CREATE TABLE base (id int8 PRIMARY KEY); INSERT INTO base VALUES (1), (2); CREATE INDEX ON base (({i})); CREATE TABLE t (id int8 PRIMARY KEY, b int8); INSERT INTO t VALUES (1, 1), (2, 2); ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (b) REFERENCES base NOT VALID;
>>> alter ALTER TABLE t VALIDATE CONSTRAINT f
=== check validated later
CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1), (2); ALTER TABLE t ADD CONSTRAINT c CHECK ({x} IS NOT NULL) NOT VALID;
>>> alter ALTER TABLE t VALIDATE CONSTRAINT c
=== partition attached
CREATE TABLE t (id int8) PARTITION BY RANGE ({x}); CREATE TABLE part (id int8); INSERT INTO part VALUES (1), (2);
>>> alter ALTER TABLE t ATTACH PARTITION part FOR VALUES FROM (-100) TO (100)
=== partition attached with a hostile check
CREATE TABLE t (id int8) PARTITION BY RANGE (id); CREATE TABLE part (id int8, CHECK ({i} IS NOT NULL)); INSERT INTO part VALUES (1), (2);
>>> alter ALTER TABLE t ATTACH PARTITION part FOR VALUES FROM (-100) TO (100)
=== primary key beside a hostile check
CREATE TABLE t (id int8, CHECK ({i} IS NOT NULL), CHECK (id IS NOT NULL)); INSERT INTO t VALUES (1), (2);
>>> alter ALTER TABLE t ADD PRIMARY KEY (id)
=== table counted by a drop with a hostile index
CREATE TABLE t (id int8); INSERT INTO t VALUES (1), (2); CREATE INDEX ON t (id) WHERE {i} > 0;
>>> drop table t
!!! SELECT count(*) FROM t
=== table counted by a purge with a hostile index
CREATE TABLE t (id int8); INSERT INTO t VALUES (1), (2); CREATE INDEX ON t (({i}));
>>> purge table t
!!! SELECT count(*) FROM t
=== table copied by a truncate with a hostile index
CREATE TABLE t (id int8); INSERT INTO t VALUES (1), (2); CREATE INDEX ON t (({i}));
>>> truncate t
!!! SELECT count(*) FROM t
=== table put back after a truncate
CREATE TABLE t (id int8, n int8 GENERATED ALWAYS AS ({x}) STORED, CHECK ({x} IS NOT NULL)); INSERT INTO t VALUES (1), (2);
>>> truncate t
!!! CREATE TABLE kept AS SELECT id FROM t; TRUNCATE t; INSERT INTO t (id) SELECT id FROM kept
=== column dropped beside a hostile index
CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2); CREATE INDEX ON t (({i}));
>>> drop column t n
>>> purge column t n
!!! SELECT count(*) FROM t
=== schema dropped with a hostile table in it
CREATE SCHEMA made; CREATE TABLE made.u (id int8); INSERT INTO made.u VALUES (1), (2); CREATE INDEX ON made.u (({i}));
>>> drop schema made
>>> purge schema made
>>> describe made.u
!!! SELECT count(*) FROM made.u
=== hostile view dropped
CREATE VIEW w AS SELECT {v} AS n;
>>> drop view w
>>> purge view w
>>> describe w
!!! SELECT * FROM w
=== table in the quarantine
CREATE TABLE t (id int8); INSERT INTO t VALUES (1), (2); CREATE VIEW w AS SELECT * FROM t; CREATE INDEX ON t (({i})); CREATE SCHEMA mollyguard_trash; ALTER TABLE t SET SCHEMA mollyguard_trash;
>>> describe
>>> describe mollyguard_trash.t
>>> purge table mollyguard_trash.t
>>> query SELECT * FROM w
!!! SELECT * FROM w
