//! Which secrets are lent for which access.

use super::*;

fn held(keys: &[(&str, Access)]) -> Held {
    let environment = mollyguard_tools::contract::Environment {
        name: "dev".into(),
        tier: mollyguard_tools::contract::Tier::Development,
    };
    let (name, kind, environments) = ("db".into(), "sqlite".into(), BTreeMap::new());
    let configured = Arc::new(Configured { name, kind, environment, environments, settings: Arc::new(()) });
    let secret = |key: &str| Arc::new(Secret::new(format!("the secret of {key}")));
    let secrets = Secrets::new(keys.iter().map(|(key, opens)| ((*key).to_owned(), *opens, secret(key))));
    Held { configured, secrets, identity: None }
}

fn lent(keys: &[(&str, Access)], access: Access) -> Vec<String> {
    held(keys).secrets.lent(access).keys().cloned().collect()
}

#[test]
fn a_read_is_lent_what_opens_no_more_and_nothing_else_is_lent_that() {
    let both = [("token", Access::Write), ("account", Access::Write), ("read_token", Access::Read)];
    assert_eq!(lent(&both, Access::Read), ["read_token"]);
    for access in [Access::Trial, Access::Write] {
        assert_eq!(lent(&both, access), ["account", "token"], "{access:?}");
    }
    // Without one of their own, reads have what changes have.
    for access in [Access::Read, Access::Trial, Access::Write] {
        assert_eq!(lent(&both[..1], access), ["token"], "{access:?}");
    }
    assert!(lent(&[], Access::Write).is_empty());
}

#[test]
fn a_lease_gives_out_a_secret_by_its_key_and_only_what_was_lent() {
    let held = held(&[("token", Access::Write), ("read_token", Access::Read)]);
    let lease = Lease::new(Access::Read, Arc::clone(&held.configured), None, Limits::default());
    let lease = lease.lending(held.secrets.lent(Access::Read));
    assert_eq!(lease.secret_of("read_token").map(Secret::reveal), Some("the secret of read_token"));
    assert!(lease.secret_of("token").is_none());
    assert_eq!(lease.secret().map(Secret::reveal), Some("the secret of read_token"));
}

#[test]
fn what_nobody_mapped_counts_as_production() {
    use mollyguard_tools::contract::{Environment, Tier};
    let held = held(&[]);
    let staging = Environment { name: "staging".into(), tier: Tier::Staging };
    let environments = BTreeMap::from([("theirs".to_owned(), staging.clone())]);
    let configured = Configured { environments, ..(*held.configured).clone() };
    assert_eq!(configured.environment_of("theirs"), staging);
    let unknown = configured.environment_of("Theirs");
    assert_eq!((unknown.name.as_str(), unknown.tier), ("Theirs (not mapped)", Tier::Production));
}
