//! Ordinary and hostile statements, and what each is.

mod syntax;

use super::*;

fn read(sql: &str, dialect: Dialect) -> bool {
    classify(sql, dialect) == Ok(Class::Read)
}

#[test]
fn ordinary_reads_are_reads() {
    for sql in [
        "SELECT 1",
        "select * from bookings where id in (select id from t) order by 1 limit 5 offset 2;",
        "-- a comment\nSELECT count(*) FROM t",
        "/* DROP TABLE t */ SELECT 1",
        "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i<9) SELECT sum(i) FROM n",
        "SELECT a, row_number() OVER (PARTITION BY b ORDER BY c) FROM t",
        "SELECT json_extract(j, '$.a'), j->>'$.b' FROM t, json_each(t.j)",
        "SELECT datetime('now'), CURRENT_TIMESTAMP, random()",
        "VALUES (1),(2)",
        "EXPLAIN QUERY PLAN SELECT * FROM t",
        "EXPLAIN SELECT 1",
        "SELECT name FROM sqlite_master WHERE type='table' AND name LIKE 'a%' ESCAPE '!'",
        "SELECT * FROM pragma_table_info('t')",
        "SELECT \"weird ; DROP TABLE t\" FROM [x y] JOIN `z` USING (id)",
        "SELECT x'00ff', 'it''s; DELETE FROM t', CAST(a AS INTEGER), a || b, CASE WHEN a THEN 1 END FROM t",
        "SELECT 1 UNION SELECT 2 EXCEPT SELECT 3",
        "SELECT iif(a, 1, 2), total(b) FILTER (WHERE c) FROM t GROUP BY d HAVING count(*) > 1",
    ] {
        assert_eq!(classify(sql, Dialect::Sqlite), Ok(Class::Read), "{sql}");
    }
    for sql in [
        "SELECT now(), count(*) FROM t WHERE a::text ILIKE 'x%' AND b = ANY(ARRAY[1,2])",
        "SELECT * FROM generate_series(1, 10) g",
        "SELECT pg_catalog.lower(a), extract(epoch FROM t) FROM x",
        "EXPLAIN ANALYZE SELECT 1",
        "EXPLAIN (ANALYZE, BUFFERS) SELECT 1",
        "SELECT DISTINCT ON (a) a, b FROM t TABLESAMPLE SYSTEM (1)",
        "SHOW server_version",
        "SELECT 'pg_class'::regclass, '1'::int[]",
    ] {
        assert_eq!(classify(sql, Dialect::Postgres), Ok(Class::Read), "{sql}");
    }
}

#[test]
fn nothing_hostile_is_a_read() {
    for sql in [
        "",
        ";",
        "-- SELECT 1",
        "SELECT 1; DELETE FROM t",
        "SELECT 1;;DROP TABLE t",
        "COMMIT; DROP TABLE t",
        "COMMIT",
        "BEGIN",
        "SAVEPOINT s",
        "DELETE FROM t",
        "/*x*/ DELETE FROM t",
        "REPLACE INTO t VALUES (1)",
        "INSERT INTO t SELECT 1",
        "UPDATE t SET a = 1",
        "WITH x AS (SELECT 1) DELETE FROM t",
        "WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x",
        "DROP TABLE t",
        "ALTER TABLE t RENAME TO u",
        "CREATE TABLE t AS SELECT 1",
        "CREATE TEMP TABLE t (a)",
        "PRAGMA user_version = 7",
        "PRAGMA journal_mode",
        "ATTACH DATABASE '/etc/passwd' AS x",
        "DETACH x",
        "VACUUM",
        "VACUUM INTO '/tmp/x'",
        "REINDEX",
        "ANALYZE",
        "SELECT load_extension('/tmp/evil.so')",
        "SELECT \"load_extension\"('/tmp/evil.so')",
        "SELECT LOAD_EXTENSION ('/tmp/evil.so')",
        "SELECT [load_extension]('x')",
        "SELECT * FROM t WHERE a IN (SELECT writefile('x', 'y'))",
        "SELECT readfile('/etc/passwd')",
        "SELECT edit('x')",
        "SELECT fts3_tokenizer('x', x'00')",
        "SELECT * FROM t ORDER BY writefile('x','y')",
        "SELECT count(*) FILTER (WHERE writefile('x','y')) FROM t",
        "SELECT sum(a) OVER (ORDER BY writefile('x','y')) FROM t",
        "SELECT 1 LIMIT writefile('x','y')",
        "SELECT * FROM fsdir('/')",
        "SELECT * FROM pragma_wal_checkpoint",
        "SELECT * FROM pragma_journal_mode('delete')",
        "EXPLAIN DELETE FROM t",
        "SELECT 1 \u{0} ; DROP TABLE t",
        "SELEC 1",
        "SELECT 'unterminated",
    ] {
        assert!(!read(sql, Dialect::Sqlite), "{sql}");
    }
    for sql in [
        "COMMIT; DROP SCHEMA public CASCADE;",
        "WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d",
        "WITH a AS (WITH b AS (INSERT INTO t VALUES (1) RETURNING 1) SELECT * FROM b) SELECT * FROM a",
        "EXPLAIN ANALYZE DELETE FROM t",
        "EXPLAIN (ANALYZE) INSERT INTO t VALUES (1)",
        "EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1",
        "EXPLAIN (ANALYZE true) UPDATE t SET a = 1",
        "SELECT * INTO t2 FROM t",
        "SELECT * FROM t FOR UPDATE",
        "SELECT * FROM t FOR SHARE",
        "SELECT * FROM (SELECT * FROM t FOR UPDATE) x",
        "SELECT pg_terminate_backend(1)",
        "SELECT pg_catalog.pg_terminate_backend(1)",
        "SELECT \"pg_terminate_backend\"(1)",
        "SELECT PG_SLEEP(10)",
        "SELECT \"LOWER\"('a')",
        "SELECT public.lower('a')",
        "SELECT U&\"pg_sl\\0065ep\"(10)",
        "SELECT lo_export(1, '/tmp/x')",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT * FROM dblink('x', 'y') AS t(a int)",
        "SELECT * FROM pg_ls_dir('/')",
        "SELECT * FROM ROWS FROM (pg_ls_dir('/'))",
        "SELECT nextval('s')",
        "SELECT setval('s', 1)",
        "SELECT set_config('a', 'b', false)",
        "SELECT query_to_xml('delete from t', true, true, '')",
        "SELECT pg_advisory_lock(1)",
        "SELECT 1 WHERE 1 OPERATOR(public.=) 1",
        "SELECT 'x'::evil",
        "SELECT CAST('x' AS public.evil)",
        "SELECT evil 'x'",
        "COPY t TO PROGRAM 'sh'",
        "COPY (SELECT 1) TO '/tmp/x'",
        "DO $$ BEGIN DELETE FROM t; END $$",
        "CALL p()",
        "EXECUTE s",
        "PREPARE s AS DELETE FROM t",
        "SET ROLE postgres",
        "RESET ALL",
        "LISTEN x",
        "NOTIFY x",
        "LOCK TABLE t",
        "TRUNCATE t",
        "REFRESH MATERIALIZED VIEW v",
        "GRANT ALL ON t TO public",
        "DECLARE c CURSOR FOR SELECT 1",
        "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE",
        "VACUUM FULL",
    ] {
        assert!(!read(sql, Dialect::Postgres), "{sql}");
    }
    for sql in [
        "SELECT 1 /*! INTO OUTFILE '/tmp/x' */",
        "/*!50000 DROP TABLE t */",
        "/*M!100100 DROP TABLE t */",
        "SELECT * FROM t INTO OUTFILE '/tmp/x'",
        "SELECT load_file('/etc/passwd')",
        "SELECT sleep(10)",
        "SELECT benchmark(1e9, md5('a'))",
        "SELECT @a := 1",
        "SELECT * FROM t FOR UPDATE",
        "LOAD DATA INFILE 'x' INTO TABLE t",
        "HANDLER t OPEN",
    ] {
        assert!(!read(sql, Dialect::MySql), "{sql}");
    }
}

fn write(sql: &str, dialect: Dialect) -> Write {
    match classify(sql, dialect) {
        Ok(Class::Write(write)) => write,
        other => panic!("{sql}: {other:?}"),
    }
}

#[test]
fn writes_name_their_verb_and_tables() {
    let cases = [
        ("INSERT INTO t VALUES (1)", Verb::Insert, vec!["t"], false),
        ("insert or replace into main.\"T x\"(a) values (1) returning a", Verb::Insert, vec!["T x"], true),
        ("REPLACE INTO [t] SELECT * FROM u", Verb::Insert, vec!["t"], true),
        ("INSERT OR IGNORE INTO t DEFAULT VALUES", Verb::Insert, vec!["t"], false),
        ("INSERT INTO t(a) VALUES (1) ON CONFLICT (a) DO UPDATE SET b = excluded.b", Verb::Insert, vec!["t"], false),
        ("UPDATE OR REPLACE t SET a = 1 WHERE b IS NULL", Verb::Update, vec!["t"], true),
        ("UPDATE t SET (a, b) = (1, 2)", Verb::Update, vec!["t"], false),
        ("UPDATE t SET a = u.a FROM u WHERE u.id = t.id", Verb::Update, vec!["t"], false),
        ("DELETE FROM `t` WHERE a = (SELECT max(a) FROM t)", Verb::Delete, vec!["t"], false),
        ("WITH x AS (SELECT 1 AS a) DELETE FROM t WHERE a IN (SELECT a FROM x)", Verb::Delete, vec!["t"], false),
    ];
    for (sql, verb, tables, replaces) in cases {
        let found = write(sql, Dialect::Sqlite);
        assert_eq!(
            (found.verb, found.tables, found.replaces),
            (verb, tables.into_iter().map(String::from).collect(), replaces),
            "{sql}"
        );
    }
    let cte = write("WITH d AS (DELETE FROM t RETURNING *) INSERT INTO archive SELECT * FROM d", Dialect::Postgres);
    assert!(cte.tables.contains(&"t".to_owned()) && cte.tables.contains(&"archive".to_owned()), "{cte:?}");
}

#[test]
fn a_write_with_another_value_each_time_says_so() {
    for sql in [
        "INSERT INTO t VALUES (random())",
        "INSERT INTO t VALUES (datetime('now'))",
        "INSERT INTO t VALUES (datetime(\"now\"))",
        "UPDATE t SET a = strftime('%s')",
        "UPDATE t SET a = date(b, 'localtime')",
        "UPDATE t SET a = CURRENT_TIMESTAMP",
        "UPDATE t SET a = strftime('%f', 'n'||'ow')",
        "UPDATE t SET a = date(('now'))",
        "UPDATE t SET a = date(+'now')",
        "UPDATE t SET a = date(CAST('now' AS TEXT))",
        "UPDATE t SET a = date((SELECT 'now' FROM t))",
        "UPDATE t SET a = date(b, lower('LOCALTIME'))",
        "UPDATE t SET a = date(CASE WHEN 1 THEN 'now' END)",
        "DELETE FROM t WHERE a < unixepoch() - 3600",
        "DELETE FROM t WHERE id = last_insert_rowid()",
    ] {
        assert!(!write(sql, Dialect::Sqlite).volatile.is_empty(), "{sql}");
    }
    for sql in [
        "DELETE FROM t WHERE a < datetime('2024-01-01', '-1 day')",
        "UPDATE t SET a = strftime('%Y', b)",
        "UPDATE t SET a = date(b / 1000, 'unixepoch', '-' || c || ' days')",
        "UPDATE t SET a = date(-1)",
        "UPDATE t SET a = date((SELECT max(b) FROM u))",
        "UPDATE t SET a = date(t.b || '-01')",
    ] {
        assert!(write(sql, Dialect::Sqlite).volatile.is_empty(), "{sql}");
    }
}

#[test]
fn schema_changes_say_what_and_which() {
    for (sql, what, name) in [
        ("DROP TABLE IF EXISTS \"poc_staging\"", "DROP TABLE", Some("poc_staging")),
        ("DROP TABLE main.t", "DROP TABLE", Some("t")),
        ("DROP VIEW v", "DROP VIEW", Some("v")),
        ("ALTER TABLE t ADD COLUMN a", "ALTER TABLE", Some("t")),
        ("CREATE INDEX i ON t (a)", "CREATE INDEX", None),
    ] {
        assert_eq!(classify(sql, Dialect::Sqlite), Ok(Class::Schema { what, name: name.map(Into::into) }), "{sql}");
    }
}

#[test]
fn a_second_statement_is_named_by_its_keyword_only() {
    let refusal = classify("COMMIT; DROP SCHEMA public CASCADE;", Dialect::Postgres).unwrap_err();
    assert_eq!(refusal, Refusal::Several(2, "DROP".into()));
}

#[test]
fn nothing_stands_unread_behind_an_end() {
    for tail in ["", ";", "; DELETE FROM t", ", writefile('x', 'y')", " FROM pragma_wal_checkpoint", " DELETE FROM t"] {
        for dialect in [Dialect::Sqlite, Dialect::Postgres, Dialect::MySql] {
            let sql = format!("SELECT 1 END{tail}");
            assert!(matches!(classify(&sql, dialect), Err(Refusal::Opaque(_))), "{dialect:?}: {sql}");
        }
    }
    assert!(read("SELECT CASE WHEN a THEN 1 END AS \"end\" FROM t", Dialect::Sqlite));
}

#[test]
fn depth_and_length_are_bounded() {
    let deep = format!("SELECT {}1{}", "(".repeat(5_000), ")".repeat(5_000));
    assert!(matches!(classify(&deep, Dialect::Sqlite), Err(Refusal::Unparsable(_))));
    let long = format!("SELECT '{}'", "a".repeat(LONGEST));
    assert!(matches!(classify(&long, Dialect::Sqlite), Err(Refusal::Opaque(_))));
    // A long chain of one operator is flat for the parser but not for whoever walks its tree.
    for link in ["+1", " AND 1", " IS NULL", " UNION SELECT 1", "||'a'", " COLLATE x"] {
        let chain = format!("SELECT 1{}", link.repeat(100_000));
        assert!(matches!(classify(&chain, Dialect::Sqlite), Err(Refusal::Opaque(_))), "{link}");
        let _class = classify(&format!("SELECT 1{}", link.repeat(MOST_PARTS / 2 - 8)), Dialect::Sqlite);
    }
    assert!(read(&format!("VALUES (0){}", ",(1)".repeat(100_000)), Dialect::Sqlite));
}

#[test]
fn a_write_is_never_shown_as_less() {
    let tables = |sql: &str| (write(sql, Dialect::Postgres).verb, write(sql, Dialect::Postgres).tables);
    let both = "WITH d AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM d";
    assert_eq!(tables(both), (Verb::Insert, vec!["b".into(), "a".into()]));
    let read = "WITH d AS (DELETE FROM a RETURNING *), u AS (UPDATE c SET x = 1 RETURNING 1) SELECT * FROM d";
    assert_eq!(tables(read), (Verb::Delete, vec!["a".into(), "c".into()]));
    for sql in [
        "INSERT INTO t VALUES (nextval('s'))",
        "UPDATE t SET a = pg_reload_conf()",
        "DELETE FROM t RETURNING lo_unlink(id)",
        "INSERT INTO t VALUES ('x'::evil)",
        "INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET a = pg_notify('a', 'b')",
        "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED AND pg_reload_conf() THEN DELETE",
    ] {
        assert!(classify(sql, Dialect::Postgres).is_err(), "{sql}");
    }
}

#[test]
fn the_server_and_the_parser_read_the_same_text() {
    for sql in
        ["SELECT E'a'\n'b\\'', f() --'", "SELECT $1$ , f(), $1$", "SELECT $😀$ ' $😀$, f() --'", "SELECT 'a' 'b'"]
    {
        assert!(examine(sql).is_err(), "{sql}");
    }
    let (class, uses) = examine("SELECT lower(n), a<->b FROM \"S\".t WHERE n = 'x'::mood").unwrap();
    assert_eq!(class, Class::Read);
    assert!(uses.calls.contains("lower") && uses.operators.contains("<->"));
    assert!(uses.dotted.contains(&vec!["S".into(), "t".into()]) && uses.dotted.contains(&vec!["mood".into()]));
}

#[test]
fn a_text_of_very_many_words_is_refused_before_it_is_taken_apart() {
    for (piece, dialect) in
        [("1,", Dialect::Sqlite), ("a ", Dialect::Postgres), ("\u{a0}a", Dialect::MySql), ("''", Dialect::Sqlite)]
    {
        let sql = format!("SELECT {}1", piece.repeat(1_000_000 / piece.len().max(2)));
        let refused = classify(&sql, dialect);
        let many = matches!(&refused, Err(Refusal::Opaque(what)) if what.contains("words and signs"));
        assert!(many, "{piece}: {refused:?}");
    }
}

#[test]
fn long_literals_are_no_reason_to_refuse() {
    let prose = "It''s a long text; DELETE FROM t, (1, 2) ".repeat(24_000);
    let json = "{\"a\":[1,2],\"b\":\"c\"},".repeat(12_500);
    let rows = "(1,'one'),(22,'two'),".repeat(12_000);
    for dialect in [Dialect::Sqlite, Dialect::Postgres, Dialect::MySql] {
        for values in [format!("('{prose}')"), format!("('[{json}]')"), format!("{rows}(3,'three')")] {
            let sql = format!("INSERT INTO t VALUES {values}");
            assert!(sql.len() > 250_000, "{}", sql.len());
            assert!(matches!(classify(&sql, dialect), Ok(Class::Write(_))), "{dialect:?}: {}", &values[..20]);
        }
    }
}

#[test]
fn words_and_signs_are_never_counted_too_low() {
    const PIECES: [&str; 30] = [
        "a", "b1", " ", "'", "''", "\"", "\\", "$", "$$", "$q$", "--", "\n", "/*", "*/", "#", "`", "[", "]", "E'",
        "U&'", "1.5e-3", "0x1f", "\u{e9}", "\u{a0}", "\u{2019}", ",", "(", "<=", "||", "@>",
    ];
    let mut state = 1_u64;
    let mut next = |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % bound
    };
    let mut told = 0;
    for _ in 0..30_000 {
        let sql: String = (0..next(12)).map(|_| PIECES[next(PIECES.len())]).collect();
        for dialect in [Dialect::Sqlite, Dialect::Postgres, Dialect::MySql] {
            let mut tokens = Vec::new();
            // What was taken apart before an error counts as well.
            let _ended = Tokenizer::new(dialect.syntax(), &sql).tokenize_with_location_into_buf(&mut tokens);
            let words = tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_))).count();
            assert!(tokens_at_most(&sql, dialect) >= words, "{dialect:?} {sql:?}: {tokens:?}");
            told += words;
        }
    }
    assert!(told > 100_000, "{told}");
}

#[test]
fn a_write_carries_everything_its_text_does() {
    use Verb::{Delete, Insert, Merge, Update};
    let changes = |sql: &str, dialect| {
        let found = write(sql, dialect).changes;
        found.into_iter().map(|change| (change.verb, change.table)).collect::<Vec<_>>()
    };
    let all = |expected: &[(Verb, &str)]| -> Vec<_> { expected.iter().map(|(v, t)| (*v, (*t).to_owned())).collect() };
    let postgres: [(&str, &[(Verb, &str)]); 9] = [
        ("UPDATE t SET a = 1", &[(Update, "t")]),
        (
            "WITH gone AS (DELETE FROM payment RETURNING 1) UPDATE staff SET a = 1",
            &[(Delete, "payment"), (Update, "staff")],
        ),
        (
            "WITH a AS (INSERT INTO x SELECT 1 RETURNING 1), b AS (WITH c AS (DELETE FROM y RETURNING 1) UPDATE z SET a = 1 \
             RETURNING 1) SELECT 1",
            &[(Delete, "y"), (Update, "z"), (Insert, "x")],
        ),
        ("INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET b = 1", &[(Update, "t"), (Insert, "t")]),
        ("INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING", &[(Insert, "t")]),
        (
            "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED AND s.b THEN DELETE WHEN MATCHED THEN UPDATE SET b = 1 \
             WHEN NOT MATCHED THEN INSERT VALUES (1)",
            &[(Delete, "t"), (Update, "t"), (Insert, "t")],
        ),
        ("MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DO NOTHING", &[(Merge, "t")]),
        (
            "WITH m AS (MERGE INTO t USING s ON t.a = s.a WHEN NOT MATCHED THEN INSERT VALUES (1) RETURNING 1) \
             DELETE FROM u",
            &[(Delete, "u"), (Insert, "t")],
        ),
        ("WITH a AS (DELETE FROM t RETURNING 1), b AS (DELETE FROM t RETURNING 1) SELECT 1", &[(Delete, "t")]),
    ];
    for (sql, expected) in postgres {
        assert_eq!(changes(sql, Dialect::Postgres), all(expected), "{sql}");
    }
    for (sql, expected) in [
        ("REPLACE INTO t VALUES (1)", vec![(Delete, "t"), (Insert, "t")]),
        ("INSERT OR REPLACE INTO t VALUES (1)", vec![(Delete, "t"), (Insert, "t")]),
        ("UPDATE OR REPLACE t SET a = 1", vec![(Delete, "t"), (Update, "t")]),
        ("INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET b = 1", vec![(Update, "t"), (Insert, "t")]),
    ] {
        assert_eq!(changes(sql, Dialect::Sqlite), all(&expected), "{sql}");
    }
    let duplicate = "INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE a = 1";
    assert_eq!(changes(duplicate, Dialect::MySql), all(&[(Update, "t"), (Insert, "t")]));
    assert!(classify("UPDATE t JOIN u ON t.a = u.a SET t.a = 1, u.b = 2", Dialect::MySql).is_err());
}

/// Changes put into each other to any depth: whatever the text does is carried.
#[test]
fn no_change_is_lost_in_the_depth() {
    let leaf = |verb: Verb, table: &str| match verb {
        Verb::Insert => format!("INSERT INTO {table} SELECT 1"),
        Verb::Update => format!("UPDATE {table} SET a = 1"),
        Verb::Delete => format!("DELETE FROM {table}"),
        Verb::Merge => format!("MERGE INTO {table} USING s ON true WHEN MATCHED THEN DELETE"),
    };
    let verbs = [Verb::Insert, Verb::Update, Verb::Delete, Verb::Merge];
    for outer in verbs {
        for (middle, inner) in verbs.into_iter().flat_map(|middle| verbs.map(|inner| (middle, inner))) {
            let sql = format!(
                "WITH m AS (WITH i AS ({} RETURNING 1) {} RETURNING 1) {}",
                leaf(inner, "inside"),
                leaf(middle, "between"),
                leaf(outer, "outside")
            );
            let found = write(&sql, Dialect::Postgres);
            assert_eq!(found.tables[0], "outside", "{sql}");
            for (verb, table) in [(outer, "outside"), (middle, "between"), (inner, "inside")] {
                let verb = if verb == Verb::Merge { Verb::Delete } else { verb };
                let change = Change { verb, table: table.into() };
                assert!(found.changes.contains(&change), "{sql}: {:?}", found.changes);
            }
            let deletes = found.changes.iter().any(|change| change.verb == Verb::Delete);
            assert_eq!(found.changes[0].verb == Verb::Delete, deletes, "the worst is first: {:?}", found.changes);
        }
    }
}

#[test]
fn rows_are_told_by_table_the_worst_first() {
    let rows = |table: &str, inserted, updated, deleted| RowsOf {
        table: table.into(),
        inserted,
        updated,
        deleted,
        ..RowsOf::default()
    };
    let told = |tables: &[RowsOf]| changes_of_rows(tables.to_vec(), false);
    assert_eq!(told(&[rows("staff", 0, 1, 0)]), "update 1 row of staff");
    assert_eq!(
        told(&[rows("staff", 0, 1, 0), rows("payment", 0, 0, 1_685)]),
        "delete 1,685 rows of payment; update 1 row of staff"
    );
    assert_eq!(told(&[rows("t", 2, 3, 0)]), "insert 2 and update 3 rows of t");
    assert_eq!(told(&[rows("a", 9, 0, 0), rows("b", 0, 1, 0)]), "update 1 row of b; insert 9 rows of a");
    let through = RowsOf { through: Some("by a cascade or trigger".into()), ..rows("kids", 0, 0, 5) };
    assert_eq!(
        told(&[rows("t", 0, 0, 1), through]),
        "delete 5 rows of kids (by a cascade or trigger); delete 1 row of t"
    );
    let none = RowsOf { verb: Some(Verb::Delete), ..rows("t", 0, 0, 0) };
    assert_eq!(told(std::slice::from_ref(&none)), "delete 0 rows of t");
    assert_eq!(told(&[none, rows("u", 0, 1, 0)]), "update 1 row of u; delete 0 rows of t");
    assert_eq!(changes_of_rows(vec![rows("t", 0, 0, 7)], true), "delete at least 7 rows of t");
    let many = told(&(0..40).map(|n| rows(&format!("t{n}"), 1, 0, 0)).collect::<Vec<_>>());
    assert!(many.ends_with("; and insert 28 rows of 28 more tables"), "{many}");
}

#[test]
fn what_is_not_named_is_counted_with_each_of_its_verbs() {
    let rows = |at: u64| RowsOf {
        table: format!("t{at}"),
        inserted: u64::from(at > 20),
        updated: u64::from(at == 20),
        deleted: u64::from(at < 15),
        verb: Some(if at == 19 { Verb::Delete } else { Verb::Insert }),
        through: None,
    };
    let many = changes_of_rows((0..30).map(rows).collect(), false);
    assert!(many.ends_with("; and insert 9 and update 1 and delete 3 rows of 18 more tables"), "{many}");
    let one = changes_of_rows((0..13).map(rows).collect(), true);
    assert!(one.ends_with("; and delete at least 1 row of 1 more table"), "{one}");
}

#[test]
fn comments_are_where_the_dialect_reads_them() {
    let found = |sql: &str, dialect| -> Vec<String> {
        comments(sql, dialect).into_iter().map(|range| sql[range].to_owned()).collect()
    };
    let (sqlite, postgres) = (Dialect::Sqlite, Dialect::Postgres);
    assert_eq!(found("DELETE FROM t WHERE id = 1 --\nOR true", sqlite), ["--"]);
    assert_eq!(
        found("SELECT '-- no', \"/* no */\" -- é yes\n, 1 /* and\nthis */ , 2 --", sqlite),
        ["-- é yes", "/* and\nthis */", "--"]
    );
    // One dialect nests comments, and the other does not.
    let nested = "DELETE FROM t WHERE a /* x /* y */ OR 1 */ ";
    assert_eq!(found(nested, postgres), ["/* x /* y */ OR 1 */"]);
    assert_eq!(found("SELECT 1 /* x /* y */ OR 1", sqlite), ["/* x /* y */"]);
    // One ends a comment at a carriage return, and the other does not.
    assert_eq!(found("SELECT 1 --x\rOR 1", postgres), ["--x"]);
    assert_eq!(found("SELECT 1 --x\rOR 1", sqlite), ["--x\rOR 1"]);
    assert_eq!(found("SELECT $$ -- no $$, E'\\' -- no', 1 -- yes", postgres), ["-- yes"]);
    assert!(found("SELECT 'open -- x", sqlite).is_empty());
}
