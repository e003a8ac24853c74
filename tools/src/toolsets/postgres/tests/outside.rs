//! A target is one database: what lies outside of it is not the target's to change, whatever the role may do.

use serde_json::{Value, json};

use super::world::Ground;
use crate::contract::{Access, Cause, ToolError, Toolset as _};
use crate::toolsets::postgres::Postgres;

/// A database and another one of the same cluster, whose owner is the same.
struct Neighbours {
    ground: Ground,
    other: String,
}

impl Neighbours {
    fn of(ground: Ground) -> Self {
        let other = ground.cluster.database();
        let role = &ground.role;
        ground.cluster.sql("postgres", &format!("ALTER DATABASE {other} OWNER TO {role}"));
        if role != "postgres" {
            ground.cluster.sql("postgres", &format!("ALTER ROLE {role} CREATEDB CREATEROLE"));
        }
        let script = "CREATE SCHEMA app; CREATE TABLE app.t (id int PRIMARY KEY, v text); \
                      INSERT INTO app.t VALUES (1, 'theirs'); CREATE VIEW app.v AS TABLE app.t; CREATE SEQUENCE app.s";
        ground.cluster.sql(&other, script);
        Self { ground, other }
    }

    fn all() -> [Self; 2] {
        let own = "CREATE TABLE mine (id int)";
        [Self::of(Ground::roles_apart(own)), Self::of(Ground::superuser_apart(own))]
    }

    /// Everything that is the cluster's, and everything in the other database.
    fn state(&self) -> String {
        let shared = "SELECT oid, datname, datdba, datallowconn, datconnlimit, dattablespace, datacl FROM pg_database ORDER BY 1; \
            SELECT oid, rolname, rolsuper, rolcreatedb, rolcanlogin, rolconfig FROM pg_roles ORDER BY 1; \
            SELECT oid, spcname, spcowner, spcacl FROM pg_tablespace ORDER BY 1; \
            SELECT setdatabase, setrole, setconfig FROM pg_db_role_setting ORDER BY 1, 2; \
            SELECT name, setting FROM pg_file_settings ORDER BY 1; SELECT objoid, description FROM pg_shdescription ORDER BY 1";
        let inside = "TABLE app.t; SELECT last_value, is_called FROM app.s; \
            SELECT relname, relnamespace, relowner, relacl FROM pg_class WHERE oid >= 16384 ORDER BY oid";
        self.ground.cluster.sql("postgres", shared) + &self.ground.cluster.sql(&self.other, inside)
    }
}

/// Calls of every tool that changes something, by what they name: things of another database, or of the cluster.
fn calls(other: &str, role: &str, pid: i32) -> Vec<(&'static str, Value)> {
    let mut all = Vec::new();
    for tool in ["postgres_drop", "postgres_purge"] {
        for (object, name) in [
            ("database", other.to_owned()),
            ("database", "postgres".to_owned()),
            ("database", "template1".to_owned()),
            ("schema", other.to_owned()),
            ("table", format!("{other}.app.t")),
            ("view", format!("{other}.app.v")),
            ("sequence", format!("{other}.app.s")),
            ("table", "pg_catalog.pg_database".to_owned()),
            ("role", role.to_owned()),
            ("tablespace", "pg_default".to_owned()),
        ] {
            all.push((tool, json!({"object": object, "name": name})));
        }
        all.push((tool, json!({"object": "column", "name": format!("{other}.app.t"), "column": "v"})));
    }
    for table in [format!("{other}.app.t"), "pg_catalog.pg_database".to_owned()] {
        all.push(("postgres_truncate", json!({"table": table, "cascade": true})));
    }
    for sql in [
        format!("INSERT INTO {other}.app.t VALUES (2, 'ours')"),
        format!("DELETE FROM {other}.app.t"),
        format!("UPDATE pg_database SET datallowconn = false WHERE datname = '{other}'"),
        format!("DELETE FROM pg_database WHERE datname = '{other}'"),
        format!("UPDATE pg_authid SET rolcanlogin = false WHERE rolname = '{role}'"),
        "DELETE FROM pg_tablespace".to_owned(),
        "DELETE FROM pg_db_role_setting".to_owned(),
    ] {
        all.push(("postgres_write", json!({"sql": sql})));
    }
    for sql in [
        format!("ALTER TABLE {other}.app.t ADD COLUMN w int"),
        format!("ALTER DATABASE {other} RENAME TO gone"),
        format!("ALTER DATABASE {other} WITH ALLOW_CONNECTIONS false"),
        format!("ALTER DATABASE {other} SET work_mem = '1GB'"),
        format!("DROP DATABASE {other}"),
        "CREATE DATABASE another".to_owned(),
        format!("ALTER ROLE {role} NOLOGIN"),
        format!("ALTER ROLE {role} SET search_path = nowhere"),
        "CREATE ROLE another".to_owned(),
        format!("DROP ROLE {role}"),
        format!("REASSIGN OWNED BY {role} TO postgres"),
        format!("DROP OWNED BY {role}"),
        "CREATE TABLESPACE another LOCATION '/tmp'".to_owned(),
        "ALTER TABLESPACE pg_default OWNER TO postgres".to_owned(),
        "ALTER TABLE ALL IN TABLESPACE pg_default SET TABLESPACE pg_default".to_owned(),
        "ALTER SYSTEM SET work_mem = '1GB'".to_owned(),
        format!("COMMENT ON DATABASE {other} IS 'ours'"),
        format!("COMMENT ON ROLE {role} IS 'ours'"),
        format!("GRANT ALL ON DATABASE {other} TO PUBLIC"),
        format!("GRANT pg_read_all_data TO {role}"),
        format!("CREATE SCHEMA {other}; ALTER DATABASE {other} RENAME TO gone"),
    ] {
        all.push(("postgres_alter", json!({"sql": sql})));
    }
    all.push(("postgres_terminate", json!({"pid": pid})));
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_outside_of_its_database_is_changed_through_a_target() {
    for place in Neighbours::all() {
        let ground = &place.ground;
        let elsewhere = format!("{}?application_name=web", ground.cluster.url(&ground.role, &place.other));
        let (client, connection) = tokio_postgres::connect(&elsewhere, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let pid = client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
        let before = place.state();
        for (tool, args) in calls(&place.other, &ground.role, pid) {
            let ended = ground.call(tool, args.clone()).await;
            assert!(matches!(ended, Err(ToolError::Untouched { .. })), "{tool} {args}: {ended:?}");
        }
        assert_eq!(place.state(), before);
        client.query_one("SELECT 1", &[]).await.unwrap();
        // With nobody connected it is refused just the same.
        drop(client);
        for tool in ["postgres_drop", "postgres_purge"] {
            let ended = ground.call(tool, json!({"object": "database", "name": place.other})).await;
            assert!(matches!(ended, Err(ToolError::Untouched { .. })), "{tool}: {ended:?}");
        }
        assert_eq!(place.state(), before);
        // What is the target's own is as reachable as ever.
        ground.call("postgres_drop", json!({"object": "table", "name": "mine"})).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_was_put_away_before_stays_where_it_is_and_holds_nothing_up() {
    let place = Neighbours::of(Ground::superuser_apart("CREATE TABLE t (id int); CREATE TABLE u (id int)"));
    let ground = &place.ground;
    ground.call("postgres_drop", json!({"object": "table", "name": "t"})).await.unwrap();
    let oid = ground.sql(&format!("SELECT oid FROM pg_database WHERE datname = '{}'", place.other));
    let (id, trash) = ("0123456789ab", "mollyguard_trash_0123456789ab");
    ground.cluster.sql("postgres", &format!("ALTER DATABASE {} RENAME TO {trash}", place.other));
    let kept = json!({
        "id": id, "what": format!("database {}", place.other), "at": "2026-01-01T00:00:00Z",
        "way": {"database": {"oid": oid.trim().parse::<u32>().unwrap(), "name": place.other, "open": true}},
    });
    ground.sql(&format!("INSERT INTO mollyguard_trash.dropped VALUES ('{id}', now(), 'it', '{kept}')"));
    let error = ground.look("postgres_restore_dropped", json!({"id": id})).await.unwrap_err();
    let ToolError::Untouched { cause: Cause::Refused, next: Some(next), .. } = &error else { panic!("{error:?}") };
    assert!(next.contains(trash) && next.contains("RENAME TO"), "{next}");
    assert_eq!(ground.sql(&format!("SELECT count(*) FROM pg_database WHERE datname = '{trash}'")).trim(), "1");
    // Everything else in the quarantine comes and goes.
    let dropped = ground.call("postgres_drop", json!({"object": "table", "name": "u"})).await.unwrap();
    let undo = dropped.undo.unwrap();
    ground.call(&undo.tool, json!({"id": undo.args["id"]})).await.unwrap();
    assert_eq!(ground.sql("SELECT to_regclass('u') IS NOT NULL").trim(), "t");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_another_server_are_not_changed_by_a_try_either() {
    let place = Neighbours::of(Ground::superuser_apart(""));
    let (ground, other) = (&place.ground, &place.other);
    ground.sql(&format!(
        "CREATE EXTENSION postgres_fdw; \
         CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '{}', port '{}', dbname '{other}'); \
         CREATE USER MAPPING FOR postgres SERVER far OPTIONS (user 'postgres'); \
         CREATE TABLE t (id int, v text) PARTITION BY RANGE (id); \
         CREATE TABLE near PARTITION OF t FOR VALUES FROM (1000) TO (2000); \
         CREATE FOREIGN TABLE away PARTITION OF t FOR VALUES FROM (0) TO (1000) SERVER far \
             OPTIONS (schema_name 'app', table_name 't')",
        ground.cluster.folder.display(),
        ground.cluster.port,
    ));
    // A sequence of the other server shows that something ran there, whatever was rolled back.
    ground.cluster.sql(
        other,
        "ALTER TABLE app.t ALTER v SET DEFAULT nextval('app.s')::text; \
        CREATE FUNCTION app.noted() RETURNS trigger LANGUAGE plpgsql AS \
            'BEGIN PERFORM nextval(''app.s''); RETURN coalesce(new, old); END'; \
        CREATE TRIGGER noted BEFORE INSERT OR UPDATE OR DELETE ON app.t FOR EACH ROW EXECUTE FUNCTION app.noted()",
    );
    let before = place.state();
    for sql in ["INSERT INTO t VALUES (7, 'x')", "UPDATE t SET v = 'x'", "DELETE FROM t", "DELETE FROM away"] {
        let error = ground.look("postgres_write", json!({"sql": sql})).await.unwrap_err();
        assert!(matches!(error, ToolError::Untouched { cause: Cause::Refused, .. }), "{sql}: {error:?}");
    }
    assert_eq!(place.state(), before);
    ground.call("postgres_write", json!({"sql": "INSERT INTO near VALUES (1000, 'x')"})).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_a_target_is_is_asked_anew_before_a_change() {
    let ground = Ground::superuser_apart("");
    let toolset = Postgres::new();
    let asked = |access| {
        let (lease, toolset) = (ground.lend(access), &toolset);
        async move { toolset.identity(&lease).await.unwrap() }
    };
    let first = asked(Access::Trial).await;
    let renamed = format!("{}_renamed", ground.database);
    let kept = "SELECT pid FROM pg_stat_activity WHERE application_name = 'mollyguard' AND datname = ";
    assert!(!ground.cluster.sql("postgres", &format!("{kept}'{}'", ground.database)).trim().is_empty());
    // The server renames no database that is in use, but for somebody who gets round that.
    ground.cluster.sql(
        "postgres",
        &format!("UPDATE pg_database SET datname = '{renamed}' WHERE datname = '{}'", ground.database),
    );
    let second = asked(Access::Trial).await;
    assert_ne!(first, second);
    assert!(second.ends_with(&renamed), "{second}");
    assert_eq!(toolset.addresses(&ground.lend(Access::Trial)).len(), 1);
}
