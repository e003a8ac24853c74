//! What a read hands back.

use serde_json::{Value, json};

use super::world::Ground;

async fn rows(ground: &Ground, sql: &str, params: Value) -> Value {
    ground.call("postgres_query", json!({ "sql": sql, "params": params })).await.unwrap().output["rows"].clone()
}

#[tokio::test]
async fn values_are_typed_json() {
    let ground = Ground::roles("CREATE TYPE mood AS ENUM ('fine', 'so so'); CREATE DOMAIN amount AS numeric(10, 2)");
    let cases = [
        ("true, NULL, 1::int2, -2::int4, 3::int8", json!([true, null, 1, -2, "3"])),
        ("9223372036854775807", json!(["9223372036854775807"])),
        ("1.5::float8, 0.1::float4, 'NaN'::float8, '-Infinity'::float4", json!([1.5, 0.1, "NaN", "-Infinity"])),
        (
            "0.10, 12345678901234567890.0001, -0.00012, 1e10::numeric",
            json!(["0.10", "12345678901234567890.0001", "-0.00012", "10000000000"]),
        ),
        (
            "0::numeric, 'NaN'::numeric, 'Infinity'::numeric, 10000::numeric, 0.00001",
            json!(["0", "NaN", "Infinity", "10000", "0.00001"]),
        ),
        (r"'\xdeadbeef'::bytea, 'ä'::text, 'a'::varchar, 'b '::char(2)", json!(["3q2+7w==", "ä", "a", "b "])),
        (
            "'2026-11-22'::date, 'infinity'::date, '0001-01-01 BC'::date",
            json!(["2026-11-22", "infinity", "+000000-01-01"]),
        ),
        (
            "'2026-11-22 10:00:00.25+02'::timestamptz, '2026-11-22 10:00'::timestamp",
            json!(["2026-11-22T08:00:00.25Z", "2026-11-22T10:00:00"]),
        ),
        ("'10:00'::time, '1 day 2 hours'::interval", json!(["10:00:00", "1 day 02:00:00"])),
        (r#"'{"a": 1}'::json, '{"a": [1.50]}'::jsonb, 'null'::jsonb"#, json!([{"a": 1}, r#"{"a": [1.50]}"#, null])),
        (
            "ARRAY[1, NULL, 3], ARRAY[['a', 'b'], ['c', 'd']], '{}'::int8[]",
            json!([[1, null, 3], [["a", "b"], ["c", "d"]], []]),
        ),
        ("'192.168.0.1/24'::inet, '[1,5)'::int4range, point(1, 2)", json!(["192.168.0.1/24", "[1,5)", "(1,2)"])),
        (
            "1.5::money, 'a1b2c3d4-0000-4000-8000-000000000001'::uuid",
            json!(["$1.50", "a1b2c3d4-0000-4000-8000-000000000001"]),
        ),
    ];
    for (sql, expected) in cases {
        assert_eq!(rows(&ground, &format!("SELECT {sql}"), json!([])).await, json!([expected]), "{sql}");
    }
}

#[tokio::test]
async fn parameters_are_bound() {
    let ground = Ground::roles(
        "CREATE TABLE t (id int8 PRIMARY KEY, name text, at timestamptz, tags text[]); \
        INSERT INTO t VALUES (1, 'it''s', '2026-01-01 00:00Z', '{a,b}'), (2, 'x', NULL, NULL)",
    );
    let sql = "SELECT id FROM t WHERE id = $1 AND name = $2 AND at >= $3 AND tags && $4";
    let params = json!([1, "it's", "2025-12-31T23:59:59Z", ["b", "z\"\\"]]);
    assert_eq!(rows(&ground, sql, params).await, json!([["1"]]));
    let error = ground.call("postgres_query", json!({"sql": sql, "params": [1]})).await.unwrap_err();
    assert!(error.to_string().contains("takes 4 parameters"), "{error}");
    let injected = json!(["0 OR true"]);
    let error =
        ground.call("postgres_query", json!({"sql": "SELECT id FROM t WHERE id = $1", "params": injected})).await;
    assert!(error.is_err());
}

#[tokio::test]
async fn rows_and_bytes_are_capped_honestly() {
    let ground =
        Ground::roles("CREATE TABLE t AS SELECT n, repeat('x', 1000) AS text FROM generate_series(1, 2000) AS n");
    let answer = |sql: &'static str, limit: u64| {
        let ground = &ground;
        async move { ground.call("postgres_query", json!({"sql": sql, "limit": limit})).await.unwrap().output }
    };
    let few = answer("SELECT n FROM t ORDER BY n", 3).await;
    assert_eq!((few["row_count"].clone(), few["truncated"].clone()), (json!(3), json!(true)));
    let all = answer("SELECT n FROM t WHERE n <= 100", 100).await;
    assert_eq!((all["row_count"].clone(), all["truncated"].clone()), (json!(100), json!(false)));
    let wide = answer("SELECT text FROM t", 5_000).await;
    assert_eq!(wide["truncated"], json!(true));
    assert!(wide.to_string().len() as u64 <= ground.limits.output_bytes + 4_096, "{}", wide["row_count"]);
    let error = ground.call("postgres_query", json!({"sql": "SELECT repeat('x', 100000000)"})).await.unwrap_err();
    assert!(error.to_string().contains("larger than"), "{error}");
    assert_eq!(rows(&ground, "SELECT 1", json!([])).await, json!([[1]]), "the next call has a connection again");
}
