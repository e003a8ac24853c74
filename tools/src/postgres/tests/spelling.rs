//! One effect, however a name is quoted or a statement is written; and another one for another thing.

use serde_json::{Value, json};

use super::world::{Ground, find};

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
