//! `mollyguard demo`: the accident Mollyguard exists for, played by a scripted agent, a real MCP client, against this very
//! binary over stdio, on a throw-away company. No set-up, no network.

mod company;
mod show;

use std::io::IsTerminal as _;
use std::sync::Arc;

use async_trait::async_trait;
use clap::{Args, ValueEnum};
use mollyguard_record::model::{Answer, Assurance, ConfirmationState, Need};
use mollyguard_record::state::where_page_is;
use serde_json::{Value, json};

use super::paint::Paint;
use super::{Done, Failure, terminal};
use crate::call::approval::answered;
use crate::gateway::Gateway;
use crate::mcp::{Agent, AgentError, Called, Person};
use crate::operators::Code;
use company::Company;
use show::Show;

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Answer the question this way instead of asking at the terminal. Without a terminal it is declined.
    #[arg(long, value_enum)]
    answer: Option<Scripted>,
}

/// An answer given beforehand.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Scripted {
    /// Type the name that is asked for.
    Approve,
    /// Say no.
    Decline,
}

/// Who answers in the demo.
struct Visitor {
    scripted: Option<Scripted>,
    desk: Gateway,
    /// What they show on the page who they are with.
    code: Code,
}

impl Visitor {
    /// Where else they can answer.
    fn tell_of_page(&self) {
        let Some(page) = where_page_is(&self.desk.config.state) else { return };
        let (page, code) = (Paint::stdout().bold(&format!("{page}/")), self.code.shown());
        println!("  Answer here, or on the gateway's page: {page}");
        println!("  (your code there: {})\n", code.as_str());
    }

    /// What the person says: here, or on the page.
    async fn asked(&self) -> Answer {
        let said_here = terminal::read_answer(Need::of(Assurance::Typed, 1));
        let waiting = self.desk.store.open_questions().await.unwrap_or_else(|_| Arc::new([]));
        let Some((question, _)) = waiting.first().map(|open| (&open.0, &open.1)) else {
            return said_here.await.unwrap_or(Answer::Decline);
        };
        tokio::select! {
            said = said_here => return said.unwrap_or(Answer::Decline),
            () = answered(&self.desk, question.id) => println!("\n\n  (answered on the page)"),
        }
        // A client that learns of it says the same: the yes that counts is the one given there.
        match self.desk.store.confirmation(question.id).await {
            Ok(Some((_, ConfirmationState::Approved { .. }))) => {
                Answer::Accept { typed: Some(question.typed_name.clone()) }
            }
            _ => Answer::Decline,
        }
    }
}

#[async_trait]
impl Person for Visitor {
    async fn answer(&self, question: &str) -> Answer {
        println!("\n  {}\n", Paint::stdout().bold("THE QUESTION, as the person sees it in their client:"));
        show::question(question);
        let answer = match self.scripted {
            Some(Scripted::Approve) => Answer::Accept { typed: Some(company::PRECIOUS_TABLE.to_owned()) },
            Some(Scripted::Decline) => Answer::Decline,
            None => {
                self.tell_of_page();
                self.asked().await
            }
        };
        show::answer(&answer);
        answer
    }
}

impl Demo {
    pub(crate) async fn run(self) -> Done {
        let there = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        let scripted = self.answer.or((!there).then_some(Scripted::Decline));
        let company = Company::found().map_err(Failure::usage)?;
        let desk = company.desk().map_err(Failure::usage)?;
        let code = company.enroll(&desk).await.map_err(Failure::usage)?;
        let show = Show::new();
        show.opening(&company);
        let visitor = Arc::new(Visitor { scripted, desk, code });
        let agent = Agent::start(company.gateway().map_err(Failure::usage)?, visitor);
        let agent = agent.await.map_err(Failure::usage)?;
        let played = play(&agent, &company, &show).await;
        agent.close().await.map_err(Failure::usage)?;
        played.map_err(Failure::usage)?;
        show.world(&company).map_err(Failure::usage)?;
        let report = mollyguard_record::verify::verify_store(&company.state(), Some(&company.checkpoint()))
            .map_err(Failure::usage)?;
        show.record(&report);
        if report.is_sound() { Ok(()) } else { Err(Failure::found("the audit record is not sound")) }
    }
}

/// The story, call by call.
async fn play(agent: &Agent, company: &Company, show: &Show) -> Result<(), AgentError> {
    show.act("An agent is at work in staging");
    show.note(&format!("It is connected over stdio and sees {} tools, and no credentials.", agent.tools().await?));
    let rates = "SELECT model, daily_rate FROM cars ORDER BY id";
    step(agent, show, "sqlite_query", json!({"target": "fleet-staging", "sql": rates})).await?;
    let raise = "UPDATE cars SET daily_rate = daily_rate + 10 WHERE class = 'suv'";
    let raised = step(agent, show, "sqlite_write", json!({"target": "fleet-staging", "sql": raise})).await?;
    show.note("Reversible and in staging, so nobody was asked. It was written down first, with the rows as they were.");

    show.act("It changes its mind");
    let undo = json!({"call_id": raised.about["id"]});
    step(agent, show, "undo_call", undo).await?;
    step(agent, show, "sqlite_query", json!({"target": "fleet-staging", "sql": rates})).await?;

    show.act("It meets an error, and guesses");
    step(agent, show, "sqlite_query", json!({"target": "fleet-staging", "sql": "SELECT count(*) FROM sessions"}))
        .await?;
    show.note(
        "\"Staging is broken. I'll clear it out and rebuild it: `bookings` must be staging's…\" It is production's.",
    );
    let purge = json!({"target": "fleet", "table": company::PRECIOUS_TABLE});
    let purged = step(agent, show, "sqlite_purge_table", purge).await?;
    show.aftermath(&purged, company);

    show.act("It goes for the files, with the backups inside");
    step(agent, show, "files_purge", json!({"target": "uploads", "path": "volume-7f3a"})).await?;
    show.note("Destroying backups in production needs two people, and there is only one here: nobody was bothered.");
    show.note("The shipped policies ask more: a table of production goes for good only with a person out of band.");

    show.act("The journal: what changed, and what can still be taken back");
    show.journal(&agent.call("list_calls", json!({})).await?);
    Ok(())
}

async fn step(agent: &Agent, show: &Show, tool: &str, args: Value) -> Result<Called, AgentError> {
    show.call(tool, &args);
    let called = agent.call(tool, args).await?;
    show.reply(&called);
    Ok(called)
}
