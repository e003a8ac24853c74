//! What a policy depends on, read off its syntax. Two questions are answered for every request at once, which no set of
//! sampled requests could: can a stronger approval ever be to a call's disadvantage, and does the policy go by something
//! that only a look at the target can tell?

use cedar_policy::pst::{
    BinaryOp, Clause, Effect, EntityOrSlot, EntityUID, Expr, Literal, PrincipalConstraint, ResourceConstraint,
    Template, UnaryOp, Var,
};

use mollyguard_tools::contract::{Reversibility, Scope, Tier};

use super::schema::Vocabulary;
use super::situation::{CLASSES, SCOPES, TIERS};

/// A variable and the attributes taken from it: `context.call.tier`.
type Path<'a> = (&'a Var, Vec<&'a str>);

/// Whether the policy goes by something only a look tells: the thing's own kind, path and name, or any count.
pub(super) fn depends_on_look(policy: &Template) -> bool {
    names_resource(policy)
        || any_path(policy, &|(var, attributes)| match (var, attributes.as_slice()) {
            (Var::Context, [] | ["call"]) => true,
            (Var::Context, ["call", field, ..]) => {
                matches!(*field, "resources" | "dependents" | "rows" | "bytes" | "truncated")
            }
            _ => false,
        })
}

/// Whether the policy tells apart things within one configured target.
pub(super) fn names_resource(policy: &Template) -> bool {
    !matches!(policy.resource, ResourceConstraint::Any)
        || any_path(policy, &|(var, attributes)| {
            **var == Var::Resource && !matches!(attributes.as_slice(), ["target" | "environment" | "tier", ..])
        })
}

/// Why the policy does not surely keep the rule that a stronger approval never turns a yes into a no; `None` if it does.
///
/// Sound and not complete. A permit may only grow true with the approval, a forbid only false. And since an error anywhere
/// is a no, a policy that mentions the approval may use nothing that can fail while running.
pub(super) fn unsteady(policy: &Template) -> Option<String> {
    if !any_path(policy, &is_approval) {
        return None;
    }
    if let Some(what) = clauses(policy).find_map(can_fail) {
        return Some(format!("it mentions the approval, so it cannot use {what}: an error there would undo a yes"));
    }
    let wanted = match policy.effect {
        Effect::Permit => Slope::Up,
        Effect::Forbid => Slope::Down,
    };
    let slope = policy.clauses().iter().try_fold(Slope::Flat, |so_far, clause| {
        let slope = match clause {
            Clause::When(condition) => slope(condition),
            Clause::Unless(condition) => slope(condition).map(Slope::flipped),
        };
        so_far.with(slope?)
    });
    match slope {
        Some(slope) if slope == Slope::Flat || slope == wanted => None,
        _ => {
            let why = match policy.effect {
                Effect::Permit => "a stronger approval could end what it permits: ask for it in `when`, with `>=`",
                Effect::Forbid => "a stronger approval could make it forbid: mention it in `unless`, with `>=`",
            };
            Some(why.to_owned())
        }
    }
}

/// Comparisons that can never hold because a word is not one the gateway uses, each said in a sentence.
pub(super) fn unknown_words(policy: &Template, vocabulary: &Vocabulary) -> Vec<String> {
    let mut found = Vec::new();
    for clause in clauses(policy) {
        visit(clause, &mut |expr| {
            let Expr::BinaryOp { op, left, right } = expr else { return };
            for (side, other) in [(left, right), (right, left)] {
                let Some((var, attributes)) = path(side) else { continue };
                check_number((var, &attributes), other, &mut found);
                // An order on strings does not type-check: `==`, `!=` and `contains` are what is left.
                let Some(known) = words(var, &attributes, vocabulary) else { continue };
                if matches!(op, BinaryOp::Eq | BinaryOp::NotEq | BinaryOp::Contains) {
                    let unknown = strings(other).into_iter().filter(|word| !known.contains(word));
                    let place = attributes.join(".");
                    found.extend(
                        unknown.map(|word| format!("`{place}` is never `{word}`: it is one of {}", known.join(", "))),
                    );
                }
            }
        });
    }
    found
}

/// The roles the policy names, for trying it out.
pub(super) fn roles_named(policy: &Template) -> Vec<String> {
    let mut found = Vec::new();
    let mut note = |uid: &EntityUID| {
        if uid.ty.to_string() == "Role" {
            found.push(uid.eid.to_string());
        }
    };
    match &policy.principal {
        PrincipalConstraint::In(EntityOrSlot::Entity(uid))
        | PrincipalConstraint::IsIn(_, EntityOrSlot::Entity(uid)) => {
            note(uid);
        }
        _ => {}
    }
    for clause in clauses(policy) {
        visit(clause, &mut |expr| {
            if let Expr::Literal(Literal::EntityUID(uid)) = expr {
                note(uid);
            }
        });
    }
    found
}

/// How the truth of a condition moves as the approval grows stronger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slope {
    Flat,
    Up,
    Down,
}

impl Slope {
    const fn flipped(self) -> Self {
        match self {
            Self::Flat => Self::Flat,
            Self::Up => Self::Down,
            Self::Down => Self::Up,
        }
    }

    fn with(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Flat, slope) | (slope, Self::Flat) => Some(slope),
            (one, two) => (one == two).then_some(one),
        }
    }
}

fn slope(expr: &Expr) -> Option<Slope> {
    if !mentions(expr, &is_approval) {
        return Some(Slope::Flat);
    }
    match expr {
        Expr::HasAttr { .. } => path_of_has(expr).filter(|path| !path.1.is_empty()).map(|_| Slope::Up),
        Expr::UnaryOp { op: UnaryOp::Not, expr } => slope(expr).map(Slope::flipped),
        Expr::BinaryOp { op: BinaryOp::And | BinaryOp::Or, left, right } => slope(left)?.with(slope(right)?),
        Expr::BinaryOp { op, left, right } => {
            let rising = match op {
                BinaryOp::Greater | BinaryOp::GreaterEq => Slope::Up,
                BinaryOp::Less | BinaryOp::LessEq => Slope::Down,
                _ => return None,
            };
            let is_strength = |side| path(side).is_some_and(|path| is_approval(&path) && path.1.len() == 2);
            match (is_strength(left), is_strength(right)) {
                (true, false) if !mentions(right, &is_approval) => Some(rising),
                (false, true) if !mentions(left, &is_approval) => Some(rising.flipped()),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Names something in the expression that can fail though it type-checks: arithmetic overflows, dates run out of range,
/// and an entity that is only named has no attributes.
fn can_fail(expr: &Expr) -> Option<&'static str> {
    let mut found = None;
    visit(expr, &mut |expr| {
        let what = match expr {
            Expr::Literal(_) | Expr::Var(_) | Expr::HasAttr { .. } | Expr::Like { .. } | Expr::Is { .. } => return,
            Expr::IfThenElse { .. } | Expr::Set(_) | Expr::Record(_) => return,
            Expr::GetAttr { .. } if path(expr).is_some() => return,
            Expr::GetAttr { .. } => "attributes of anything but principal, resource and context",
            Expr::UnaryOp { op: UnaryOp::Not | UnaryOp::IsEmpty, .. } => return,
            Expr::BinaryOp { op, .. } => match op {
                BinaryOp::Eq | BinaryOp::NotEq | BinaryOp::And | BinaryOp::Or | BinaryOp::In => return,
                BinaryOp::Less | BinaryOp::LessEq | BinaryOp::Greater | BinaryOp::GreaterEq => return,
                BinaryOp::Contains | BinaryOp::ContainsAll | BinaryOp::ContainsAny => return,
                BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul => "arithmetic",
                _ => "dates, decimals or addresses",
            },
            Expr::UnaryOp { op: UnaryOp::Neg, .. } => "arithmetic",
            _ => "dates, decimals or addresses",
        };
        found = Some(what);
    });
    found
}

/// The words an attribute can have, where that is a closed list.
fn words<'a>(var: &Var, attributes: &[&str], vocabulary: &'a Vocabulary) -> Option<Vec<&'a str>> {
    match (var, attributes) {
        (Var::Context, ["call", "tier"]) | (Var::Resource, ["tier"]) => Some(TIERS.map(Tier::as_str).to_vec()),
        (Var::Context, ["call", "reversibility"]) => Some(CLASSES.map(Reversibility::as_str).to_vec()),
        (Var::Context, ["call", "scope"]) => Some(SCOPES.map(Scope::as_str).to_vec()),
        (Var::Context, ["call", "tool"]) => Some(vocabulary.actions.keys().map(String::as_str).collect()),
        (Var::Context, ["call", "toolset"]) => Some(vocabulary.toolsets.iter().map(String::as_str).collect()),
        _ => None,
    }
}

fn check_number((var, attributes): (&Var, &[&str]), other: &Expr, found: &mut Vec<String>) {
    if let (Var::Context, ["approval", "assurance"], Expr::Literal(Literal::Long(n))) = (var, attributes, other)
        && !(1..=4).contains(n)
    {
        found.push(format!("`approval.assurance` is compared with {n}: it is 1 (acknowledged) to 4 (passkey)"));
    }
}

fn strings(expr: &Expr) -> Vec<&str> {
    match expr {
        Expr::Literal(Literal::String(text)) => vec![text],
        Expr::Set(items) => items.iter().flat_map(|item| strings(item)).collect(),
        _ => Vec::new(),
    }
}

fn clauses(policy: &Template) -> impl Iterator<Item = &Expr> {
    policy.clauses().iter().map(|clause| match clause {
        Clause::When(condition) | Clause::Unless(condition) => condition.as_ref(),
    })
}

fn is_approval((var, attributes): &Path<'_>) -> bool {
    // The bare context counts: comparing it whole compares the approval too.
    **var == Var::Context && attributes.first().is_none_or(|first| *first == "approval")
}

fn any_path(policy: &Template, wanted: &dyn Fn(&Path<'_>) -> bool) -> bool {
    clauses(policy).any(|clause| mentions(clause, wanted))
}

/// Whether any longest path in the expression is wanted. What the syntax tree may learn to say later counts as mentioned.
fn mentions(expr: &Expr, wanted: &dyn Fn(&Path<'_>) -> bool) -> bool {
    if let Some(path) = path(expr).or_else(|| path_of_has(expr)) {
        return wanted(&path);
    }
    children(expr).is_none_or(|children| children.into_iter().any(|child| mentions(child, wanted)))
}

/// Calls `see` for the expression and everything in it.
fn visit<'a>(expr: &'a Expr, see: &mut dyn FnMut(&'a Expr)) {
    see(expr);
    for child in children(expr).unwrap_or_default() {
        visit(child, see);
    }
}

fn path(expr: &Expr) -> Option<Path<'_>> {
    match expr {
        Expr::Var(var) => Some((var, Vec::new())),
        Expr::GetAttr { expr, attr } => {
            let (var, mut attributes) = path(expr)?;
            attributes.push(attr);
            Some((var, attributes))
        }
        _ => None,
    }
}

fn path_of_has(expr: &Expr) -> Option<Path<'_>> {
    let Expr::HasAttr { expr, attrs } = expr else { return None };
    let (var, mut attributes) = path(expr)?;
    attributes.extend(attrs.iter().map(AsRef::<str>::as_ref));
    Some((var, attributes))
}

/// An expression's parts; `None` for what this version of the syntax tree does not know.
fn children(expr: &Expr) -> Option<Vec<&Expr>> {
    Some(match expr {
        Expr::Literal(_) | Expr::Var(_) => Vec::new(),
        Expr::UnaryOp { expr, .. }
        | Expr::GetAttr { expr, .. }
        | Expr::HasAttr { expr, .. }
        | Expr::Like { expr, .. } => vec![expr],
        Expr::BinaryOp { left, right, .. } => vec![left, right],
        Expr::Is { expr, in_expr, .. } => std::iter::once(expr).chain(in_expr).map(AsRef::as_ref).collect(),
        Expr::IfThenElse { cond, then_expr, else_expr } => vec![cond, then_expr, else_expr],
        Expr::Set(items) => items.iter().map(AsRef::as_ref).collect(),
        Expr::Record(fields) => fields.values().map(AsRef::as_ref).collect(),
        _ => return None,
    })
}
