//! What lies in the quarantine comes back as it was put there, or is not said to; values that SQL calls null are values.

use serde_json::json;

use super::world::Ground;

#[tokio::test]
async fn a_column_with_a_row_of_nulls_in_it_holds_a_value() {
    let ground = Ground::roles(
        "CREATE TYPE pt AS (a int, b int); CREATE DOMAIN dpt AS pt; CREATE TABLE t (id int8 PRIMARY KEY);
         INSERT INTO t VALUES (1), (2)",
    );
    for kind in ["pt", "dpt", "t", "pt[]", "int", "jsonb"] {
        let add = json!({ "sql": format!("ALTER TABLE t ADD COLUMN c {kind}") });
        for value in ["(1,)", "(,)", "(1,2)", "{NULL}", "0", "null"] {
            let fits = match kind {
                "pt" | "dpt" => value.starts_with('('),
                "t" => false,
                "pt[]" => value.starts_with('{'),
                _ => value == "0" || (kind == "jsonb" && value == "null"),
            };
            if !fits {
                continue;
            }
            let added = ground.call("postgres_alter", add.clone()).await.unwrap().undo.unwrap();
            ground.sql(&format!("UPDATE t SET c = '{value}' WHERE id = 1"));
            let held = ground.sql("TABLE t ORDER BY id");
            let undone = ground.call(&added.tool, added.args.clone()).await;
            assert_eq!(ground.sql("TABLE t ORDER BY id"), held, "{kind} {value}: {undone:?}");
            undone.unwrap_err();
            ground.sql("UPDATE t SET c = NULL");
            ground.call(&added.tool, added.args).await.unwrap();
            assert_eq!(ground.sql("TABLE t ORDER BY id").trim(), "1\n2", "{kind}");
        }
    }
}

#[tokio::test]
async fn a_dropped_column_of_rows_of_nulls_comes_back() {
    let ground = Ground::roles(
        "CREATE TYPE pt AS (a int, b int); CREATE TABLE t (id int8 PRIMARY KEY, c pt NOT NULL);
         INSERT INTO t VALUES (1, '(,)'), (2, '(1,)')",
    );
    let held = ground.sql("TABLE t ORDER BY id");
    let drop = json!({ "object": "column", "name": "t", "column": "c" });
    let dropped = ground.call("postgres_drop", drop).await.unwrap().undo.unwrap();
    ground.sql("INSERT INTO t (id) VALUES (3)");
    ground.call(&dropped.tool, dropped.args.clone()).await.unwrap_err();
    ground.sql("DELETE FROM t WHERE id = 3");
    ground.call(&dropped.tool, dropped.args).await.unwrap();
    assert_eq!(ground.sql("TABLE t ORDER BY id"), held);
    ground.cluster.try_sql("postgres", &ground.database, "INSERT INTO t VALUES (4, NULL)").unwrap_err();
}
