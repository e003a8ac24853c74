//! What a tool says of itself: what it promises, what it observes, and what it reads or applies. All else is done by the
//! adapter, the same for every tool.

use std::borrow::Cow;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::kind::{Kind, Purpose};
use super::undo::Undo;
use super::{Audience, Condition, Digest, Findings, Preflight, Probe, Reversibility, Scope, ToolError};

/// A condition under which a tool is milder than it declares: see [`Condition`].
#[derive(Clone, Copy, Debug)]
pub struct Softening {
    /// See [`Condition::name`].
    pub name: &'static str,
    /// See [`Condition::to`].
    pub to: Reversibility,
    /// See [`Condition::means`].
    pub means: &'static str,
}

impl Softening {
    /// As a declaration says it.
    #[must_use]
    pub const fn condition(&self) -> Condition {
        Condition { name: Cow::Borrowed(self.name), to: self.to, means: Cow::Borrowed(self.means) }
    }
}

/// What a tool promises of every call, but for what follows from its types and its kind.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// See [`super::Declaration::name`].
    pub name: &'static str,
    /// See [`super::Declaration::title`].
    pub title: &'static str,
    /// See [`super::Declaration::description`].
    pub description: &'static str,
    /// See [`super::Declaration::reversibility`].
    pub reversibility: Reversibility,
    /// See [`super::Declaration::softened_by`].
    pub softened_by: &'static [Softening],
    /// See [`super::Declaration::scope`].
    pub scope: Scope,
    /// See [`super::Declaration::idempotent`].
    pub idempotent: bool,
    /// See [`super::Declaration::open_world`].
    pub open_world: bool,
    /// See [`super::Declaration::audience`].
    pub audience: Audience,
    /// It acts on whole things: what comes of a call is told by those alone, whatever state they are in.
    pub whole: bool,
}

impl Spec {
    const fn of(text: [&'static str; 3], reversibility: Reversibility) -> Self {
        let [name, title, description] = text;
        Self {
            name,
            title,
            description,
            reversibility,
            softened_by: &[],
            scope: Scope::Resource,
            idempotent: matches!(reversibility, Reversibility::ReadOnly),
            open_world: false,
            audience: Audience::Agents,
            whole: false,
        }
    }

    /// A tool that changes nothing: its name, title and description.
    #[must_use]
    pub const fn read(name: &'static str, title: &'static str, description: &'static str) -> Self {
        Self::of([name, title, description], Reversibility::ReadOnly)
    }

    /// A tool that changes something, and how hard that is to take back at its worst.
    #[must_use]
    pub const fn change(
        name: &'static str,
        title: &'static str,
        description: &'static str,
        worst: Reversibility,
    ) -> Self {
        Self::of([name, title, description], worst)
    }

    /// The other half of a tool that can be undone: reached through the journal only, and undone itself.
    #[must_use]
    pub const fn undo(name: &'static str, title: &'static str, description: &'static str) -> Self {
        let spec = Self::of([name, title, description], Reversibility::Reversible);
        Self { audience: Audience::Undo, ..spec }
    }

    /// Milder where one of these is proven.
    #[must_use]
    pub const fn softened_by(self, conditions: &'static [Softening]) -> Self {
        Self { softened_by: conditions, ..self }
    }

    /// It can reach so far.
    #[must_use]
    pub const fn scope(self, scope: Scope) -> Self {
        Self { scope, ..self }
    }

    /// Repeating a finished call changes nothing more.
    #[must_use]
    pub const fn idempotent(self) -> Self {
        Self { idempotent: true, ..self }
    }

    /// See [`Spec::whole`].
    #[must_use]
    pub const fn on_whole_things(self) -> Self {
        Self { whole: true, ..self }
    }
}

/// What was observed before a change, and is observed again right before it is made.
pub trait Fingerprint {
    /// The digest of it: another one, and the change is refused.
    fn fingerprint(&self) -> Digest;

    /// What an agent is told then.
    fn moved(&self) -> String {
        "what this call acts on is no longer as it was looked at".to_owned()
    }
}

impl Fingerprint for Digest {
    fn fingerprint(&self) -> Digest {
        *self
    }
}

/// What came of a change.
#[derive(Debug)]
pub struct Applied<T> {
    /// The output.
    pub output: T,
    /// How to take it back.
    pub undo: Option<Undo>,
}

impl<T> Applied<T> {
    /// A change that can be taken back, or not.
    pub fn new(output: T, undo: impl Into<Option<Undo>>) -> Self {
        Self { output, undo: undo.into() }
    }
}

/// A transaction of a tool's kind.
pub type TxOf<'c, T> = <T as Kind>::Tx<'c>;

/// A connection of a tool's kind.
pub type ConnOf<T> = <T as Kind>::Conn;

/// A tool that changes nothing.
#[async_trait]
pub trait Read: Send + Sync + 'static {
    /// How its targets are reached.
    type Kind: Kind;
    /// The arguments but for `target`. Derive `serde(deny_unknown_fields)`: an unknown argument is an error.
    type Args: DeserializeOwned + JsonSchema + Send + Sync + 'static;
    /// The output.
    type Output: Serialize + JsonSchema + Send + 'static;
    /// What it found that it would read.
    type Seen: Fingerprint + Send;
    /// What it promises.
    const SPEC: Spec;

    /// Refuses what the arguments alone rule out, before anything is reached.
    fn check(_args: &Self::Args) -> Result<(), ToolError> {
        Ok(())
    }

    /// Finds what it would read, or refuses. Asked before the read is decided on, and again right before it is made.
    async fn observe(args: &Self::Args, tx: &mut TxOf<'_, Self::Kind>) -> Result<Self::Seen, ToolError>;

    /// What reading it means, for people and policies.
    fn describe(args: &Self::Args, seen: &Self::Seen, tx: &TxOf<'_, Self::Kind>) -> Findings;

    /// Reads.
    async fn read(
        args: &Self::Args,
        seen: Self::Seen,
        tx: &mut TxOf<'_, Self::Kind>,
    ) -> Result<Self::Output, ToolError>;

    /// See [`super::Tool::aim`].
    fn aim(_args: &Self::Args, seen: &Preflight) -> Vec<Value> {
        Self::Kind::aim(seen)
    }
}

/// A tool that changes something.
#[async_trait]
pub trait Change: Send + Sync + 'static {
    /// How its targets are reached.
    type Kind: Kind;
    /// The arguments but for `target`. Derive `serde(deny_unknown_fields)`: an unknown argument is an error.
    type Args: DeserializeOwned + JsonSchema + Send + Sync + 'static;
    /// The output.
    type Output: Serialize + JsonSchema + Send + 'static;
    /// The facts that the decision is about.
    type Seen: Fingerprint + Send;
    /// What it promises.
    const SPEC: Spec;

    /// Refuses what the arguments alone rule out, before anything is reached.
    fn check(_args: &Self::Args) -> Result<(), ToolError> {
        Ok(())
    }

    /// Says to the connection what the transaction that is about to begin has to be like, and waits for its turn where what is
    /// tried, or locked, holds up others: before it begins, so that nobody waits in one.
    async fn prepare(
        _args: &Self::Args,
        _purpose: Purpose<'_>,
        _conn: &mut ConnOf<Self::Kind>,
    ) -> Result<(), ToolError> {
        Ok(())
    }

    /// Observes what it would change, or refuses. In a transaction for a change this is the second time, and whatever is tried
    /// here is what is kept: where it is what was looked at, [`Change::apply`] goes on from it.
    async fn observe(args: &Self::Args, tx: &mut TxOf<'_, Self::Kind>) -> Result<Self::Seen, ToolError>;

    /// What the change means, for people and policies. It may look further, at what need not be the same when the change is
    /// made: who depends on it, when it was last used.
    async fn describe(
        args: &Self::Args,
        seen: &Self::Seen,
        tx: &mut TxOf<'_, Self::Kind>,
    ) -> Result<Findings, ToolError>;

    /// Makes the change, not yet for good where the kind has transactions. `agreed` is the look that was decided on, whose
    /// fingerprint is that of `seen`.
    async fn apply(
        args: &Self::Args,
        seen: Self::Seen,
        agreed: &Preflight,
        tx: &mut TxOf<'_, Self::Kind>,
    ) -> Result<Applied<Self::Output>, ToolError>;

    /// Whether things are as the change would have left them. Asked only where they are no longer as they were before it.
    async fn took_effect(
        _args: &Self::Args,
        _agreed: &Preflight,
        _tx: &mut TxOf<'_, Self::Kind>,
    ) -> Result<bool, ToolError> {
        Ok(false)
    }

    /// What became of a change that was begun and never seen to finish, and that can no longer take effect.
    async fn probe(args: &Self::Args, agreed: &Preflight, tx: &mut TxOf<'_, Self::Kind>) -> Result<Probe, ToolError> {
        let now = Self::observe(args, tx).await.map(|now| now.fingerprint());
        if now.is_ok_and(|now| now == agreed.fingerprint) {
            return Ok(Probe::Unchanged);
        }
        Ok(if Self::took_effect(args, agreed, tx).await? { Probe::Changed } else { Probe::Unknown })
    }

    /// See [`super::Tool::effect`].
    fn effect(_args: &Self::Args, seen: &Preflight) -> Value {
        if Self::SPEC.whole { Self::Kind::whole(seen) } else { Self::Kind::effect(seen) }
    }

    /// See [`super::Tool::aim`].
    fn aim(_args: &Self::Args, seen: &Preflight) -> Vec<Value> {
        Self::Kind::aim(seen)
    }
}
