//! What a look finds about a thing that is to go, for good or not.

use super::catalog::Relation;
use super::contents::{self, Contents};
use super::dependents::Dependents;
use super::shape;
use super::subject::{self, Named, Subject};
use crate::contract::{About, BlastRadius, Digest, Evidence, Findings, Fingerprint, Scope, ToolError};
use crate::text::size;
use crate::toolsets::postgres::connect::Tx;

/// Finds the thing that a call names. In a change it is locked first.
pub(crate) async fn find(tx: &Tx<'_>, named: &Named<'_>) -> Result<Subject, ToolError> {
    let first = subject::find(tx, named).await?;
    if !tx.is_change() {
        return Ok(first);
    }
    // A schema is renamed or, when it is empty, removed: no row in it is at stake, and its tables may be somebody else's.
    if !matches!(first, Subject::Schema(..)) {
        shape::lock(tx, first.relations()).await?;
    }
    // What waited for the lock may have found another thing behind the name.
    let quoted = match &first {
        Subject::Relation(all) => all.first().map(Relation::quoted),
        Subject::Column(table, _) => Some(table.quoted()),
        Subject::Schema(..) => None,
    };
    subject::find(tx, &Named { name: quoted.as_deref().unwrap_or(named.name), ..named.clone() }).await
}

/// What a look finds about a thing, whatever is to become of it.
pub(crate) struct Look {
    pub subject: Subject,
    pub contents: Contents,
    pub dependents: Dependents,
    fingerprint: Digest,
}

impl Fingerprint for Look {
    fn fingerprint(&self) -> Digest {
        self.fingerprint
    }

    fn moved(&self) -> String {
        format!("the {} is no longer as it was looked at", self.subject.shown())
    }
}

impl Look {
    pub(crate) async fn at(tx: &Tx<'_>, subject: Subject) -> Result<Self, ToolError> {
        let contents = contents::contents(tx, subject.relations(), tx.site().limits.count).await?;
        let dependents = subject.dependents(tx).await?;
        let fingerprint = subject.fingerprint(tx, &contents, &dependents).await?;
        Ok(Self { subject, contents, dependents, fingerprint })
    }

    /// What taking it away means, for good or not.
    pub(crate) async fn findings(&self, tx: &Tx<'_>, [before, after]: [&str; 2]) -> Result<Findings, ToolError> {
        let Self { subject, contents, dependents, .. } = self;
        let (scope, resources) = match subject {
            Subject::Schema(_, all) => (Scope::Group, 1 + all.len() as u64),
            Subject::Relation(_) | Subject::Column(..) => (Scope::Resource, 1),
        };
        let relation = |oid: u32| subject.relations().iter().find(|relation| relation.oid == oid);
        let parts = contents.parts.iter().filter_map(|part| Some((relation(part.oid)?.shown(), part.rows)));
        let radius = BlastRadius {
            resources,
            dependents: dependents.len(),
            rows: contents.rows,
            bytes: Some(contents.bytes),
            truncated: contents.truncated || dependents.truncated,
            parts: parts.collect(),
            ..BlastRadius::one(scope)
        };
        let mut evidence = vec![Evidence::seen(About::State, self.holds(), "pg_class")];
        if subject.relations().iter().any(|relation| relation.kind == 'r') {
            let last = shape::last_write(tx, subject.relations(), contents, tx.site().limits.count).await?;
            evidence.push(Evidence::seen(About::State, last, "pg_stat_all_tables"));
        }
        let rows = contents.shown().map(|rows| format!(" with {rows}")).unwrap_or_default();
        let target = subject.target(tx).ok_or_else(|| ToolError::not_found("there is nothing of that name"))?;
        let backups = "the gateway knows of no backup of this database, nor of its age";
        Ok(Findings::on([target], format!("{before} the {}{rows}{after}", subject.shown()))
            .radius(radius)
            .facts(evidence)
            .fact(About::Backups, backups, "the configuration"))
    }

    fn holds(&self) -> String {
        let rows = match (self.contents.shown(), self.contents.hidden) {
            (_, true) => self.contents.runs.as_ref().map_or_else(
                || "rows that this role may not see all of".into(),
                |runs| format!("rows that were not counted, since that would run {runs}"),
            ),
            (Some(rows), _) => rows,
            (None, _) => "no rows of its own".into(),
        };
        let bytes = size(self.contents.bytes);
        let along = self.dependents.companions();
        let along = if along.is_empty() { String::new() } else { format!("; with it go {along}") };
        match &self.subject {
            Subject::Column(..) => format!("its table holds {rows}, {bytes}{along}"),
            _ => format!("the {} holds {rows}, {bytes}{along}", self.subject.shown()),
        }
    }
}
