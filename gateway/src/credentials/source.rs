//! Fetching a secret from where the configuration says it is.

use std::fmt;
use std::io::Read as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use mollyguard_tools::contract::Secret;

use super::named::SHORTEST;
use crate::config::{SecretSource, Trusted};
use crate::targets::overlap::{Overlap, Reaches};

/// The longest secret in bytes: a certificate with its chain fits.
const LONGEST: u64 = 64 << 10;

/// How long a program may take to print a secret.
const TIMEOUT: Duration = Duration::from_secs(20);

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

impl SecretSource {
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
        let printed = printed.recv_timeout(TIMEOUT);
        if printed.is_err() {
            let _killed = child.kill();
        }
        let status = child.wait().map_err(|error| self.unavailable(error))?;
        match printed {
            Err(_) => Err(self.unavailable(format!("the program printed nothing for {TIMEOUT:?}"))),
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
