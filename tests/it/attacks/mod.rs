//! What is tried against a gateway by those it is there to hold: an agent's user at the page and the files, clients that
//! answer by themselves, several gateways at once, and what outlives a gateway or a session.

mod accepting;
pub(crate) mod apart;
mod races;
mod sessions;
mod takeover;
mod watch;

use mollyguard_tests::{Person, Result, World};
use serde_json::{Value, json};

/// The tool whose effect nothing brings back.
const PURGE: &str = "sqlite_purge_table";

/// What clients that can be asked declare: forms, pages, both.
fn kinds() -> [Value; 3] {
    ["{\"form\": {}}", "{\"url\": {}}", "{\"form\": {}, \"url\": {}}"]
        .map(|elicitation| json!({"elicitation": serde_json::from_str::<Value>(elicitation).unwrap_or_default()}))
}

/// Clients that accept whatever they are sent: with nothing, with a choice, with the right name in every field.
fn accepting(name: &str) -> [Person; 3] {
    [Person::accepts(json!({})), Person::accepts(json!({"decision": "approve"})), Person::types(name)]
}

/// The rental firm with its page, under policies of its own: any change needs this.
fn rental(needs: &str) -> Result<World> {
    let policy = format!(
        "@id(\"whatever-nothing-forbids\")\n@reason(\"Nothing stands against it.\")\npermit (principal, action, resource);\n\
         @id(\"changes-need-people\")\n@reason(\"Nothing changes here by itself.\")\nforbid (principal, action, resource)\n\
         when {{ context.call.reversibility != \"read_only\" }} unless {{ context has approval && {needs} }};\n"
    );
    let mut world = crate::page::rental(&policy)?;
    world.set("policies.defaults", false);
    Ok(world)
}

/// A person out of band, for [`rental`].
const OUT_OF_BAND: &str = "context.approval.assurance >= 3";
