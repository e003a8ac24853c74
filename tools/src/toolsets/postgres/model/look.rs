//! What a look finds about a thing that is to go, for good or not.

use super::catalog::Relation;
use super::contents::{self, Contents};
use super::dependents::Dependents;
use super::shape;
use super::subject::{self, Named, Subject};
use crate::contract::{About, BlastRadius, Digest, Evidence, Preflight, Reversibility, Scope, ToolError};
use crate::text::size;
use crate::toolsets::postgres::connect::Tx;

/// Finds the thing again and locks it, and refuses when it is not what was looked at.
pub(crate) async fn locked(tx: &Tx<'_>, named: &Named<'_>, seen: &Preflight) -> Result<Subject, ToolError> {
    let first = subject::find(tx, named).await?;
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
    let subject = subject::find(tx, &Named { name: quoted.as_deref().unwrap_or(named.name), ..named.clone() }).await?;
    let look = Look::at(tx, &subject).await?;
    if look.fingerprint != seen.fingerprint {
        return Err(ToolError::changed(format!("the {} is no longer as it was looked at", subject.shown())));
    }
    Ok(subject)
}

/// What a look finds about a thing, whatever is to become of it.
pub(crate) struct Look {
    pub contents: Contents,
    pub dependents: Dependents,
    pub fingerprint: Digest,
}

impl Look {
    pub(crate) async fn at(tx: &Tx<'_>, subject: &Subject) -> Result<Self, ToolError> {
        let contents = contents::contents(tx, subject.relations(), tx.site().limits.count).await?;
        let dependents = subject.dependents(tx).await?;
        let fingerprint = subject.fingerprint(tx, &contents, &dependents).await?;
        Ok(Self { contents, dependents, fingerprint })
    }

    /// What taking it away means, for good or not.
    pub(crate) async fn preflight(
        &self,
        tx: &Tx<'_>,
        subject: &Subject,
        [before, after]: [&str; 2],
    ) -> Result<Preflight, ToolError> {
        let contents = &self.contents;
        let wide = matches!(subject, Subject::Schema(..));
        let mut blast_radius = BlastRadius::one(if wide { Scope::Group } else { Scope::Resource });
        if let Subject::Schema(_, all) = subject {
            blast_radius.resources = 1 + all.len() as u64;
        }
        blast_radius.dependents = self.dependents.len();
        blast_radius.rows = contents.rows;
        blast_radius.bytes = Some(contents.bytes);
        blast_radius.truncated = contents.truncated || self.dependents.truncated;
        for part in &contents.parts {
            if let Some(relation) = subject.relations().iter().find(|relation| relation.oid == part.oid) {
                blast_radius.parts.insert(relation.shown(), part.rows);
            }
        }
        let mut evidence = vec![Evidence::seen(About::State, self.holds(subject, &blast_radius), "pg_class")];
        if subject.relations().iter().any(|relation| relation.kind == 'r') {
            let last = shape::last_write(tx, subject.relations(), contents, tx.site().limits.count).await?;
            evidence.push(Evidence::seen(About::State, last, "pg_stat_all_tables"));
        }
        let backups = "the gateway knows of no backup of this database, nor of its age";
        evidence.push(Evidence::seen(About::Backups, backups, "the configuration"));
        let rows = contents.shown().map(|rows| format!(" with {rows}"));
        let target = subject.target(tx).ok_or_else(|| ToolError::not_found("there is nothing of that name"))?;
        Ok(Preflight {
            targets: vec![target],
            blast_radius,
            reversibility: Reversibility::Reversible,
            destroys_recovery: false,
            evidence,
            alternative: None,
            fingerprint: self.fingerprint,
            summary: format!("{before} the {}{}{after}", subject.shown(), rows.unwrap_or_default()),
            pre_image: None,
        })
    }

    fn holds(&self, subject: &Subject, radius: &BlastRadius) -> String {
        let rows = match (self.contents.shown(), self.contents.hidden) {
            (_, true) => self.contents.runs.as_ref().map_or_else(
                || "rows that this role may not see all of".into(),
                |runs| format!("rows that were not counted, since that would run {runs}"),
            ),
            (Some(rows), _) => rows,
            (None, _) => "no rows of its own".into(),
        };
        let bytes = radius.bytes.map_or_else(|| "nobody here may know how much".into(), size);
        let along = self.dependents.companions();
        let along = if along.is_empty() { String::new() } else { format!("; with it go {along}") };
        match subject {
            Subject::Column(..) => format!("its table holds {rows}, {bytes}{along}"),
            _ => format!("the {} holds {rows}, {bytes}{along}", subject.shown()),
        }
    }
}
