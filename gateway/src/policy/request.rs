//! Facts as Cedar sees them: a principal, an action, a resource for each target, and a context; all of it checked against
//! the schema, because a policy that meets an unexpected type is skipped rather than obeyed.

use std::collections::{BTreeSet, HashMap, HashSet};

use cedar_policy::{Context, Entities, Entity, EntityUid, Request, RestrictedExpression as Value};
use mollyguard_record::model::{Need, Principal};
use mollyguard_tools::contract::{Declaration, Preflight, Reversibility, Scope, Target, Tier};
use uuid::Uuid;

use super::schema::{Vocabulary, uid};
use super::{Facts, Retention};

/// Why facts cannot be put to the policies. The call is then refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    #[error("no policy knows the tool `{0}`")]
    UnknownTool(String),
    #[error("the call has no target")]
    NoTarget,
    #[error("the facts do not fit the schema: {0}")]
    Unfit(String),
}

impl<'a> Facts<'a> {
    /// The facts of a call that was looked at.
    #[must_use]
    pub fn seen(
        call: Uuid,
        principal: &'a Principal,
        declaration: &'a Declaration,
        seen: &'a Preflight,
        approval: Option<Need>,
    ) -> Self {
        Self {
            call,
            principal,
            declaration,
            targets: &seen.targets,
            reversibility: seen.class(declaration),
            blast_radius: &seen.blast_radius,
            destroys_recovery: seen.destroys_recovery,
            retention: None,
            approval,
        }
    }
}

/// All that the policies see of a call, but for an approval: two calls of which this is the same are decided the same way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    user: String,
    roles: Vec<String>,
    tool: String,
    toolset: String,
    targets: Vec<Place>,
    reversibility: Reversibility,
    tier: Tier,
    scope: Scope,
    destroys_recovery: bool,
    environments: u64,
    resources: u64,
    dependents: u64,
    retention: Option<Retention>,
    truncated: bool,
    rows: Option<u64>,
    bytes: Option<u64>,
}

/// What the policies see of a target.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Place {
    kind: String,
    path: String,
    name: String,
    target: String,
    environment: String,
    tier: Tier,
}

impl Asked {
    /// `targets` are those of the facts that can be decided differently; the rest of the facts speaks of all of them.
    pub(super) fn of(facts: &Facts<'_>, targets: &[&Target]) -> Self {
        let radius = facts.blast_radius;
        let environments: BTreeSet<_> = facts.targets.iter().map(|target| target.environment.name.as_str()).collect();
        let place = |target: &&Target| Place {
            kind: target.kind.clone(),
            path: target.path.to_string(),
            name: target.name().into_owned(),
            target: target.path.configured().into_owned(),
            environment: target.environment.name.clone(),
            tier: target.environment.tier,
        };
        Self {
            user: facts.principal.user.clone(),
            roles: facts.principal.roles.clone(),
            tool: facts.declaration.name.to_string(),
            toolset: facts.declaration.kind.to_string(),
            targets: targets.iter().map(place).collect(),
            reversibility: facts.reversibility,
            tier: worst_tier(facts.targets),
            scope: radius.scope,
            destroys_recovery: facts.destroys_recovery,
            environments: environments.len() as u64,
            resources: radius.resources,
            dependents: radius.dependents,
            retention: facts.retention,
            truncated: radius.truncated,
            rows: radius.rows,
            bytes: radius.bytes,
        }
    }
}

/// One call's facts, ready to be decided with any approval.
#[derive(Debug)]
pub(super) struct Prepared<'a> {
    vocabulary: &'a Vocabulary,
    principal: EntityUid,
    action: EntityUid,
    resources: Vec<(EntityUid, Entities)>,
    call: Value,
}

impl<'a> Prepared<'a> {
    /// Of nothing but what is asked, so that nothing else can have a say.
    pub(super) fn new(vocabulary: &'a Vocabulary, asked: &Asked) -> Result<Self, RequestError> {
        if asked.targets.is_empty() {
            return Err(RequestError::NoTarget);
        }
        let action =
            vocabulary.actions.get(&asked.tool).ok_or_else(|| RequestError::UnknownTool(asked.tool.clone()))?;
        let principal = user(vocabulary, asked)?;
        let places = asked.targets.iter();
        let resources = places.map(|place| resource(vocabulary, &principal, place)).collect::<Result<_, _>>();
        Ok(Self {
            vocabulary,
            principal: principal.uid(),
            action: action.clone(),
            resources: resources?,
            call: call(asked)?,
        })
    }

    /// What to ask for each target, given this approval.
    pub(super) fn requests(
        &self,
        approval: Option<Need>,
    ) -> Result<impl Iterator<Item = Result<(Request, &Entities), RequestError>>, RequestError> {
        let mut pairs = vec![("call".to_owned(), self.call.clone())];
        if let Some(need) = approval {
            let fields = [
                ("assurance", i64::from(need.assurance.rank())),
                ("approvers", i64::from(need.approvers)),
                ("others", i64::from(need.others)),
            ];
            let approval = Value::new_record(fields.map(|(name, n)| (name.to_owned(), Value::new_long(n))));
            pairs.push(("approval".to_owned(), approval.map_err(unfit)?));
        }
        let context = Context::from_pairs(pairs).map_err(unfit)?;
        Ok(self.resources.iter().map(move |(resource, entities)| {
            let (principal, action) = (self.principal.clone(), self.action.clone());
            Request::new(principal, action, resource.clone(), context.clone(), Some(&self.vocabulary.schema))
                .map(|request| (request, entities))
                .map_err(unfit)
        }))
    }
}

/// The worst tier among targets; production where there are none.
pub(super) fn worst_tier(targets: &[Target]) -> Tier {
    targets.iter().map(|target| target.environment.tier).max().unwrap_or(Tier::Production)
}

fn user(vocabulary: &Vocabulary, asked: &Asked) -> Result<Entity, RequestError> {
    let attributes = HashMap::from([("name".to_owned(), Value::new_string(asked.user.clone()))]);
    let roles: HashSet<_> = asked.roles.iter().map(|role| uid(&vocabulary.types.role, role)).collect();
    Entity::new(uid(&vocabulary.types.user, &asked.user), attributes, roles).map_err(unfit)
}

fn resource(vocabulary: &Vocabulary, principal: &Entity, place: &Place) -> Result<(EntityUid, Entities), RequestError> {
    let attributes = [
        ("kind", place.kind.as_str()),
        ("path", place.path.as_str()),
        ("name", place.name.as_str()),
        ("target", place.target.as_str()),
        ("environment", place.environment.as_str()),
        ("tier", place.tier.as_str()),
    ];
    let attributes = attributes.map(|(name, text)| (name.to_owned(), Value::new_string(text.to_owned())));
    let id = uid(&vocabulary.types.target, &place.path);
    let entity = Entity::new(id.clone(), HashMap::from(attributes), HashSet::new()).map_err(unfit)?;
    let entities = Entities::from_entities([principal.clone(), entity], Some(&vocabulary.schema)).map_err(unfit)?;
    Ok((id, entities))
}

fn call(asked: &Asked) -> Result<Value, RequestError> {
    let text = |text: &str| Value::new_string(text.to_owned());
    let mut fields = vec![
        ("tool", text(&asked.tool)),
        ("toolset", text(&asked.toolset)),
        ("reversibility", text(asked.reversibility.as_str())),
        ("tier", text(asked.tier.as_str())),
        ("scope", text(asked.scope.as_str())),
        ("destroys_recovery", Value::new_bool(asked.destroys_recovery)),
        ("environments", count(asked.environments)),
        ("resources", count(asked.resources)),
        ("dependents", count(asked.dependents)),
        ("truncated", Value::new_bool(asked.truncated)),
    ];
    if let Some(Retention { age_days, over_age, over_size }) = asked.retention {
        let fields_of = [
            ("age_days", count(age_days.into())),
            ("over_age", Value::new_bool(over_age)),
            ("over_size", Value::new_bool(over_size)),
        ];
        let retention = Value::new_record(fields_of.map(|(name, value)| (name.to_owned(), value))).map_err(unfit)?;
        fields.push(("retention", retention));
    }
    fields.extend(asked.rows.map(|rows| ("rows", count(rows))));
    fields.extend(asked.bytes.map(|bytes| ("bytes", count(bytes))));
    Value::new_record(fields.into_iter().map(|(name, value)| (name.to_owned(), value))).map_err(unfit)
}

/// Cedar counts to 2^63 - 1; whatever is more is at least that.
fn count(n: u64) -> Value {
    Value::new_long(i64::try_from(n).unwrap_or(i64::MAX))
}

fn unfit(error: impl std::fmt::Display) -> RequestError {
    RequestError::Unfit(error.to_string())
}
