//! Bodies that hide what they run, and what becomes of every body when a call or a command is put anywhere in it.

use super::corpus::ORDINARY;
use super::tokens::tokens;
use super::*;

#[test]
fn ordinary_bodies_are_read_whole() {
    let mut wrong = Vec::new();
    for (count, source) in ORDINARY {
        let body = plpgsql(source).unwrap_or_else(|error| panic!("{source}: {error}"));
        let row = |text: &str| ["SELECT NEW", "SELECT OLD"].iter().any(|row| row.eq_ignore_ascii_case(text));
        let texts: Vec<&str> = texts(&body).into_iter().filter(|text| !row(text)).collect();
        if texts.len() != *count {
            wrong.push(format!("{source}\n{count} {texts:#?}"));
        }
        for fragment in &body.fragments {
            let class = examine(&fragment.sql);
            if !matches!(class, Ok((Class::Read | Class::Write(_) | Class::Other { .. }, _))) {
                wrong.push(format!("{source}\n{fragment:?}\n{class:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn commands_that_are_no_query_are_named() {
    for (statements, what) in [
        ("EXECUTE 'DROP TABLE t';", "EXECUTE"),
        ("execute format('x %I', a) INTO b USING c;", "EXECUTE"),
        ("RETURN QUERY EXECUTE 'SELECT 1';", "EXECUTE"),
        ("RETURN /* plain */ query -- is it?\n EXECUTE 'SELECT 1';", "EXECUTE"),
        ("FOR r IN EXECUTE 'SELECT 1' LOOP END LOOP;", "EXECUTE"),
        ("FOR a, b IN EXECUTE 'SELECT 1' USING c LOOP END LOOP;", "EXECUTE"),
        ("OPEN c FOR EXECUTE 'SELECT 1';", "EXECUTE"),
        ("OPEN c NO SCROLL FOR EXECUTE 'SELECT 1';", "EXECUTE"),
        ("COPY t TO PROGRAM 'sh';", "COPY"),
        ("CALL p();", "CALL"),
        ("DO $$BEGIN END$$;", "DO"),
        ("COMMIT;", "COMMIT"),
        ("COMMIT AND CHAIN;", "COMMIT"),
        ("ROLLBACK;", "ROLLBACK"),
        ("LOCK TABLE t;", "LOCK"),
        ("LISTEN a;", "LISTEN"),
        ("NOTIFY a, 'b';", "NOTIFY"),
        ("SET LOCAL role = 'postgres';", "SET"),
        ("RESET ALL;", "RESET"),
        ("CREATE TABLE t (a int);", "CREATE"),
        ("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END;", "CREATE"),
        ("ALTER TABLE t ADD a int;", "ALTER"),
        ("DROP TABLE t;", "DROP"),
        ("TRUNCATE t;", "TRUNCATE"),
        ("PREPARE a AS SELECT 1;", "PREPARE"),
        ("VACUUM t;", "VACUUM"),
        ("ANALYZE t;", "ANALYZE"),
        ("REFRESH MATERIALIZED VIEW m;", "REFRESH"),
        ("GRANT ALL ON t TO public;", "GRANT"),
        ("COMMENT ON TABLE t IS 'x';", "COMMENT"),
        ("IMPORT FOREIGN SCHEMA a FROM SERVER b INTO c;", "IMPORT"),
        ("EXPLAIN ANALYZE DELETE FROM t;", "EXPLAIN"),
        ("IF a THEN NULL; ELSE LOOP BEGIN EXECUTE b; END; END LOOP; END IF;", "EXECUTE"),
        ("BEGIN NULL; EXCEPTION WHEN OTHERS THEN EXECUTE b; END;", "EXECUTE"),
        ("CASE WHEN a THEN EXECUTE b; END CASE;", "EXECUTE"),
        ("/* /* */ NULL; */ EXECUTE b; -- */\n", "EXECUTE"),
        ("x := 'a' -- '\n; EXECUTE b; y := '--';", "EXECUTE"),
        ("x := $a$ $$ ' $a$; EXECUTE b; y := $b$ $a$ $b$;", "EXECUTE"),
    ] {
        assert_eq!(run(statements), Err(Unread::Acts(format!("`{what}`"))), "{statements}");
    }
    let cursor = "DECLARE c CURSOR FOR EXECUTE 'x'; BEGIN END";
    assert_eq!(plpgsql(cursor), Err(Unread::Acts("`EXECUTE`".into())));
}

#[test]
fn what_is_not_understood_is_refused() {
    for statements in [
        "f();",
        "SHOW_ME;",
        "x;",
        "x.y;",
        "\"select\" 1;",
        ";",
        "NULL",
        "SELECT 1",
        "SELECT (1; SELECT 2);",
        "SELECT 1)); SELECT ((2;",
        "SELECT a[1);",
        "SELECT a INTO x INTO y;",
        "SELECT a INTO 1;",
        "SELECT a INTO f(1);",
        "SELECT a INTO x, f(1);",
        "OPEN f(1);",
        "FOR r IN f(1) LOOP END LOOP;",
        "SELECT a INTO (SELECT f());",
        "IF a; END IF;",
        "IF a THEN NULL; END;",
        "IF CASE WHEN a THEN b END THEN NULL; END IF;",
        "IF a THEN NULL; END LOOP;",
        "LOOP NULL; END IF;",
        "FOR i IN 1 LOOP END LOOP;",
        "FOR i IN f() x LOOP END LOOP;",
        "FOR i IN SHOW ALL LOOP END LOOP;",
        "FOR f(1) IN 1..2 LOOP END LOOP;",
        "FOREACH x IN a LOOP END LOOP;",
        "FOREACH x SLICE f() IN ARRAY a LOOP END LOOP;",
        "RAISE NOTICE 'a' || f();",
        "RAISE NOTICE f();",
        "RAISE SQLSTATE f();",
        "RAISE USING what = f();",
        "GET DIAGNOSTICS a[f()] = ROW_COUNT;",
        "GET DIAGNOSTICS a = f();",
        "EXIT f();",
        "CLOSE f();",
        "OPEN c SCROLL f();",
        "FETCH c INTO x[f()];",
        "FETCH c INTO STRICT x;",
        "RETURN QUERY;",
        "RETURN QUERY f();",
        "BEGIN END",
        "BEGIN EXCEPTION END;",
        "BEGIN EXCEPTION WHEN f() THEN END;",
        "<<l>> SELECT 1;",
        "<<l>> x := 1;",
        "<<l> BEGIN END;",
        "EXCEPTION WHEN OTHERS THEN END; SELECT 1;",
        "x := 'a' 'b';",
        "x := E'a'\n'\\' || f() || '\\'';",
        "x := 'a\\'; EXECUTE b; --';",
        "x := 1_000;",
        "x := 0x1f;",
        "x := $1a;",
        "x := U&\"a\";",
        "x := \"a;",
        "x := $$a;",
        "x := /* a;",
        "x := `a`\\;",
        "x := \u{a0}1;\u{b}",
        "elsif := 1;",
        "if := 1;",
    ] {
        let read = run(statements);
        assert!(matches!(read, Err(Unread::Opaque(_))), "{statements}: {read:?}");
    }
    for source in [
        "",
        "SELECT 1",
        "BEGIN",
        "BEGIN END; SELECT 1",
        "BEGIN END END",
        "BEGIN END; BEGIN END",
        "#option x\nBEGIN END",
        "#f() BEGIN END",
        "DECLARE x; BEGIN END",
        "DECLARE x int f(); BEGIN END",
        "DECLARE x numeric((f())); BEGIN END",
        "DECLARE x int := (1; BEGIN END",
        "DECLARE x int % f; BEGIN END",
        "DECLARE c CURSOR FOR f(); BEGIN END",
        "DECLARE c CURSOR (a int := f()) FOR SELECT 1; BEGIN END",
        "DECLARE a ALIAS FOR f(); BEGIN END",
        "DECLARE BEGIN int; BEGIN END",
    ] {
        let read = plpgsql(source);
        assert!(matches!(read, Err(Unread::Opaque(_))), "{source}: {read:?}");
    }
}

#[test]
fn size_and_depth_are_bounded() {
    let deep = |depth: usize| format!("{}{}", "BEGIN ".repeat(depth), "END;".repeat(depth));
    assert!(plpgsql(&deep(100)).is_ok());
    assert!(matches!(plpgsql(&deep(101)), Err(Unread::Opaque(_))));
    assert!(matches!(plpgsql(&deep(40_000)), Err(Unread::Opaque(_))));
    assert!(matches!(run(&"NULL;".repeat(60_000)), Err(Unread::Opaque(_))));
    assert!(matches!(run(&format!("{}{}", "x := ".repeat(2), "(".repeat(100_000))), Err(Unread::Opaque(_))));
}

/// Every body in which one run of tokens is another text.
fn changed(source: &str, text: &str, longest: usize) -> Vec<String> {
    let places: Vec<_> = tokens(source).unwrap().into_iter().map(|token| token.place).collect();
    let mut all = Vec::new();
    for start in 0..places.len() {
        for end in start..=(start + longest).min(places.len()) {
            let (from, to) =
                (places[start].start, if end == start { places[start].start } else { places[end - 1].end });
            all.push(format!("{} {text} {}", &source[..from], &source[to..]));
        }
    }
    all
}

fn shows(body: &Body, text: &str) -> bool {
    let fragment = body.fragments.iter().any(|fragment| fragment.sql.contains(text));
    // As a type it is looked up as one.
    fragment || body.types.iter().any(|written| written.contains(text))
}

#[test]
fn a_call_put_anywhere_is_seen() {
    let call = "pg_terminate_backend(1)";
    let (mut seen, mut refused) = (0, 0);
    for (_, source) in ORDINARY {
        for hostile in changed(source, call, 6) {
            match plpgsql(&hostile) {
                Ok(body) => {
                    assert!(shows(&body, call), "{hostile}\n{body:#?}");
                    seen += 1;
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert!(seen > 5_000 && refused > 5_000, "{seen} {refused}");
}

#[test]
fn a_command_put_anywhere_is_refused_or_makes_the_text_unreadable() {
    for command in ["EXECUTE 'x';", "; EXECUTE 'x';", "COPY t TO PROGRAM 'x';", "; END; EXECUTE 'x'; BEGIN"] {
        for (_, source) in ORDINARY {
            for hostile in changed(source, command, 1) {
                let Ok(body) = plpgsql(&hostile) else { continue };
                let plain = body.fragments.iter().all(|fragment| examine(&fragment.sql).is_ok());
                assert!(!plain, "{hostile}\n{body:#?}");
            }
        }
    }
}
