//! Patterns over paths relative to a root: `?` is one character, `*` any number of them within a name, `**` any number of
//! whole names. Nothing else is special.

use crate::text::shown;

/// One pattern, such as `backups/**`.
///
/// Letter case is ignored: on a file system that ignores it `Backups/a` is `backups/a`, and to protect too much is the
/// smaller fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    text: String,
    names: Vec<Vec<char>>,
}

impl Glob {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence fragment.
    pub fn parse(text: &str) -> Result<Self, String> {
        let names: Vec<&str> = text.split('/').collect();
        if names.iter().any(|name| matches!(*name, "" | "." | "..")) || text.contains('\0') {
            return Err(format!("{} is no pattern of names joined by `/`, relative to the root", shown(text)));
        }
        Ok(Self { text: text.to_owned(), names: names.into_iter().map(folded).collect() })
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the path, or a folder it lies in, matches.
    #[must_use]
    pub fn covers(&self, path: &str) -> bool {
        self.reach(path).is_none()
    }

    /// Whether something could lie in the folder `from` that is covered there, and would not be in the folder `to`.
    pub(crate) fn loses(&self, from: &str, to: &str) -> bool {
        match (self.reach(from), self.reach(to)) {
            (_, None) => false,
            (None, Some(_)) => true,
            // What is left to match below is the same, or more.
            (Some(from), Some(to)) => from.iter().zip(to).any(|(from, to)| *from && !to),
        }
    }

    /// How much of the pattern a path has matched: `reach[i]` when its first i names did. `None` for a path covered.
    fn reach(&self, path: &str) -> Option<Vec<bool>> {
        let names: Vec<Vec<char>> = path.split('/').map(folded).collect();
        let mut reach = vec![false; self.names.len() + 1];
        reach[0] = true;
        self.skip_any_depth(&mut reach);
        for name in &names {
            let mut next = vec![false; reach.len()];
            for (i, pattern) in self.names.iter().enumerate().filter(|(i, _)| reach[*i]) {
                if is_any_depth(pattern) {
                    next[i] = true;
                    // A trailing `**` means what lies inside, so it has to take at least one name.
                    next[i + 1] |= i + 1 == self.names.len();
                } else if name_matches(pattern, name) {
                    next[i + 1] = true;
                }
            }
            self.skip_any_depth(&mut next);
            if next.last() == Some(&true) {
                return None;
            }
            reach = next;
        }
        Some(reach)
    }

    fn skip_any_depth(&self, reach: &mut [bool]) {
        for (i, pattern) in self.names.iter().enumerate() {
            if reach[i] && is_any_depth(pattern) && i + 1 < self.names.len() {
                reach[i + 1] = true;
            }
        }
    }
}

fn folded(name: &str) -> Vec<char> {
    name.to_lowercase().chars().collect()
}

fn is_any_depth(pattern: &[char]) -> bool {
    pattern == ['*', '*']
}

fn name_matches(pattern: &[char], name: &[char]) -> bool {
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            // Let the last star take one character more.
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    (p, n) = (at + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(pattern: &str, path: &str) -> bool {
        Glob::parse(pattern).unwrap().covers(path)
    }

    #[test]
    fn stars_stay_within_a_name_and_double_stars_do_not() {
        assert!(covers("*.dump", "a.dump") && !covers("*.dump", "x/a.dump"));
        assert!(covers("**/*.dump", "a.dump") && covers("**/*.dump", "x/y/a.dump"));
        assert!(covers("backups/**", "backups/a") && covers("backups/**", "backups/a/b"));
        assert!(!covers("backups/**", "backups") && !covers("backups/**", "xbackups/a"));
        assert!(covers("a/**/z", "a/z") && covers("a/**/z", "a/b/c/z") && !covers("a/**/z", "a/b/c/y"));
        assert!(covers("db-?.sql*", "db-1.sql.gz") && !covers("db-?.sql", "db-10.sql"));
    }

    #[test]
    fn what_lies_in_a_matching_folder_is_covered() {
        assert!(covers("backups", "backups") && covers("backups", "backups/a/b") && covers("*/old", "x/old/1"));
    }

    #[test]
    fn what_a_folder_may_lose_by_a_move_is_known_unseen() {
        let loses = |pattern: &str, from: &str, to: &str| Glob::parse(pattern).unwrap().loses(from, to);
        assert!(loses("backups/**", "backups", "tmp") && loses("backups/**", "backups/a", "tmp"));
        assert!(loses("*/old/*.gz", "a/old", "a/new") && loses("a/*.gz", "a", "b/a") && loses("**/a/x", "q/a", "q/b"));
        assert!(!loses("backups/**", "data", "tmp") && !loses("backups/**", "backups/a", "backups/b"));
        assert!(!loses("**/*.dump", "a/b", "c") && !loses("backups/**", "data", "backups/data"));
        assert!(!loses("*/old/*.gz", "a/old", "b/old"));
    }

    #[test]
    fn letter_case_is_ignored() {
        assert!(covers("backups/**", "Backups/A") && covers("ÄRGER/*", "ärger/x"));
    }

    #[test]
    fn only_relative_patterns_of_names_are_taken() {
        for bad in ["", "/etc", "../x", "a//b", "./a", "a/"] {
            assert!(Glob::parse(bad).is_err(), "{bad}");
        }
    }
}
