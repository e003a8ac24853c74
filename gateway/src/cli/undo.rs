//! `mollyguard undo`: the person's way to take a call back. The ordinary way of a call, asked at this terminal.

use std::path::Path;

use clap::Args;
use mollyguard_record::model::Principal;
use serde_json::json;
use uuid::Uuid;

use super::serve::LAST_CALLS;
use super::{Done, Failure, open, print, print_json, terminal};
use crate::call::approval;
use crate::call::call;
use crate::reply::{Answered, Delivery, Refusal, Reply, Request};

/// Arguments of `undo`.
#[derive(Debug, Args)]
pub(crate) struct Undo {
    /// The id of the call to take back; `mollyguard calls list --undoable` shows which there are.
    call: Uuid,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Undo {
    pub(crate) async fn run(self, config: Option<&Path>) -> Done {
        let gateway = open(config)?;
        let config = &gateway.config;
        let client = Some("mollyguard undo".to_owned());
        let principal = Principal { user: config.user.clone(), client, roles: config.roles.clone() };
        let (mut answered, mut waited) = (None, None);
        loop {
            let mut request = Request::new("undo_call", json!({"call_id": self.call}), principal.clone());
            request.by_owner = true;
            request.channel = terminal::channel();
            request.answered = answered.take();
            match call(&gateway, request).await.map_err(Failure::usage)? {
                Reply::Done(receipt) => {
                    gateway.finish_calls(LAST_CALLS).await;
                    gateway.close().await.map_err(Failure::usage)?;
                    let (id, of) = (receipt.about.id, self.call);
                    return if self.json {
                        print_json(&json!({"call_id": id, "undoes": of, "output": receipt.output}))
                    } else {
                        print(&format!("Call {of} was undone by call {id}. `mollyguard undo {id}` redoes it.\n"))
                    };
                }
                Reply::Refused(refusal) => {
                    gateway.finish_calls(LAST_CALLS).await;
                    return Err(Failure::found(refusal.text()));
                }
                Reply::Ask(question) => {
                    let (confirmation, asked_before) = (question.confirmation, waited.replace(question.confirmation));
                    let answer = match question.put {
                        Delivery::Form => {
                            Some(terminal::ask(question.facts.as_ref(), &question.text, question.need).await?)
                        }
                        // Whoever stands at the terminal waits for what is answered elsewhere.
                        _ if terminal::channel().is_some() && asked_before != Some(confirmation) => {
                            terminal::show(question.facts.as_ref(), &question.text);
                            eprintln!("{}", Refusal::pending(*question).text());
                            approval::answered(&gateway, confirmation).await;
                            None
                        }
                        _ => return Err(Failure::found(Refusal::pending(*question).text())),
                    };
                    answered = Some(Answered { confirmation, answer });
                }
            }
        }
    }
}
