//! What <https://sqlite.org/lang.html> documents of reading and changing rows is classified, and SQLite itself takes each
//! of these for a statement.

use rusqlite::Connection;

use super::{Class, Dialect, classify};

const SCHEMA: &str = "
    CREATE TABLE t(id INTEGER PRIMARY KEY, a, b TEXT, c INT, indexed);
    CREATE TABLE u(id INTEGER PRIMARY KEY, t REFERENCES t(id), n REAL, UNIQUE (t, n));
    CREATE TABLE s(x); CREATE INDEX i ON t(a); CREATE INDEX \"my index\" ON u(n); CREATE VIEW v AS SELECT * FROM t;
    CREATE VIRTUAL TABLE f USING fts5(body); CREATE VIRTUAL TABLE r USING rtree(id, x0, x1);
";

const READS: &[&str] = &[
    // lang_with
    "WITH x AS MATERIALIZED (SELECT a FROM t) SELECT * FROM x",
    "WITH x AS NOT MATERIALIZED (SELECT a FROM t) SELECT * FROM x",
    "WITH x(p, q) AS MATERIALIZED (SELECT a, b FROM t), y AS (SELECT p FROM x) SELECT * FROM y",
    "WITH RECURSIVE x(n) AS NOT MATERIALIZED (VALUES (1) UNION ALL SELECT n + 1 FROM x WHERE n < 3) SELECT n FROM x",
    "WITH RECURSIVE x(n) AS (VALUES (1) UNION SELECT n + 1 FROM x LIMIT 3 OFFSET 1) SELECT n FROM x",
    // lang_indexedby
    "SELECT * FROM t INDEXED BY i WHERE a = 1",
    "SELECT * FROM t AS x INDEXED BY i WHERE x.a = 1",
    "SELECT * FROM main.t NOT INDEXED WHERE a = 1",
    "SELECT * FROM t NOT INDEXED JOIN u INDEXED BY \"my index\" ON u.n = t.a",
    "SELECT * FROM t NOT INDEXED, u NOT INDEXED",
    "SELECT * FROM t WHERE NOT indexed",
    "SELECT indexed FROM t",
    // lang_expr
    "SELECT * FROM t WHERE a IS 5",
    "SELECT * FROM t WHERE a IS NOT 'x' AND b IS c",
    "SELECT a IS b, a IS NOT b, a IS NULL, a IS NOT NULL, a ISNULL, a NOTNULL, a NOT NULL FROM t",
    "SELECT a IS TRUE, a IS NOT FALSE, a IS DISTINCT FROM b, a IS NOT DISTINCT FROM b FROM t",
    "SELECT a == b, a <> b, a != b, a << 1, a >> 1, a & 1, a | 1, ~a, a % 2, -a, +a FROM t",
    "SELECT a -> '$.x', a ->> '$.x' FROM t",
    "SELECT a COLLATE NOCASE, b COLLATE \"RTRIM\" FROM t ORDER BY a COLLATE BINARY DESC",
    "SELECT (a, b) = (1, 2), (a, b) IN (SELECT id, n FROM u) FROM t",
    "SELECT a FROM t WHERE (a, b) IN (VALUES (1, 2), (3, 4))",
    "SELECT a FROM t WHERE a IN s",
    "SELECT a FROM t WHERE a NOT IN s AND (a IN s) = (b IN main.s) AND c IN s",
    "SELECT a FROM t WHERE a NOT IN ()",
    "SELECT a FROM t WHERE id IN main.s",
    "SELECT a FROM t WHERE a LIKE 'x!%' ESCAPE '!' OR b NOT LIKE 'y' OR a GLOB 'z*' OR a NOT GLOB 'q'",
    "SELECT * FROM f WHERE f MATCH 'x' ORDER BY rank",
    "SELECT * FROM f WHERE body MATCH 'x'",
    "SELECT highlight(f, 0, '<', '>'), bm25(f) FROM f WHERE f MATCH 'x'",
    "SELECT * FROM r WHERE x0 >= 1 AND x1 <= 2",
    "SELECT CASE a WHEN 1 THEN 'x' ELSE 'y' END, CASE WHEN b THEN 1 END FROM t",
    "SELECT EXISTS (SELECT 1 FROM u), NOT EXISTS (SELECT 1 FROM u), (SELECT max(n) FROM u)",
    "SELECT CAST(a AS INTEGER), CAST(a AS VARCHAR(10)), CAST(b AS BLOB) FROM t",
    "SELECT 1e3, .5, 0x1F, 1_000, x'00', X'ff', 'it''s', TRUE, FALSE, NULL",
    "SELECT \"a\", [b], `c`, t.rowid, _rowid_, main.t.a FROM main.t",
    "SELECT a BETWEEN 1 AND 2, a NOT BETWEEN b AND c FROM t",
    "SELECT CURRENT_DATE, CURRENT_TIME, CURRENT_TIMESTAMP",
    // lang_select
    "SELECT ALL a FROM t",
    "SELECT DISTINCT a, b FROM t",
    "SELECT t.*, u.n x FROM t, u WHERE u.t = t.id",
    "SELECT * FROM t CROSS JOIN u",
    "SELECT * FROM t CROSS JOIN u USING (id)",
    "SELECT * FROM t CROSS JOIN u ON u.t = t.id CROSS JOIN v",
    "SELECT a ISNULL, b NOTNULL, (a) NOT NULL, 1 ISNULL FROM t WHERE t.a ISNULL OR b NOT NULL AND NOT c NOTNULL",
    "SELECT * FROM t NATURAL JOIN u",
    "SELECT * FROM t NATURAL LEFT JOIN u",
    "SELECT * FROM t LEFT OUTER JOIN u ON u.t = t.id RIGHT JOIN v ON v.id = t.id FULL OUTER JOIN r ON r.id = t.id",
    "SELECT * FROM t INNER JOIN u USING (id)",
    "SELECT * FROM (t JOIN u ON u.t = t.id) JOIN v ON v.id = t.id",
    "SELECT * FROM (SELECT a FROM t) AS x, (VALUES (1, 2)) y",
    "SELECT * FROM json_each('[1]') AS j WHERE j.value > 0",
    "SELECT * FROM t, json_tree(t.b, '$.x')",
    "SELECT a, count(*), count(DISTINCT b), group_concat(b, ', ') FROM t GROUP BY a, 2 + a HAVING count(*) > 1",
    "SELECT group_concat(b, ',' ORDER BY a DESC), string_agg(b, ',') FILTER (WHERE a) FROM t",
    "SELECT a FROM t GROUP BY a ORDER BY 1 ASC NULLS LAST, a DESC NULLS FIRST LIMIT 5 OFFSET 2",
    "SELECT a FROM t LIMIT 2, 5",
    "SELECT a FROM t LIMIT -1",
    "SELECT a FROM t UNION ALL SELECT b FROM t INTERSECT SELECT c FROM t EXCEPT SELECT 1 ORDER BY 1",
    "SELECT max(a), * FROM t",
    "VALUES (1, 'a'), (2, 'b')",
    "SELECT 'a' 'alias'",
    "SELECT a AS 'x y', b \"z\" FROM t",
    // windowfunctions
    "SELECT row_number() OVER (PARTITION BY a ORDER BY b), sum(c) OVER w FROM t WINDOW w AS (ORDER BY id)",
    "SELECT sum(c) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW) FROM t",
    "SELECT sum(c) OVER (ORDER BY id GROUPS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE TIES) FROM t",
    "SELECT sum(c) OVER (ORDER BY id RANGE UNBOUNDED PRECEDING EXCLUDE NO OTHERS), lag(a, 1, 0) OVER w FROM t WINDOW w AS ()",
    "SELECT sum(c) FILTER (WHERE a > 1) OVER (w ROWS 2 PRECEDING EXCLUDE GROUP) FROM t WINDOW w AS (ORDER BY id)",
    "SELECT first_value(a) OVER (w ORDER BY b) FROM t WINDOW w AS (PARTITION BY c), x AS (w ORDER BY a)",
    // lang_explain, pragma functions
    "EXPLAIN QUERY PLAN SELECT * FROM t INDEXED BY i WHERE a = 1",
    "EXPLAIN WITH x AS MATERIALIZED (SELECT 1) SELECT * FROM x",
    "SELECT * FROM pragma_table_info('t') AS p WHERE p.pk",
    "SELECT m.name, i.name FROM sqlite_schema AS m, pragma_index_list(m.name) AS i",
];

const WRITES: &[&str] = &[
    "INSERT INTO t(a, b) VALUES (1, 2), (3, 4)",
    "INSERT INTO t DEFAULT VALUES",
    "INSERT INTO t AS x(a) VALUES (1) ON CONFLICT (id) DO UPDATE SET a = excluded.a + x.a WHERE x.b IS 1",
    "INSERT INTO u(t, n) SELECT id, a FROM t WHERE true ON CONFLICT DO NOTHING RETURNING *, n AS m",
    "INSERT OR IGNORE INTO t(id) VALUES (1)",
    "INSERT OR REPLACE INTO t(id) VALUES (1)",
    "INSERT OR ABORT INTO t(id) VALUES (1)",
    "INSERT OR FAIL INTO t(id) VALUES (1)",
    "INSERT OR ROLLBACK INTO main.t(id) VALUES (1)",
    "REPLACE INTO t(id, a) VALUES (1, 2)",
    "WITH x AS MATERIALIZED (SELECT a FROM t) INSERT INTO t(a) SELECT a FROM x",
    "INSERT INTO t(a) WITH x AS (SELECT 1 AS p) SELECT p FROM x",
    "UPDATE t SET a = 1, b = b || 'x' WHERE id = 1 RETURNING id",
    "UPDATE t SET (a, b) = (1, 2) WHERE id = 1",
    "UPDATE t SET (a, b) = (SELECT n, t FROM u WHERE u.t = t.id)",
    "UPDATE OR IGNORE t SET id = 1",
    "UPDATE OR REPLACE t SET id = 1",
    "UPDATE t AS x SET a = u.n FROM u WHERE u.t = x.id",
    "UPDATE t SET a = y.n FROM u AS y JOIN v ON v.id = y.t WHERE y.t = t.id",
    "UPDATE t INDEXED BY i SET b = 1 WHERE a = 1",
    "UPDATE t NOT INDEXED SET b = 1 WHERE a IS 1",
    "WITH x AS NOT MATERIALIZED (SELECT 1 AS p) UPDATE t SET a = (SELECT p FROM x)",
    "DELETE FROM t WHERE id = 1 RETURNING *",
    "DELETE FROM main.t WHERE a IS NOT b",
    "DELETE FROM t INDEXED BY i WHERE a = 1",
    "DELETE FROM t NOT INDEXED WHERE a = 1",
    "DELETE FROM t AS x WHERE x.a = 1",
    "WITH x AS (SELECT 1 AS p) DELETE FROM t WHERE id IN x",
    "DELETE FROM t WHERE id IN (SELECT t FROM u)",
];

#[test]
fn what_sqlite_documents_is_classified() {
    let conn = Connection::open_in_memory().unwrap();
    conn.execute_batch(SCHEMA).unwrap();
    let mut unknown = Vec::new();
    for sql in READS {
        unknown.extend(conn.prepare(sql).err().map(|error| format!("{sql}: SQLite says {error}")));
        if classify(sql, Dialect::Sqlite) != Ok(Class::Read) {
            unknown.push(format!("{sql}: {:?}", classify(sql, Dialect::Sqlite)));
        }
    }
    for sql in WRITES {
        unknown.extend(conn.prepare(sql).err().map(|error| format!("{sql}: SQLite says {error}")));
        if !matches!(classify(sql, Dialect::Sqlite), Ok(Class::Write(_))) {
            unknown.push(format!("{sql}: {:?}", classify(sql, Dialect::Sqlite)));
        }
    }
    assert!(unknown.is_empty(), "{}", unknown.join("\n"));
}

/// Words that are left out hide no change, no function and no second statement.
#[test]
fn hints_hide_nothing() {
    for sql in [
        "SELECT * FROM t INDEXED BY i WHERE writefile('x', 'y')",
        "SELECT * FROM t INDEXED BY writefile('x', 'y')",
        "SELECT * FROM t NOT INDEXED WHERE readfile('x')",
        "WITH x AS MATERIALIZED (SELECT writefile('x', 'y')) SELECT * FROM x",
        "SELECT 1 AS materialized(writefile('x', 'y'))",
        "SELECT * FROM t WHERE a IS writefile('x', 'y')",
        "SELECT * FROM t WHERE a IS NOT writefile('x', 'y')",
        "SELECT * FROM t INDEXED BY i; DELETE FROM t",
        "SELECT * FROM t INDEXED BY delete; DELETE FROM t",
        "DELETE FROM t INDEXED BY i WHERE a = 1",
        "SELECT a IS 5; DROP TABLE t",
        "SELECT a IN (SELECT 1), a IN writefile('x', 'y') FROM t",
        "SELECT a IN pragma_journal_mode FROM t",
        "SELECT a IN s(writefile('x', 'y')) FROM t",
        "SELECT a IN s, writefile('x', 'y') FROM t WHERE a << 1",
        "SELECT a << writefile('x', 'y')",
        "SELECT a NOT GLOB writefile('x', 'y') FROM t",
        "SELECT sum(a) OVER (ORDER BY writefile('x', 'y') ROWS 1 PRECEDING EXCLUDE TIES) FROM t",
        "INSERT INTO t AS x(a) VALUES (1)",
        "SELECT a IS 5 END, writefile('x', 'y')",
        "PRAGMA not indexed",
    ] {
        assert_ne!(classify(sql, Dialect::Sqlite), Ok(Class::Read), "{sql}");
    }
    for dialect in [Dialect::Postgres, Dialect::MySql] {
        assert!(classify("SELECT * FROM t INDEXED BY i WHERE a IS 5", dialect).is_err(), "{dialect:?}");
    }
}
