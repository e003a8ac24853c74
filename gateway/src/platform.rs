//! What only one operating system has.

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
