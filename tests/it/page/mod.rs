//! The gateway's own page, in a real browser and by hand: people who are enrolled, the questions they are asked, and what
//! comes of their answers in the databases, the store and the record.

mod attacks;
pub(crate) mod authenticator;
mod entry;
mod forgeries;
mod grants;
mod inbox;
mod looks;
mod on_http;
mod people;
mod proofs;
mod questions;
mod shown;

use mollyguard_record::state::where_page_is;
use mollyguard_tests::browser::{Browser, Setup, Tab};
use mollyguard_tests::{Agent, Era, Person, RawResponse, Reply, Result, Served, World, codes, first_code, http, until};
use serde_json::{Value, json};

use crate::behind::{calls, store};

/// The tool whose effect nothing brings back.
pub(crate) const PURGE: &str = "sqlite_purge_table";
/// The tool that is reversible where the rows fit.
const WRITE: &str = "sqlite_write";

/// Asks for a person out of band before anything in production.
pub(crate) const OUT_OF_BAND: &str = r#"
@id("production-needs-a-person-out-of-band")
@reason("It is production.")
forbid (principal, action, resource)
when { context.call.tier == "production" && context.call.reversibility != "read_only" }
unless { context has approval && context.approval.assurance >= 3 };
"#;

/// Asks for two of them.
const TWO_PEOPLE: &str = r#"
@id("production-needs-two-people")
@reason("It is production, and two see more than one.")
forbid (principal, action, resource)
when { context.call.tier == "production" && context.call.reversibility != "read_only" }
unless { context has approval && context.approval.assurance >= 3 && context.approval.approvers >= 2 };
"#;

/// A gateway with its page, and an agent that cannot ask anybody by itself.
pub(crate) struct Site {
    pub(crate) world: World,
    /// Where the gateway is not the agent's own.
    pub(crate) served: Option<Served>,
    pub(crate) agent: Agent,
    pub(crate) origin: String,
}

impl Site {
    /// The rental firm, under the policies that ship and this one; under those of `examples/in-client` where it is empty.
    pub(crate) async fn new(policy: &str) -> Result<Self> {
        Self::of(rental(policy)?).await
    }

    pub(crate) async fn of(world: World) -> Result<Self> {
        let served = world.serve().await?;
        let agent = served.agent(Era::Modern, Person::absent()).await?;
        let origin = origin(&world).await?;
        Ok(Self { world, served: Some(served), agent, origin })
    }

    /// An agent's call that a person must be asked about; the question's id.
    pub(crate) async fn ask(&self, tool: &str, args: &Value) -> Result<String> {
        let before = open_questions(&self.world)?;
        let reply = self.agent.call(tool, args.clone()).await?;
        reply.refused("confirmation_required");
        let after = open_questions(&self.world)?;
        let new: Vec<_> = after.into_iter().filter(|id| !before.contains(id)).collect();
        assert_eq!(new.len(), 1, "one new question: {new:?}");
        Ok(new[0].clone())
    }

    /// The bookings of a car are to be deleted in production, which can be undone.
    pub(crate) async fn ask_to_delete(&self) -> Result<String> {
        self.ask(WRITE, &delete()).await
    }

    pub(crate) async fn repeat_delete(&self) -> Result<Reply> {
        self.agent.call(WRITE, delete()).await
    }

    /// A one-time code for the first person, as their terminal shows it.
    pub(crate) async fn code(&self, name: &str) -> Result<String> {
        first_code(&self.world, name).await
    }

    /// Enrols the first person by hand, with a passkey; they are signed in.
    pub(crate) async fn enrolled(&self, name: &str) -> Result<(Visitor, authenticator::Authenticator)> {
        let code = self.code(name).await?;
        Visitor::enrolled(&self.origin, &code, 7).await
    }

    /// Nothing is left waiting, and the record is whole.
    pub(crate) async fn sound(self) -> Result {
        match self.served {
            Some(served) => {
                drop(self.agent);
                assert!(served.terminate().await?.success());
            }
            None => assert!(self.agent.close().await?.success()),
        }
        crate::behind::sound(&self.world).await
    }
}

pub(crate) fn rental(policy: &str) -> Result<World> {
    let mut world = World::rental()?;
    world.set("confirm.page", true).set("confirm.page_port", 0);
    if !policy.is_empty() {
        std::fs::create_dir(world.path().join("policies"))?;
        std::fs::write(world.path().join("policies/own.cedar"), policy)?;
        world.default_policies().own_policies("policies");
    }
    Ok(world)
}

/// A port nobody listens on. Somebody may before the gateway does; then it says so, and the test fails.
pub(crate) fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn delete() -> Value {
    json!({"target": "fleet", "sql": "DELETE FROM bookings WHERE vehicle = 2"})
}

/// The page's origin, once it is served.
pub(crate) async fn origin(world: &World) -> Result<String> {
    until("the page", || Ok(where_page_is(&world.state()))).await
}

/// The ids of the questions that wait.
pub(crate) fn open_questions(world: &World) -> Result<Vec<String>> {
    questions_in(world, "open")
}

/// The ids of the questions that stand like this.
pub(crate) fn questions_in(world: &World, state: &str) -> Result<Vec<String>> {
    let store = store(&world.state())?;
    let mut query = store.prepare("SELECT id, standing FROM confirmations ORDER BY n")?;
    let rows: Vec<(String, String)> =
        query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
    let standing = format!("\"state\":\"{state}\"");
    Ok(rows.into_iter().filter(|(_, text)| text.contains(&standing)).map(|(id, _)| id).collect())
}

/// How many yeses the store holds for a question.
pub(crate) fn yeses(world: &World, id: &str) -> Result<usize> {
    let standing: String =
        store(&world.state())?.query_row("SELECT standing FROM confirmations WHERE id = ?1", [id], |row| row.get(0))?;
    let standing: Value = serde_json::from_str(&standing)?;
    Ok(standing["approvals"].as_array().map_or(0, Vec::len))
}

/// How many calls succeeded.
pub(crate) fn succeeded(world: &World) -> Result<usize> {
    Ok(calls(world)?.iter().filter(|call| call.ended.as_deref() == Some("succeeded")).count())
}

/// Enrols somebody in their browser, with a passkey in a virtual authenticator; its id.
async fn enrol(tab: &Tab, code: &str) -> Result<String> {
    let authenticator = tab.authenticator(true).await?;
    tab.go("/enroll").await?;
    tab.fill("One-time code", code).await?;
    tab.press("Enrol with a passkey").await?;
    tab.sees("Waiting for an answer").await?;
    Ok(authenticator)
}

/// A browser with the first person in it, enrolled with a passkey.
async fn somebody(site: &Site, name: &str, setup: &Setup) -> Result<(Browser, Tab, String)> {
    let browser = Browser::start().await?;
    let tab = browser.open(&site.origin, setup).await?;
    let authenticator = enrol(&tab, &site.code(name).await?).await?;
    Ok((browser, tab, authenticator))
}

/// Somebody who invites another on the page; the one-time code.
async fn invited(tab: &Tab, name: &str) -> Result<String> {
    tab.go("/people").await?;
    let people = tab.text().await?;
    let is_enrolled =
        people.lines().any(|line| [name.to_owned(), format!("{name} (you)")].contains(&line.trim().to_owned()));
    tab.fill("Invite somebody", name).await?;
    // Who is enrolled already is linked already.
    if !is_enrolled {
        tab.fill("The user whose calls are made for them", name).await?;
    }
    tab.press("Make a one-time code").await?;
    tab.sees("Tell it to them").await?;
    Ok(codes(&tab.text().await?).next().ok_or("a code is shown")?)
}

/// Somebody without a browser, and without a browser's manners.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    pub(crate) origin: String,
    pub(crate) cookie: String,
}

impl Visitor {
    pub(crate) fn stranger(origin: &str) -> Self {
        Self { origin: origin.to_owned(), cookie: String::new() }
    }

    /// Enrols with a passkey.
    pub(crate) async fn enrolled(
        origin: &str,
        code: &str,
        credential: u8,
    ) -> Result<(Self, authenticator::Authenticator)> {
        let authenticator = authenticator::Authenticator::new(origin, credential)?;
        let stranger = Self::stranger(origin);
        let started = stranger.json("/enroll/start", &json!({"code": code})).await?;
        assert_eq!(started.status, 200, "{}", started.body);
        let started: Value = serde_json::from_str(&started.body)?;
        let mut created = authenticator.create(started["challenge"].as_str().unwrap_or_default());
        created["code"] = code.into();
        created["ticket"] = started["ticket"].clone();
        let enrolled = stranger.json("/enroll/passkey", &created).await?;
        assert_eq!(enrolled.status, 200, "{}", enrolled.body);
        Ok((stranger.with(&enrolled)?, authenticator))
    }

    /// With the cookie that was set.
    pub(crate) fn with(&self, response: &RawResponse) -> Result<Self> {
        let cookie = response.header("set-cookie").ok_or("a cookie is set")?;
        Ok(Self { cookie: cookie.split(';').next().unwrap_or_default().to_owned(), ..self.clone() })
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<RawResponse> {
        let cookie = [("Cookie", self.cookie.as_str())];
        let with_cookie = if self.cookie.is_empty() { headers.to_vec() } else { [headers, &cookie].concat() };
        http(method, &format!("{}{path}", self.origin), &with_cookie, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Result<RawResponse> {
        self.send("GET", path, &[], "").await
    }

    pub(crate) async fn form(&self, path: &str, body: &str) -> Result<RawResponse> {
        let headers = [("Origin", self.origin.as_str()), ("Content-Type", "application/x-www-form-urlencoded")];
        self.send("POST", path, &headers, body).await
    }

    pub(crate) async fn json(&self, path: &str, body: &Value) -> Result<RawResponse> {
        let headers = [("Origin", self.origin.as_str()), ("Content-Type", "application/json")];
        self.send("POST", path, &headers, &body.to_string()).await
    }

    /// Invites somebody, signed for.
    pub(crate) async fn invite(&self, passkey: &mut authenticator::Authenticator, name: &str) -> Result<RawResponse> {
        self.acts(
            passkey,
            ("invite", &format!("{name}\n{name}")),
            "/people/invite",
            &format!("name={name}&user={name}"),
        )
        .await
    }

    /// Invites an operator to one more passkey.
    pub(crate) async fn adds_to(&self, passkey: &mut authenticator::Authenticator, name: &str) -> Result<RawResponse> {
        self.acts(passkey, ("invite", name), "/people/invite", &format!("name={name}")).await
    }

    /// Does what a form does that is signed for.
    pub(crate) async fn acts(
        &self,
        passkey: &mut authenticator::Authenticator,
        (act, whom): (&str, &str),
        path: &str,
        body: &str,
    ) -> Result<RawResponse> {
        let wanted: Value = serde_json::from_str(&self.json("/proof", &json!({"act": act, "whom": whom})).await?.body)?;
        let signed = passkey.sign(wanted["challenge"].as_str().unwrap_or_default())?.to_string();
        let signed: String = signed.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let ticket = wanted["ticket"].as_str().unwrap_or_default();
        self.form(path, &format!("{body}&ticket={ticket}&assertion={signed}")).await
    }

    /// What a yes to a question is signed over, as its page says.
    pub(crate) async fn challenge(&self, question: &str) -> Result<String> {
        let page = self.get(&format!("/questions/{question}")).await?.body;
        let (_, rest) = page.split_once("data-challenge=\"").ok_or_else(|| format!("no challenge in {page}"))?;
        Ok(rest.split('"').next().unwrap_or_default().to_owned())
    }

    /// An approval with this signature.
    pub(crate) async fn approve(&self, question: &str, typed: Option<&str>, assertion: &Value) -> Result<RawResponse> {
        let body = json!({"decision": "approve", "typed": typed, "assertion": assertion});
        self.json(&format!("/questions/{question}/answer"), &body).await
    }
}
