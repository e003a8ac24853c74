//! Names and literals are what the server takes them for, whatever a database is encoded in and however a text is written.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::json;

use super::cluster::Cluster;
use super::world::Ground;
use crate::sql::examine;

/// A server that knows a locale of single bytes, whose upper-case letters are more than ASCII's.
fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let folder = locales();
        let cluster = Cluster::start_with_locales("", Some(&folder));
        cluster.unwrap_or_else(|error| panic!("PostgreSQL does not start: {error}"))
    })
}

fn locales() -> PathBuf {
    let folder = std::env::temp_dir().join(format!("mollyguard-locales-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let made = folder.join("fr_FR.ISO-8859-1");
    let made = Command::new("localedef").args(["-i", "fr_FR", "-f", "ISO-8859-1"]).arg(&made).output();
    let made = made.expect("`localedef` and its sources: `tests/run --install` installs them");
    assert!(made.status.success(), "localedef: {}", String::from_utf8_lossy(&made.stderr));
    // The server is another user.
    let open = Command::new("chmod").args(["-R", "a+rX"]).arg(&folder).status().unwrap();
    assert!(open.success());
    folder
}

fn ground(encoding: &str, locale: &str, script: &str) -> Ground {
    let cluster = cluster();
    let name = cluster.name("coded");
    let create = format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LOCALE '{locale}'");
    cluster.sql("postgres", &create);
    // What `psql` sends is UTF-8; a database without an encoding takes bytes as they are.
    Ground::existing(cluster, name, &format!("SET client_encoding = 'UTF8'; {script}"))
}

/// A character that takes four bytes in EUC_TW and three in UTF-8.
const WIDE: &str = "CREATE OR REPLACE FUNCTION pg_temp.wide() RETURNS text LANGUAGE plpgsql AS $$ BEGIN
    FOR i IN 19968..40869 LOOP BEGIN IF length(convert_to(chr(i), 'EUC_TW')) = 4 AND get_byte(convert_to(chr(i), 'EUC_TW'), 1) BETWEEN 162 AND 167 THEN RETURN chr(i); END IF;
    EXCEPTION WHEN OTHERS THEN NULL; END; END LOOP; END $$; SELECT pg_temp.wide()";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_the_database_cuts_is_not_looked_up_whole() {
    let wide = cluster().sql("postgres", WIDE).trim().to_owned();
    let (kept, whole) = (wide.repeat(15), wide.repeat(16));
    let trap = format!(
        "CREATE SEQUENCE s; CREATE FUNCTION \"{kept}\"(int) RETURNS int8 LANGUAGE plpgsql AS $$ BEGIN
         EXECUTE 'SELECT setval(''s'', 8)'; RETURN 1; END $$; CREATE TABLE \"{kept}\" (id int8 PRIMARY KEY, v int8);
         INSERT INTO \"{kept}\" VALUES (1, 1); CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
         EXECUTE 'SELECT setval(''s'', 9)'; RETURN NEW; END $$;
         CREATE TRIGGER t BEFORE UPDATE ON \"{kept}\" FOR EACH ROW EXECUTE FUNCTION t();
         CREATE VIEW \"x{kept}\" AS SELECT \"{kept}\"(1) AS a"
    );
    let ground = ground("EUC_TW", "C", &trap);
    let stands = || ground.sql("SELECT last_value, is_called FROM s");
    let before = stands();
    for name in [&whole, &kept] {
        for sql in [format!("SELECT * FROM \"{name}\"(1)"), format!("SELECT * FROM \"x{name}\"")] {
            let answer = ground.call("postgres_query", json!({ "sql": sql })).await;
            assert_eq!(stands(), before, "{sql}: {answer:?}");
            answer.unwrap_err();
        }
        let sql = format!("UPDATE \"{name}\" SET v = 2");
        let seen = ground.look("postgres_write", json!({ "sql": sql })).await;
        assert_eq!(stands(), before, "{sql}: {seen:?}");
        assert_eq!(seen.is_ok(), *name == kept, "{sql}: {seen:?}");
    }
}

const KINDS: [(&str, &str); 5] =
    [("LATIN1", "C"), ("LATIN1", "fr_FR.ISO-8859-1"), ("SQL_ASCII", "C"), ("UTF8", "C"), ("UTF8", "C.utf8")];

/// Under the folded name lies something that runs code, under the other one something harmless.
const TRAP: &str = "CREATE SEQUENCE s; CREATE TABLE \"É\" (id int); CREATE VIEW \"é\" AS SELECT setval('s', 7) AS id;
    CREATE DOMAIN \"ç\" AS int CHECK (setval('s', 9) > 0); CREATE DOMAIN \"Ç\" AS int;
    CREATE FUNCTION \"à\"(int) RETURNS int8 LANGUAGE sql AS 'SELECT setval(''s'', 8)';
    CREATE FUNCTION \"À\"(int) RETURNS int8 LANGUAGE sql IMMUTABLE AS 'SELECT 1::int8';";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_is_what_the_server_takes_it_for_in_every_encoding() {
    for (encoding, locale) in KINDS {
        let ground = ground(encoding, locale, TRAP);
        let folds = locale.starts_with("fr");
        for (sql, runs) in [
            ("SELECT id FROM É", folds),
            ("SELECT id FROM public.É", folds),
            ("SELECT 5::Ç", folds),
            ("SELECT id FROM \"É\"", false),
            ("SELECT 5::\"Ç\"", false),
            ("SELECT id FROM é", true),
            ("SELECT id FROM \"é\"", true),
            ("SELECT 5::ç", true),
            ("SELECT 1 AS â, 'É' AS b", false),
        ] {
            let read = ground.call("postgres_query", json!({ "sql": sql })).await;
            assert_eq!(read.is_err(), runs, "{encoding} {locale}: {sql}: {read:?}");
            assert_eq!(ground.sql("SELECT is_called FROM s").trim(), "f", "{encoding} {locale}: {sql} drew");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_is_what_the_server_takes_it_for_in_every_encoding() {
    for (encoding, locale) in KINDS {
        let folds = locale.starts_with("fr");
        let script = format!(
            "{TRAP} CREATE FUNCTION told() RETURNS int8 LANGUAGE sql AS 'SELECT À(1)';
             CREATE FUNCTION said() RETURNS int8 LANGUAGE plpgsql AS 'DECLARE x Ç; BEGIN RETURN \"À\"(1); END';
             CREATE VIEW told AS SELECT told() AS v; CREATE VIEW said AS SELECT said() AS v"
        );
        let ground = ground(encoding, locale, &script);
        for view in ["told", "said"] {
            let read = ground.call("postgres_query", json!({ "sql": format!("SELECT v FROM {view}") })).await;
            assert_eq!(read.is_err(), folds, "{encoding} {locale}: {view}: {read:?}");
        }
        assert_eq!(ground.sql("SELECT is_called FROM s").trim(), "f", "{encoding} {locale}");
    }
}

/// Numbers that look like chance and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % most as u64).unwrap_or_default()
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }
}

/// Ways to write literals, names and what stands between them, and pieces that begin or end some of them.
#[rustfmt::skip]
const PIECES: &[&str] = &[
    "1", "'a'", "'a''b'", r"'\'", r"'\\'", r"'a\''", r"E'\''", r"E'\\'", r"E'a\'''", r"e'\x27'", r"U&'\0061'",
    "U&'!0061' UESCAPE '!'", r"U&'\\'", "$$'$$", "$a$ $$ ' $a$", "$a$b$a$", "N'x'", "B'01'", "X'ff'", "'é'", "$é$x$é$",
    "\"a\"\"b\"", "\"'\"", "\"é\"", "a$b", "a$$", "é", r#"U&"\0061""#, "'a' 'b'", "'a'\n'b'", "'a' -- x\n 'b'", "1e5", "1e",
    ".5", "1.", "1..2", "1_000", "0x1f", "'", "\"", "$$", "$a$", "\\", "/*", "*/", "--", "\n", "\r", "/* ' */", "/* /* */ */",
    "-- '\n", "-- \"\n", "-- \r", ";", "'--'", "'/*'", "E'--'", "$a$--$a$", "::text", "+", "||", "@-", "+-- x\n", "*/*x*/",
    "\u{a0}", "\u{2028}", "\t", "\u{b}", "\u{c}", "true", "null",
];

/// Whatever function the server finds a call of, the reading of the text finds too, or it refuses the text.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_finds_no_call_in_a_text_that_is_not_found_here() {
    for (encoding, locale) in [("UTF8", "C"), ("LATIN1", "C"), ("SQL_ASCII", "C")] {
        let ground = ground(encoding, locale, "SELECT 1");
        let url = ground.cluster.url("postgres", &ground.database);
        let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client
            .batch_execute("SET standard_conforming_strings = on; SET backslash_quote = safe_encoding")
            .await
            .unwrap();
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        let (mut found, mut read) = (0, 0);
        for _ in 0..6_000 {
            let mut sql = String::from("SELECT ");
            for at in 0..=dice.below(4) {
                if at > 0 {
                    sql.push_str(dice.of(&[", ", " ", ",", "", " , "]));
                }
                sql.push_str(dice.of(PIECES));
            }
            sql.push_str(dice.of(&[
                ", probe()",
                " probe()",
                ",probe ()",
                "probe()",
                ", \"probe\"()",
                ", public.probe()",
            ]));
            sql.push_str(dice.of(&["", " ", "--", "/**/", "'", "$$", " '", "*/", "$a$", "\n'"]));
            // Only that there is no such function stops it: it stands there as a call.
            let calls = client.prepare(&sql).await.err().is_some_and(|error| {
                error
                    .as_db_error()
                    .is_some_and(|error| error.code().code() == "42883" && error.message().contains("probe"))
            });
            if !calls {
                continue;
            }
            found += 1;
            if let Ok((_, uses)) = examine(&sql) {
                read += 1;
                let seen = uses.calls.contains("probe") || uses.qualified.iter().any(|(_, name)| name == "probe");
                assert!(seen, "{encoding}: the server calls it in {sql:?}");
            }
        }
        assert!(found > 300, "{encoding}: the texts try nothing: {found} calls, {read} read");
    }
}
