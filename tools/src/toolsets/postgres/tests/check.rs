//! What an operator is told about a database and its roles.

use std::ops::Range;
use std::sync::Arc;

use super::world::Ground;
use crate::contract::{Access, HeldSecrets, TargetReport, Toolset as _};
use crate::toolsets::postgres::Postgres;

async fn report(ground: &Ground, access: Access) -> TargetReport {
    Postgres::new().check(&ground.lend(access)).await.unwrap()
}

/// The warnings about the roles; the test cluster itself has `fsync` off.
fn about_roles(report: &TargetReport) -> Vec<&String> {
    report.warnings.iter().filter(|warning| warning.contains("the role")).collect()
}

fn warns(report: &TargetReport, words: &str) {
    assert!(report.warnings.iter().any(|warning| warning.contains(words)), "{words}: {report:?}");
}

#[tokio::test]
async fn a_superuser_and_an_owner_are_told() {
    let ground = Ground::superuser("CREATE TABLE t (id int)");
    let found = report(&ground, Access::Read).await;
    assert!(found.identity.starts_with("pg:") && found.identity.ends_with(&format!("/{}", ground.database)));
    warns(&found, "is a superuser");
    warns(&found, "`fsync` is off");
    assert_eq!(about_roles(&found).len(), 1 + 4, "its powers and nothing else: {found:?}");
    assert_eq!(about_roles(&report(&ground, Access::Trial).await).len(), 1 + 4);
    let mut ground = Ground::roles("CREATE TABLE t (id int)");
    let found = report(&ground, Access::Read).await;
    assert!(about_roles(&found).is_empty(), "{found:?}");
    assert!(found.summary.contains("1 table,"), "{found:?}");
    ground.reader = ground.role.clone();
    warns(&report(&ground, Access::Read).await, "owns 1 relation it only reads");
}

#[tokio::test]
async fn a_reading_role_that_may_change_is_told() {
    let ground = Ground::roles("CREATE TABLE t (id int); CREATE TABLE u (id int)");
    ground.sql(&format!("GRANT UPDATE ON t TO {}", ground.reader));
    warns(&report(&ground, Access::Read).await, "may change the rows of 1 table it only reads");
    ground.sql(&format!(
        "GRANT pg_signal_backend TO {0}; CREATE ROLE {0}_admin SUPERUSER; GRANT {0}_admin TO {0}",
        ground.reader
    ));
    let found = report(&ground, Access::Read).await;
    warns(&found, "is a member of `pg_signal_backend`");
    warns(&found, &format!("is a member of `{}_admin`", ground.reader));
}

#[tokio::test]
async fn what_will_be_refused_to_the_changing_role_is_told() {
    let ground = Ground::roles("CREATE TABLE t (id int); CREATE TABLE u (id int)");
    let found = report(&ground, Access::Trial).await;
    assert!(about_roles(&found).is_empty(), "an owner may do everything: {found:?}");
    ground.sql("CREATE TABLE theirs (id int)");
    let found = report(&ground, Access::Trial).await;
    warns(&found, "may change the rows of only 2 of 3 tables");
    warns(&found, "owns only 2 of 3 tables");
    assert_eq!(about_roles(&found).len(), 2, "{found:?}");
    ground.sql(&format!("ALTER DATABASE {} OWNER TO postgres", ground.database));
    warns(&report(&ground, Access::Trial).await, "may not make the quarantine");
    ground.sql(&format!("GRANT CREATE ON DATABASE {} TO {}", ground.database, ground.role));
    assert_eq!(about_roles(&report(&ground, Access::Trial).await).len(), 2);
}

#[tokio::test]
async fn what_lies_about_is_told() {
    let ground = Ground::roles(
        "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (t int); INSERT INTO u VALUES (7); \
         ALTER TABLE u ADD FOREIGN KEY (t) REFERENCES t NOT VALID; \
         CREATE SCHEMA mollyguard_trash; CREATE TABLE mollyguard_trash.gone AS SELECT 1 AS id; ANALYZE mollyguard_trash.gone",
    );
    let found = report(&ground, Access::Read).await;
    warns(&found, "older rows may point nowhere: 1 foreign key");
    warns(&found, "taking up 8.1 kB in the quarantine: 1 dropped relation");
}

/// Holds one secret, of digits, so that any type can hold it.
struct Held;

impl HeldSecrets for Held {
    fn longest(&self) -> usize {
        8
    }

    fn spans(&self, _: &[u8]) -> Vec<Range<usize>> {
        Vec::new()
    }

    fn references(&self, bytes: &[u8]) -> Vec<String> {
        let found = [&b"48151623"[..], b"3438313531363233"];
        let holds = found.iter().any(|form| bytes.windows(form.len()).any(|window| window == *form));
        holds.then(|| "env:PIN".to_owned()).into_iter().collect()
    }
}

#[tokio::test]
async fn a_held_secret_is_found_where_a_call_could_read_it() {
    let ground = Ground::roles(
        "CREATE TABLE texts (id int, s text); INSERT INTO texts VALUES (1, 'the pin is 48151623');
         CREATE TABLE \"Odd name\" (a int, \"B c\" varchar(40)); INSERT INTO \"Odd name\" VALUES (2, 'x48151623');
         CREATE TABLE numbers (n int); INSERT INTO numbers VALUES (48151623);
         CREATE TABLE documents (j jsonb); INSERT INTO documents VALUES ('{\"a\": [48151623]}');
         CREATE TABLE raw (b bytea); INSERT INTO raw VALUES ('48151623');
         CREATE TABLE whole (s text) PARTITION BY LIST (s); CREATE TABLE part PARTITION OF whole DEFAULT;
         INSERT INTO whole VALUES ('48151623');
         CREATE TABLE nothing (s text); INSERT INTO nothing VALUES ('4815162');
         CREATE SEQUENCE marks;
         CREATE FUNCTION mark(text) RETURNS bool LANGUAGE sql AS 'SELECT nextval(''marks'') > 0';
         CREATE DOMAIN marked AS text CHECK (mark(VALUE));
         CREATE TABLE secured (s text); INSERT INTO secured VALUES ('x'); ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
         CREATE POLICY p ON secured USING (mark(s));
         CREATE VIEW seen AS SELECT mark(s) FROM nothing;
         CREATE TABLE domains (s marked)",
    );
    let held: Arc<dyn HeldSecrets> = Arc::new(Held);
    let found = Postgres::new().search(&ground.lend(Access::Read), &held).await.unwrap();
    let places: Vec<_> = found.found.iter().map(|found| found.place.trim_start_matches("table ")).collect();
    let expected = ["\"public.Odd name\"", "documents", "numbers", "part", "raw", "texts"].map(|name| match name {
        odd if odd.starts_with('"') => odd.to_owned(),
        plain => format!("public.{plain}"),
    });
    assert_eq!(places, expected);
    assert!(found.partial, "a column of a domain is not read");
    let marks = ground.sql("SELECT CASE WHEN is_called THEN 'ran' ELSE 'quiet' END FROM marks");
    assert!(marks.contains("quiet"), "no code of the database's own runs: {marks}");
}
