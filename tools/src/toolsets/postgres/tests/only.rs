//! Tables named with their children or without, and words that are no table's name: what is judged, asked about and kept is
//! what the server changes.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::world::{Ground, find};
use crate::contract::{Preflight, Reversibility};
use crate::sql::{Class, Dialect, classify, examine_text, tables};

/// `evil` acts beyond the transaction. A table is even called `only`.
const SCHEMA: &str = "
    CREATE SEQUENCE beyond;
    CREATE FUNCTION evil() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN EXECUTE 'SELECT setval(''beyond'', 777)'; RETURN coalesce(NEW, OLD); END $$;
    CREATE TABLE tr (id int8 PRIMARY KEY, v int8); INSERT INTO tr SELECT g, 0 FROM generate_series(1, 9) g;
    CREATE TRIGGER e BEFORE DELETE OR UPDATE ON tr FOR EACH ROW EXECUTE FUNCTION evil();
    CREATE TABLE \"only\" (id int8 PRIMARY KEY, v int8); INSERT INTO \"only\" VALUES (1, 0);
    CREATE FUNCTION through() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM ONLY tr WHERE id = OLD.id; RETURN OLD; END $$;
    CREATE TABLE led (id int8 PRIMARY KEY, v int8); INSERT INTO led VALUES (1, 0);
    CREATE TRIGGER l BEFORE DELETE ON led FOR EACH ROW EXECUTE FUNCTION through();";

const STATE: &str = "SELECT last_value, is_called FROM beyond; TABLE tr ORDER BY id; TABLE led; TABLE \"only\"";

fn aim(sql: &str, seen: &Preflight) -> BTreeSet<String> {
    let args = json!({ "target": "orders", "sql": sql });
    find("postgres_write").aim(&args, seen).iter().map(Value::to_string).collect()
}

#[tokio::test]
async fn code_behind_a_table_named_with_only_or_a_star_runs_in_no_look() {
    let ground = Ground::roles(SCHEMA);
    let before = ground.sql(STATE);
    let plain = ground.look("postgres_write", json!({ "sql": "DELETE FROM tr" })).await.unwrap();
    for sql in [
        "DELETE FROM ONLY tr WHERE id = 1",
        "delete from only public.tr where id = 1",
        "DELETE FROM ONLY/**/\"tr\" x WHERE x.id = 1",
        "DELETE FROM ONLY (tr) WHERE id = 1",
        "DELETE FROM ONLY (public.tr) AS x USING led WHERE x.id = led.id",
        "DELETE FROM tr *",
        "DELETE FROM public.tr * AS x WHERE x.id = 1",
        "DELETE FROM tr * x WHERE x.id = 1",
        "DELETE FROM ONLY tr USING ONLY led, ONLY (\"only\") AS o WHERE tr.id = led.id AND o.id = led.id",
        "WITH q AS (DELETE FROM ONLY tr WHERE id = 1 RETURNING id) SELECT * FROM q FETCH FIRST 1 ROWS ONLY",
        "MERGE INTO ONLY tr USING led ON led.id = tr.id WHEN MATCHED THEN DELETE",
        "MERGE INTO tr * USING ONLY led ON led.id = tr.id WHEN MATCHED THEN DELETE",
    ] {
        let seen = ground.look("postgres_write", json!({ "sql": sql })).await;
        assert_eq!(ground.sql(STATE), before, "{sql}: {seen:?}");
        let seen = seen.unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(seen.reversibility, Reversibility::Irreversible, "{sql}: {seen:?}");
        assert!(seen.summary.starts_with("delete rows of public.tr"), "{sql}: {}", seen.summary);
        assert_eq!(seen.targets[0].path, "orders/public.tr", "{sql}");
        assert!(aim(sql, &seen).is_superset(&aim("DELETE FROM tr", &plain)), "{sql}: a no holds for it too");
    }
    for sql in [
        "UPDATE ONLY tr SET v = 1",
        "UPDATE ONLY (tr) SET v = 1",
        "UPDATE tr * SET v = 1",
        "UPDATE ONLY tr AS x SET v = 1 FROM ONLY led",
        "DELETE FROM led",
    ] {
        let seen = ground.look("postgres_write", json!({ "sql": sql })).await;
        assert_eq!(ground.sql(STATE), before, "{sql}: {seen:?}");
        let seen = seen.unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(seen.reversibility, Reversibility::Irreversible, "{sql}: {seen:?}");
    }
}

#[tokio::test]
async fn a_statement_that_is_not_tried_names_the_tables_it_may_reach() {
    let ground = Ground::roles(&format!(
        "{SCHEMA} CREATE TABLE c (id int8 PRIMARY KEY, tr int8 REFERENCES tr ON DELETE CASCADE);
         CREATE TABLE g (id int8 PRIMARY KEY, c int8 REFERENCES c ON DELETE SET NULL); CREATE TABLE far (id int8)"
    ));
    let seen = ground.look("postgres_write", json!({ "sql": "DELETE FROM ONLY tr" })).await.unwrap();
    let told = format!("{:?}", seen.evidence);
    assert!(told.contains("it may also change rows of public.c, public.g (by foreign keys"), "{told}");
    assert!(!told.contains("public.far"), "{told}");
}

#[tokio::test]
async fn a_parent_alone_and_with_its_children_is_changed_as_it_is_told_and_comes_back() {
    let ground = Ground::roles(
        "CREATE TABLE par (id int8 PRIMARY KEY, v int8); CREATE TABLE chi (PRIMARY KEY (id)) INHERITS (par);
         INSERT INTO par VALUES (1, 0); INSERT INTO chi VALUES (2, 0), (3, 0)",
    );
    let state = "SELECT tableoid::regclass, * FROM par ORDER BY id";
    let before = ground.sql(state);
    for (sql, left) in [
        ("DELETE FROM ONLY par", "chi|2|0\nchi|3|0"),
        ("DELETE FROM ONLY (public.par)", "chi|2|0\nchi|3|0"),
        ("DELETE FROM par *", ""),
        ("UPDATE ONLY par SET v = 7 WHERE v * 2 = 0 AND id IS DISTINCT FROM v * 2", "par|1|7\nchi|2|0\nchi|3|0"),
        ("UPDATE par * p SET v = 7 FROM ONLY par q WHERE p.id = q.id * 2", "par|1|0\nchi|2|7\nchi|3|0"),
        ("INSERT INTO par SELECT id + 10, v * 2 FROM ONLY chi * 1", ""),
        (
            "INSERT INTO par SELECT c.id + 10, 1 FROM ONLY par, chi * AS c WHERE c.id = 2",
            "par|1|0\nchi|2|0\nchi|3|0\npar|12|1",
        ),
    ] {
        let done = ground.call("postgres_write", json!({ "sql": sql })).await;
        if sql.ends_with("* 1") {
            assert!(done.is_err(), "{sql}");
            continue;
        }
        let done = done.unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(ground.sql(state).trim(), left, "{sql}");
        let undo = done.undo.unwrap_or_else(|| panic!("{sql}: it cannot be taken back"));
        ground.call(&undo.tool, undo.args).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(ground.sql(state), before, "{sql}");
    }
}

/// What the server locks when it reads a statement: what it would change, and all that it names. Nothing stays of it.
const LOCKS: &str = r"
    CREATE FUNCTION locks(said text) RETURNS text LANGUAGE plpgsql AS $f$
    DECLARE found text;
    BEGIN
        EXECUTE 'PREPARE swept AS ' || said;
        SELECT coalesce(string_agg(DISTINCT c.relname, ',') FILTER (WHERE l.mode = 'RowExclusiveLock'), '') || '/'
            || coalesce(string_agg(DISTINCT c.relname, ','), '') INTO found
            FROM pg_locks l JOIN pg_class c ON c.oid = l.relation AND c.oid >= 16384 AND c.relkind = 'r'
            WHERE l.locktype = 'relation' AND l.pid = pg_backend_pid();
        RAISE EXCEPTION USING ERRCODE = 'UE000', MESSAGE = found;
    EXCEPTION WHEN SQLSTATE 'UE000' THEN DEALLOCATE swept; RETURN SQLERRM; WHEN OTHERS THEN RETURN '!';
    END $f$;
    CREATE TABLE tr (id int8, v int8);
    DO $$ DECLARE w text; BEGIN FOR w IN SELECT word FROM pg_get_keywords() LOOP
        EXECUTE format('CREATE TABLE %I (id int8, v int8)', w); END LOOP; END $$";

/// A word at each place where a table or an alias may stand, or something before or behind them.
const PLACES: [&str; 22] = [
    "DELETE FROM {w}",
    "DELETE FROM {w} tr",
    "DELETE FROM {w} (tr)",
    "DELETE FROM {w} * tr",
    "DELETE FROM tr {w}",
    "DELETE FROM tr AS {w}",
    "DELETE FROM tr USING {w} x",
    "DELETE FROM tr USING {w}",
    "UPDATE {w} SET v = 1",
    "UPDATE {w} tr SET v = 1",
    "UPDATE tr {w} SET v = 1",
    "UPDATE tr * {w} SET v = 1",
    "INSERT INTO {w} VALUES (1, 1)",
    "INSERT INTO tr AS {w} VALUES (1, 1)",
    "INSERT INTO {w} tr VALUES (1, 1)",
    "INSERT INTO tr {w} tr",
    "MERGE INTO {w} USING (VALUES (1)) AS s (a) ON s.a = id WHEN MATCHED THEN DELETE",
    "MERGE INTO {w} tr USING (VALUES (1)) AS s (a) ON s.a = tr.id WHEN MATCHED THEN DELETE",
    "WITH {w} AS (DELETE FROM tr RETURNING 1) SELECT 1",
    "SELECT 1 FROM {w} tr",
    "SELECT 1 FROM tr {w}",
    "SELECT 1 FROM tr, {w} tr",
];

/// What the server takes and the parser does not: it is refused, and goes through with the name in double quotes.
const UNREAD: [&str; 10] = [
    "INSERT INTO tr table tr",
    "DELETE FROM tr partition",
    "INSERT INTO local VALUES (1, 1)",
    "SELECT 1 FROM tr partition",
    "SELECT 1 FROM tr set",
    "UPDATE replace SET v = 1",
    "UPDATE replace tr SET v = 1",
    "UPDATE tr * partition SET v = 1",
    "UPDATE tr partition SET v = 1",
    "WITH recursive AS (DELETE FROM tr RETURNING 1) SELECT 1",
];

#[test]
fn each_keyword_at_each_place_is_read_as_the_server_reads_it_or_not_at_all() {
    let ground = Ground::superuser("");
    ground.sql(LOCKS);
    let (mut otherwise, mut lost, mut both) = (Vec::new(), BTreeSet::new(), 0);
    for place in PLACES {
        let asked =
            format!("SELECT word || ' ' || locks(replace('{place}', '{{w}}', word)) FROM pg_get_keywords() ORDER BY 1");
        for line in ground.sql(&asked).lines() {
            let [word, locked] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let sql = place.replace("{w}", word);
            let ours = examine_text(&sql).ok().map(|(class, _)| match class {
                Class::Write(write) => write.tables,
                _ => Vec::new(),
            });
            let Some((changed, named)) = locked.split_once('/') else {
                assert_eq!(locked, "!", "{sql}");
                continue;
            };
            let set = |names: &str| {
                names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect::<BTreeSet<_>>()
            };
            let Some(ours) = ours else {
                lost.insert(sql);
                continue;
            };
            both += 1;
            let ours: BTreeSet<String> = ours.iter().map(|name| name.to_lowercase()).collect();
            // What is named is for telling one question from another; a value may stand for a table there.
            let all: BTreeSet<String> = tables(&sql, Dialect::Postgres).into_iter().collect();
            if ours != set(changed) || !all.is_superset(&set(named)) {
                otherwise.push(format!("{sql}: {ours:?} of {all:?}, the server: {locked}"));
            }
        }
    }
    assert!(otherwise.is_empty(), "{}", otherwise.join("\n"));
    let unknown: Vec<_> = lost.iter().filter(|sql| !UNREAD.contains(&sql.as_str())).collect();
    assert!(unknown.is_empty(), "refused, and the server takes it: {unknown:?}");
    assert!(both > 4_000, "{both}");
}

#[test]
fn a_keyword_of_the_server_is_no_table_without_quotes() {
    let ground = Ground::superuser("");
    for word in ground.sql("SELECT word FROM pg_get_keywords() WHERE catcode IN ('R', 'T')").lines() {
        for sql in [format!("INSERT INTO {word} VALUES (1)"), format!("DELETE FROM tr AS {word}")] {
            assert!(!matches!(classify(&sql, Dialect::Postgres), Ok(Class::Write(_))), "{sql}");
        }
        let quoted = format!("DELETE FROM \"{word}\"");
        assert!(matches!(classify(&quoted, Dialect::Postgres), Ok(Class::Write(_))), "{quoted}");
    }
}
