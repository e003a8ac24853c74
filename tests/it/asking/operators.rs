//! Enrolled people, who answer by writing to the store of a running gateway as the process that serves the page does.

use mollyguard_record::audit::Subject;
use mollyguard_record::model::{
    Answer, Approval, Assurance, Channel, Confirmation, ConfirmationState, Enrolment, Invitation, Operator,
};
use mollyguard_record::store::{
    AnswerSubmission, Configured, OpenStore, People as _, Questions as _, SqliteStore, Store as _, StoreError,
};
use mollyguard_tests::{Agent, Era, Person, Raw, Result, Served, World, within};
use mollyguard_tools::contract::{Digest, now};
use tokio::process::Command;
use uuid::Uuid;

use super::Way;

/// Where the gateway is told that its page is.
pub(crate) const PAGE: &str = "http://localhost:7420";

/// People enrolled with a gateway's store.
pub(crate) struct Operators {
    store: SqliteStore,
    people: Vec<Operator>,
}

impl Operators {
    /// Enrols these people in a world.
    pub(crate) async fn enrolled(world: &World, names: &[&str]) -> Result<Self> {
        let digest = Digest::of_bytes(b"the page");
        let configured = Configured { version: "0".to_owned(), configuration: digest, policies: digest };
        let store = SqliteStore::open(OpenStore::new(world.state(), configured))?;
        let mut people: Vec<Operator> = Vec::new();
        for &name in names {
            let code = |what: &str| Digest::of_bytes(format!("{name}'s {what}").as_bytes());
            let (id, by) = (Uuid::now_v7(), people.first().map(|first| first.id));
            let expires_at = now() + std::time::Duration::from_secs(60);
            let name = name.to_owned();
            let user = Some(name.clone());
            let invited = code("invitation");
            let invitation =
                Invitation { id, name: name.clone(), user: user.clone(), by, adds_to: None, code: invited, expires_at };
            store.invite(invitation).await?;
            let code = Some(code("code"));
            let operator =
                Operator { id: Uuid::now_v7(), name, user, enrolled_at: now(), passkeys: Vec::new(), has_code: true };
            store.enroll(Enrolment::New { invitation: id, operator: operator.clone(), code }).await?;
            people.push(operator);
        }
        Ok(Self { store, people })
    }

    /// The one question that is open, as soon as there is one.
    pub(crate) async fn question(&self) -> Result<Confirmation> {
        let mut changes = self.store.changes();
        let found = async {
            loop {
                if let [question] = &*self.store.open_questions().await? {
                    return Ok(question.0.clone());
                }
                changes.changed().await;
            }
        };
        within("a question", found).await?
    }

    /// The question with this id.
    pub(crate) async fn asked(&self, id: &str) -> Result<Confirmation> {
        Ok(self.store.confirmation(Uuid::parse_str(id)?).await?.ok_or("no such question")?.0)
    }

    /// How many questions are open.
    pub(crate) async fn open(&self) -> Result<usize> {
        Ok(self.store.open_questions().await?.len())
    }

    /// What became of a question.
    pub(crate) async fn standing(&self, question: &Confirmation) -> Result<ConfirmationState> {
        Ok(self.store.confirmation(question.id).await?.ok_or("no such question")?.1)
    }

    /// One of them says yes.
    pub(crate) async fn approve(&self, question: &Confirmation, who: usize) -> std::result::Result<(), StoreError> {
        let Some(operator) = self.people.get(who) else { return Err(StoreError::NotEnrolled("nobody".to_owned())) };
        let channel = Channel::Page;
        let approval = Approval {
            confirmation: question.id,
            approver: operator.name.clone(),
            operator: Some(operator.id),
            user: None,
            assurance: Assurance::OutOfBand,
            channel,
            at: now(),
        };
        let answer = Answer::Accept { typed: Some(question.typed_name.clone()) };
        let given = AnswerSubmission::by(operator.name.clone(), question.id, answer, channel, Some(approval));
        self.store.answer(about(question), AnswerSubmission { operator: Some(operator.id), ..given }).await
    }
}

fn about(question: &Confirmation) -> Subject {
    let (principal, tool) = (Some(question.principal.clone()), Some(question.tool.clone()));
    Subject { call: None, principal, tool, targets: Vec::new(), arguments: None }
}

/// A world where purging a table of `fleet` needs one person out of band, and of `fleet_staging` two.
pub(crate) fn guarded() -> Result<World> {
    let mut world = super::counting()?;
    std::fs::create_dir(world.path().join("people"))?;
    std::fs::write(world.path().join("people/people.cedar"), POLICY)?;
    world.own_policies("people").set("confirm.wait_s", 1);
    Ok(world)
}

const POLICY: &str = r#"
@id("fleet-needs-a-person-out-of-band")
@reason("The fleet is what the firm lives on.")
forbid (principal, action == Action::"sqlite_purge_table", resource)
when { resource.target == "fleet" }
unless { context has approval && context.approval.assurance >= 3 };

@id("staging-needs-two-people-out-of-band")
@reason("Two teams share it.")
forbid (principal, action == Action::"sqlite_purge_table", resource)
when { resource.target == "fleet_staging" }
unless { context has approval && context.approval.assurance >= 3 && context.approval.approvers >= 2 };
"#;

/// The gateway of a world, told where its page is and that it runs as a user of its own; not started yet.
fn paged(world: &World) -> Result<Command> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_paged"));
    command.arg(world.config()?).arg(PAGE).current_dir(world.path()).env_remove("RUST_LOG").kill_on_drop(true);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    Ok(command)
}

/// An agent of such a gateway, which lives as long as it.
pub(crate) struct Reached {
    agent: Agent,
    _served: Option<Served>,
}

impl std::ops::Deref for Reached {
    type Target = Agent;

    fn deref(&self) -> &Agent {
        &self.agent
    }
}

/// An agent of such a gateway, which is started for it.
pub(crate) async fn agent(world: &World, way: Way, era: Era, person: Person) -> Result<Reached> {
    let mut command = paged(world)?;
    match way {
        Way::Stdio => Ok(Reached { agent: Agent::over_stdio(command, era, person).await?, _served: None }),
        Way::Http => {
            command.arg("http");
            let served = Served::start(command).await?;
            Ok(Reached { agent: served.agent(era, person).await?, _served: Some(served) })
        }
    }
}

/// Such a gateway, spoken to in bytes.
pub(crate) fn raw(world: &World) -> Result<Raw> {
    Raw::start(paged(world)?)
}
