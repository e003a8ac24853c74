//! When something was, by a clock that can be set and by one that cannot.

use std::time::Duration;

use mollyguard_tools::contract::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Clocks are corrected by a little all the time: a question asked this much later than now is no sign of a clock set back.
pub(super) const CORRECTED: jiff::SignedDuration = jiff::SignedDuration::from_secs(5);

/// A moment by two clocks: the one that people and other machines set, and the one that only ever goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// By the first.
    pub at: Timestamp,
    /// By the second, where the system tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_boot: Option<SinceBoot>,
}

impl Moment {
    /// This one.
    #[must_use]
    pub fn now() -> Self {
        Self { at: mollyguard_tools::contract::now(), since_boot: since_boot() }
    }
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
fn since_boot() -> Option<SinceBoot> {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let boot = read("/proc/sys/kernel/random/boot_id")?.trim().parse().ok()?;
    let up: f64 = read("/proc/uptime")?.split(' ').next()?.parse().ok()?;
    Some(SinceBoot::new(boot, Duration::try_from_secs_f64(up).ok()?))
}

/// Other systems have no call for it without unsafe code.
#[cfg(not(target_os = "linux"))]
const fn since_boot() -> Option<SinceBoot> {
    None
}
