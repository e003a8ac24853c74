//! One effect, however a name is quoted or a statement is written; and another one for another thing.

use serde_json::{Value, json};

use super::world::{Ground, find};
use crate::laws::a_no_holds;
use crate::toolsets::postgres::Postgres;

async fn effect(ground: &Ground, tool: &str, mut args: Value) -> Value {
    args["target"] = json!("orders");
    let seen = ground.look(tool, args.clone()).await.unwrap_or_else(|error| panic!("{tool} {args}: {error}"));
    find(tool).effect(&args, &seen)
}

const WORLD: &str = "CREATE TABLE bookings (id integer PRIMARY KEY, note text); INSERT INTO bookings VALUES (1, 'a'), (2, 'b'); \
                     CREATE TABLE \"Bookings\" (id integer PRIMARY KEY); CREATE TABLE cars (id integer PRIMARY KEY)";

#[tokio::test]
async fn a_table_is_one_thing_however_its_name_is_written_and_whatever_is_in_it() {
    let ground = Ground::roles(WORLD);
    let spellings =
        ["public.bookings", "PUBLIC.BOOKINGS", "\"public\".\"bookings\"", "public . bookings", "Public.\"bookings\""];
    let named = |tool: &str, name: &str| match tool {
        "postgres_truncate" => json!({ "table": name }),
        _ => json!({ "object": "table", "name": name }),
    };
    for tool in ["postgres_drop", "postgres_purge", "postgres_truncate"] {
        let first = effect(&ground, tool, named(tool, "public.bookings")).await;
        for (n, name) in spellings.into_iter().enumerate() {
            ground.sql(&format!("UPDATE public.bookings SET note = 'now {n}'"));
            assert_eq!(effect(&ground, tool, named(tool, name)).await, first, "{tool} {name}");
        }
        for other in ["public.\"Bookings\"", "public.cars"] {
            assert_ne!(effect(&ground, tool, named(tool, other)).await, first, "{tool} {other}");
        }
        // Under another name it is the same still.
        ground.sql("ALTER TABLE public.bookings RENAME TO renamed");
        assert_eq!(effect(&ground, tool, named(tool, "public.renamed")).await, first, "{tool}");
        ground.sql("ALTER TABLE public.renamed RENAME TO bookings");
    }
}

#[tokio::test]
async fn options_of_a_truncate_count_where_they_change_something() {
    let ground = Ground::roles(WORLD);
    let truncate = async |more: Value| {
        let mut args = json!({ "table": "public.bookings" });
        args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        effect(&ground, "postgres_truncate", args).await
    };
    let first = truncate(json!({})).await;
    for same in [json!({ "cascade": false }), json!({ "cascade": true }), json!({ "restart_identity": false })] {
        assert_eq!(truncate(same.clone()).await, first, "{same}");
    }
    assert_ne!(truncate(json!({ "restart_identity": true })).await, first);
}

#[tokio::test]
async fn a_statement_is_what_it_comes_to() {
    let ground = Ground::roles(WORLD);
    let write = async |sql: &str, params: Value| {
        effect(&ground, "postgres_write", json!({ "sql": sql, "params": params })).await
    };
    let first = write("DELETE FROM public.bookings WHERE id = 1", json!([])).await;
    for (sql, params) in [
        ("delete from public.\"bookings\" where id=1 -- please", json!([])),
        ("DELETE FROM public.bookings b WHERE b.id < 2", json!([])),
        ("DELETE FROM public.bookings WHERE id = $1", json!([1])),
        ("DELETE FROM public.bookings WHERE id = $1", json!(["1"])),
    ] {
        assert_eq!(write(sql, params).await, first, "{sql}");
    }
    for sql in [
        "DELETE FROM public.bookings WHERE id = 2",
        "DELETE FROM public.bookings",
        "UPDATE public.bookings SET note = 'c' WHERE id = 1",
        "UPDATE public.bookings SET note = 'd' WHERE id = 1",
    ] {
        assert_ne!(write(sql, json!([])).await, first, "{sql}");
    }
}

/// Something that somebody does to the database while nobody is asked.
fn change(ground: &Ground, n: usize) {
    let sql = match n % 6 {
        0 => format!("UPDATE public.bookings SET note = 'now {n}'"),
        1 => format!("INSERT INTO public.bookings VALUES ({}, 'new')", n + 100),
        2 => "ALTER TABLE public.bookings RENAME TO away; ALTER TABLE public.away RENAME TO bookings".to_owned(),
        3 => "ALTER TABLE public.bookings ALTER COLUMN note SET DEFAULT 'x'".to_owned(),
        4 => "DELETE FROM public.bookings WHERE id > 1".to_owned(),
        // Another table of that name.
        _ => "CREATE TABLE public.copy (LIKE public.bookings INCLUDING ALL); INSERT INTO public.copy SELECT * FROM \
              public.bookings; DO $$ BEGIN EXECUTE format('ALTER TABLE public.copy OWNER TO %I', (SELECT tableowner FROM \
              pg_tables WHERE schemaname = 'public' AND tablename = 'bookings')); END $$; DROP TABLE public.bookings; ALTER TABLE public.copy RENAME TO bookings"
            .to_owned(),
    };
    ground.sql(&sql);
}

#[tokio::test]
async fn a_no_holds_whatever_is_changed_and_however_a_call_is_spelled() {
    let ground = Ground::roles(WORLD);
    let write = |sql: &str, params: Value| json!({ "target": "orders", "sql": sql, "params": params });
    let mut deletes = Vec::new();
    let mut updates = Vec::new();
    for name in ["public.bookings", "PUBLIC.Bookings", "\"public\".\"bookings\"", "public . bookings"] {
        for (condition, params) in [
            ("id = 1", json!([])),
            ("1 = id", json!([])),
            ("((id)=(1))", json!([])),
            ("id < 2", json!([])),
            ("id = $1", json!([1])),
            ("id = $1", json!([2])),
            ("id IN (SELECT 1)", json!([])),
        ] {
            deletes.push(write(&format!("DELETE FROM {name} WHERE {condition}"), params.clone()));
            deletes.push(write(&format!("delete/* */from {name} as b where {condition} -- please"), params.clone()));
            updates.push(write(&format!("UPDATE {name} SET note = 'a' WHERE {condition}"), params.clone()));
            updates.push(write(&format!("update {name} b set note = 'b' || 'c' where {condition}"), params));
        }
    }
    let names: Vec<Value> = ["public.bookings", "PUBLIC.BOOKINGS", "\"public\".\"bookings\""]
        .iter()
        .map(|name| json!({ "target": "orders", "object": "table", "name": name }))
        .collect();
    let truncates: Vec<Value> = [json!({}), json!({ "cascade": true }), json!({ "restart_identity": true })]
        .iter()
        .map(|more| {
            let mut args = json!({ "target": "orders", "table": "public.bookings" });
            args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            args
        })
        .collect();
    for (tool, calls) in [
        ("postgres_write", deletes),
        ("postgres_write", updates),
        ("postgres_drop", vec![names.clone(); 4].concat()),
        ("postgres_purge", vec![names.clone(); 4].concat()),
        ("postgres_truncate", vec![truncates; 4].concat()),
    ] {
        let looked = a_no_holds(&ground, &Postgres::new(), tool, &calls, |n| change(&ground, n + 7)).await.unwrap();
        assert!(looked * 10 > calls.len() * 6, "{tool}: {looked} of {} could be looked at", calls.len());
        ground.sql("DELETE FROM public.bookings WHERE id > 2");
    }
}

#[tokio::test]
async fn a_no_holds_for_nothing_that_is_done_to_other_tables_or_by_another_verb() {
    let ground = Ground::roles(WORLD);
    let aim = async |sql: &str| {
        let args = json!({ "target": "orders", "sql": sql });
        let seen = ground.look("postgres_write", args.clone()).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        find("postgres_write").aim(&args, &seen)
    };
    let declined = aim("DELETE FROM public.bookings WHERE id = 1").await;
    let holds = async |sql: &str| aim(sql).await.iter().any(|one| declined.contains(one));
    for other in [
        "DELETE FROM public.\"Bookings\" WHERE id = 1",
        "DELETE FROM public.cars",
        "UPDATE public.bookings SET note = 'c' WHERE id = 1",
        "INSERT INTO public.bookings VALUES (7)",
    ] {
        assert!(!holds(other).await, "{other}");
    }
    let beside = "WITH gone AS (DELETE FROM public.bookings WHERE id = 2 RETURNING id) INSERT INTO public.cars SELECT id FROM gone";
    assert!(holds(beside).await, "it does the same beside something else");
}
