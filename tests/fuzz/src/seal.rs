//! What a client carries between a question and the repeated call. The input is what a client brings back, or, where it
//! begins with `!`, what is done to a real one: pairs of a place and a mask.
#![expect(clippy::expect_used, reason = "what cannot be sealed cannot be tried")]

use std::sync::OnceLock;

use jiff::Timestamp;
use mollyguard::mcp::{Bound, Seal, Sealed};
use mollyguard_record::model::Principal;
use serde_json::{Value, json};
use uuid::Uuid;

struct Real {
    seal: Seal,
    principal: Principal,
    args: Value,
    state: String,
}

impl Real {
    fn bound(&self) -> Bound<'_> {
        Bound { principal: &self.principal, tool: "sqlite_write", args: &self.args }
    }
}

fn real() -> &'static Real {
    static REAL: OnceLock<Real> = OnceLock::new();
    REAL.get_or_init(|| {
        let principal = Principal { user: "anna".into(), client: None, roles: vec!["operator".into()] };
        let args = json!({"target": "rental", "sql": "DELETE FROM bookings"});
        let seal = Seal::new(&[7; 32]).expect("any 32 bytes are a key");
        let mut real = Real { seal, principal, args, state: String::new() };
        let sealed = Sealed { confirmation: Uuid::from_u128(1), field: Some("decision".into()), until: Timestamp::MAX };
        // A client cannot wait as long as that: so that the state stays good however long this runs.
        real.state = real.seal.close(&sealed, &real.bound()).expect("a question can be sealed");
        real
    })
}

/// Only the very text that was sealed opens, only for the call it was sealed for, and gives back what was sealed.
pub fn seal(input: &[u8]) {
    let real = real();
    let brought = match input.strip_prefix(b"!") {
        Some(edits) => edited(&real.state, edits),
        None => String::from_utf8_lossy(input).into_owned(),
    };
    let opened = real.seal.open(&brought, &real.bound());
    assert_eq!(opened.is_some(), brought == real.state, "{brought}");
    if let Some(sealed) = opened {
        assert_eq!((sealed.confirmation, sealed.field.as_deref()), (Uuid::from_u128(1), Some("decision")));
    }
    let args = json!({"target": "rental", "sql": String::from_utf8_lossy(input)});
    let other = Principal { user: String::from_utf8_lossy(input).into_owned(), ..real.principal.clone() };
    let elsewhere = [
        Bound { args: &args, ..real.bound() },
        Bound { tool: "sqlite_query", ..real.bound() },
        Bound { principal: &other, ..real.bound() },
    ];
    let mut strange = elsewhere.iter().filter(|bound| {
        bound.args != &real.args || bound.tool != "sqlite_write" || bound.principal.user != real.principal.user
    });
    assert!(strange.all(|bound| real.seal.open(&real.state, bound).is_none()), "opened for another call");
}

fn edited(state: &str, edits: &[u8]) -> String {
    let mut bytes = state.as_bytes().to_vec();
    for edit in edits.chunks_exact(3) {
        let [high, low, mask] = [edit[0], edit[1], edit[2]];
        let place = usize::from(u16::from_be_bytes([high, low])) % (bytes.len() + 1);
        match bytes.get_mut(place) {
            // Cutting short and going on are edits, too.
            None if mask % 2 == 0 => drop(bytes.pop()),
            None => bytes.push(mask),
            Some(byte) => *byte ^= mask & 0x7f,
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
