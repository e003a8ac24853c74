//! `[confirm]`: how people are asked, and where the page is.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::page_address::{PageAt, USUAL_PORT};
use super::reading::Reading;
use super::{ConfigError, Confirm, Page};

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ConfirmTable {
    expires_s: u64,
    wait_s: u64,
    denial_s: u64,
    open_questions: u32,
    flood: u32,
    page: bool,
    page_port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    page_url: Option<String>,
}

impl Default for ConfirmTable {
    fn default() -> Self {
        Self {
            expires_s: 300,
            wait_s: 45,
            denial_s: 600,
            open_questions: 8,
            flood: 30,
            page: true,
            page_port: USUAL_PORT,
            page_url: None,
        }
    }
}

impl ConfirmTable {
    pub(super) fn read(&self, reading: &Reading<'_>) -> Result<Confirm, ConfigError> {
        let Self { expires_s, wait_s, denial_s, open_questions, flood, .. } = *self;
        if !(10..=300).contains(&expires_s) {
            return Err(reading.wrong("confirm.expires_s", "a question waits between 10 and 300 seconds"));
        }
        if wait_s > 300 {
            return Err(reading.wrong("confirm.wait_s", "a call waits at most 300 seconds"));
        }
        if denial_s > 86_400 {
            return Err(reading.wrong("confirm.denial_s", "a no holds for at most 86400 seconds"));
        }
        if !(1..=1_000).contains(&open_questions) || !(1..=1_000_000).contains(&flood) {
            return Err(reading.wrong("confirm", "`open_questions` is 1 to 1000, and `flood` 1 to 1000000"));
        }
        let [expires, wait, denial] = [expires_s, wait_s, denial_s].map(Duration::from_secs);
        Ok(Confirm { expires, wait, denial, open_questions, flood })
    }

    pub(super) fn page(&self, reading: &Reading<'_>) -> Result<Option<Page>, ConfigError> {
        let url = self.page_url.as_deref().map(PageAt::parse).transpose();
        let url = url.map_err(|why| reading.wrong("confirm.page_url", why))?;
        Ok(self.page.then_some(Page { port: self.page_port, url }))
    }
}
