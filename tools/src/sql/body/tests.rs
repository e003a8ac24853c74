//! Ordinary bodies, read; hostile ones, refused or laid open.

mod corpus;
mod hostile;

use super::*;
use crate::sql::{Class, examine};

fn texts(body: &Body) -> Vec<&str> {
    body.fragments.iter().map(|fragment| fragment.sql.as_str()).collect()
}

/// The statements of a body between `BEGIN` and `END`.
fn run(statements: &str) -> Result<Body, Unread> {
    plpgsql(&format!("BEGIN {statements} END"))
}

#[track_caller]
fn runs(statements: &str, expected: &[&str]) {
    let body = run(statements).unwrap_or_else(|error| panic!("{statements}: {error}"));
    assert_eq!(texts(&body), expected, "{statements}");
}

#[test]
fn every_statement_yields_what_it_runs() {
    runs("", &[]);
    runs("NULL;", &[]);
    runs("NEW.a := now();", &["SELECT now()"]);
    runs("NEW.a = now();", &["SELECT now()"]);
    runs("x := y = z;", &["SELECT y = z"]);
    runs("$1 := 2;", &["SELECT 2"]);
    runs("a.b.c[f(1)].d[2:g()] := h();", &["SELECT f(1)", "SELECT 2", "SELECT g()", "SELECT h()"]);
    runs("x[a::int:b] := c;", &["SELECT a::int", "SELECT b", "SELECT c"]);
    runs("x := count(*) FROM t WHERE a;", &["SELECT count(*) FROM t WHERE a"]);
    runs("PERFORM a, f(b) FROM t;", &["SELECT a, f(b) FROM t"]);
    runs(
        "IF a THEN x := 1; ELSIF b THEN ELSEIF c THEN NULL; ELSE y := 2; END IF;",
        &["SELECT a", "SELECT 1", "SELECT b", "SELECT c", "SELECT 2"],
    );
    runs("IF (CASE WHEN a THEN b END) THEN RETURN; END IF;", &["SELECT (CASE WHEN a THEN b END)"]);
    runs("CASE a WHEN 1, 2 THEN RETURN b; ELSE END CASE;", &["SELECT a", "SELECT NULL IN (1, 2)", "SELECT b"]);
    runs("CASE WHEN a THEN NULL; WHEN b THEN NULL; END CASE;", &["SELECT a", "SELECT b"]);
    runs("LOOP EXIT WHEN a; EXIT; CONTINUE l WHEN b; END LOOP;", &["SELECT a", "SELECT b"]);
    runs("<<l>> WHILE a LOOP NULL; END LOOP l;", &["SELECT a"]);
    runs("FOR i IN 1..10 LOOP END LOOP;", &["SELECT 1", "SELECT 10"]);
    runs("FOR i IN REVERSE f()..g(1) BY 2 LOOP END LOOP;", &["SELECT f()", "SELECT g(1)", "SELECT 2"]);
    runs("FOR i IN a..count(*) FROM t LOOP END LOOP;", &["SELECT a", "SELECT count(*) FROM t"]);
    runs("FOR r IN SELECT a FROM t LOOP END LOOP;", &["SELECT a FROM t"]);
    runs("FOR a, b.c IN (SELECT 1, 2) LOOP END LOOP;", &["(SELECT 1, 2)"]);
    runs(
        "DECLARE c CURSOR (a int, b int, x int) FOR SELECT a; BEGIN FOR r IN c(f(1), b := g(2), x => 3) LOOP END LOOP; END;",
        &["SELECT a", "SELECT f(1)", "SELECT g(2)", "SELECT 3"],
    );
    runs("FOREACH x SLICE 1 IN ARRAY f(y) LOOP END LOOP;", &["SELECT f(y)"]);
    runs(
        "RETURN NEXT; RETURN NEXT f(1); RETURN next.x; RETURN QUERY SELECT 1; RETURN QUERY VALUES (1);",
        &["SELECT f(1)", "SELECT next.x", "SELECT 1", "VALUES (1)"],
    );
    runs(
        "RAISE; RAISE NOTICE 'a % %', f(1), b USING hint = g(), errcode := 'x'; RAISE division_by_zero;",
        &["SELECT f(1)", "SELECT b", "SELECT g()", "SELECT 'x'"],
    );
    runs("RAISE SQLSTATE '22012'; RAISE USING message = a; RAISE e'x', c;", &["SELECT a", "SELECT c"]);
    runs("ASSERT a, f(b); ASSERT c;", &["SELECT a", "SELECT f(b)", "SELECT c"]);
    runs("GET DIAGNOSTICS n = ROW_COUNT, s.a := PG_CONTEXT; GET STACKED DIAGNOSTICS m = MESSAGE_TEXT;", &[]);
    runs("DECLARE c CURSOR (a int) IS VALUES (a); BEGIN OPEN c; OPEN c(f(1)); END;", &["VALUES (a)", "SELECT f(1)"]);
    runs("OPEN c; OPEN c FOR SELECT 1; OPEN c NO SCROLL FOR SELECT 2;", &["SELECT 1", "SELECT 2"]);
    runs("FETCH c INTO a, b; FETCH NEXT FROM c INTO a; FETCH RELATIVE f(1) IN c INTO a; CLOSE c;", &["SELECT f(1)"]);
    runs("MOVE FORWARD ALL FROM c; MOVE BACKWARD g() FROM c; MOVE LAST FROM c; MOVE c;", &["SELECT g()"]);
    runs(
        "BEGIN x := 1; EXCEPTION WHEN a OR SQLSTATE '22000' THEN y := 2; WHEN OTHERS THEN z := 3; END;",
        &["SELECT 1", "SELECT 2", "SELECT 3"],
    );
}

#[test]
fn into_is_taken_out_wherever_it_stands() {
    runs("SELECT a INTO STRICT x FROM t;", &["SELECT a FROM t"]);
    runs("SELECT INTO x a FROM t;", &["SELECT a FROM t"]);
    runs("SELECT a, b FROM t INTO x.y, z;", &["SELECT a, b FROM t"]);
    runs("SELECT a INTO x.y.z FROM t;", &["SELECT a FROM t"]);
    runs("SELECT INTO x, y a, f(b);", &["SELECT a, f(b)"]);
    runs("INSERT INTO t VALUES (1) RETURNING a INTO x;", &["INSERT INTO t VALUES (1) RETURNING a"]);
    runs("UPDATE t SET a = 1 RETURNING b INTO STRICT x, y;", &["UPDATE t SET a = 1 RETURNING b"]);
    runs(
        "WITH n AS (INSERT INTO t SELECT 1 RETURNING a) SELECT a INTO x FROM n;",
        &["WITH n AS (INSERT INTO t SELECT 1 RETURNING a) SELECT a FROM n"],
    );
    runs("SELECT a \"into\" FROM t;", &["SELECT a \"into\" FROM t"]);
    // Where PL/pgSQL leaves it, it makes a table.
    runs("RETURN QUERY SELECT a INTO x FROM t;", &["SELECT a INTO x FROM t"]);
}

#[test]
fn comments_and_literals_are_read_as_the_server_reads_them() {
    runs("x := 1 -- ; y := f()\n;", &["SELECT 1"]);
    runs("x := /* a /* b */ ; */ 2;", &["SELECT 2"]);
    runs(
        "x := 'a;b' || $$;$$ || $q$ $$ ; $q$ || E'\\';' || \"y;\" || '''';",
        &["SELECT 'a;b' || $$;$$ || $q$ $$ ; $q$ || E'\\';' || \"y;\" || ''''"],
    );
    runs("x := a+--;\n b;", &["SELECT a+--;\n b"]);
    runs("x := a*/*;*/b;", &["SELECT a*/*;*/b"]);
    runs("x :=-1; y:=- 1; z=-1;", &["SELECT -1", "SELECT - 1", "SELECT -1"]);
    runs("CASE a WHEN 1 -- )\n THEN END CASE;", &["SELECT a", "SELECT NULL IN (1)"]);
    runs("X := \"If\"; \"BEGIN\" := 1;", &["SELECT \"If\"", "SELECT 1"]);
}

#[test]
fn declarations_yield_types_names_and_defaults() {
    let body = plpgsql(
        "#variable_conflict use_column\n<<outer>> DECLARE a int; b CONSTANT numeric(10, 2) NOT NULL := f(1);
         DECLARE c public.t.a%TYPE DEFAULT g(); d t%ROWTYPE; e text COLLATE \"C\" = h(); g ALIAS FOR $1;
         k NO SCROLL CURSOR (x int, y text[]) FOR SELECT x; m CURSOR IS SELECT i();
         n timestamp(3) with time zone; \"O\" pg_catalog.\"char\"[]; r record;
         BEGIN FOR i IN 1..2 LOOP NULL; END LOOP; EXCEPTION WHEN OTHERS THEN RAISE; END outer;",
    )
    .unwrap();
    assert_eq!(
        texts(&body),
        ["SELECT f(1)", "SELECT g()", "SELECT h()", "SELECT x", "SELECT i()", "SELECT 1", "SELECT 2",]
    );
    assert_eq!(
        body.types,
        [
            "int",
            "numeric(10, 2)",
            "public.t.a%TYPE",
            "t%ROWTYPE",
            "text",
            "int",
            "text[]",
            "timestamp(3) with time zone",
            "pg_catalog.\"char\"[]",
            "record",
        ]
    );
    let names: Vec<&str> = body.names.iter().map(String::as_str).collect();
    assert_eq!(
        names,
        ["O", "a", "b", "c", "d", "e", "g", "i", "k", "m", "n", "outer", "r", "sqlerrm", "sqlstate", "x", "y",]
    );
}

#[test]
fn bodies_in_sql_are_split_at_their_semicolons() {
    let read = |source: &str| sql(source).map(|body| body.fragments.into_iter().map(|f| f.sql).collect::<Vec<_>>());
    assert_eq!(read(""), Ok(vec![]));
    assert_eq!(read(" SELECT $1 + 1 -- x\n"), Ok(vec!["SELECT $1 + 1".into()]));
    assert_eq!(
        read(";;UPDATE t SET a = ';'; (SELECT f(b)) ;; VALUES (1)"),
        Ok(vec!["UPDATE t SET a = ';'".into(), "(SELECT f(b))".into(), "VALUES (1)".into()])
    );
    for (source, what) in [
        ("CREATE TABLE t (a int)", "`CREATE`"),
        ("SELECT 1; TRUNCATE t", "`TRUNCATE`"),
        ("COPY t TO PROGRAM 'x'", "`COPY`"),
        ("SELECT 1; CALL p()", "`CALL`"),
    ] {
        assert_eq!(sql(source), Err(Unread::Acts(what.into())), "{source}");
    }
    for source in
        ["BEGIN ATOMIC SELECT 1; END", "SELECT (1; SELECT 2)", "RETURN 1", "SELECT 'a", "x := 1", "SELECT 1)) ;"]
    {
        assert!(matches!(sql(source), Err(Unread::Opaque(_))), "{source}: {:?}", sql(source));
    }
}
