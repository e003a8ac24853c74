//! Values of every type that a column can have come back as they were, byte for byte, or the write says beforehand that it
//! cannot be taken back.

use std::collections::BTreeSet;

use serde_json::json;

use super::world::{Ground, find};
use crate::contract::{Access, Outcome, Reversibility, ToolError};

/// Values of the server's own types, as SQL.
const VALUES: [(&str, &[&str]); 68] = [
    ("bool", &["true", "false", "NULL"]),
    ("\"char\"", &["''", "'a'", "(-1)::int4", "'\\'", "' '"]),
    ("name", &["'a'", "''", "'Ä '"]),
    ("int2", &["-32768", "32767"]),
    ("int4", &["-2147483648", "2147483647", "NULL"]),
    ("int8", &["'-9223372036854775808'", "9223372036854775807"]),
    ("oid", &["0", "4294967295"]),
    ("float4", &["'-0'", "'NaN'", "'Infinity'", "'1e-45'", "'3.4028235e38'", "0.1"]),
    ("float8", &["'-0'", "'NaN'", "'-Infinity'", "'5e-324'", "'1.7976931348623157e308'", "0.1"]),
    ("numeric", &["'NaN'", "'Infinity'", "1.00", "1.000", "-0.0", "12345678901234567890.000000000000000000001"]),
    ("money", &["'-92233720368547758.08'", "'92233720368547758.07'", "'1234.5'"]),
    ("text", &["''", "E'a\\n\\t\\\\\"{},NULL'", "'NULL'", "' x '"]),
    ("varchar", &["'x  '", "'NULL'"]),
    ("varchar(5)", &["'x  '", "'12345'"]),
    ("bpchar", &["'x'", "'x  '", "'   '", "''", "E'\\t '"]),
    ("char(5)", &["'x'", "'12345'", "''"]),
    ("bytea", &["'\\x00ff5c'", "''"]),
    ("bit", &["B'1'", "B'0'"]),
    ("bit(5)", &["B'10101'"]),
    ("varbit", &["B''", "B'1'", "B'1010101010101'"]),
    ("uuid", &["'00000000-0000-0000-0000-000000000000'"]),
    ("date", &["'infinity'", "'-infinity'", "'4713-01-01 BC'", "'5874897-12-31'", "'2000-02-29'"]),
    ("time", &["'24:00:00'", "'00:00:00.000001'"]),
    ("timetz", &["'24:00:00-15:59:59'", "'00:00:00.000001+05:30'"]),
    ("timestamp", &["'infinity'", "'-infinity'", "'4713-01-01 00:00:00 BC'", "'294276-12-31 23:59:59.999999'"]),
    ("timestamptz", &["'infinity'", "'-infinity'", "'4713-01-01 00:00:00+00 BC'", "'2026-03-29 01:30:00.000001+00'"]),
    (
        "interval",
        &["'1 mon -1 day 00:00:00.000001'", "'-178956970 years -8 mons'", "'2147483647 days'", "'-1 year 1 day'"],
    ),
    ("interval day to second(2)", &["'1 day 00:00:01.23'"]),
    ("json", &["'{\"a\": 1, \"a\":  2.50}'", "'[1,2]'", "'\"x\"'", "' null '"]),
    ("jsonb", &["'{\"a\": 1.50, \"b\": \"\\u00e4\"}'", "'[1,2]'", "'\"x\"'", "'null'"]),
    ("jsonpath", &["'$.a[*] ? (@.b == 1 && @ like_regex \"x\" flag \"q\")'", "'strict $.\"a b\"'"]),
    (
        "xml",
        &["'<?xml version=\"1.0\" standalone=\"yes\"?><a>b</a>'", "'<?xml version=\"1.0\"?><a/>'", "'a<b/>c'", "''"],
    ),
    ("inet", &["'10.0.0.1'", "'10.0.0.1/8'", "'::1/64'"]),
    ("cidr", &["'10.0.0.0/8'", "'::/0'"]),
    ("macaddr", &["'08:00:2b:01:02:03'"]),
    ("macaddr8", &["'08:00:2b:01:02:03:04:05'"]),
    ("point", &["'(-0,NaN)'", "'(0.1,1e300)'"]),
    ("line", &["'{1,-1,0.1}'"]),
    ("lseg", &["'[(0,0),(0.1,-0)]'"]),
    ("box", &["'(1,1),(0.1,0)'"]),
    ("path", &["'[(0,0),(1,0.1)]'", "'((0,0),(1,0.1))'"]),
    ("polygon", &["'((0,0),(1,0.1),(2,5))'"]),
    ("circle", &["'<(0,0.1),1e-300>'"]),
    ("tsvector", &["'''a b'':1A,2 ''c\\\\''''d'':3B'", "''"]),
    ("tsquery", &["'''a b'':*A & !c <2> d'", "''"]),
    ("xid", &["'4294967295'"]),
    ("cid", &["'4294967295'"]),
    ("tid", &["'(4294967295,65535)'"]),
    ("xid8", &["'18446744073709551615'"]),
    ("pg_lsn", &["'FFFFFFFF/FFFFFFFF'", "'0/0'"]),
    ("pg_snapshot", &["'10:20:10,14,15'"]),
    ("txid_snapshot", &["'10:20:10,14,15'"]),
    ("int2vector", &["'1 -2 3'", "''"]),
    ("oidvector", &["'1 4294967295'", "''"]),
    ("refcursor", &["'a \"b'"]),
    ("int4range", &["'[1,5)'", "'empty'", "'(,)'"]),
    ("int8range", &["'[1,5)'", "'(,5)'"]),
    ("numrange", &["'[1.00,1.50]'", "'(NaN,)'"]),
    ("daterange", &["'[2000-01-01,infinity)'", "'[-infinity,infinity]'"]),
    ("tsrange", &["'[2000-01-01 00:00:00.000001,)'"]),
    ("tstzrange", &["'[2000-01-01 00:00:00.000001+00,infinity]'"]),
    ("int4multirange", &["'{[1,5),[7,9)}'", "'{}'"]),
    ("int8multirange", &["'{[1,5)}'"]),
    ("nummultirange", &["'{[1.0,2.00],(3,)}'"]),
    ("datemultirange", &["'{[2000-01-01,infinity)}'"]),
    ("tsmultirange", &["'{[2000-01-01 00:00:00.000001,)}'"]),
    ("tstzmultirange", &["'{[2000-01-01 00:00:00.000001+00,infinity]}'"]),
    ("app.mood", &["'fine'", "'so so'", "'it''s, \"odd\"'"]),
];

/// What stands for a thing of the catalogue by its id.
const REFERENCES: [(&str, &[&str]); 11] = [
    ("regclass", &["'app.one'", "0"]),
    ("regtype", &["'app.mood'"]),
    ("regproc", &["'app.made'"]),
    ("regprocedure", &["'app.made(int)'"]),
    ("regoper", &["'app.@#@'"]),
    ("regoperator", &["'app.@#@(int,int)'"]),
    ("regrole", &["'{role}'"]),
    ("regnamespace", &["'app'"]),
    ("regcollation", &["'app.sorted'"]),
    ("regconfig", &["'app.words'"]),
    ("regdictionary", &["'app.book'"]),
];

/// Values of these can be in a column, and no text gives them back.
const CLOSED: [&str; 7] = [
    "aclitem",
    "pg_node_tree",
    "pg_ndistinct",
    "pg_dependencies",
    "pg_mcv_list",
    "pg_brin_bloom_summary",
    "pg_brin_minmax_multi_summary",
];

const BEGINNING: &str = "CREATE SCHEMA app; CREATE TYPE app.mood AS ENUM ('fine', 'so so', 'it''s, \"odd\"'); \
    CREATE TABLE app.one (); CREATE FUNCTION app.made(int) RETURNS int LANGUAGE sql AS 'SELECT 1'; \
    CREATE FUNCTION app.same(int, int) RETURNS bool LANGUAGE sql AS 'SELECT true'; \
    CREATE OPERATOR app.@#@ (LEFTARG = int, RIGHTARG = int, FUNCTION = app.same); \
    CREATE COLLATION app.sorted (locale = 'C'); CREATE TEXT SEARCH CONFIGURATION app.words (COPY = simple); \
    CREATE TEXT SEARCH DICTIONARY app.book (TEMPLATE = simple); \
    CREATE FUNCTION app.shout(app.mood) RETURNS text LANGUAGE sql AS 'SELECT ''loud'''; \
    CREATE FUNCTION app.hear(text) RETURNS app.mood LANGUAGE sql AS 'SELECT ''fine''::app.mood'; \
    CREATE CAST (app.mood AS text) WITH FUNCTION app.shout(app.mood); \
    CREATE CAST (text AS app.mood) WITH FUNCTION app.hear(text);";

/// How a type is used. `{t}` is the type and `{n}` a name for it; `{v}` is a value, and `{w}` another one.
const FORMS: [(&str, &str, &str, &str); 8] = [
    ("plain", "", "{t}", "{v}"),
    ("list", "", "{t}[]", "ARRAY[{v}, NULL, {w}]::{t}[]"),
    ("grid", "", "{t}[]", "ARRAY[[{v}], [{w}]]::{t}[]"),
    ("domain", "CREATE DOMAIN app.d_{n} AS {t}", "app.d_{n}", "({v})::app.d_{n}"),
    ("lists", "CREATE DOMAIN app.l_{n} AS {t}[]", "app.l_{n}", "ARRAY[{v}, NULL]::{t}[]::app.l_{n}"),
    ("domains", "CREATE DOMAIN app.e_{n} AS {t}", "app.e_{n}[]", "ARRAY[{v}, {w}]::{t}[]::app.e_{n}[]"),
    ("pair", "CREATE TYPE app.p_{n} AS (a {t}, b text)", "app.p_{n}", "ROW({v}, 'x ')::app.p_{n}"),
    ("pairs", "CREATE TYPE app.q_{n} AS (a {t}[])", "app.q_{n}[]", "ARRAY[ROW(ARRAY[{v}])::app.q_{n}, NULL]"),
];

const ROWS: usize = 6;

/// A role that has everything about text otherwise.
const ODD: &str = "ALTER ROLE {role} SET DateStyle = 'SQL, DMY'; ALTER ROLE {role} SET IntervalStyle = 'sql_standard'; \
    ALTER ROLE {role} SET bytea_output = 'escape'; ALTER ROLE {role} SET extra_float_digits = -15; \
    ALTER ROLE {role} SET xmloption = 'document'; ALTER ROLE {role} SET array_nulls = off; \
    ALTER ROLE {role} SET quote_all_identifiers = on; ALTER ROLE {role} SET TimeZone = 'America/New_York'; \
    ALTER ROLE {role} SET search_path = app;";

/// A table of one column for each of these types, used in one form, with a copy of it.
fn table(ground: &Ground, form: (&str, &str, &str, &str), types: &[(&str, &[&str])]) {
    let (name, first, kind, value) = form;
    let (mut before, mut columns) = (String::new(), Vec::new());
    let mut rows: Vec<Vec<String>> = vec![Vec::new(); ROWS];
    for (at, (of, values)) in types.iter().filter(|(_, values)| !values.is_empty()).enumerate() {
        let fill = |text: &str| text.replace("{t}", of).replace("{n}", &format!("{name}_{at}"));
        if !first.is_empty() {
            before += &format!("{};", fill(first));
        }
        columns.push(format!("c{at} {}", fill(kind)));
        for (row, cells) in rows.iter_mut().enumerate() {
            let one = |row: usize| format!("({})::{of}", values[row % values.len()].replace("{role}", &ground.role));
            cells.push(fill(value).replace("{v}", &one(row)).replace("{w}", &one(row + 1)));
        }
    }
    let rows = rows.iter().enumerate().map(|(id, cells)| format!("({id}, {})", cells.join(", ")));
    let rows = rows.collect::<Vec<_>>().join(",\n");
    ground.sql(&format!(
        "{before} CREATE TABLE app.{name} (id int PRIMARY KEY, {}); INSERT INTO app.{name} VALUES {rows}; \
         UPDATE app.{name} SET id = id; ALTER TABLE app.{name} OWNER TO {}; CREATE TABLE app.{name}_copy AS TABLE app.{name}",
        columns.join(", "),
        ground.role
    ));
}

/// The columns that are not, byte for byte, what they are in the copy.
fn differing(ground: &Ground, name: &str) -> String {
    let columns = ground.sql(&format!(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'app.{name}'::regclass AND attnum > 0 AND NOT attisdropped"
    ));
    let unequal = columns.lines().map(|column| {
        format!(
            "SELECT '{column}', o.id FROM app.{name} t FULL JOIN app.{name}_copy o USING (id) \
             WHERE NOT coalesce(record_image_eq(ROW(t.{column}), ROW(o.{column})), false)"
        )
    });
    ground.sql(&unequal.collect::<Vec<_>>().join(" UNION ALL "))
}

async fn undo(ground: &Ground, outcome: &Outcome) -> Result<(), ToolError> {
    let plan = outcome.undo.clone().expect("a plan");
    let tool = find(&plan.tool);
    let seen = tool.preflight(&plan.args, &ground.lend(Access::Trial)).await?;
    assert_eq!(seen.fingerprint, plan.expects);
    tool.execute(&plan.args, &seen, &ground.lend(Access::Write)).await.map(drop)
}

fn ground() -> Ground {
    let ground = Ground::roles("SELECT 1");
    ground.sql(&format!(
        "{BEGINNING} GRANT ALL ON SCHEMA app TO {role}; {}",
        ODD.replace("{role}", &ground.role),
        role = ground.role
    ));
    ground
}

/// What of the types cannot be kept in a form, on this server.
fn is_exact(of: &str, form: &str, version: u32) -> bool {
    match of {
        "xml" => matches!(form, "plain" | "domain"),
        "\"char\"" => version >= 160_000 || matches!(form, "plain" | "domain"),
        of if of.starts_with("reg") && of != "refcursor" => !matches!(form, "pair" | "pairs"),
        _ => true,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_of_every_type_come_back_byte_for_byte() {
    let ground = ground();
    let version: u32 = ground.sql("SHOW server_version_num").trim().parse().unwrap();
    let all: Vec<(&str, &[&str])> = VALUES.into_iter().chain(REFERENCES).collect();
    for form in FORMS {
        let name = form.0;
        // Arrays of what is an array already, and of what has no comparison by value, are types of their own.
        let fits = |of: &&(&str, &[&str])| is_exact(of.0, name, version);
        let types: Vec<_> = all.iter().filter(fits).copied().collect();
        table(&ground, form, &types);
        assert_eq!(differing(&ground, name), "", "{name}: the copy is none");
        let columns = ground.sql(&format!(
            "SELECT string_agg(attname || ' = NULL', ', ') FROM pg_attribute WHERE attrelid = 'app.{name}'::regclass AND attname ~ '^c[0-9]'"
        ));
        for sql in [format!("DELETE FROM {name}"), format!("UPDATE {name} SET {}", columns.trim())] {
            let seen = ground.look("postgres_write", json!({ "sql": sql })).await.unwrap();
            assert_eq!(seen.reversibility, Reversibility::Reversible, "{name}: {:#?}", seen.evidence);
            let done = ground.call("postgres_write", json!({ "sql": sql })).await.unwrap();
            assert_ne!(differing(&ground, name), "", "{sql} changed nothing");
            undo(&ground, &done).await.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(differing(&ground, name), "", "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_come_back_exactly_is_said_to_be_lost() {
    let ground = ground();
    let version: u32 = ground.sql("SHOW server_version_num").trim().parse().unwrap();
    let mut seen_any = 0;
    for form in FORMS {
        for (of, values) in VALUES.into_iter().chain(REFERENCES).filter(|(of, _)| !is_exact(of, form.0, version)) {
            table(&ground, form, &[(of, values)]);
            let sql = format!("DELETE FROM {}", form.0);
            let seen = ground.look("postgres_write", json!({ "sql": sql })).await.unwrap();
            assert_eq!(seen.reversibility, Reversibility::Irreversible, "{of} {}", form.0);
            ground.sql(&format!(
                "DROP TABLE app.{name}, app.{name}_copy; DROP DOMAIN IF EXISTS app.l_{name}_0, app.e_{name}_0; \
                                 DROP TYPE IF EXISTS app.p_{name}_0, app.q_{name}_0",
                name = form.0
            ));
            seen_any += 1;
        }
    }
    assert!(seen_any > 20, "{seen_any}");
    // Ranges over them, and what no text gives back.
    ground.sql(&format!(
        "CREATE TYPE app.span AS RANGE (subtype = regclass); \
         CREATE TABLE app.r (id int PRIMARY KEY, v app.span); INSERT INTO app.r VALUES (1, '[1,pg_class]'); \
         CREATE TABLE app.m (id int PRIMARY KEY, v app.span_multirange); INSERT INTO app.m VALUES (1, '{{[1,pg_class]}}'); \
         CREATE TABLE app.a (id int PRIMARY KEY, v aclitem); INSERT INTO app.a VALUES (1, '{role}=r/{role}'); \
         CREATE TABLE app.n (id int PRIMARY KEY, v pg_node_tree); INSERT INTO app.n SELECT 1, ev_action FROM pg_rewrite LIMIT 1; \
         ALTER TABLE app.r OWNER TO {role}; ALTER TABLE app.m OWNER TO {role}; ALTER TABLE app.a OWNER TO {role}; \
         ALTER TABLE app.n OWNER TO {role}",
        role = ground.role
    ));
    for name in ["r", "m", "a", "n"] {
        let seen = ground.look("postgres_write", json!({ "sql": format!("DELETE FROM {name}") })).await.unwrap();
        assert_eq!(seen.reversibility, Reversibility::Irreversible, "{name}");
    }
}

#[test]
fn no_type_of_the_server_is_forgotten() {
    let ground = Ground::roles("SELECT 1");
    let known: BTreeSet<&str> =
        VALUES.iter().chain(&REFERENCES).map(|(of, _)| of.trim_matches('"')).chain(CLOSED).collect();
    // An array type is its element's; `gtsvector` has no values at all.
    let all = ground.sql(
        "SELECT typname FROM pg_type WHERE typtype IN ('b', 'r', 'm', 'e') AND typnamespace = 'pg_catalog'::regnamespace \
         AND typname <> 'gtsvector' AND (typcategory <> 'A' OR typelem = 0)",
    );
    let forgotten: Vec<&str> = all.lines().filter(|name| !known.contains(name)).collect();
    assert!(forgotten.is_empty(), "{forgotten:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_value_stands_for_may_be_renamed_meanwhile() {
    let ground = ground();
    for form in FORMS.iter().filter(|form| !matches!(form.0, "pair" | "pairs")) {
        table(&ground, *form, &REFERENCES);
    }
    let role = ground.role.clone();
    let mut done = Vec::new();
    for form in FORMS.iter().filter(|form| !matches!(form.0, "pair" | "pairs")) {
        done.push((
            form.0,
            ground.call("postgres_write", json!({ "sql": format!("DELETE FROM {}", form.0) })).await.unwrap(),
        ));
    }
    ground.sql(
        "ALTER TABLE app.one RENAME TO two; CREATE TABLE app.one (); ALTER FUNCTION app.made RENAME TO did; \
         CREATE FUNCTION app.made(int) RETURNS int LANGUAGE sql AS 'SELECT 2'; ALTER COLLATION app.sorted RENAME TO other; \
         CREATE COLLATION app.sorted (locale = 'POSIX'); ALTER TEXT SEARCH CONFIGURATION app.words RENAME TO other; \
         CREATE TEXT SEARCH CONFIGURATION app.words (COPY = english); ALTER TEXT SEARCH DICTIONARY app.book RENAME TO other; \
         CREATE TEXT SEARCH DICTIONARY app.book (TEMPLATE = simple)",
    );
    for (name, done) in done {
        undo(&ground, &done).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(differing(&ground, name), "", "{name}");
    }
    assert_eq!(ground.role, role);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_label_or_a_field_that_means_another_one_since_is_not_put_back() {
    let ground = Ground::roles(
        "CREATE TYPE mood AS ENUM ('fine', 'so so'); CREATE TYPE pair AS (a int, b int); \
         CREATE TABLE t (id int PRIMARY KEY, m mood[], p pair); INSERT INTO t VALUES (1, '{fine}', '(1,2)'); \
         CREATE TABLE copy AS TABLE t",
    );
    let same = "SELECT count(*) FROM t JOIN copy c USING (id) WHERE record_image_eq(ROW(t.m, t.p), ROW(c.m, c.p))";
    let delete = json!({ "sql": "DELETE FROM t" });
    // What came to a type since is in nobody's way.
    let done = ground.call("postgres_write", delete.clone()).await.unwrap();
    ground.sql("ALTER TYPE mood ADD VALUE 'bad' BEFORE 'fine'");
    undo(&ground, &done).await.unwrap();
    assert_eq!(ground.sql(same).trim(), "1");
    for (moved, back) in [
        (
            "ALTER TYPE mood RENAME VALUE 'fine' TO 'x'; ALTER TYPE mood RENAME VALUE 'so so' TO 'fine'",
            "ALTER TYPE mood RENAME VALUE 'fine' TO 'so so'; ALTER TYPE mood RENAME VALUE 'x' TO 'fine'",
        ),
        ("ALTER TYPE mood RENAME VALUE 'fine' TO 'x'", "ALTER TYPE mood RENAME VALUE 'x' TO 'fine'"),
        ("ALTER TYPE pair DROP ATTRIBUTE a, ADD ATTRIBUTE c int", ""),
    ] {
        let done = ground.call("postgres_write", delete.clone()).await.unwrap();
        ground.sql(moved);
        let plan = done.undo.clone().unwrap();
        let refused = find(&plan.tool).preflight(&plan.args, &ground.lend(Access::Trial)).await.unwrap_err();
        assert!(refused.to_string().contains("no longer as it was"), "{moved}: {refused}");
        assert_eq!(ground.sql("SELECT count(*) FROM t").trim(), "0", "{moved}");
        if !back.is_empty() {
            ground.sql(back);
            undo(&ground, &done).await.unwrap();
            assert_eq!(ground.sql(same).trim(), "1", "{back}");
        }
    }
}
