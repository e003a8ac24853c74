//! The agent's own user of the system, against a gateway that runs as another: at the page, in the files, at a terminal.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mollyguard_tests::{Agent, Era, Person, Result, codes, within};
use serde_json::{Value, json};

use super::PURGE;
use crate::apart::{AGENT, GATEWAY, Ground, OTHER, Running, STRANGER, User, at_a_terminal};
use crate::page::Visitor;
use crate::page::authenticator::Authenticator;

pub(crate) const OUT_OF_BAND: &str = r#"
@id("fleet-needs-a-person-out-of-band")
@reason("The fleet is what the firm lives on.")
forbid (principal, action == Action::"sqlite_purge_table", resource)
unless { context has approval && context.approval.assurance >= 3 };
"#;

fn bookings() -> Value {
    json!({"target": "fleet", "table": "bookings"})
}

/// A gateway with its page, somebody who may answer, and a question of the agent's.
struct Scene {
    ground: Ground,
    running: Running,
    agent: Agent,
    ada: Visitor,
    passkey: Authenticator,
    question: String,
    /// What nobody else may know.
    secrets: Vec<String>,
}

impl Scene {
    async fn new() -> Result<Self> {
        let ground = Ground::with("page_port = 0\nwait_s = 1\n", OUT_OF_BAND).await?;
        let running = ground.serve().await?;
        let config = ground.path().join("etc/mollyguard.toml").display().to_string();
        let origin = within("the page", origin(&ground)).await??;
        let (code, shown) =
            at_a_terminal(&ground, GATEWAY, &["--config", &config, "operator", "enroll", "ada"], "").await?;
        assert_eq!(code, Some(0), "{shown}");
        let code = codes(&shown).next().ok_or_else(|| format!("no code in {shown}"))?;
        let (ada, mut passkey) = Visitor::enrolled(&origin, &code, 7).await?;
        let invited = ada.invite(&mut passkey, "bea").await?;
        let invitation = codes(&invited.body).next().ok_or_else(|| format!("no code in {}", invited.body))?;
        let agent = ground.agent(AGENT, Era::Modern, Person::absent()).await?;
        let reply = agent.call(PURGE, bookings()).await?;
        let pending = &reply.refused("confirmation_required").structured()["confirmation"];
        let question = pending["id"].as_str().ok_or("a pending question has an id")?.to_owned();
        let token = ada.cookie.split('=').nth(1).unwrap_or_default().to_owned();
        let secrets = vec!["canary-5ecb1d".to_owned(), code, invitation, token];
        Ok(Self { ground, running, agent, ada, passkey, question, secrets })
    }

    /// Everything the store keeps, as the gateway's own user is told it.
    async fn kept(&self) -> Result<Vec<String>> {
        let mut kept = Vec::new();
        for args in [
            &["approvals", "list", "--json"][..],
            &["approvals", "show", &self.question],
            &["approvals", "quarantined", "--json"],
            &["operator", "list", "--json"],
            &["calls", "list", "--json"],
        ] {
            kept.push(self.ground.kept(args).await?);
        }
        let records = self.ground.kept(&["audit", "export"]).await?;
        kept.extend(records.lines().filter(|line| !line.contains("\"checkpoint\"")).map(str::to_owned));
        kept.push(format!("{:?}", self.ground.bookings().await?));
        Ok(kept)
    }

    /// The question is still open, whoever was enrolled still is and nobody else, and a person's yes still counts.
    async fn ends_well(mut self) -> Result {
        self.agent.call(PURGE, bookings()).await?.refused("confirmation_required");
        assert_eq!(self.ground.bookings().await?, Some(12));
        let signed = self.passkey.sign(&self.ada.challenge(&self.question).await?)?;
        let taken = self.ada.approve(&self.question, Some("bookings"), &signed).await?;
        assert_eq!(taken.status, 200, "{}", taken.body);
        self.agent.call(PURGE, bookings()).await?.done();
        assert_eq!(self.ground.bookings().await?, None, "it ran");
        self.ground.kept(&["audit", "verify"]).await?;
        self.agent.close().await?;
        let (status, wrote) = self.running.terminate().await?;
        assert!(status.success(), "{wrote}");
        Ok(())
    }
}

pub(crate) async fn origin(ground: &Ground) -> Result<String> {
    let lock = ground.path().join("state/page.lock").display().to_string();
    loop {
        let written = ground.run(GATEWAY, "cat", &[&lock]).await?;
        if let Some(origin) = written.out.lines().next() {
            return Ok(origin.to_owned());
        }
    }
}

/// Every route of the page, as its router names them: a new one is tried, too.
fn routes() -> Result<Vec<String>> {
    let source = include_str!("../../../gateway/src/page/mod.rs");
    let named = source.split(".route(\"").skip(1).map(|rest| rest.split('"').next().map(str::to_owned));
    let routes = named.collect::<Option<Vec<_>>>().ok_or("a route has a path")?;
    assert_eq!(routes.len(), source.matches(".route(").count(), "each is read");
    assert!(routes.contains(&"/questions/{id}/answer".to_owned()), "{routes:?}");
    Ok(routes)
}

/// What acts somewhere, as far as an agent can know it.
const BODIES: [&str; 7] = [
    "",
    "decision=approve&typed=bookings",
    "decision=decline",
    "name=mallory",
    "code=00000-00000-00000-00000",
    r#"{"decision": "approve", "typed": "bookings"}"#,
    r#"{"code": "00000-00000-00000-00000"}"#,
];

/// Method, path, headers and body of a request.
type Sent = (String, String, Vec<(String, String)>, String);

/// One request for each way to forge one.
fn requests(scene: &Scene) -> Result<Vec<Sent>> {
    let origin = &scene.ada.origin;
    let host = origin.trim_start_matches("http://");
    let port = host.rsplit(':').next().unwrap_or_default();
    let numeric = format!("127.0.0.1:{port}");
    // As the page's own script would say it, as another page's would, and as a program that cares for nothing.
    let heads: [Vec<(&str, &str)>; 4] = [
        vec![("Host", host), ("Origin", origin), ("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Mode", "cors")],
        vec![("Host", host), ("Origin", "http://evil.example"), ("Sec-Fetch-Site", "cross-site")],
        vec![("Host", &numeric), ("Origin", origin), ("Sec-Fetch-Site", "same-origin")],
        vec![("Host", host)],
    ];
    let cookies =
        [String::new(), format!("mollyguard_session={}", "A".repeat(43)), "mollyguard_session=ada".to_owned()];
    let mut requests = Vec::new();
    for route in routes()? {
        let path = route.replace("{id}", &scene.question);
        for (head, cookie) in heads.iter().flat_map(|head| cookies.iter().map(move |cookie| (head, cookie))) {
            let sent = std::iter::once(("GET", "")).chain(BODIES.map(|body| ("POST", body)));
            for (method, body) in sent {
                let kind = if body.starts_with('{') { "application/json" } else { "application/x-www-form-urlencoded" };
                let mut headers = [&head[..], &[("Content-Type", kind)]].concat();
                if !cookie.is_empty() {
                    headers.push(("Cookie", cookie));
                }
                let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
                requests.push((method.to_owned(), path.clone(), headers, body.to_owned()));
            }
        }
    }
    Ok(requests)
}

#[tokio::test]
async fn the_agents_user_gets_nothing_from_the_page_whatever_it_sends() -> Result {
    let scene = Scene::new().await?;
    let before = scene.kept().await?;
    let requests = requests(&scene)?;
    let port: u16 = scene.ada.origin.rsplit(':').next().unwrap_or_default().parse()?;
    let (script, list) = (scene.ground.path().join("requests.py"), scene.ground.path().join("requests.json"));
    std::fs::write(&script, include_str!("requests.py"))?;
    std::fs::write(&list, serde_json::to_vec(&json!([port, requests]))?)?;
    let script = script.display().to_string();
    let ran = scene.ground.run(AGENT, "python3", &[&script, &list.display().to_string()]).await?;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let replies: Vec<(u16, Option<String>, bool, String)> = serde_json::from_str(&ran.out)?;
    assert_eq!(replies.len(), requests.len());
    println!("{} requests", replies.len());
    let anybodys = ["/sign-in", "/enroll", "/style.css", "/page.js"];
    for ((method, path, headers, body), (status, location, sets_cookie, text)) in requests.iter().zip(&replies) {
        let what = format!("{method} {path} {headers:?} {body}: {status} {text}");
        let is_shown = method == "GET" && anybodys.contains(&path.as_str());
        // What is signed to sign in: a random number.
        let is_challenge = method == "POST" && path == "/sign-in/challenge";
        match status {
            200 => assert!(is_shown || is_challenge, "{what}"),
            303 => assert_eq!((method.as_str(), location.as_deref()), ("GET", Some("/sign-in")), "{what}"),
            _ => assert!((400..500).contains(status), "{what}"),
        }
        assert!(!sets_cookie, "{what}");
        assert!(!["bookings", "ada", "bea", "fleet"].iter().any(|word| says(text, word)), "{what}");
    }
    assert!(replies.iter().any(|(status, ..)| *status == 200) && replies.iter().any(|(status, ..)| *status == 421));
    assert_eq!(scene.kept().await?, before, "nothing that is kept has changed");
    scene.ends_well().await
}

/// Whether a text has this word.
fn says(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric()).any(|found| found == word)
}

/// What a user finds below everything that is the gateway's, as `look.py` tells it.
async fn finds(scene: &Scene, user: User) -> Result<Vec<(String, String)>> {
    let script = scene.ground.path().join("look.py");
    std::fs::write(&script, include_str!("look.py"))?;
    let mut texts: Vec<String> = scene.secrets.iter().map(|secret| STANDARD.encode(secret)).collect();
    let state = scene.ground.path().join("state").display().to_string();
    let keys = scene.ground.run(GATEWAY, "find", &[&state, "-name", "*key*", "-type", "f"]).await?;
    for key in keys.out.lines() {
        let content = scene.ground.run(GATEWAY, "base64", &["-w0", key]).await?;
        assert!(!content.out.is_empty(), "{content:?}");
        texts.push(content.out.trim().to_owned());
    }
    assert!(texts.len() > scene.secrets.len(), "there are keys: {}", keys.out);
    let folders = format!("{},/dev/shm,/run", scene.ground.path().display());
    let (pid, script) = (scene.running.pid.to_string(), script.display().to_string());
    let ran = scene.ground.run(user, "python3", &[&script, &pid, &folders, &texts.join(",")]).await?;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let lines = ran.out.lines().filter_map(|line| line.split_once(' '));
    Ok(lines.map(|(what, path)| (what.to_owned(), path.to_owned())).collect())
}

#[tokio::test]
async fn the_agents_user_finds_no_secret_in_anything_it_can_open() -> Result {
    let scene = Scene::new().await?;
    let root = scene.ground.path().display().to_string();
    let own = |what: &str, found: &[(String, String)]| -> Vec<String> {
        found.iter().filter(|(how, _)| how == what).map(|(_, path)| path.clone()).collect()
    };
    for user in [AGENT, OTHER, STRANGER] {
        let found = finds(&scene, user).await?;
        assert_eq!(own("found", &found), [""; 0], "{}", user.name);
        for folder in ["state", "etc", "data", "run-operators"] {
            let inside = format!("{root}/{folder}");
            let into: Vec<_> = found.iter().filter(|(_, path)| path.starts_with(&inside)).collect();
            assert!(into.is_empty(), "{}: {into:?}", user.name);
        }
        for name in ["environ", "maps", "smaps", "mem", "auxv", "io", "exe", "cwd", "root", "fd", "fdinfo", "map_files"]
        {
            let path = format!("/proc/{}/{name}", scene.running.pid);
            assert!(!found.iter().any(|(_, seen)| *seen == path), "{} opens {path}", user.name);
        }
        let here: Vec<_> = own("connected", &found).into_iter().filter(|path| path.starts_with(&root)).collect();
        let agents = scene.ground.socket().display().to_string();
        assert_eq!(here, if user.name == STRANGER.name { vec![] } else { vec![agents] }, "{}", user.name);
        // It looks where there is something: the arguments are everybody's.
        assert!(own("read", &found).contains(&format!("/proc/{}/cmdline", scene.running.pid)), "{found:?}");
    }
    // And what there is it would find.
    let found = own("found", &finds(&scene, GATEWAY).await?);
    assert!(found.contains(&format!("{root}/etc/secret")), "{found:?}");
    assert!(found.iter().any(|path| path.starts_with(&format!("{root}/state/"))), "the keys: {found:?}");
    scene.ends_well().await
}

/// Says one line on a socket, and prints what comes back until it is hung up on.
const SAY: &str = "import socket, sys; c = socket.socket(socket.AF_UNIX); c.connect(sys.argv[1]); \
                   c.sendall(sys.argv[2].encode() + b'\\n'); c.shutdown(socket.SHUT_WR); \
                   print(b''.join(iter(lambda: c.recv(4096), b'')).decode())";

#[tokio::test]
async fn the_agents_user_answers_nothing_at_a_terminal_of_its_own() -> Result {
    let scene = Scene::new().await?;
    let before = scene.kept().await?;
    let config = scene.ground.path().join("etc/mollyguard.toml").display().to_string();
    let desk = scene.ground.operators().display().to_string();
    let question = scene.question.as_str();
    for user in [AGENT, OTHER] {
        for args in [
            &["approvals", "approve", question][..],
            &["--config", &config, "approvals", "approve", question],
            &["approvals", "approve", question, "--operators", &desk],
            &["approvals", "deny", question, "--operators", &desk],
            &["--config", &config, "approvals", "deny", question],
            &["--config", &config, "operator", "enroll", "mallory"],
            &["--config", &config, "operator", "remove", "ada"],
        ] {
            let (code, shown) = at_a_terminal(&scene.ground, user, args, "bookings").await?;
            assert!(code.is_some_and(|code| code != 0), "{}: {args:?}: {shown}", user.name);
            assert!(codes(&shown).next().is_none() && !shown.contains("Approved"), "{args:?}: {shown}");
        }
        // The socket it may open is no desk, whatever is said there.
        let given = json!({"approve": {"typed": "bookings"}});
        let ask = json!({"answer": {"confirmation": question, "given": given}});
        let line = json!({"version": 1, "ask": ask}).to_string();
        let agents = scene.ground.socket().display().to_string();
        let said = scene.ground.run(user, "python3", &["-c", SAY, &agents, &line]).await?;
        assert!(said.code == Some(0) && !said.out.contains("answered"), "{said:?}");
    }
    assert_eq!(scene.kept().await?, before, "nothing that is kept has changed");
    scene.ends_well().await
}

/// A code proves out of band here, and lets its owner invite; but whoever has read it does not become them for good.
#[tokio::test]
async fn who_signed_in_with_a_code_gives_themselves_no_passkey() -> Result {
    let mut scene = Scene::new().await?;
    let stranger = Visitor::stranger(&scene.ada.origin);
    let code = &scene.secrets[2];
    let enrolled = stranger.form("/enroll/code", &format!("code={code}")).await?;
    let own = codes(&enrolled.body).next().ok_or("her own code is shown")?;
    let bea = stranger.with(&enrolled)?;
    let before = scene.kept().await?;
    let refused = bea.form("/people/invite", &format!("name=bea&code={own}")).await?;
    assert_eq!(refused.status, 403, "{}", refused.body);
    assert!(refused.body.contains("cannot give themselves a passkey"), "{}", refused.body);
    assert!(codes(&refused.body).next().is_none());
    assert_eq!(scene.kept().await?, before, "nothing that is kept has changed");
    let invited = bea.form("/people/invite", &format!("name=carl&code={own}")).await?;
    assert_eq!((invited.status, codes(&invited.body).count()), (200, 1), "{}", invited.body);
    let by_ada = scene.ada.adds_to(&mut scene.passkey, "bea").await?;
    let code = codes(&by_ada.body).next().ok_or("ada makes her one")?;
    Visitor::enrolled(&scene.ada.origin, &code, 8).await?;
    let people = scene.ground.kept(&["operator", "list", "--json"]).await?;
    let people: serde_json::Value = serde_json::from_str(&people)?;
    let hers = people.as_array().and_then(|people| people.iter().find(|person| person["name"] == "bea"));
    assert_eq!(hers.and_then(|bea| bea["passkeys"].as_array()).map(Vec::len), Some(1));
    scene.ends_well().await
}

#[tokio::test]
async fn a_client_of_the_agents_user_that_accepts_everything_runs_nothing() -> Result {
    let scene = Scene::new().await?;
    for era in Era::BOTH {
        for kind in super::kinds() {
            for person in super::accepting("bookings") {
                let agent = scene.ground.agent(AGENT, era, person.with_capabilities(kind.clone())).await?;
                agent.call(PURGE, bookings()).await?.refused("confirmation_required");
                agent.close().await?;
                assert_eq!(scene.ground.bookings().await?, Some(12), "{era:?} {kind}");
            }
        }
    }
    scene.ends_well().await
}
