//! Reading a configuration: errors that name its place, and what the gateway opens or runs because of it.

use std::path::{Path, PathBuf};

use super::ConfigError;
use super::paths::{absolute_words, resolve};
use super::secret_source::SecretSource;
use super::trusted::{List, Trusted};

/// One file being read: for errors that name it.
pub(super) struct Reading<'a> {
    pub(super) path: &'a Path,
    pub(super) base: PathBuf,
    pub(super) trusted: List,
}

impl Reading<'_> {
    pub(super) fn wrong(&self, key: impl Into<String>, reason: impl Into<String>) -> ConfigError {
        ConfigError::Value { path: self.path.to_path_buf(), key: key.into(), reason: reason.into() }
    }

    /// A reference to a secret. What fetching it opens or runs is trusted.
    pub(super) fn secret(&self, key: &str, text: &str) -> Result<SecretSource, ConfigError> {
        let source = SecretSource::parse(text, &self.base).map_err(|reason| self.wrong(key, reason))?;
        self.trusted.add(Trusted::secret(key, &source));
        Ok(source)
    }

    /// A trusted file or folder.
    pub(super) fn path(&self, what: &'static str, key: &str, path: &str) -> PathBuf {
        let path = resolve(path, &self.base);
        self.trusted.add([Trusted::path(what, key, &path)]);
        path
    }

    /// The words of a command, with what lies in the file's folder by absolute paths.
    pub(super) fn words(&self, words: &[String]) -> Vec<String> {
        absolute_words(words, &self.base)
    }

    /// A trusted program.
    pub(super) fn program(&self, key: &str, words: &[String]) {
        self.trusted.add([Trusted::program(key, words)]);
    }
}
