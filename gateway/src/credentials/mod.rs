//! The broker: it holds the secrets, lends access to one target for one call, and takes every held secret out of whatever
//! leaves the gateway. It decides nothing: lending write access takes policy's permit.

#[cfg(test)]
mod encodings;
mod forms;
mod fragments;
#[cfg(test)]
mod lent;
mod named;
mod redact;
mod source;

use std::collections::BTreeMap;
use std::sync::Arc;

use mollyguard_tools::contract::{Access, Configured, Declaration, HeldSecrets, Lease, Limits, Secret, Toolset};
use uuid::Uuid;

use crate::config::{Config, Trusted, Url, Webhook};
use crate::policy::Permit;
use crate::targets::overlap::{Overlap, Reaches};

pub use named::Named;
pub use redact::Redactor;
pub use source::SecretError;

/// Why a credential cannot be lent.
#[derive(Debug, thiserror::Error)]
pub enum LendError {
    /// No target of that name.
    #[error("there is no target `{name}`; the targets are {known}")]
    UnknownTarget {
        /// The name as it came.
        name: String,
        /// The known ones.
        known: String,
    },
    /// The permit is for another call.
    #[error("the permit is for call `{0}` of `{1}`, and not for this one")]
    WrongPermit(Uuid, String),
    /// What the target reaches is not what it reached when the gateway started.
    #[error(transparent)]
    Overlap(#[from] Overlap),
}

struct Held {
    configured: Arc<Configured>,
    secrets: Secrets,
    identity: Option<String>,
}

/// The secrets of one target by their keys, as they are lent.
struct Secrets {
    /// Those that open no more than reads: lent for reads alone, where there are any.
    reads: Arc<BTreeMap<String, Arc<Secret>>>,
    /// All others.
    changes: Arc<BTreeMap<String, Arc<Secret>>>,
}

impl Secrets {
    fn new(all: impl IntoIterator<Item = (String, Access, Arc<Secret>)>) -> Self {
        let (mut reads, mut changes) = (BTreeMap::new(), BTreeMap::new());
        for (key, opens, secret) in all {
            if opens == Access::Read { &mut reads } else { &mut changes }.insert(key, secret);
        }
        Self { reads: Arc::new(reads), changes: Arc::new(changes) }
    }

    fn lent(&self, access: Access) -> Arc<BTreeMap<String, Arc<Secret>>> {
        let reads = access == Access::Read && !self.reads.is_empty();
        Arc::clone(if reads { &self.reads } else { &self.changes })
    }
}

/// The secrets of one configured webhook.
pub(crate) struct HeldWebhook {
    /// Its URL, secret or not.
    pub(crate) url: Arc<Secret>,
    /// What its requests are signed with.
    pub(crate) secret: Option<Arc<Secret>>,
}

impl HeldWebhook {
    fn fetch(webhook: &Webhook, reaches: &Reaches) -> Result<Self, SecretError> {
        let key = "notify.webhooks";
        let url = match &webhook.url {
            Url::Plain(address) => Secret::new(address.reveal()),
            Url::Secret(source) => source.fetch(key, reaches)?,
        };
        let secret = webhook.secret.as_ref().map(|source| source.fetch(key, reaches)).transpose()?;
        Ok(Self { url: Arc::new(url), secret: secret.map(Arc::new) })
    }
}

/// Lends credentials.
pub struct Broker {
    targets: BTreeMap<String, Held>,
    webhooks: Vec<HeldWebhook>,
    limits: Limits,
    redactor: Redactor,
    /// The redactor again, for tools; none where nothing is held.
    held: Option<Arc<dyn HeldSecrets>>,
    reaches: Arc<Reaches>,
}

impl Broker {
    /// Fetches every secret the configuration refers to, and adds the files a secret names to what no target may reach.
    ///
    /// # Errors
    /// The reference that cannot be resolved; never the secret.
    pub fn open(config: &Config, toolsets: &[Arc<dyn Toolset>], reaches: &Arc<Reaches>) -> Result<Self, SecretError> {
        let mut secrets = Vec::new();
        let mut targets = BTreeMap::new();
        for (name, target) in &config.targets {
            let kind = toolsets.iter().find(|toolset| toolset.name() == target.configured.kind);
            let keys = kind.map(|kind| kind.secrets()).unwrap_or_default();
            let mut fetched = Vec::new();
            for (key, source) in &target.secrets {
                let place = format!("targets.{name}.{key}");
                let secret = Arc::new(source.fetch(&place, reaches)?);
                reaches.trust(named_by(&place, &secret, &target.configured, toolsets, config.limits))?;
                secrets.extend(parts(&source.to_string(), &secret));
                let opens = keys.iter().find(|known| known.name == *key).map_or(Access::Write, |known| known.opens);
                fetched.push((key.clone(), opens, secret));
            }
            let (configured, identity) = (Arc::clone(&target.configured), target.identity.clone());
            let held = Held { configured, secrets: Secrets::new(fetched), identity };
            targets.insert(name.clone(), held);
        }
        let mut webhooks = Vec::with_capacity(config.notify.webhooks.len());
        for webhook in &config.notify.webhooks {
            let held = HeldWebhook::fetch(webhook, reaches)?;
            secrets.extend(parts(&webhook.url.to_string(), &held.url));
            let signing = webhook.secret.as_ref().zip(held.secret.as_ref());
            secrets.extend(signing.into_iter().flat_map(|(source, secret)| parts(&source.to_string(), secret)));
            webhooks.push(held);
        }
        for source in &config.redact {
            secrets.extend(parts(&source.to_string(), &Arc::new(source.fetch("redact.secrets", reaches)?)));
        }
        let redactor = Redactor::new(&secrets)?;
        let held = (!redactor.is_idle()).then(|| Arc::new(redactor.clone()) as Arc<dyn HeldSecrets>);
        Ok(Self { targets, webhooks, limits: config.limits, redactor, held, reaches: Arc::clone(reaches) })
    }

    fn held(&self, name: &str) -> Result<&Held, LendError> {
        self.targets.get(name).ok_or_else(|| LendError::UnknownTarget {
            name: name.to_owned(),
            known: self.targets.keys().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", "),
        })
    }

    fn lend(&self, name: &str, access: Access) -> Result<Lease, LendError> {
        let held = self.held(name)?;
        self.reaches.still(&held.configured)?;
        let lease =
            Lease::new(access, Arc::clone(&held.configured), None, self.limits).lending(held.secrets.lent(access));
        // What only reads leaves everything as it is.
        let lease =
            if access == Access::Read { lease } else { lease.reserving(self.reaches.reserved(&held.configured)) };
        Ok(match &self.held {
            Some(secrets) => lease.holding(Arc::clone(secrets)),
            None => lease,
        })
    }

    /// Lends access for reading.
    ///
    /// # Errors
    /// There is no such target.
    pub fn lend_read(&self, target: &str) -> Result<Lease, LendError> {
        self.lend(target, Access::Read)
    }

    /// Lends access for the look of a call: for one that would change something, the credential it would use, since what
    /// it may do and would do can only be tried with that. It cannot be kept: the tools refuse to change anything on it.
    ///
    /// # Errors
    /// There is no such target.
    pub fn lend_look(&self, target: &str, declaration: &Declaration) -> Result<Lease, LendError> {
        self.lend(target, if declaration.mutates() { Access::Trial } else { Access::Read })
    }

    /// Lends access for looking with the credential that changes would use.
    ///
    /// # Errors
    /// There is no such target.
    pub fn lend_trial(&self, target: &str) -> Result<Lease, LendError> {
        self.lend(target, Access::Trial)
    }

    /// Whether reads of this target have a credential of their own.
    #[must_use]
    pub fn reads_apart(&self, target: &str) -> bool {
        self.targets.get(target).is_some_and(|held| !held.secrets.reads.is_empty())
    }

    /// Lends access for changing, against the permit of policy for this very call.
    ///
    /// # Errors
    /// There is no such target, or the permit is for another call.
    pub fn lend_write(&self, target: &str, tool: &str, call: Uuid, permit: &Permit) -> Result<Lease, LendError> {
        if permit.tool() != tool || permit.call() != call {
            return Err(LendError::WrongPermit(permit.call(), permit.tool().to_owned()));
        }
        self.lend(target, Access::Write)
    }

    /// A configured target.
    ///
    /// # Errors
    /// There is no such target.
    pub fn target(&self, name: &str) -> Result<&Configured, LendError> {
        self.held(name).map(|held| &*held.configured)
    }

    /// The identity a target was pinned to.
    #[must_use]
    pub fn identity(&self, name: &str) -> Option<&str> {
        self.targets.get(name)?.identity.as_deref()
    }

    /// Every configured target, by name.
    pub fn targets(&self) -> impl Iterator<Item = &Configured> {
        self.targets.values().map(|held| &*held.configured)
    }

    /// The secrets of the configured webhooks, in their order.
    pub(crate) fn webhooks(&self) -> &[HeldWebhook] {
        &self.webhooks
    }

    /// What takes held secrets out of text.
    #[must_use]
    pub const fn redactor(&self) -> &Redactor {
        &self.redactor
    }
}

/// The files that a target's secret names.
fn named_by(
    key: &str,
    secret: &Arc<Secret>,
    target: &Arc<Configured>,
    toolsets: &[Arc<dyn Toolset>],
    limits: Limits,
) -> Vec<Trusted> {
    let Some(toolset) = toolsets.iter().find(|toolset| toolset.name() == target.kind) else { return Vec::new() };
    let lease = Lease::new(Access::Read, Arc::clone(target), Some(Arc::clone(secret)), limits);
    toolset.trusts(&lease).into_iter().map(|(what, path)| Trusted::path(what, key, path)).collect()
}

/// A secret with what is secret in it by itself: the password of a URL, the tokens in its path, a signing secret's key.
fn parts(reference: &str, secret: &Arc<Secret>) -> Vec<Named> {
    let text = secret.reveal();
    let tokens = text.split_once("://").map(|(_, rest)| rest).unwrap_or_default();
    let tokens = tokens.split(['/', '?', '#', '&', '=']).skip(1).filter(|token| token.len() >= TOKEN);
    let key = text.strip_prefix("whsec_").into_iter().filter(|key| key.len() >= named::SHORTEST);
    let more = tokens.chain(key).map(str::to_owned).chain(passwords(text)).map(|part| Arc::new(Secret::new(part)));
    let named = |secret| Named { reference: reference.to_owned(), secret };
    std::iter::once(Arc::clone(secret)).chain(more).map(named).collect()
}

/// A part of a URL's path that is as long as this is more likely a token than a word.
const TOKEN: usize = 20;

/// The password inside a connection URL, as it is written there and as it is meant: a server may repeat it without the rest.
fn passwords(secret: &str) -> impl Iterator<Item = String> {
    let authority = secret.split_once("://").map(|(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or_default());
    let user = authority.and_then(|authority| authority.rsplit_once('@')).map(|(user, _)| user);
    let in_user = user.and_then(|user| user.split_once(':')).map(|(_, password)| password);
    let in_query = secret.split(['?', '&']).find_map(|pair| pair.strip_prefix("password="));
    let written = in_user.into_iter().chain(in_query).map(str::to_owned);
    let all = written.flat_map(|password| [unescaped(&password), password]);
    all.filter(|password| password.len() >= named::SHORTEST).collect::<Vec<_>>().into_iter()
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let code = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match (first, code.and_then(|digits| u8::from_str_radix(digits, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_url_hides_its_password_too() {
        let found = |url: &str| passwords(url).collect::<Vec<_>>();
        assert_eq!(found("postgresql://anna:s3cret%21word@db:5432/x?y=z"), ["s3cret!word", "s3cret%21word"]);
        assert_eq!(found("postgresql://db/x?password=an+other&user=a"), ["an+other", "an+other"]);
        assert_eq!(found("postgresql://anna@db/x"), [""; 0]);
        assert_eq!(found("a plain secret"), [""; 0]);
        assert_eq!(found("postgresql://a:short@db/x"), [""; 0]);
    }
}
