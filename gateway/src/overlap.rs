//! Keeps the gateway's own files, and targets of different environments, out of each other's reach: a call on a staging
//! target must not change production, and no call at all may touch the record, the keys or the policies.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use mollyguard_tools::contract::{Configured, Toolset};

use crate::config::Config;
use crate::credentials::SecretSource;

/// Two things of which one lies within the other's reach.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Overlap {
    /// A target reaches something of the gateway's own, or lies in it.
    #[error(
        "target `{target}` reaches `{}`, and so does the gateway's own {what}, `{}`: calls on it could change what guards \
         them; keep them in different folders",
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
        /// Where that is.
        own: PathBuf,
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
        /// What both reach.
        path: PathBuf,
    },
}

/// Checks a configuration, as the paths lie now.
///
/// # Errors
/// The first overlap.
pub fn check(config: &Config, toolsets: &[Arc<dyn Toolset>]) -> Result<(), Overlap> {
    let reaches: Vec<(&Configured, PathBuf)> = config
        .targets
        .values()
        .flat_map(|target| {
            let toolset = toolsets.iter().find(|toolset| toolset.name() == target.configured.kind);
            let paths = toolset.map(|toolset| toolset.reach(&target.configured.settings)).unwrap_or_default();
            paths.into_iter().map(|path| (&*target.configured, real(&path)))
        })
        .collect();
    for (target, reach) in &reaches {
        for (what, own) in own(config) {
            if within(&own, reach) || within(reach, &own) {
                return Err(Overlap::Own { target: target.name.clone(), reach: reach.clone(), what, own });
            }
        }
    }
    for (index, (one, path)) in reaches.iter().enumerate() {
        for (other, other_path) in &reaches[index + 1..] {
            let meet = within(path, other_path) || within(other_path, path);
            if meet && one.environment != other.environment {
                return Err(Overlap::Targets {
                    one: one.name.clone(),
                    one_environment: one.environment.name.clone(),
                    other: other.name.clone(),
                    other_environment: other.environment.name.clone(),
                    path: if within(path, other_path) { path.clone() } else { other_path.clone() },
                });
            }
        }
    }
    Ok(())
}

/// What of the gateway's own lies in the file system.
fn own(config: &Config) -> Vec<(&'static str, PathBuf)> {
    let mut own = vec![("state directory", config.state.clone()), ("configuration", config.path.clone())];
    own.extend(config.policy_directories.iter().map(|path| ("policies", path.clone())));
    own.extend(config.checkpoint.iter().map(|path| ("checkpoint file", path.clone())));
    let secrets = config.targets.values().filter_map(|target| target.secret.as_ref()).chain(&config.redact);
    own.extend(secrets.filter_map(|secret| match secret {
        SecretSource::File(path) => Some(("secret", path.clone())),
        SecretSource::Env(_) | SecretSource::Command(_) => None,
    }));
    own.into_iter().map(|(what, path)| (what, real(&path))).collect()
}

fn within(path: &Path, folder: &Path) -> bool {
    path.starts_with(folder)
}

/// The path without links, as far as it exists.
fn real(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let mut missing = Vec::new();
    let mut existing = path.as_path();
    let mut ups = 0_usize;
    loop {
        if let Ok(mut real) = existing.canonicalize() {
            (0..ups).for_each(|_| {
                real.pop();
            });
            return missing.iter().rev().fold(real, |path, name| path.join(name));
        }
        // What is missing cannot be a link, so `..` after it can be taken at its word.
        let name = existing.components().next_back();
        existing = existing.parent().unwrap_or(Path::new("/"));
        match name {
            Some(Component::Normal(name)) if ups == 0 => missing.push(name.to_owned()),
            Some(Component::Normal(_)) => ups -= 1,
            Some(Component::ParentDir) => ups += 1,
            _ => return path,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(folder: &Path, targets: &str) -> Result<(), Overlap> {
        let toolsets = mollyguard_tools::toolsets();
        let text = format!(
            "[gateway]\nstate = \"state\"\nuser = \"anna\"\n[audit]\ncheckpoint = \"heads/heads.txt\"\n\
             [environments.production]\ntier = \"production\"\n[environments.staging]\ntier = \"staging\"\n{targets}"
        );
        let config = Config::parse(&text, &folder.join("etc/mollyguard.toml"), &toolsets).unwrap();
        check(&config, &toolsets)
    }

    fn files(name: &str, environment: &str, root: &str) -> String {
        format!("[targets.{name}]\nkind = \"files\"\nenvironment = \"{environment}\"\nroot = \"{root}\"\n")
    }

    #[test]
    fn the_gateways_own_files_are_out_of_reach() {
        let folder = tempfile::tempdir().unwrap();
        for root in [".", "..", "state", "state/streams", "heads", "/"] {
            let found = checked(folder.path(), &files("a", "staging", root));
            assert!(matches!(found, Err(Overlap::Own { .. })), "{root}: {found:?}");
        }
        assert_eq!(checked(folder.path(), &files("a", "staging", "uploads")), Ok(()));
    }

    #[test]
    fn a_link_does_not_hide_what_lies_behind_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("etc/state")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("etc/state"), folder.path().join("etc/innocent")).unwrap();
        let found = checked(folder.path(), &files("a", "staging", "innocent"));
        assert!(matches!(found, Err(Overlap::Own { what: "state directory", .. })), "{found:?}");
    }

    #[test]
    fn environments_are_out_of_each_others_reach() {
        let folder = tempfile::tempdir().unwrap();
        let nested = files("a", "staging", "data") + &files("b", "production", "data/live");
        assert!(matches!(checked(folder.path(), &nested), Err(Overlap::Targets { .. })));
        let same = files("a", "staging", "data") + &files("b", "staging", "data/live");
        assert_eq!(checked(folder.path(), &same), Ok(()));
        let database = "[targets.b]\nkind = \"sqlite\"\nenvironment = \"production\"\npath = \"data/live.db\"\n";
        assert!(matches!(
            checked(folder.path(), &(files("a", "staging", "data") + database)),
            Err(Overlap::Targets { .. })
        ));
    }
}
