//! Credentials lying about in the environment: whatever the agent starts inherits them, past any gateway. Names are told, and
//! never a value.

use super::Finding;

/// The ends of names that hold credentials.
const ENDINGS: &[&str] = &["_TOKEN", "_KEY", "_SECRET", "_PASSWORD", "_PASSWD", "_API_KEY", "_CREDENTIALS"];
/// Names that do, whatever their ends.
const NAMES: &[&str] = &["PGPASSWORD", "MYSQL_PWD", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "TOKEN", "PASSWORD"];
/// The most names that are told.
const TOLD: usize = 12;

pub(super) fn check(environment: &[(String, String)]) -> Finding {
    let mut names: Vec<&str> = environment
        .iter()
        .filter(|(name, value)| !value.is_empty() && (is_named_so(name) || has_password(value)))
        .map(|(name, _)| name.as_str())
        .collect();
    names.sort_unstable();
    if names.is_empty() {
        return Finding::ok("environment", "no credential was found by name or form in this environment");
    }
    let more = names.len().saturating_sub(TOLD);
    let mut list: Vec<String> = names.iter().take(TOLD).map(|name| format!("`{name}`")).collect();
    if more > 0 {
        list.push(format!("{more} more"));
    }
    Finding::weak(
        "environment",
        format!(
            "every program started from this shell inherits {}: the agent can use these without the gateway",
            list.join(", ")
        ),
        "start the editor without them, and let only the gateway have them",
    )
}

fn is_named_so(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    NAMES.contains(&name.as_str()) || ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// A URL with a password in it (RFC 3986, section 3.2.1: `user:password@host`).
fn has_password(value: &str) -> bool {
    let Some((scheme, rest)) = value.split_once("://") else { return false };
    let is_scheme = !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let password = authority.rsplit_once('@').and_then(|(user, _)| user.split_once(':')).map(|(_, password)| password);
    is_scheme && password.is_some_and(|password| !password.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn credentials_are_told_by_name_and_never_by_value() {
        for (name, value, is_one) in [
            ("GITHUB_TOKEN", "ghp_canary", true),
            ("RAILWAY_API_KEY", "canary-1", true),
            ("AWS_SECRET_ACCESS_KEY", "canary-2", true),
            ("DATABASE_URL", "postgres://app:hunter2@db/orders", true),
            ("DATABASE_URL", "postgres://app@db/orders", false),
            ("HOMEPAGE", "https://example.org/a:b@c", false),
            ("GITHUB_TOKEN", "", false),
            ("KEYBOARD", "qwertz", false),
            ("PATH", "/usr/bin", false),
        ] {
            let found = check(&[(name.to_owned(), value.to_owned())]);
            assert_eq!(found.state == State::Weak, is_one, "{name}={value}");
            assert_eq!(found.what.contains(&format!("`{name}`")), is_one, "{name}");
            assert!(value.is_empty() || !found.what.contains(value), "{}", found.what);
        }
    }
}
