//! What is said about schemas, relations and everything that hangs on one.

use serde_json::{Value, json};

use super::others::Other;
use super::world::Ground;
use crate::contract::{Cause, ToolError};

const SHOP: &str = "CREATE SCHEMA sales; COMMENT ON SCHEMA sales IS 'what was sold';
    CREATE TABLE sales.customers (id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text NOT NULL UNIQUE);
    CREATE TABLE sales.orders (
        customer int8 REFERENCES sales.customers ON DELETE CASCADE ON UPDATE RESTRICT,
        number int4 DEFAULT 7, net numeric(10, 2) CHECK (net >= 0),
        gross numeric(10, 2) GENERATED ALWAYS AS (net * 1.19) STORED,
        PRIMARY KEY (number, customer));
    COMMENT ON TABLE sales.orders IS 'one row an order'; COMMENT ON COLUMN sales.orders.net IS 'without tax';
    CREATE INDEX by_net ON sales.orders (net DESC) WHERE net > 100;
    CREATE TABLE \"Odd \"\" name\" (id int, \"a.b\" text);
    CREATE VIEW cheap AS SELECT number FROM sales.orders WHERE net < 10;
    CREATE FUNCTION sales.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
    CREATE TRIGGER touched BEFORE UPDATE ON sales.orders FOR EACH ROW EXECUTE FUNCTION sales.touch();
    ALTER TABLE sales.orders ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON sales.orders FOR SELECT USING (customer = 1);
    CREATE TABLE events (at date NOT NULL, what text) PARTITION BY RANGE (at);
    CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
    INSERT INTO events SELECT '2026-05-05', repeat('x', 500) FROM generate_series(1, 100);
    ANALYZE events_2026;
    CREATE SCHEMA mollyguard_trash; CREATE TABLE mollyguard_trash.gone (id int)";

async fn describe(ground: &Ground, args: Value) -> Value {
    ground.call("postgres_describe", args).await.unwrap().output
}

/// One field of every entry of a list.
fn each(list: &Value, field: &str) -> Vec<Value> {
    list.as_array().unwrap().iter().map(|entry| entry[field].clone()).collect()
}

#[tokio::test]
async fn everything_is_listed_and_the_quarantine_apart() {
    let ground = Ground::roles(SHOP);
    let found = describe(&ground, json!({})).await;
    assert_eq!(each(&found["schemas"], "name"), ["public", "sales"]);
    assert_eq!(found["schemas"][1]["comment"], "what was sold");
    assert_eq!(each(&found["schemas"], "creatable"), [json!(false), json!(false)], "of the role that reads");
    let names = ["Odd \" name", "cheap", "events", "customers", "customers_id_seq", "orders"];
    let mut listed = each(&found["relations"], "name");
    listed.sort_by_key(Value::to_string);
    let mut expected = names.map(Value::from).to_vec();
    expected.sort_by_key(Value::to_string);
    assert_eq!(listed, expected);
    let events = found["relations"].as_array().unwrap().iter().find(|one| one["name"] == "events").unwrap();
    assert_eq!(events["kind"], "partitioned table");
    let bytes: i64 = ground.sql("SELECT pg_total_relation_size('events_2026')").trim().parse().unwrap();
    assert_eq!(events["bytes"], json!(bytes), "with its partitions");
    assert_eq!(each(&found["quarantine"], "quarantined_as"), ["mollyguard_trash.gone"]);
    assert_eq!(found["truncated"], false);

    let sales = describe(&ground, json!({"schema": "sales"})).await;
    assert_eq!(each(&sales["relations"], "name"), ["customers", "customers_id_seq", "orders"]);
    let error = ground.call("postgres_describe", json!({"schema": "Sales"})).await.unwrap_err();
    assert!(matches!(&error, ToolError::Untouched { cause: Cause::NotFound, .. }), "{error}");
}

#[tokio::test]
async fn all_about_one_table() {
    let ground = Ground::roles(SHOP);
    let found = describe(&ground, json!({"schema": "sales", "table": "orders"})).await;
    let table = &found["table"];
    assert_eq!(each(&table["columns"], "name"), ["customer", "number", "net", "gross"]);
    assert_eq!(table["columns"][1]["default"], "7");
    assert_eq!(table["columns"][2]["comment"], "without tax");
    assert_eq!(table["columns"][2]["type"], "numeric(10,2)");
    assert_eq!(table["columns"][3]["default"], Value::Null);
    assert!(table["columns"][3]["generated"].as_str().unwrap().contains("net * 1.19"), "{table}");
    assert_eq!(table["primary_key"], json!(["number", "customer"]), "in the key's order");
    assert_eq!(each(&table["indexes"], "name"), ["by_net", "orders_pkey"]);
    let key = &table["references"][0];
    assert_eq!((&key["from"], &key["to"]), (&json!("sales.orders"), &json!("sales.customers")));
    assert_eq!((&key["on_delete"], &key["on_update"]), (&json!("cascade"), &json!("restrict")));
    assert_eq!((&key["from_columns"], &key["to_columns"]), (&json!(["customer"]), &json!(["id"])));
    assert!(each(&table["constraints"], "kind").contains(&json!("check")), "{table}");
    assert_eq!(each(&table["triggers"], "name"), ["touched"]);
    assert_eq!((&table["policies"][0]["command"], &table["row_security"]), (&json!("SELECT"), &json!(true)));
    assert_eq!(table["privileges"], json!(["SELECT"]), "of the role that reads");
    assert_eq!((&table["comment"], &table["quarantined"]), (&json!("one row an order"), &json!(false)));

    let customers = &describe(&ground, json!({"table": "sales.customers"})).await["table"];
    assert_eq!(each(&customers["referenced_by"], "from"), ["sales.orders"]);
    assert_eq!(customers["columns"][0]["identity"], "always");
    let odd = &describe(&ground, json!({"schema": "public", "table": "Odd \" name"})).await["table"];
    assert_eq!(each(&odd["columns"], "name"), ["id", "a.b"]);
    let events = &describe(&ground, json!({"table": "events"})).await["table"];
    assert_eq!(events["partitions"][0]["estimated_rows"], 100);
    assert_eq!(events["partitioned_by"], "RANGE (at)");
    let part = &describe(&ground, json!({"table": "events_2026"})).await["table"];
    assert_eq!(part["partition_of"], "public.events");
    let view = &describe(&ground, json!({"table": "cheap"})).await["table"];
    assert!(view["definition"].as_str().unwrap().contains("FROM sales.orders"), "{view}");
    let gone = &describe(&ground, json!({"table": "mollyguard_trash.gone"})).await["table"];
    assert_eq!(gone["quarantined"], true);
    let error = ground.call("postgres_describe", json!({"table": "order"})).await.unwrap_err();
    assert!(
        matches!(&error, ToolError::Untouched { next: Some(next), .. } if next.contains("sales.orders")),
        "{error:?}"
    );
}

#[tokio::test]
async fn what_does_not_fit_is_told() {
    let mut ground =
        Ground::roles("DO 'BEGIN FOR n IN 1..30 LOOP EXECUTE format(''CREATE TABLE t%s (id int)'', n); END LOOP; END'");
    ground.limits.output_rows = 30;
    let found = describe(&ground, json!({})).await;
    assert_eq!((found["relations"].as_array().unwrap().len(), &found["truncated"]), (30, &json!(false)));
    ground.limits.output_rows = 29;
    let found = describe(&ground, json!({})).await;
    assert_eq!((found["relations"].as_array().unwrap().len(), &found["truncated"]), (29, &json!(true)));
    ground.limits.output_bytes = 1_000;
    let found = describe(&ground, json!({})).await;
    assert_eq!(found["truncated"], true);
    assert!(found.to_string().len() < 1_500, "{found}");
}

#[tokio::test]
async fn a_locked_table_and_a_hostile_path_hold_nothing_up() {
    let ground = Ground::roles(
        "CREATE TABLE t (id int); CREATE SCHEMA evil; \
         CREATE FUNCTION evil.bad(oid, oid) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''called''; END'; \
         CREATE OPERATOR evil.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = evil.bad)",
    );
    ground.sql(&format!(
        "GRANT USAGE ON SCHEMA evil TO public; ALTER ROLE {} SET search_path = evil, pg_catalog",
        ground.reader
    ));
    let holder = Other::connect(&ground, "postgres", "holder").await;
    holder.run("BEGIN; LOCK TABLE t").await;
    let found = describe(&ground, json!({})).await;
    assert_eq!((&found["relations"][0]["name"], &found["relations"][0]["bytes"]), (&json!("t"), &Value::Null));
}
