//! `mollyguard operator`: the people who may answer.

use std::io::IsTerminal as _;
use std::path::Path;

use clap::Subcommand;
use mollyguard_record::model::{Operator, check_name, check_user};
use mollyguard_record::state::where_page_is;

use super::paint::Paint;
use super::{Done, Failure, open_without_secrets, print, print_json, terminal};
use crate::gateway::Gateway;
use crate::page::invitation;

/// What to do with the people.
#[derive(Debug, Subcommand)]
pub(crate) enum Operators {
    /// Enrol the first person: shows a one-time code that they type into the page. Whoever is enrolled invites others there.
    Enroll {
        /// Their name.
        name: String,
        /// The user that this person works as, named as in `gateway.user`, `[[http.tokens]]` or on the socket.
        /// Without it, the approvals of this person never count as those of somebody else.
        #[arg(long = "for", value_name = "USER")]
        user: Option<String>,
    },
    /// Link somebody who is enrolled to the user whose calls are made for them. That stays until they are removed.
    Link {
        /// Their name.
        name: String,
        /// The user.
        #[arg(long = "for", value_name = "USER")]
        user: String,
    },
    /// List who may answer.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Remove an operator. The last operator cannot be removed, because only operators can invite others.
    Remove {
        /// Their name.
        name: String,
    },
}

impl Operators {
    pub(crate) async fn run(self, config: Option<&Path>) -> Done {
        let gateway = open_without_secrets(config)?;
        let done = match self {
            Self::Enroll { name, user } => enroll(&gateway, &name, user.as_deref()).await,
            Self::Link { name, user } => link(&gateway, &name, &user).await,
            Self::List { json } => {
                let operators = gateway.store.operators().await.map_err(Failure::usage)?;
                if json { print_json(&operators) } else { print(&list(&operators)) }
            }
            Self::Remove { name } => remove(&gateway, &name).await,
        };
        gateway.close().await.map_err(Failure::usage)?;
        done
    }
}

async fn enroll(gateway: &Gateway, name: &str, user: Option<&str>) -> Done {
    let name = check_name(name).map_err(Failure::usage)?;
    let user = user.map(check_user).transpose().map_err(Failure::usage)?;
    // A code in a file or a pipe is a code that others read.
    if !std::io::stdout().is_terminal() {
        return Err(Failure::usage("the code is shown on a terminal only"));
    }
    let (invitation, code) = invitation(name, user, None, None, &gateway.args_key).map_err(Failure::usage)?;
    let expires_at = invitation.expires_at;
    gateway.store.invite(invitation).await.map_err(Failure::found)?;
    let page = where_page_is(&gateway.config.state);
    let at = page.map_or_else(
        || "the page's /enroll, once a gateway serves it (`mollyguard serve`)".to_owned(),
        |page| format!("{page}/enroll"),
    );
    let whose = match user {
        Some(user) => format!("Calls of the user {user} will be theirs."),
        None => {
            "They will be linked to no user, and their yes will not count as somebody else's: `--for USER` links them."
                .to_owned()
        }
    };
    print(&format!(
        "{}\n\nThis code enrols {name}, once, until {}.\nOpen {at} and type it there.\n{whose}\n",
        Paint::stdout().bold(&code.shown()),
        expires_at.strftime("%H:%M:%S UTC"),
    ))
}

async fn link(gateway: &Gateway, name: &str, user: &str) -> Done {
    let user = check_user(user).map_err(Failure::usage)?;
    if terminal::channel().is_none() {
        return Err(Failure::usage("this must be done by a person at a terminal"));
    }
    let operators = gateway.store.operators().await.map_err(Failure::usage)?;
    let Some(operator) = operators.iter().find(|operator| operator.name == name) else {
        return Err(Failure::found(format!("nobody is enrolled as `{name}`")));
    };
    gateway.store.link(operator.id, user.to_owned()).await.map_err(Failure::found)?;
    print(&format!(
        "Linked {name} to the user {user}. {name} can now approve the calls of every other user as somebody else.\n"
    ))
}

async fn remove(gateway: &Gateway, name: &str) -> Done {
    let operators = gateway.store.operators().await.map_err(Failure::usage)?;
    let Some(operator) = operators.iter().find(|operator| operator.name == name) else {
        return Err(Failure::found(format!("nobody is enrolled as `{name}`")));
    };
    gateway.store.remove(operator.id, None).await.map_err(Failure::found)?;
    print(&format!("Removed {name}. Their passkeys, code and sessions are no longer valid.\n"))
}

fn list(operators: &[Operator]) -> String {
    if operators.is_empty() {
        return "Nobody is enrolled. `mollyguard operator enroll NAME --for USER` enrols the first person.\n"
            .to_owned();
    }
    let paint = Paint::stdout();
    let mut text = String::new();
    for operator in operators {
        let means: Vec<String> = operator
            .passkeys
            .iter()
            .map(|passkey| format!("a passkey ({})", passkey.credential.kept()))
            .chain(operator.has_code.then(|| "a code".to_owned()))
            .collect();
        let user = operator.user.as_ref().map_or_else(|| "linked to no user".to_owned(), |user| format!("user {user}"));
        text.push_str(&format!(
            "{} · since {} · {} · {user}\n",
            paint.bold(&operator.name),
            operator.enrolled_at.strftime("%Y-%m-%d"),
            means.join(", "),
        ));
    }
    text
}
