//! One question: the facts laid out for reading, and the two ways to answer it. The words are exactly those every other
//! channel shows; only their layout is the page's.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use maud::{Markup, html};
use mollyguard_record::audit::End;
use mollyguard_record::model::{
    Approval, Assurance, Confirmation, ConfirmationState, Fact, Means, Operator, OwnWords, QuestionFacts, not_linked,
};
use mollyguard_tools::contract::now;
use uuid::Uuid;

use super::Page;
use super::session::Here;
use super::shell::{self, Id, Trouble, document, moment, until};
use super::words::plain;
use crate::confirm::{clean, is_typed, not_counted};
use crate::operators::{Separation, assurance_of};

/// What somebody can show here: a passkey, if they have one.
pub(super) fn means_of(page: &Page, operator: &Operator) -> (bool, Assurance) {
    let rp = &page.0.relying_party.id;
    let signs = operator.passkeys.iter().any(|passkey| passkey.relying_party == *rp);
    let means = if signs { Means::Passkey { id: String::new() } } else { Means::Code };
    (signs, assurance_of(&means, page.0.separation))
}

/// `GET /questions/{id}`
pub(super) async fn question(State(page): State<Page>, here: Here, Id(id): Id) -> Result<Response, Trouble> {
    let found = page.0.gateway.store.confirmation(id).await?;
    let Some((confirmation, standing)) = found else {
        return Err(Trouble::missing("There is no such question."));
    };
    let told = confirmation.told();
    let main = html! {
        article {
            h1 { (told.and_then(|told| told.facts.first()).map_or_else(|| confirmation.tool.clone(), Fact::line)) }
            div data-live {
                (state_of(&page, &confirmation, &standing).await?)
            }
            @match told {
                Some(told) => (laid_out(told)),
                None => div.words { @for line in confirmation.text.lines() { p { (line) } } },
            }
            @if is_answerable(&confirmation, &standing) { (answer_form(&page, &here.operator, &confirmation, &standing)) }
        }
    };
    Ok(document("Question", Some(&here.operator), &main).into_response())
}

/// The facts, and below them the agent's own words as one block, in which each line keeps its place.
fn laid_out(told: &QuestionFacts) -> Markup {
    html! {
        dl.facts {
            // The first is the heading.
            @for facts in told.by_label().skip(1) {
                div class=@if facts.iter().any(|fact| fact.is_grave) { "grave" } {
                    dt { (facts.first().map_or("", |fact| fact.label.as_str())) }
                    @for fact in facts { dd { (fact.line()) } }
                }
            }
        }
        div.words {
            @if let Some(words) = &told.own_words {
                p { (OwnWords::HEADING) }
                @if !words.lines.is_empty() { pre { code { (words.lines.join("\n")) } } }
                @if let Some(rest) = words.rest() { p { (rest) } }
            }
            p { (told.closing) }
        }
    }
}

fn is_answerable(confirmation: &Confirmation, standing: &ConfirmationState) -> bool {
    matches!(standing, ConfirmationState::Open { .. }) && confirmation.is_in_time(now())
}

fn answer_form(page: &Page, operator: &Operator, confirmation: &Confirmation, standing: &ConfirmationState) -> Markup {
    let (signs, proves) = means_of(page, operator);
    let need = confirmation.need;
    let said = |approval: &Approval| approval.operator == Some(operator.id);
    let has_said = matches!(standing, ConfirmationState::Open { approvals, .. } if approvals.iter().any(said));
    let made_for = &confirmation.principal.user;
    let not_counted = not_counted(&need, &operator.name, operator.user.as_deref(), made_for);
    let may_approve = !has_said && not_counted.is_none() && proves >= need.assurance;
    let action = format!("/questions/{}/answer", confirmation.id);
    let challenge = URL_SAFE_NO_PAD.encode(confirmation.call.as_bytes());
    html! {
        section.answer aria-label="Your answer" {
            @if has_said {
                p { "You have said yes. Others must, too." }
            } @else if not_counted.is_some() && operator.user.is_none() {
                p { "This needs somebody else than " (clean(made_for)) ", and " (not_linked(&operator.name)) "." }
            } @else if not_counted.is_some() {
                p { "The call is made for you, so somebody else must say yes." }
            } @else if proves < need.assurance {
                p {
                    "This needs " (plain(need.assurance.as_str())) ", and what you can show here proves " (plain(proves.as_str())) " at most."
                    @if page.0.separation == Separation::SameUser && !signs { " Enrol a passkey to prove more." }
                }
            } @else {
                form #approve method="post" action=(action) data-sign[signs] data-challenge=[signs.then_some(&challenge)]
                    data-rp=[signs.then_some(&page.0.relying_party.id)]
                    data-credentials=[signs.then(|| credentials(operator))] {
                    @if signs { (shell::needs_script()) }
                    @if is_typed(&need) {
                        label for="typed" { "To approve, type " code { (confirmation.typed_name) } }
                        input #typed name="typed" autocomplete="off" autocapitalize="off" spellcheck="false" required maxlength="200";
                    }
                    @if !signs {
                        label for="code" { "Your code" }
                        input #code name="code" type="password" autocomplete="off" spellcheck="false" required maxlength="40" aria-describedby="code-hint";
                        p.hint #code-hint { "Once more with each yes: being signed in is none." }
                    }
                    input type="hidden" name="decision" value="approve";
                    p.error role="alert" hidden data-error {}
                }
            }
            form #decline method="post" action=(action) {
                input type="hidden" name="decision" value="decline";
            }
            // Side by side and alike, whatever has to be typed above them.
            div.choice {
                button type="submit" form="decline" { "Decline" }
                @if may_approve {
                    button type="submit" form="approve" disabled[signs] data-passkey[signs] {
                        @if signs { "Approve with your passkey" } @else { "Approve" }
                    }
                }
            }
            @if may_approve { (super::grants::offer(confirmation)) }
        }
    }
}

fn credentials(operator: &Operator) -> String {
    operator.passkeys.iter().map(mollyguard_record::model::Passkey::id).collect::<Vec<_>>().join(" ")
}

/// Who has answered, and what came of it.
async fn state_of(page: &Page, confirmation: &Confirmation, standing: &ConfirmationState) -> Result<Markup, Trouble> {
    let expired = !confirmation.is_in_time(now());
    Ok(match standing {
        ConfirmationState::Open { .. } | ConfirmationState::Approved { .. } if expired => html! {
            p.state { "Expired at " (moment(confirmation.expires_at)) ". Nothing was changed." }
        },
        ConfirmationState::Open { approvals, .. } => html! {
            p.state { "Open until " (until(confirmation.expires_at)) ". Needs " (plain(&confirmation.need.to_string())) "." }
            (said_yes(approvals))
        },
        ConfirmationState::Approved { approvals } => html! {
            p.state {
                "Approved. The agent has not made the call yet, and may until " (until(confirmation.expires_at)) "."
            }
            (said_yes(approvals))
        },
        ConfirmationState::Refused { how, by, at } => html! {
            p.state { "Not approved: " (clean(how)) " by " (clean(by)) ", " (moment(*at)) ". Nothing was changed." }
        },
        ConfirmationState::Spent { call } => outcome(page, *call).await?,
    })
}

fn said_yes(approvals: &[Approval]) -> Markup {
    html! {
        @if !approvals.is_empty() {
            ul.yeses {
                @for approval in approvals {
                    li { (clean(&approval.approver)) " said yes " (moment(approval.at)) " (" (plain(approval.assurance.as_str())) ")" }
                }
            }
        }
    }
}

async fn outcome(page: &Page, id: Uuid) -> Result<Markup, Trouble> {
    let Some(call) = page.0.gateway.store.call(id).await? else {
        return Ok(html! { p.state { "Approved, and used by call " code { (id) } "." } });
    };
    let words = match call.end {
        None => "It is running.",
        Some(End::Succeeded) => "It was done.",
        Some(End::Untouched) => "It failed and changed nothing.",
        Some(End::Uncertain) => "It is not known whether it was done: look at the target.",
    };
    Ok(html! {
        p.state { "Approved. " (words) }
        (super::history::undo_button(page, &call))
    })
}

#[cfg(test)]
mod tests {
    use mollyguard_record::model::Label;

    use super::*;

    #[test]
    fn no_word_is_lost_or_moved() {
        let fact = |label, words: &str, is_grave| Fact {
            label,
            words: words.to_owned(),
            source: None,
            is_grave,
            is_rest: false,
        };
        let told = QuestionFacts {
            facts: vec![
                fact(Label::What, "drop `a` (x)", false),
                fact(Label::Where, "PRODUCTION", true),
                Fact { source: Some("x".to_owned()), ..fact(Label::Where, "there", false) },
                Fact { is_rest: true, ..fact(Label::Where, "… and 2 more targets", false) },
                fact(Label::Undo, "told of PRODUCTION, DESTROYS and NONE", false),
            ],
            undoes: None,
            own_words: Some(OwnWords {
                lines: ["sql:", "|   <b> --", "WHERE: nowhere"].map(ToOwned::to_owned).to_vec(),
                left_off: 2,
            }),
            closing: "To approve: type it.".to_owned(),
        };
        let shown = laid_out(&told).into_string();
        let expected = "<dl class=\"facts\"><div class=\"grave\"><dt>WHERE</dt><dd>PRODUCTION</dd><dd>there (seen in x)</dd>\
                        <dd>… and 2 more targets</dd></div><div><dt>UNDO</dt><dd>told of PRODUCTION, DESTROYS and NONE</dd>\
                        </div></dl><div class=\"words\"><p>The agent's own words (not checked by the gateway):</p><pre><code>\
                        sql:\n|   &lt;b&gt; --\nWHERE: nowhere</code></pre><p>… and 2 more arguments</p>\
                        <p>To approve: type it.</p></div>";
        assert_eq!(shown.replace("<div class=\"\">", "<div>"), expected);
    }
}
