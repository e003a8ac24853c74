//! A command that is told of questions: no shell, nearly no environment, a bounded time.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::Semaphore;

use super::line::Followed;
use super::notice::{Event, Notice};
use crate::config::{Template, TemplatePlace as Place};
use crate::targets::overlap::Reaches;

/// How many run at a time.
const AT_ONCE: usize = 2;
/// How long one may run.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The command.
pub(super) struct Hook {
    template: Template,
    reaches: Arc<Reaches>,
    patience: Duration,
    room: Semaphore,
}

impl Hook {
    pub(super) const fn new(template: Template, reaches: Arc<Reaches>) -> Self {
        Self { template, reaches, patience: TIMEOUT, room: Semaphore::const_new(AT_ONCE) }
    }

    #[cfg(test)]
    pub(super) fn with_timeout(template: Template, patience: Duration) -> Self {
        Self { patience, ..Self::new(template, Arc::default()) }
    }

    /// Runs the command about a question that still waits.
    pub(super) async fn tell(&self, notice: &Notice, followed: Followed) {
        let Ok(_place) = self.room.acquire().await else { return };
        if followed.is_over(Event::Asked) {
            return;
        }
        if let Err(why) = self.run(notice).await {
            tracing::warn!(command = %self.template, why, "the command of `[notify]` did not do its work");
        }
    }

    pub(super) async fn run(&self, notice: &Notice) -> Result<(), String> {
        let arguments = self.template.arguments(|place| match place {
            Place::What => notice.what.clone(),
            Place::Where => notice.place.clone(),
            Place::Need => notice.need.clone(),
            Place::Page => notice.page.clone().unwrap_or_else(|| notice.command()),
            Place::Confirmation => notice.confirmation.to_string(),
        });
        // Looked at anew each time: links, and files that the arguments name, come and go.
        let program = self.reaches.program("notify.command", self.template.written());
        let program = program.map_err(|error| error.to_string())?.ok_or("there is no such program")?;
        let mut child = Command::from(program.command().map_err(|error| error.to_string())?)
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| error.to_string())?;
        let mut group = Group(child.id());
        let ended = tokio::time::timeout(self.patience, child.wait()).await;
        match ended {
            Ok(ended) => {
                // What it left behind on purpose may stay, and its number may be another's by now.
                group.0 = None;
                let status = ended.map_err(|error| error.to_string())?;
                if status.success() { Ok(()) } else { Err(status.to_string()) }
            }
            Err(_) => {
                drop(group);
                let _reaped = child.wait().await;
                Err(format!("it ran for more than {:?}, and was killed", self.patience))
            }
        }
    }
}

/// The command, as long as it runs, and what it started; all of it ends with this.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        let pid = self.0.and_then(|pid| i32::try_from(pid).ok()).and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            let _killed = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
        }
    }
}
