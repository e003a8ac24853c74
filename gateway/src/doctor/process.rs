//! What the kernel lets processes of one user do to each other.

use std::fs;

use super::Finding;
use crate::platform::is_dumpable;

pub(super) fn check() -> Vec<Finding> {
    vec![
        memory(),
        ptrace(number("/proc/sys/kernel/yama/ptrace_scope")),
        tiocsti(number("/proc/sys/dev/tty/legacy_tiocsti")),
    ]
}

fn number(path: &str) -> Option<u32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn memory() -> Finding {
    if is_dumpable() {
        let mend = "run it on Linux, where it closes its memory by itself";
        return Finding::wrong("memory", "other processes of this user can read the gateway's memory", mend);
    }
    Finding::ok("memory", "no other process of this user can read the gateway's memory")
}

/// Yama (kernel documentation, admin-guide/LSM/Yama).
fn ptrace(scope: Option<u32>) -> Finding {
    match scope {
        Some(1..) => Finding::ok("ptrace", "processes cannot attach to others that they did not start"),
        _ => Finding::weak(
            "ptrace",
            "any process can attach to others of its user, such as the editor that shows a question",
            "`sysctl kernel.yama.ptrace_scope=1`, on a kernel with Yama",
        ),
    }
}

/// TIOCSTI types into a terminal as if a person did (ioctl_tty(2)); it can be switched off since Linux 6.2.
fn tiocsti(legacy: Option<u32>) -> Finding {
    match legacy {
        Some(0) => Finding::ok("tiocsti", "processes cannot type into a terminal for the person at it"),
        _ => Finding::weak(
            "tiocsti",
            "a process at the same terminal can type an answer for the person at it",
            "`sysctl dev.tty.legacy_tiocsti=0`, on Linux 6.2 or later",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn the_kernels_numbers_are_read_as_they_are_meant() {
        assert_eq!(
            [None, Some(0), Some(1), Some(2)].map(|scope| ptrace(scope).state == State::Ok),
            [false, false, true, true]
        );
        assert_eq!([None, Some(0), Some(1)].map(|legacy| tiocsti(legacy).state == State::Ok), [false, true, false]);
    }
}
