//! Where a secret comes from: the configuration holds references, never secrets.

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use mollyguard_tools::contract::Secret;

use super::redact::SHORTEST;
use crate::config::Trusted;
use crate::overlap::{Overlap, Reaches};

/// The longest secret in bytes: a certificate with its chain fits.
const LONGEST: u64 = 64 << 10;

/// How long a program may take to print a secret.
const PATIENCE: Duration = Duration::from_secs(20);

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

/// Why a secret cannot be used. Never holds the secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// It is not there.
    #[error("secret `{0}`: {1}")]
    Unavailable(String, String),
    /// Others could read it.
    #[error("secret `{0}`: others can read the file (mode {1:03o}); run `chmod 600` on it")]
    Exposed(String, u32),
    /// It is too short to be redacted without mangling other text.
    #[error("secret `{0}`: is shorter than {SHORTEST} bytes")]
    TooShort(String),
    /// A target reaches where it comes from.
    #[error(transparent)]
    Overlap(#[from] Overlap),
    /// The redactor cannot be built.
    #[error("secrets cannot be redacted: {0}")]
    Redactor(String),
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
            "file" => Ok(Self::File(crate::config::resolve(rest, base))),
            "command" => {
                let words: Vec<String> = rest.split_whitespace().map(str::to_owned).collect();
                Ok(Self::Command(crate::config::absolute_words(&words, base)))
            }
            _ => Err(FORMS.to_owned()),
        }
    }

    /// Fetches the secret that this key names, where no target reaches the file or the program.
    ///
    /// # Errors
    /// It is not there, is exposed or within reach, or is unusable.
    pub fn fetch(&self, key: &str, reaches: &Reaches) -> Result<Secret, SecretError> {
        if let Some(trusted) = Trusted::secret(key, self) {
            reaches.recheck(&trusted)?;
        }
        let text = match self {
            Self::Env(name) => {
                std::env::var(name).map_err(|_| self.unavailable("the environment variable is not set, or not text"))?
            }
            Self::File(path) => self.read(path)?,
            Self::Command(argv) => self.run(argv, key, reaches)?,
        };
        let text = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
        if text.len() < SHORTEST {
            return Err(SecretError::TooShort(self.to_string()));
        }
        Ok(Secret::new(text.to_owned()))
    }

    fn unavailable(&self, reason: impl fmt::Display) -> SecretError {
        SecretError::Unavailable(self.to_string(), reason.to_string())
    }

    fn read(&self, path: &Path) -> Result<String, SecretError> {
        use std::os::unix::fs::PermissionsExt as _;

        let file = std::fs::File::open(path).map_err(|error| self.unavailable(error))?;
        let mode = file.metadata().map_err(|error| self.unavailable(error))?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(SecretError::Exposed(self.to_string(), mode));
        }
        self.capped(file)
    }

    /// Runs the program with an empty standard input.
    fn run(&self, argv: &[String], key: &str, reaches: &Reaches) -> Result<String, SecretError> {
        let [_, arguments @ ..] = argv else { return Err(self.unavailable("names no program")) };
        let program = reaches.program(key, argv)?.ok_or_else(|| self.unavailable("there is no such program"))?;
        let command = program.command().map_err(|error| self.unavailable(error));
        let mut child = command?
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| self.unavailable(error))?;
        let Some(stdout) = child.stdout.take() else { return Err(self.unavailable("prints nowhere")) };
        let (send, printed) = std::sync::mpsc::channel();
        let source = self.clone();
        // Read elsewhere, so that a program that neither prints nor ends does not hold the start up for ever.
        std::thread::spawn(move || send.send(source.capped(stdout)));
        let printed = printed.recv_timeout(PATIENCE);
        if printed.is_err() {
            let _killed = child.kill();
        }
        let status = child.wait().map_err(|error| self.unavailable(error))?;
        match printed {
            Err(_) => Err(self.unavailable(format!("the program printed nothing for {PATIENCE:?}"))),
            Ok(_) if !status.success() => Err(self.unavailable(format!("the program ended with {status}"))),
            Ok(printed) => printed,
        }
    }

    fn capped(&self, from: impl std::io::Read) -> Result<String, SecretError> {
        let mut text = String::new();
        let read = from.take(LONGEST + 1).read_to_string(&mut text).map_err(|error| self.unavailable(error))?;
        if read as u64 > LONGEST { Err(self.unavailable("is longer than 64 KiB")) } else { Ok(text) }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn parse(text: &str) -> SecretSource {
        SecretSource::parse(text, Path::new("/base")).unwrap()
    }

    #[test]
    fn a_pasted_secret_is_not_repeated() {
        let error = SecretSource::parse("postgres://admin:hunter22@db", Path::new("/")).unwrap_err();
        assert!(!error.contains("hunter22"));
    }

    #[test]
    fn a_file_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        std::fs::write(&path, "correct horse\n").unwrap();
        let source = parse(&format!("file:{}", path.display()));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(source.fetch("key", &Reaches::default()), Err(SecretError::Exposed(_, 0o640))));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(source.fetch("key", &Reaches::default()).unwrap().reveal(), "correct horse");
    }

    #[test]
    fn a_program_is_run_without_a_shell() {
        assert_eq!(
            parse("command:echo battery $HOME;staple").fetch("key", &Reaches::default()).unwrap().reveal(),
            "battery $HOME;staple"
        );
        assert!(parse("command:false").fetch("key", &Reaches::default()).is_err());
    }
}
