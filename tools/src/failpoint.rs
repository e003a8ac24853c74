//! Places on the way of a change where the process can be made to die, fail or wait, for the tests of crashes. Only builds
//! with the feature `failpoints` can be told to, by `$MOLLYGUARD_FAILPOINTS`; in all others these functions are empty.

#[cfg(not(feature = "failpoints"))]
use std::io;

/// A place that cannot fail: the process may die or wait here.
pub fn reach(place: &'static str) {
    // Told to fail, it goes on.
    let _ = pass(place);
}

/// A place that can also fail, as if the disk did.
///
/// # Errors
/// As told.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub const fn pass(_: &'static str) -> io::Result<()> {
    Ok(())
}

#[cfg(feature = "failpoints")]
pub use told::pass;

#[cfg(feature = "failpoints")]
mod told {
    use std::collections::HashMap;
    use std::path::PathBuf;
    use std::sync::OnceLock;
    use std::time::Duration;
    use std::{env, io};

    use rustix::io::Errno;
    use rustix::process::{Signal, getpid, kill_process};

    enum Act {
        /// As `kill -9` does it: nothing is flushed, nothing is dropped.
        Kill,
        /// An error of input or output.
        Fail,
        /// Waits for as long as this file is there.
        Wait(PathBuf),
    }

    /// `place=kill`, `place=fail` or `place=wait:PATH`, separated by `;`. What is neither is passed over.
    fn told() -> HashMap<String, Act> {
        let told = env::var("MOLLYGUARD_FAILPOINTS").unwrap_or_default();
        let act = |act: &str| match act.split_once(':') {
            None if act == "kill" => Some(Act::Kill),
            None if act == "fail" => Some(Act::Fail),
            Some(("wait", path)) => Some(Act::Wait(path.into())),
            _ => None,
        };
        let one = |one: &str| one.split_once('=').and_then(|(place, what)| Some((place.to_owned(), act(what)?)));
        told.split(';').filter_map(one).collect()
    }

    /// See the module.
    ///
    /// # Errors
    /// As told.
    pub fn pass(place: &'static str) -> io::Result<()> {
        static TOLD: OnceLock<HashMap<String, Act>> = OnceLock::new();
        match TOLD.get_or_init(told).get(place) {
            None => Ok(()),
            Some(Act::Fail) => Err(Errno::IO.into()),
            Some(Act::Kill) => {
                kill_process(getpid(), Signal::KILL)?;
                // The signal is on its way: nothing more is done meanwhile.
                loop {
                    std::thread::park();
                }
            }
            Some(Act::Wait(path)) => {
                // Other work of the runtime goes on meanwhile.
                let wait = || {
                    while path.exists() {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                };
                match tokio::runtime::Handle::try_current() {
                    Ok(_) => tokio::task::block_in_place(wait),
                    Err(_) => wait(),
                }
                Ok(())
            }
        }
    }
}
