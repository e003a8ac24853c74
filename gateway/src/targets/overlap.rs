//! Keeps what the gateway trusts, and targets of different environments, out of each other's reach: a call on a staging
//! target must not change production, and no call at all may touch the record, the keys, the policies, or a program or
//! file the gateway goes by. Looked at when the gateway starts, and again before a program is run or a target lent.

mod child;
mod links;
mod owned;
mod search;
mod walk;
mod within;

#[cfg(test)]
#[cfg(feature = "files")]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use mollyguard_tools::contract::{Configured, Reserved, Toolset};

use crate::config::{Config, Place, Trusted};
pub(crate) use child::Program;
use owned::owned;
use walk::{Walked, locate, search_path};

/// The folder in the state directory where programs run: nothing lies in it that they could take for their own.
const FOLDER: &str = "programs";

/// Two things of which one lies within the other's reach.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Overlap {
    /// A target reaches something the gateway trusts, or lies in it.
    #[error(
        "target `{target}` reaches `{}`, and so does the gateway's own {what}, `{}` (`{key}`): calls on it could change \
         what guards them; keep them in different folders",
        reach.display(),
        own.display()
    )]
    Own {
        /// The target.
        target: String,
        /// What it reaches.
        reach: PathBuf,
        /// What of the gateway's own.
        what: &'static str,
        /// The key that names it.
        key: String,
        /// Where that is, or the link on the way to it.
        own: PathBuf,
    },
    /// A target could make the file that the next start would find instead of the configuration in force.
    #[error(
        "target `{target}` reaches `{}`: calls on it could write `{}`, and the next start would find that before the \
         configuration in use; nothing was changed. Name the configuration with `--config FILE` or in $MOLLYGUARD_CONFIG, \
         then no other place is looked into, or start in another folder",
        reach.display(),
        place.display()
    )]
    NextStart {
        /// The target.
        target: String,
        /// What it reaches.
        reach: PathBuf,
        /// Where the configuration would be.
        place: PathBuf,
    },
    /// A program is found elsewhere than when the gateway started.
    #[error(
        "`{name}` (`{key}`) was `{}` when the gateway started, and now is `{}`: it was not run. Restart the gateway if that \
         is meant",
        was.display(),
        found.display()
    )]
    Moved {
        /// The key that names it.
        key: String,
        /// The program, as it is named.
        name: String,
        /// Where it was.
        was: PathBuf,
        /// Where it is found.
        found: PathBuf,
    },
    /// Two targets of different environments reach the same thing.
    #[error(
        "targets `{one}` ({one_environment}) and `{other}` ({other_environment}) both reach `{}`: a call on the one would \
         change the other's environment",
        path.display()
    )]
    Targets {
        /// One target.
        one: String,
        /// Its environment.
        one_environment: String,
        /// The other.
        other: String,
        /// Its environment.
        other_environment: String,
        /// What both reach, or a link on the way there.
        path: PathBuf,
    },
}

/// What one target reaches.
struct Reach {
    target: Arc<Configured>,
    /// As the settings name it.
    named: PathBuf,
    path: Walked,
}

/// What every target reaches, and what none may.
#[derive(Default)]
pub struct Reaches {
    targets: Vec<(Arc<Configured>, Arc<dyn Toolset>)>,
    trusted: RwLock<Vec<Trusted>>,
    /// Each target's own path, and where it led when all of it was last looked at.
    led: RwLock<BTreeMap<String, (PathBuf, PathBuf)>>,
    /// Where each program was that the configuration names, when it was first found.
    found: RwLock<BTreeMap<String, PathBuf>>,
    /// Where programs run.
    folder: Option<PathBuf>,
}

impl Reaches {
    /// Checks a configuration, as the paths lie now.
    ///
    /// # Errors
    /// The first overlap.
    pub fn check(config: &Config, toolsets: &[Arc<dyn Toolset>]) -> Result<Self, Overlap> {
        let with_toolset = |target: &Arc<Configured>| {
            let toolset = toolsets.iter().find(|toolset| toolset.name() == target.kind)?;
            Some((Arc::clone(target), Arc::clone(toolset)))
        };
        let targets = config.targets.values().filter_map(|target| with_toolset(&target.configured)).collect();
        let (trusted, folder) = (RwLock::new(config.trusted.clone()), Some(config.state.join(FOLDER)));
        let reaches = Self { targets, trusted, folder, ..Self::default() };
        reaches.look()?;
        for trusted in &config.trusted {
            if let Place::Program(words) = &trusted.place {
                reaches.find(&trusted.key, words)?;
            }
        }
        Ok(reaches)
    }

    /// Adds what is known to be trusted only now.
    ///
    /// # Errors
    /// A target reaches it.
    pub(crate) fn trust(&self, more: Vec<Trusted>) -> Result<(), Overlap> {
        let reaches = self.reaches();
        more.iter().try_for_each(|trusted| out_of_reach(trusted, &reaches))?;
        self.trusted.write().unwrap_or_else(PoisonError::into_inner).extend(more);
        Ok(())
    }

    /// Looks again whether something trusted is out of reach: links may have changed.
    ///
    /// # Errors
    /// A target reaches it.
    pub(crate) fn recheck(&self, trusted: &Trusted) -> Result<(), Overlap> {
        out_of_reach(trusted, &self.reaches())
    }

    /// The program to run for these words, looked at again; `None` where there is none.
    ///
    /// # Errors
    /// A target reaches it, a file that its arguments name, or what it finds its code or settings by; or it is found
    /// elsewhere than before.
    pub(crate) fn program(&self, key: &str, words: &[String]) -> Result<Option<Program>, Overlap> {
        out_of_reach(&Trusted::program(key, words), &self.reaches())?;
        self.find(key, words)
    }

    fn find(&self, key: &str, words: &[String]) -> Result<Option<Program>, Overlap> {
        let folders = safe_search_path(&self.reaches());
        let Some((name, path)) = words.first().and_then(|name| Some((name, locate(name, &folders)?))) else {
            return Ok(None);
        };
        let mut found = self.found.write().unwrap_or_else(PoisonError::into_inner);
        let was = found.entry(name.clone()).or_insert_with(|| path.clone());
        if *was != path {
            let (key, name, was) = (key.to_owned(), name.clone(), was.clone());
            return Err(Overlap::Moved { key, name, was, found: path });
        }
        drop(found);
        let search = std::env::join_paths(&folders).unwrap_or_default();
        let folder = self.folder.clone().unwrap_or_else(|| PathBuf::from("/"));
        Ok(Some(Program { path, search, folder }))
    }

    /// Looks again where a target's own path leads. Where that is not where it led, all of it is looked at anew.
    ///
    /// # Errors
    /// It leads to something the gateway trusts, or to what a target of another environment reaches.
    pub(crate) fn still(&self, target: &Configured) -> Result<(), Overlap> {
        let stays = {
            let led = self.led.read().unwrap_or_else(PoisonError::into_inner);
            // What is not there any more is looked at as well.
            led.get(&target.name).is_none_or(|(named, led)| named.canonicalize().is_ok_and(|leads| leads == *led))
        };
        if stays { Ok(()) } else { self.look() }
    }

    /// What a target's calls may not change though it may reach it: the files of targets of other kinds that only those
    /// may change, and every name on the way to them, as the links lie now.
    pub(crate) fn reserved(&self, target: &Configured) -> Vec<Reserved> {
        let others = self.targets.iter().filter(|(other, _)| other.kind != target.kind);
        let of_one = |(other, toolset): &(Arc<Configured>, Arc<dyn Toolset>)| {
            let paths = toolset.reserves(&other.settings).into_iter().flat_map(|path| Walked::of(&path).names);
            paths.map(|path| Reserved { target: other.name.clone(), path }).collect::<Vec<_>>()
        };
        let mut reserved: Vec<Reserved> = others.flat_map(of_one).collect();
        reserved.sort_by(|one, other| one.path.cmp(&other.path));
        reserved.dedup_by(|one, other| one.path == other.path);
        reserved
    }

    fn look(&self) -> Result<(), Overlap> {
        let reaches = self.reaches();
        let trusted = self.trusted.read().unwrap_or_else(PoisonError::into_inner).clone();
        trusted.iter().try_for_each(|trusted| out_of_reach(trusted, &reaches))?;
        apart(&reaches)?;
        let mut led = BTreeMap::new();
        for reach in reaches {
            led.entry(reach.target.name.clone()).or_insert((reach.named, reach.path.real));
        }
        *self.led.write().unwrap_or_else(PoisonError::into_inner) = led;
        Ok(())
    }

    fn reaches(&self) -> Vec<Reach> {
        let paths = |(target, toolset): &(Arc<Configured>, Arc<dyn Toolset>)| {
            let paths = toolset.reach(&target.settings).into_iter();
            let reach = |named: PathBuf| Reach { target: Arc::clone(target), path: Walked::of(&named), named };
            paths.map(reach).collect::<Vec<_>>()
        };
        self.targets.iter().flat_map(paths).collect()
    }
}

/// No target reaches it, and no target lies in it.
fn out_of_reach(trusted: &Trusted, reaches: &[Reach]) -> Result<(), Overlap> {
    if reaches.is_empty() {
        return Ok(());
    }
    // What can be found in a target's reach alone is named in the refusal.
    let (safe, all) = match trusted.place {
        Place::Program(_) => (safe_search_path(reaches), search_path()),
        _ => Default::default(),
    };
    for owned in owned(trusted.what, &trusted.place, &safe, &all) {
        let own = Walked::of(&owned.path);
        for Reach { target, path, .. } in reaches {
            let Some(at) = own.is_in(path).or_else(|| owned.within.holds(path, &own)) else { continue };
            let (target, reach) = (target.name.clone(), path.real.clone());
            return Err(match &trusted.place {
                Place::LookedBefore(_) => Overlap::NextStart { target, reach, place: at.to_path_buf() },
                _ => Overlap::Own { target, reach, what: owned.what, key: trusted.key.clone(), own: at.to_path_buf() },
            });
        }
    }
    Ok(())
}

/// Targets of different environments do not reach the same.
fn apart(reaches: &[Reach]) -> Result<(), Overlap> {
    for (index, one) in reaches.iter().enumerate() {
        for other in &reaches[index + 1..] {
            let (here, there) = (&one.target.environment, &other.target.environment);
            if here == there {
                continue;
            }
            if let Some(path) = one.path.is_in(&other.path).or_else(|| other.path.is_in(&one.path)) {
                return Err(Overlap::Targets {
                    one: one.target.name.clone(),
                    one_environment: here.name.clone(),
                    other: other.target.name.clone(),
                    other_environment: there.name.clone(),
                    path: path.to_path_buf(),
                });
            }
        }
    }
    Ok(())
}

/// Where programs are looked for, without what a target reaches.
fn safe_search_path(reaches: &[Reach]) -> Vec<PathBuf> {
    let is_safe = |folder: &PathBuf| {
        let folder = Walked::of(folder);
        reaches.iter().all(|reach| folder.is_in(&reach.path).is_none())
    };
    search_path().into_iter().filter(is_safe).collect()
}
