//! Of values as they are, of types that become one, and of numbers.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::Digest;

fn any_json() -> impl Strategy<Value = Value> {
    let text =
        prop_oneof!["[ -~]{0,6}", "[\\x00-\\x1f\"\\\\/~]{0,6}", any::<String>(), "[\u{e000}-\u{ffff}\u{1f600}]{0,3}"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-9_007_199_254_740_991_i64..=9_007_199_254_740_991).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((text.clone(), inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// A number that others are spelled like, or nearly: the same amount as an integer and as a double, and neighbours.
fn any_number() -> impl Strategy<Value = Value> {
    let near = prop_oneof![
        -3_i64..=3,
        any::<i64>(),
        (0_u32..63, -2_i64..=2).prop_map(|(bits, by)| (1_i64 << bits).wrapping_add(by)),
        (0_u32..19, -2_i64..=2).prop_map(|(tens, by)| 10_i64.pow(tens).wrapping_add(by)),
    ];
    #[expect(clippy::cast_precision_loss, reason = "the double next to the integer is wanted")]
    let spelled = |n: i64, way: u8| match way {
        0 => json!(n),
        1 => json!(n as f64),
        2 => json!(-(n as f64)),
        3 => json!(n.unsigned_abs()),
        4 => json!((n as f64) / 10.0),
        5 => json!(n.to_string()),
        _ => json!(format!("{n}.0")),
    };
    prop_oneof![(near, 0_u8..7).prop_map(move |(n, way)| spelled(n, way)), any::<f64>().prop_map(Value::from)]
}

/// The same value, with each number of the same kind. `serde_json` takes `-0.0` for `0.0`.
fn is_same(one: &Value, other: &Value) -> bool {
    let (left, right) = (one.to_string(), other.to_string());
    one == other && left == right
}

/// As the canonicalizer would write it, but for doubles that look like integers.
fn has_a_whole_double(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64() && number.as_f64().is_some_and(|n| n.fract() == 0.0),
        Value::Array(items) => items.iter().any(has_a_whole_double),
        Value::Object(fields) => fields.values().any(has_a_whole_double),
        _ => false,
    }
}

proptest! {
    #[test]
    fn it_is_what_the_canonicalizer_writes_but_for_whole_doubles(value in any_json()) {
        prop_assume!(!has_a_whole_double(&value));
        prop_assert_eq!(canonical_json(&value), serde_json_canonicalizer::to_string(&value).unwrap());
    }

    #[test]
    fn numbers_of_one_text_are_one_number(one in any_number(), other in any_number()) {
        let (left, right) = (json!({"params": [one]}), json!({"params": [other]}));
        prop_assert_eq!(canonical_json(&left) == canonical_json(&right), is_same(&left, &right), "{} {}", left, right);
    }

    #[test]
    fn whatever_is_read_back_from_the_text_is_the_same_value(value in any_json()) {
        let read: Value = serde_json::from_str(&canonical_json(&value)).unwrap();
        prop_assert_eq!(canonical_json(&read), canonical_json(&value));
    }
}

#[test]
fn the_order_of_keys_does_not_matter_to_big_integers_either() {
    let one: Value = serde_json::from_str(r#"{"b":9007199254740993,"a":[18446744073709551615]}"#).unwrap();
    let two: Value = serde_json::from_str(r#"{"a":[18446744073709551615],"b":9007199254740993}"#).unwrap();
    assert_eq!(canonical_json(&one), canonical_json(&two));
}

#[test]
fn key_order_and_escapes_do_not_matter() {
    let one: Value = serde_json::from_str(r#"{"b":1.5,"a":[1e2,"é"]}"#).unwrap();
    let two: Value = serde_json::from_str(r#"{"a":[100.0,"\u00e9"],"b":1.5}"#).unwrap();
    assert_eq!(Digest::of(&one), Digest::of(&two));
}

#[test]
fn an_integer_and_a_double_of_the_same_amount_differ() {
    let texts =
        ["1000", "1000.0", "1000.5", "\"1000\"", "\"1000.0\"", "-1000", "-1000.0", "0", "0.0", "-0.0", "1e21", "1e20"];
    let digests = texts.map(|text| Digest::of_value(&serde_json::from_str(text).unwrap()));
    for (i, left) in digests.iter().enumerate() {
        assert!(digests[i + 1..].iter().all(|right| left != right), "{}", texts[i]);
    }
    // One double, however it was written: what a tool is given is the same.
    let same = ["1000.0", "1e3", "1.0e+3"].map(|text| Digest::of_value(&serde_json::from_str(text).unwrap()));
    assert!(same.iter().all(|digest| *digest == digests[1]));
}

#[test]
fn neighbouring_big_integers_differ() {
    let digests = [
        json!({"id": 9_007_199_254_740_992_u64}),
        json!({"id": 9_007_199_254_740_993_u64}),
        json!({"id": "9007199254740993"}),
        json!({"id": u64::MAX}),
        json!({"id": i64::MIN}),
    ]
    .map(|value| Digest::of(&value));
    for (i, left) in digests.iter().enumerate() {
        assert!(digests[i + 1..].iter().all(|right| left != right));
    }
}

/// Every shape that serde tells apart.
#[derive(Serialize)]
enum Shape {
    Unit,
    One(Option<f64>),
    Two(u64, i32),
    Named { z: char, a: Vec<Self>, m: String },
}

#[derive(Serialize)]
struct All<'a> {
    zulu: &'a Value,
    #[serde(flatten)]
    more: &'a BTreeMap<String, Value>,
    alpha: Wrapped,
    shapes: (Shape, Shape, Shape, Shape),
    single: f32,
    numbered: BTreeMap<u8, bool>,
    at: crate::Timestamp,
    nothing: (),
}

#[derive(Serialize)]
struct Wrapped(Option<Digest>);

proptest! {
    #[test]
    fn what_is_written_as_it_tells_of_itself_is_what_its_value_is(
        value in any_json(),
        more in prop::collection::btree_map("[a-z]{1,3}|zulu|.{0,3}", any_json(), 0..4),
        number in any_number(),
        text in any::<String>(),
        (big, c, double, single) in any::<(u64, char, f64, f32)>(),
        rare in any::<bool>(),
    ) {
        let inner = vec![Shape::Unit, Shape::One(None)];
        let shapes = (
            Shape::Unit,
            Shape::One(Some(double)),
            Shape::Two(if rare { big } else { big >> 12 }, -7),
            Shape::Named { z: c, a: inner, m: text },
        );
        let all = All {
            zulu: &json!([value, number]),
            more: &more,
            alpha: Wrapped(Some(Digest::of_bytes(b""))),
            shapes,
            single: if rare { single } else { 0.5 },
            numbered: if rare { [(7, true)].into() } else { BTreeMap::new() },
            at: crate::now(),
            nothing: (),
        };
        let made = serde_json::to_value(&all).unwrap();
        prop_assert_eq!(canonical_of(&all).unwrap(), with_places(&made));
        prop_assert_eq!(canonical_of(&made).unwrap(), with_places(&made));
        prop_assert_eq!(canonical_of(&all.shapes).unwrap(), with_places(&made["shapes"]));
        prop_assert_eq!(canonical_of(&(&all.zulu, &all.alpha, &more)).unwrap(), with_places(&json!([all.zulu, all.alpha.0, more])));
    }
}

#[test]
fn only_what_is_rare_goes_through_a_value() {
    assert!(written(&json!({"b": [1, -2, 1.5, null, true], "a": {"é": "\n"}, "c": {}})).is_some());
    assert!(written(&(Shape::Unit, Shape::Two(1, 2), Wrapped(None), crate::now())).is_some());
    for rare in [json!({"a": u64::MAX}), json!({"a\n": 1})] {
        assert_eq!(written(&rare), None);
    }
    assert_eq!(written(&1.5_f32), None);
}
