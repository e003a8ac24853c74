//! Facts as Cedar sees them: a principal, an action, a resource for each target, and a context; all of it checked against
//! the schema, because a policy that meets an unexpected type is skipped rather than obeyed.

use std::collections::{BTreeSet, HashMap, HashSet};

use cedar_policy::{Context, Entities, Entity, EntityUid, Request, RestrictedExpression as Value};
use mollyguard_tools::contract::{Target, Tier};

use super::Facts;
use super::schema::{Vocabulary, uid};
use crate::confirm::Need;
use crate::identity::Principal;

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
    /// `targets` are those of the facts that can be decided differently; the rest of the facts speaks of all of them.
    pub(super) fn new(
        vocabulary: &'a Vocabulary,
        facts: &Facts<'_>,
        targets: &[&Target],
    ) -> Result<Self, RequestError> {
        if targets.is_empty() {
            return Err(RequestError::NoTarget);
        }
        let tool = facts.declaration.name.as_ref();
        let action = vocabulary.actions.get(tool).ok_or_else(|| RequestError::UnknownTool(tool.to_owned()))?;
        let principal = user(vocabulary, facts.principal)?;
        let resources = targets.iter().map(|target| resource(vocabulary, &principal, target)).collect::<Result<_, _>>();
        Ok(Self {
            vocabulary,
            principal: principal.uid(),
            action: action.clone(),
            resources: resources?,
            call: call(facts)?,
        })
    }

    /// What to ask for each target, given this approval.
    pub(super) fn requests(
        &self,
        approval: Option<Need>,
    ) -> Result<impl Iterator<Item = Result<(Request, &Entities), RequestError>>, RequestError> {
        let mut pairs = vec![("call".to_owned(), self.call.clone())];
        if let Some(need) = approval {
            let fields = [("assurance", i64::from(need.assurance.rank())), ("approvers", i64::from(need.approvers))];
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

/// The configured target a target lies in: the first segment of its path.
pub(super) fn configured(target: &Target) -> &str {
    target.path.split('/').next().unwrap_or(&target.path)
}

/// The worst tier among targets; production where there are none.
pub(super) fn worst_tier(targets: &[Target]) -> Tier {
    targets.iter().map(|target| target.environment.tier).max().unwrap_or(Tier::Production)
}

fn user(vocabulary: &Vocabulary, principal: &Principal) -> Result<Entity, RequestError> {
    let attributes = HashMap::from([("name".to_owned(), Value::new_string(principal.user.clone()))]);
    let roles: HashSet<_> = principal.roles.iter().map(|role| uid(&vocabulary.types.role, role)).collect();
    Entity::new(uid(&vocabulary.types.user, &principal.user), attributes, roles).map_err(unfit)
}

fn resource(
    vocabulary: &Vocabulary,
    principal: &Entity,
    target: &Target,
) -> Result<(EntityUid, Entities), RequestError> {
    let attributes = [
        ("kind", target.kind.as_str()),
        ("path", target.path.as_str()),
        ("name", target.name()),
        ("target", configured(target)),
        ("environment", target.environment.name.as_str()),
        ("tier", target.environment.tier.as_str()),
    ];
    let attributes = attributes.map(|(name, text)| (name.to_owned(), Value::new_string(text.to_owned())));
    let id = uid(&vocabulary.types.target, &target.path);
    let entity = Entity::new(id.clone(), HashMap::from(attributes), HashSet::new()).map_err(unfit)?;
    let entities = Entities::from_entities([principal.clone(), entity], Some(&vocabulary.schema)).map_err(unfit)?;
    Ok((id, entities))
}

fn call(facts: &Facts<'_>) -> Result<Value, RequestError> {
    let radius = facts.blast_radius;
    let environments: BTreeSet<_> = facts.targets.iter().map(|target| target.environment.name.as_str()).collect();
    let text = |text: &str| Value::new_string(text.to_owned());
    let mut fields = vec![
        ("tool", text(&facts.declaration.name)),
        ("toolset", text(&facts.declaration.kind)),
        ("reversibility", text(facts.reversibility.as_str())),
        ("tier", text(worst_tier(facts.targets).as_str())),
        ("scope", text(radius.scope.as_str())),
        ("destroys_recovery", Value::new_bool(facts.destroys_recovery)),
        ("environments", count(environments.len() as u64)),
        ("resources", count(radius.resources)),
        ("dependents", count(radius.dependents)),
        ("truncated", Value::new_bool(radius.truncated)),
    ];
    fields.extend(radius.rows.map(|rows| ("rows", count(rows))));
    fields.extend(radius.bytes.map(|bytes| ("bytes", count(bytes))));
    Value::new_record(fields.into_iter().map(|(name, value)| (name.to_owned(), value))).map_err(unfit)
}

/// Cedar counts to 2^63 - 1; whatever is more is at least that.
fn count(n: u64) -> Value {
    Value::new_long(i64::try_from(n).unwrap_or(i64::MAX))
}

fn unfit(error: impl std::fmt::Display) -> RequestError {
    RequestError::Unfit(error.to_string())
}
