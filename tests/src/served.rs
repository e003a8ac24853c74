//! The gateway over HTTP.

use std::process::ExitStatus;

use tokio::process::{Child, Command};

use crate::tap::Drained;
use crate::{Agent, Era, Failure, Person, Result, Tap, within};

/// A running gateway that listens on loopback. Dropping it kills it.
#[derive(Debug)]
pub struct Served {
    child: Child,
    url: String,
    stdout: Drained,
    stderr: Drained,
}

impl Served {
    /// Starts `command` and waits until it says on which port of 127.0.0.1 it listens.
    ///
    /// # Errors
    /// It could not be started or ended without listening.
    pub async fn start(mut command: Command) -> Result<Self> {
        let mut child = command.spawn()?;
        let stdout = Drained::new(child.stdout.take().ok_or("no standard output")?);
        let stderr = Drained::new(child.stderr.take().ok_or("no standard error")?);
        let what = "the address it listens on";
        // Either stream may carry the line; the one that ends without it must not win while the other may still come.
        let authority = tokio::select! {
            Ok(found) = stdout.wait_for(what, authority) => found,
            found = stderr.wait_for(what, authority) => found?,
        };
        Ok(Self { child, url: format!("http://{authority}/mcp"), stdout, stderr })
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Connects a client, with this person in front of it.
    ///
    /// # Errors
    /// The handshake failed.
    pub async fn agent(&self, era: Era, person: Person) -> Result<Agent> {
        Agent::over_http(&self.url, None, era, person).await
    }

    /// Connects a client that shows this bearer token.
    ///
    /// # Errors
    /// The handshake failed.
    pub async fn agent_as(&self, token: &str, era: Era, person: Person) -> Result<Agent> {
        Agent::over_http(&self.url, Some(token), era, person).await
    }

    /// What it wrote to standard error so far.
    #[must_use]
    pub fn stderr(&self) -> &Tap {
        &self.stderr.tap
    }

    /// What it wrote to standard output so far.
    #[must_use]
    pub fn stdout(&self) -> &Tap {
        &self.stdout.tap
    }

    /// Its process id.
    ///
    /// # Errors
    /// It has ended.
    pub fn pid(&self) -> Result<u32> {
        Ok(self.child.id().ok_or("the gateway has ended")?)
    }

    /// Its resident memory in MiB, as the kernel counts it (proc(5)).
    ///
    /// # Errors
    /// It has ended, or this is no Linux.
    pub fn resident(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()?))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kib / 1024.0)
    }

    /// Kills it as a power cut would, and waits until it is gone.
    ///
    /// # Errors
    /// It would not die.
    pub async fn kill(mut self) -> Result {
        within("the end of a killed gateway", self.child.kill()).await?.map_err(Failure::from)
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Errors
    /// It does not end.
    pub async fn terminate(mut self) -> Result<ExitStatus> {
        crate::agent::terminate(self.pid()?)?;
        Ok(within("the end of a terminated gateway", self.child.wait()).await??)
    }
}

/// The first `127.0.0.1:PORT` of a text, once it is complete.
fn authority(text: &str) -> Option<String> {
    let start = text.find("127.0.0.1:")?;
    let rest = text.get(start..)?;
    let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':'))?;
    let found = rest.get(..end)?;
    (!found.ends_with(":0")).then(|| found.to_owned())
}

#[cfg(test)]
mod tests {
    use super::authority;

    #[test]
    fn the_address_is_read_once_it_is_complete() {
        assert_eq!(authority("listening on http://127.0.0.1:80"), None);
        assert_eq!(authority("listening on http://127.0.0.1:8080/mcp\n").as_deref(), Some("127.0.0.1:8080"));
        assert_eq!(authority("bound 127.0.0.1:0\n"), None);
    }
}
