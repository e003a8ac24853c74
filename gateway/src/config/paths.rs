//! Paths as a configuration writes them.

use std::path::{Path, PathBuf};

pub(super) fn home() -> Option<PathBuf> {
    std::env::var_os("HOME").map(PathBuf::from).filter(|path| path.is_absolute())
}

/// A path of the configuration: `~/` is the home directory, relative ones are taken from the file's folder.
pub(super) fn resolve(path: &str, base: &Path) -> PathBuf {
    match path.strip_prefix("~/").and_then(|rest| home().map(|home| home.join(rest))) {
        Some(path) => path,
        None => base.join(path),
    }
}

/// The words of a command as it is run, wherever that is: a program named by a path, and each word that names what lies in
/// the configuration's folder, by absolute paths. What stands behind the `=` of an option is such a word as well.
pub(super) fn absolute_words(words: &[String], base: &Path) -> Vec<String> {
    let there = |word: &str| {
        let is_path = word.contains('/') || word.contains('.');
        let is_other = word.is_empty() || word.starts_with('-') || word.contains(['{', '\0']) || word.contains("://");
        let path = resolve(word, base);
        // A folder is meant only where the word says that it is a path.
        let is_there = path.is_file() || (word.contains('/') && path.exists());
        (is_path && !is_other && is_there).then(|| path.to_str().map(str::to_owned)).flatten()
    };
    let absolute = |(at, word): (usize, &String)| match word.split_once('=').filter(|_| word.starts_with('-')) {
        _ if at == 0 && word.contains('/') => resolve(word, base).to_str().unwrap_or(word).to_owned(),
        // A program without a `/` is looked for in `PATH`.
        _ if at == 0 => word.clone(),
        Some((option, value)) => there(value).map_or_else(|| word.clone(), |path| format!("{option}={path}")),
        None => there(word).unwrap_or_else(|| word.clone()),
    };
    words.iter().enumerate().map(absolute).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_in_the_configurations_folder_is_named_absolutely() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("bin")).unwrap();
        for file in ["bin/tell", "tell.py", "Mollyguard"] {
            std::fs::write(folder.path().join(file), "").unwrap();
        }
        let absolute = |words: &str| {
            let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
            let whole = absolute_words(&words, folder.path()).join(" ");
            whole.replace(&folder.path().display().to_string(), "BASE")
        };
        for (words, same) in [
            ("bin/tell bin/tell", "BASE/bin/tell BASE/bin/tell"),
            ("./not-there x", "BASE/./not-there x"),
            ("tell tell.py", "tell BASE/tell.py"),
            ("python3 -u tell.py --config=bin/tell", "python3 -u BASE/tell.py --config=BASE/bin/tell"),
            ("notify-send Mollyguard bin {what} bin/", "notify-send Mollyguard bin {what} BASE/bin/"),
            ("curl https://bin/tell /bin/none none.py", "curl https://bin/tell /bin/none none.py"),
        ] {
            assert_eq!(absolute(words), same);
        }
    }
}
