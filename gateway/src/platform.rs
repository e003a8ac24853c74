//! What only one operating system has.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Keeps other processes of the same user out of this one's memory: on Linux `PR_SET_DUMPABLE` 0 stops ptrace,
/// `/proc/PID/mem` and core dumps (prctl(2)). Other systems have no call that does it without unsafe code.
#[cfg(target_os = "linux")]
pub(crate) fn hide_memory() {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};

    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        eprintln!("warning: other processes of this user can read the gateway's memory: {error}");
    }
}

/// See above.
#[cfg(not(target_os = "linux"))]
pub(crate) fn hide_memory() {}

/// The longest name of a user that is taken as one.
const NAME_CHARS: usize = 128;

/// The name of a user of this system, or `uid:1000` where it knows none. No name has a colon (passwd(5)), so neither can
/// pass for the other.
pub(crate) fn user_name(uid: u32) -> String {
    let found = nix::unistd::User::from_uid(uid.into()).ok().flatten().map(|user| user.name);
    let fits = |name: &String| {
        !name.is_empty()
            && name.len() <= NAME_CHARS
            && !name.contains([':', ' '])
            && !name.chars().any(char::is_control)
    };
    found.filter(fits).unwrap_or_else(|| format!("uid:{uid}"))
}

/// How long the system has been up, and since which start: a clock that nobody sets back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinceBoot {
    boot: Uuid,
    up_ms: u64,
}

impl SinceBoot {
    /// This long after that start.
    #[must_use]
    pub const fn new(boot: Uuid, up: Duration) -> Self {
        Self { boot, up_ms: up.as_secs() * 1_000 + up.subsec_millis() as u64 }
    }

    /// How much time passed since an earlier moment; `None` where the system was started anew in between.
    #[must_use]
    pub fn passed_since(&self, earlier: &Self) -> Option<Duration> {
        let passed = self.up_ms.checked_sub(earlier.up_ms).filter(|_| self.boot == earlier.boot)?;
        Some(Duration::from_millis(passed))
    }
}

/// On Linux from `/proc/uptime`, which goes on while the system sleeps, and `boot_id` (proc(5), random(4)).
#[cfg(target_os = "linux")]
pub(crate) fn since_boot() -> Option<SinceBoot> {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let boot = read("/proc/sys/kernel/random/boot_id")?.trim().parse().ok()?;
    let up: f64 = read("/proc/uptime")?.split(' ').next()?.parse().ok()?;
    Some(SinceBoot::new(boot, Duration::try_from_secs_f64(up).ok()?))
}

/// Other systems have no call for it without unsafe code.
#[cfg(not(target_os = "linux"))]
pub(crate) const fn since_boot() -> Option<SinceBoot> {
    None
}
