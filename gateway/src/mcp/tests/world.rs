//! A real gateway on real databases, whose policies ask for people out of band, and a second store on the same place that
//! stands for the process that serves the page.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mollyguard_record::audit::{AuditRecord, Subject};
use mollyguard_record::model::{Approval, Confirmation, ConfirmationState, Enrolment, Invitation, Operator};
use mollyguard_record::store::harness::{open, run, text};
use mollyguard_record::store::{AnswerSubmission, Questions as _, SqliteStore, Store, StoreError};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::config::Config;
use crate::gateway::Gateway;
use crate::operators::Separation;

/// `vault` needs one person out of band, `crown` two; `fleet` is as the shipped policies have it, but for many rows.
const POLICY: &str = r#"
@id("vault-needs-a-person-out-of-band")
@reason("It is the vault.")
forbid (principal, action, resource)
when { resource.target == "vault" && context.call.reversibility != "read_only" }
unless { context has approval && context.approval.assurance >= 3 };

@id("crown-needs-two-people-out-of-band")
@reason("It is the crown.")
forbid (principal, action, resource)
when { resource.target == "crown" && context.call.reversibility != "read_only" }
unless { context has approval && context.approval.assurance >= 3 && context.approval.approvers >= 2 };

@id("uploads-need-a-person-out-of-band")
@reason("It is uploaded.")
forbid (principal, action, resource)
when { resource.target == "uploads" && context.call.reversibility != "read_only" }
unless { context has approval && context.approval.assurance >= 3 };

@id("many-rows-need-a-person-out-of-band")
@reason("It is much.")
forbid (principal, action, resource)
when { resource.target == "fleet" && context.call has rows && context.call.rows > 3 && context.call.reversibility != "read_only" }
unless { context has approval && context.approval.assurance >= 3 };
"#;

/// Where the page would be.
pub(super) const PAGE: &str = "http://localhost:7420";

pub(super) struct World {
    pub(super) folder: TempDir,
    pub(super) gateway: Arc<Gateway>,
    /// As another process has it.
    pub(super) page: SqliteStore,
    pub(super) people: Vec<Operator>,
}

/// Arguments that count one visit.
pub(super) fn visit(target: &str) -> Value {
    json!({"target": target, "sql": "INSERT INTO visits (at) VALUES ('now')"})
}

/// Parameters of a call of an older revision that counts one visit.
pub(super) fn visiting(target: &str) -> Value {
    json!({"name": "sqlite_write", "arguments": visit(target)})
}

impl World {
    pub(super) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(super) async fn with(configure: impl FnOnce(&mut Config)) -> Self {
        Self::of(configure, true).await
    }

    /// One whose operators are linked to users, or to none.
    pub(super) async fn of(configure: impl FnOnce(&mut Config), are_linked: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let mut file = "policies = { directories = ['policies'] }\ngateway = { state = 'state', user = 'alice' }\n\
                        environments.production = { tier = 'production' }\n"
            .to_owned();
        for target in ["vault", "crown", "fleet"] {
            run(&at(&format!("{target}.db")), "CREATE TABLE visits (id INTEGER PRIMARY KEY, at TEXT)");
            let keys = format!("kind = 'sqlite', environment = 'production', path = '{target}.db'");
            file.push_str(&format!("targets.{target} = {{ {keys} }}\n"));
        }
        std::fs::create_dir(at("uploads")).unwrap();
        if cfg!(feature = "files") {
            file.push_str("targets.uploads = { kind = 'files', environment = 'production', root = 'uploads' }\n");
        }
        std::fs::create_dir(at("policies")).unwrap();
        std::fs::write(at("policies/people.cedar"), POLICY).unwrap();
        std::fs::write(at("mollyguard.toml"), file).unwrap();
        let toolsets = mollyguard_tools::toolsets();
        let mut config = Config::load(&at("mollyguard.toml"), &toolsets).unwrap();
        configure(&mut config);
        let mut gateway = Gateway::open(config, toolsets).unwrap();
        // As if the gateway ran as a user of its own: then a code proves that much.
        (gateway.separation, gateway.dumpable) = (Separation::OwnUser, false);
        gateway.page.set(format!("{PAGE}/")).unwrap();
        let page = open(&at("state"));
        let people = enroll(&page, ["olga", "piet"], are_linked).await;
        Self { folder, gateway: Arc::new(gateway), page, people }
    }

    /// Another gateway on the same place.
    pub(super) fn second(&self) -> Arc<Gateway> {
        let toolsets = mollyguard_tools::toolsets();
        let config = Config::load(&self.folder.path().join("mollyguard.toml"), &toolsets).unwrap();
        let mut gateway = Gateway::open(config, toolsets).unwrap();
        (gateway.separation, gateway.dumpable) = (Separation::OwnUser, false);
        gateway.page.set(format!("{PAGE}/")).unwrap();
        Arc::new(gateway)
    }

    /// A wire whose calls wait so long.
    pub(super) fn wire(&self, wait: Duration) -> Wire {
        let timing = Timing { wait, progress_after: Duration::ZERO, ..Timing::default() };
        Wire { calls: Arc::new(Arc::clone(&self.gateway)), seal: Seal::new(&[7; 32]).unwrap(), timing }
    }

    fn database(&self, target: &str) -> PathBuf {
        self.folder.path().join(format!("{target}.db"))
    }

    /// Behind the gateway's back.
    pub(super) fn sql(&self, target: &str, sql: &str) {
        run(&self.database(target), sql);
    }

    pub(super) fn visits(&self, target: &str) -> u32 {
        text(&self.database(target), "SELECT cast(count(*) AS TEXT) FROM visits").parse().unwrap()
    }

    /// When each visit was, as it stands in the database.
    pub(super) fn visited_at(&self, target: &str) -> String {
        text(&self.database(target), "SELECT group_concat(at) FROM visits")
    }

    /// The one question that is open.
    pub(super) async fn question(&self) -> Confirmation {
        let open = self.page.open_confirmations().await.unwrap();
        let [question] = open.as_slice() else { panic!("{} questions are open", open.len()) };
        question.clone()
    }

    pub(super) async fn standing(&self, id: Uuid) -> ConfirmationState {
        self.page.confirmation(id).await.unwrap().unwrap().1
    }

    /// A yes on the page, as the process that serves it writes it down.
    pub(super) async fn approve(&self, question: &Confirmation, who: usize) -> Result<(), StoreError> {
        self.approve_for(question, who, Assurance::OutOfBand, None).await
    }

    /// One that proves so much, and stands so long for other calls.
    pub(super) async fn approve_for(
        &self,
        question: &Confirmation,
        who: usize,
        assurance: Assurance,
        lasts: Option<Duration>,
    ) -> Result<(), StoreError> {
        let (operator, channel) = (&self.people[who], Channel::Page);
        let approval = Approval {
            confirmation: question.id,
            approver: operator.name.clone(),
            operator: Some(operator.id),
            user: None,
            assurance,
            channel,
            at: now(),
        };
        let answer = Answer::Accept { typed: Some(question.typed_name.clone()) };
        let given = AnswerSubmission::by(operator.name.clone(), question.id, answer, channel, Some(approval));
        self.page.answer(about(question), AnswerSubmission { operator: Some(operator.id), lasts, ..given }).await
    }

    pub(super) async fn decline(&self, question: &Confirmation) {
        let operator = &self.people[0];
        let given = AnswerSubmission::by(operator.name.clone(), question.id, Answer::Decline, Channel::Page, None);
        self.page.answer(about(question), AnswerSubmission { operator: Some(operator.id), ..given }).await.unwrap();
    }

    pub(super) async fn records(&self) -> Vec<AuditRecord> {
        mollyguard_record::store::laws::all_records(&self.page).await
    }
}

fn about(question: &Confirmation) -> Subject {
    let (principal, tool) = (Some(question.principal.clone()), Some(question.tool.clone()));
    Subject { call: None, principal, tool, targets: Vec::new(), arguments: None }
}

async fn enroll<const N: usize>(store: &dyn Store, names: [&str; N], are_linked: bool) -> Vec<Operator> {
    let mut people: Vec<Operator> = Vec::new();
    for name in names {
        let code = |what: &str| mollyguard_tools::contract::Digest::of_bytes(format!("{name}'s {what}").as_bytes());
        let by = people.first().map(|first| first.id);
        let user = are_linked.then(|| name.to_owned());
        let invitation = Uuid::now_v7();
        let expires_at = later(Duration::from_secs(60));
        let invited = Invitation {
            id: invitation,
            name: name.into(),
            user: user.clone(),
            by,
            adds_to: None,
            code: code("invitation"),
            expires_at,
        };
        store.invite(invited).await.unwrap();
        let operator = Operator {
            id: Uuid::now_v7(),
            name: name.into(),
            user,
            enrolled_at: now(),
            passkeys: Vec::new(),
            has_code: true,
        };
        let enrolment = Enrolment::New { invitation, operator: operator.clone(), code: Some(code("code")) };
        store.enroll(enrolment).await.unwrap();
        people.push(operator);
    }
    people
}
