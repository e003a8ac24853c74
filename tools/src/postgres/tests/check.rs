//! What an operator is told about a database and its roles.

use super::world::Ground;
use crate::contract::{Access, TargetReport, Toolset as _};
use crate::postgres::Postgres;

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
