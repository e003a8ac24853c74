//! `[notify]`: who is told that a question waits.

use std::fmt;

use mollyguard_tools::contract::Tier;
use serde::{Deserialize, Serialize};

use super::ConfigError;
use super::reading::Reading;
use super::secret_source::SecretSource;
use super::template::Template;
use super::webhook_address::Address;

/// The most webhooks.
const WEBHOOKS: usize = 16;

/// Who is told that a question waits.
#[derive(Clone, Debug, Default)]
pub struct Notify {
    /// A command.
    pub command: Option<Template>,
    /// Webhooks.
    pub webhooks: Vec<Webhook>,
}

/// One `[[notify.webhooks]]`.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Where it is.
    pub url: Url,
    /// Where the secret comes from that its requests are signed with.
    pub secret: Option<SecretSource>,
    /// Only questions about these; about all where there are none.
    pub tiers: Option<Vec<Tier>>,
}

/// Where a webhook is, or where that is to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Url {
    /// Written in the configuration.
    Plain(Address),
    /// A secret.
    Secret(SecretSource),
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(address) => address.fmt(f),
            Self::Secret(source) => source.fmt(f),
        }
    }
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct NotifyTable {
    command: Vec<String>,
    webhooks: Vec<WebhookTable>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct WebhookTable {
    url: String,
    secret: Option<String>,
    tiers: Option<Vec<Tier>>,
}

impl NotifyTable {
    pub(super) fn read(self, reading: &Reading<'_>) -> Result<Notify, ConfigError> {
        let command = (!self.command.is_empty()).then(|| Template::parse(&reading.words(&self.command)));
        let command = command.transpose().map_err(|why| reading.wrong("notify.command", why))?;
        if let Some(command) = &command {
            reading.program("notify.command", command.written());
        }
        if self.webhooks.len() > WEBHOOKS {
            return Err(reading.wrong("notify.webhooks", format!("there are at most {WEBHOOKS}")));
        }
        let webhooks = self.webhooks.into_iter().enumerate().map(|(n, table)| webhook(reading, n + 1, table));
        Ok(Notify { command, webhooks: webhooks.collect::<Result<_, _>>()? })
    }
}

fn webhook(reading: &Reading<'_>, n: usize, table: WebhookTable) -> Result<Webhook, ConfigError> {
    let at = |key: &str| format!("notify.webhooks.{n}.{key}");
    let is_reference = ["env:", "file:", "command:"].iter().any(|kind| table.url.starts_with(kind));
    let url = if is_reference {
        Url::Secret(reading.secret(&at("url"), &table.url)?)
    } else {
        let address = Address::parse(&table.url);
        Url::Plain(address.map_err(|why| {
            reading
                .wrong(at("url"), format!("{why}; it is an `https://` URL, or a reference to one such as `env:NAME`"))
        })?)
    };
    if table.tiers.as_ref().is_some_and(Vec::is_empty) {
        return Err(reading.wrong(at("tiers"), "without any it would be told of nothing"));
    }
    let secret = table.secret.map(|text| reading.secret(&at("secret"), &text)).transpose()?;
    Ok(Webhook { url, secret, tiers: table.tiers })
}
