//! Who is enrolled to answer.

use super::Finding;
use crate::config::Config;
use crate::operators::{LINK, People, people};

/// What the doctor says of them.
pub(super) fn finding(config: Option<&Config>) -> (People, Finding) {
    let people = match config.map(people) {
        None => {
            let hidden = Finding::unknown("operators", "only the gateway's own user can see who is enrolled");
            return (People::default(), hidden);
        }
        Some(Err(error)) => {
            return (
                People::default(),
                Finding::unknown("operators", format!("who is enrolled cannot be read: {error}")),
            );
        }
        Some(Ok(people)) => people,
    };
    let (all, with_passkey, linked) = (people.all(), people.with_passkey, people.linked());
    let finding = match (all, with_passkey) {
        (0, _) => Finding::weak(
            "operators",
            "nobody is enrolled as an operator: no answer proves more than that the name was typed",
            "enrol the people who may approve, each with a passkey (`mollyguard operator enroll NAME --for USER`)",
        ),
        (_, 0) => Finding::weak(
            "operators",
            format!("{all} enrolled, none with a passkey"),
            "give each operator a passkey, on the page under `People`",
        ),
        _ if linked < all => Finding::weak(
            "operators",
            format!(
                "{all} enrolled, {} of them linked to no user: their approvals never count as those of somebody else",
                all - linked
            ),
            LINK,
        ),
        _ => Finding::ok("operators", format!("{all} enrolled, {with_passkey} with a passkey")),
    };
    (people, finding)
}
