//! Where a secret comes from: the configuration holds references, never secrets.

use std::fmt;
use std::path::{Path, PathBuf};

use super::paths::{absolute_words, resolve};

/// A reference to a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// `env:NAME`: an environment variable of the gateway.
    Env(String),
    /// `file:PATH`: a file nobody else may read; one trailing line break is not part of the secret.
    File(PathBuf),
    /// `command:ARGV`: what a program prints, run without a shell; words are split at white space.
    Command(Vec<String>),
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Command(argv) => write!(f, "command:{}", argv.join(" ")),
        }
    }
}

impl SecretSource {
    /// Reads a reference; relative paths are taken from `base`.
    ///
    /// # Errors
    /// What is wrong with it. The text is not repeated: it may be a secret pasted by mistake.
    pub fn parse(text: &str, base: &Path) -> Result<Self, String> {
        const FORMS: &str = "a secret is a reference: `env:NAME`, `file:PATH` or `command:PROGRAM ARGUMENTS`";
        let (kind, rest) = text.split_once(':').ok_or(FORMS)?;
        let rest = rest.trim();
        match kind {
            _ if rest.is_empty() => Err(FORMS.to_owned()),
            "env" => Ok(Self::Env(rest.to_owned())),
            "file" => Ok(Self::File(resolve(rest, base))),
            "command" => {
                let words: Vec<String> = rest.split_whitespace().map(str::to_owned).collect();
                Ok(Self::Command(absolute_words(&words, base)))
            }
            _ => Err(FORMS.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pasted_secret_is_not_repeated() {
        let error = SecretSource::parse("postgres://admin:hunter22@db", Path::new("/")).unwrap_err();
        assert!(!error.contains("hunter22"));
    }
}
