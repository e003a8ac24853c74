//! What the policies said before. They are fixed for the life of a process and see nothing but what [`Asked`] holds, so the
//! same question has the same answer; what goes by the strongest approval there is, is forgotten when that changes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use mollyguard_record::model::Principal;
use mollyguard_tools::contract::{Declaration, Reversibility, Scope, Target};

use super::request::Asked;
use super::situation::mildest;

/// The most answers that are kept. When there are more, all are forgotten and asked for anew.
const KEPT: usize = 512;

/// Answers to exactly these questions.
#[derive(Debug)]
pub(super) struct DecisionCache<T>(Mutex<HashMap<Asked, T>>);

impl<T> Default for DecisionCache<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> DecisionCache<T> {
    pub(super) fn find(&self, asked: &Asked) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(asked).cloned()
    }

    /// What was said under other circumstances.
    pub(super) fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(super) fn keep(&self, asked: Asked, answer: T) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KEPT {
            known.clear();
        }
        known.insert(asked, answer);
    }
}

/// The most calls of one tool that are known not to be hopeless.
const HOPES_OF_A_TOOL: usize = 64;

/// Calls that are not hopeless whatever is found, by tool. Each call asks for this before it is looked at.
#[derive(Debug, Default)]
pub(super) struct Hopes(Mutex<HashMap<String, Vec<Hope>>>);

#[derive(Debug)]
struct Hope {
    user: String,
    roles: Vec<String>,
    target: Target,
    kind: String,
    promise: (Reversibility, Reversibility, Scope),
}

impl Hope {
    fn is_of(&self, principal: &Principal, declaration: &Declaration, target: &Target) -> bool {
        self.user == principal.user
            && self.roles == principal.roles
            && self.target == *target
            && self.kind == declaration.kind
            && self.promise == promise(declaration)
    }
}

fn promise(declaration: &Declaration) -> (Reversibility, Reversibility, Scope) {
    (mildest(declaration), declaration.reversibility, declaration.scope)
}

impl Hopes {
    pub(super) fn has(&self, principal: &Principal, declaration: &Declaration, target: &Target) -> bool {
        let hopes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_tool = hopes.get(&*declaration.name);
        of_tool.is_some_and(|hopes| hopes.iter().any(|hope| hope.is_of(principal, declaration, target)))
    }

    pub(super) fn keep(&self, principal: &Principal, declaration: &Declaration, target: &Target) {
        let mut hopes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_tool = hopes.entry(declaration.name.to_string()).or_default();
        if of_tool.len() >= HOPES_OF_A_TOOL {
            of_tool.clear();
        }
        of_tool.push(Hope {
            user: principal.user.clone(),
            roles: principal.roles.clone(),
            target: target.clone(),
            kind: declaration.kind.to_string(),
            promise: promise(declaration),
        });
    }

    /// What was so under other circumstances.
    pub(super) fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
