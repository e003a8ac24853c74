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

/// Whether other processes of this user can read this one's memory (prctl(2), `PR_GET_DUMPABLE`). Unknown counts as yes.
#[must_use]
#[cfg(target_os = "linux")]
pub(crate) fn is_dumpable() -> bool {
    use rustix::process::{DumpableBehavior, dumpable_behavior};

    !matches!(dumpable_behavior(), Ok(DumpableBehavior::NotDumpable))
}

/// See above: no other system says.
#[must_use]
#[cfg(not(target_os = "linux"))]
pub(crate) fn is_dumpable() -> bool {
    true
}

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
