//! What others send to the page: other pages, other programs, strangers.

use std::collections::BTreeMap;

use mollyguard_tests::{RawResponse, Result, World};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{OUT_OF_BAND, PURGE, Site, Visitor, codes, delete, open_questions, yeses};
use crate::behind::{calls, records, store};

/// Every address that acts, with a body that would act there.
fn acts(question: &str) -> Vec<(String, String)> {
    let id = "00000000-0000-7000-8000-000000000000";
    let acts = [
        (format!("/questions/{question}/answer"), "decision=decline"),
        (format!("/calls/{id}/undo"), ""),
        (format!("/grants/{id}/revoke"), ""),
        ("/people/invite".into(), "name=mallory"),
        ("/people/lift".into(), "name=alice"),
        (format!("/people/{id}/remove"), ""),
        ("/sign-in/code".into(), "code=00000-00000-00000-00000"),
        ("/sign-in/challenge".into(), "{}"),
        ("/sign-in/passkey".into(), "{}"),
        ("/sign-out".into(), ""),
        ("/enroll/start".into(), "{}"),
        ("/enroll/passkey".into(), "{}"),
        ("/enroll/code".into(), "code=00000-00000-00000-00000"),
    ];
    acts.map(|(path, body)| (path, body.to_owned())).into()
}

const PAGES: &[&str] = &["/", "/history", "/people", "/sign-in", "/enroll", "/style.css", "/page.js", "/nowhere"];

/// All that the page could change: the store's own tables, row by row.
fn all(world: &World) -> Result<BTreeMap<String, i64>> {
    let store = store(&world.state())?;
    let tables = ["confirmations", "calls", "grants", "operators", "passkeys", "invitations", "sessions", "records"];
    let mut counts = BTreeMap::new();
    for table in tables {
        let count = store.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?;
        counts.insert(table.to_owned(), count);
    }
    let mut standing = store.prepare("SELECT n, standing FROM confirmations")?;
    let rows = standing.query_map([], |row| Ok((row.get::<_, String>(1)?, row.get(0)?)))?;
    counts.extend(rows.collect::<rusqlite::Result<Vec<_>>>()?);
    Ok(counts)
}

#[track_caller]
fn assert_guarded(response: &RawResponse, what: &str) {
    let policy = response.header("content-security-policy").unwrap_or_default();
    for part in
        ["default-src 'none'", "script-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"]
    {
        assert!(policy.split("; ").any(|found| found == part), "{what}: `{part}` in {policy}");
    }
    assert!(!policy.contains("unsafe"), "{what}: {policy}");
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(response.header(name), Some(value), "{what}: {name}");
    }
    assert_eq!(response.header("access-control-allow-origin"), None, "{what}");
}

#[tokio::test]
async fn looking_changes_nothing() -> Result {
    let site = Site::new(OUT_OF_BAND).await?;
    let (ada, _) = site.enrolled("ada").await?;
    let question = site.ask_to_delete().await?;
    let before = (all(&site.world)?, site.world.dump("fleet")?);
    let pages = PAGES.iter().map(|path| ((*path).to_owned(), String::new()));
    let question_page = (format!("/questions/{question}?decision=approve&typed=bookings"), String::new());
    for (path, body) in acts(&question).into_iter().chain(pages).chain([question_page]) {
        for method in ["GET", "HEAD"] {
            for query in ["", &format!("?{body}")] {
                let seen = ada.send(method, &format!("{path}{query}"), &[], &body).await?;
                assert!(seen.status < 500, "{method} {path}: {}", seen.status);
                assert_guarded(&seen, &format!("{method} {path}"));
                assert_eq!(seen.header("set-cookie"), None, "{method} {path}");
            }
        }
        for method in ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
            let seen = ada.send(method, &path, &[("Origin", &ada.origin)], &body).await?;
            assert!((400..500).contains(&seen.status), "{method} {path}: {}", seen.status);
            assert_guarded(&seen, &format!("{method} {path}"));
        }
    }
    assert_eq!((all(&site.world)?, site.world.dump("fleet")?), before);
    site.sound().await
}

#[tokio::test]
async fn only_the_page_itself_acts() -> Result {
    let site = Site::new(OUT_OF_BAND).await?;
    let (ada, mut passkey) = site.enrolled("ada").await?;
    let question = site.ask_to_delete().await?;
    let port = ada.origin.rsplit(':').next().unwrap_or_default().to_owned();
    let own = ada.origin.clone();
    let signed = passkey.sign(&ada.challenge(&question).await?)?;
    let yes = json!({"decision": "approve", "typed": "bookings", "assertion": signed}).to_string();
    let mut acts = acts(&question);
    acts.push((format!("/questions/{question}/answer"), yes.clone()));
    let before = (all(&site.world)?, site.world.dump("fleet")?);
    let origins = [
        format!("https://localhost:{port}"),
        "http://localhost:1".into(),
        "http://localhost".into(),
        format!("http://127.0.0.1:{port}"),
        format!("http://LOCALHOST:{port}"),
        format!("http://localhost.:{port}"),
        format!("http://localhost:{port}.evil.example"),
        format!("http://localhost:{port}/"),
        "http://evil.example".into(),
        "null".into(),
        String::new(),
    ];
    for (path, body) in &acts {
        let kind = if body.starts_with('{') { "application/json" } else { "application/x-www-form-urlencoded" };
        let mut ways: Vec<Vec<(&str, &str)>> = vec![vec![]];
        ways.extend(origins.iter().map(|origin| vec![("Origin", origin.as_str())]));
        ways.push(vec![("Referer", own.as_str())]);
        for site in ["cross-site", "same-site", "none", "Same-Origin"] {
            ways.push(vec![("Origin", own.as_str()), ("Sec-Fetch-Site", site)]);
        }
        for way in ways {
            let headers = [&way[..], &[("Content-Type", kind)]].concat();
            let refused = ada.send("POST", path, &headers, body).await?;
            assert_eq!(refused.status, 403, "{path} {way:?}");
            assert_guarded(&refused, path);
        }
    }
    for host in ["127.0.0.1", "evil.example", "localhost", "localhost:1", "[::1]"] {
        let hosts = [host.to_owned(), format!("{host}:{port}")];
        for host in hosts.iter().filter(|host| format!("http://{host}") != own) {
            for (method, path) in [("GET", "/"), ("GET", "/sign-in"), ("POST", "/sign-out")] {
                let headers = [("Host", host.as_str()), ("Origin", own.as_str())];
                let refused = ada.send(method, path, &headers, "").await?;
                assert_eq!(refused.status, 421, "{method} {path} at {host}");
                assert_guarded(&refused, host);
            }
        }
    }
    assert_eq!((all(&site.world)?, site.world.dump("fleet")?), before);
    // Not because of anything else: from the page itself the same answer is one.
    let taken = ada.approve(&question, Some("bookings"), &signed).await?;
    assert_eq!((taken.status, yeses(&site.world, &question)?), (200, 1), "{}", taken.body);
    site.sound().await
}

#[tokio::test]
async fn a_session_is_its_owners_and_ends() -> Result {
    let site = Site::new("").await?;
    let (ada, _) = site.enrolled("ada").await?;
    let question = site.ask(PURGE, &json!({"target": "fleet", "table": "bookings"})).await?;
    let answer = format!("/questions/{question}/answer");
    let stranger = Visitor::stranger(&site.origin);
    let forged = |value: &str| Visitor { cookie: format!("mollyguard_session={value}"), ..stranger.clone() };
    let token = ada.cookie.split('=').nth(1).unwrap_or_default().to_owned();
    let mut flipped = token.clone();
    flipped.replace_range(0..1, if token.starts_with('A') { "B" } else { "A" });
    let wrong = [
        stranger.clone(),
        forged(""),
        forged("ada"),
        forged(&flipped),
        forged(&token[..token.len() - 1]),
        forged(&format!("{token}A")),
        forged(&"A".repeat(10_000)),
        Visitor { cookie: format!("Mollyguard_Session={token}"), ..stranger.clone() },
        Visitor {
            cookie: format!("a=b; mollyguard_session={flipped}; mollyguard_session={token}"),
            ..stranger.clone()
        },
    ];
    let before = all(&site.world)?;
    for visitor in &wrong {
        for path in ["/", "/history", "/people", "/live", &format!("/questions/{question}")] {
            let seen = visitor.get(path).await?;
            assert_eq!(
                (seen.status, seen.header("location")),
                (303, Some("/sign-in")),
                "{path} with {}",
                visitor.cookie
            );
            assert!(!seen.body.contains("bookings"));
        }
        for (path, body) in
            [(answer.as_str(), "decision=decline"), ("/people/invite", "name=mallory"), ("/sign-out", "")]
        {
            assert_eq!(visitor.form(path, body).await?.status, 403, "{path} with {}", visitor.cookie);
        }
    }
    assert_eq!(all(&site.world)?, before);

    // What was signed out of is nobody's, whoever kept the cookie.
    assert_eq!(ada.get("/").await?.status, 200);
    let twin = ada.clone();
    let out = ada.form("/sign-out", "").await?;
    assert_eq!((out.status, out.header("location")), (303, Some("/sign-in")));
    assert_eq!(twin.get("/").await?.status, 303);
    assert_eq!(twin.form(&answer, "decision=decline").await?.status, 403);
    assert_eq!(open_questions(&site.world)?, [question]);
    site.sound().await
}

#[tokio::test]
async fn cookies_are_kept_from_scripts_and_other_sites() -> Result {
    let site = Site::new("").await?;
    let code = site.code("ada").await?;
    let stranger = Visitor::stranger(&site.origin);
    let enrolled = stranger.form("/enroll/code", &format!("code={code}")).await?;
    assert_eq!(enrolled.status, 200, "{}", enrolled.body);
    let cookie = enrolled.header("set-cookie").unwrap_or_default().to_owned();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.split("; ").any(|found| found == part), "{cookie}");
    }
    let token = cookie.split(['=', ';']).nth(1).unwrap_or_default().to_owned();
    assert!(token.len() >= 43, "{cookie}");
    let own = codes(&enrolled.body).next().ok_or("their own code is shown")?;
    assert_ne!(own, code);
    let ada = stranger.with(&enrolled)?;
    site.ask(PURGE, &json!({"target": "fleet", "table": "bookings"})).await?;

    // What was secret on the way in is nowhere on the way out: not on any page, not in an address, the log or the store.
    let served = site.served.as_ref().ok_or("over HTTP")?;
    let mut written = vec![served.stderr().text(), served.stdout().text()];
    for path in PAGES {
        written.push(ada.get(path).await?.body);
    }
    written.extend(records(&site.world.state())?.iter().map(ToString::to_string));
    for file in std::fs::read_dir(site.world.state())? {
        let path = file?.path();
        if path.is_file() {
            written.push(String::from_utf8_lossy(&std::fs::read(path)?).into_owned());
        }
    }
    for secret in [&code, &own, &token, &code.replace('-', ""), &own.replace('-', "")] {
        assert!(!written.iter().any(|text| text.contains(secret.as_str())), "a secret was written down");
    }
    assert!(written.iter().any(|text| text.contains("bookings")), "these are the pages");
    site.sound().await
}

#[tokio::test]
async fn codes_cannot_be_guessed_for_long() -> Result {
    let site = Site::new("").await?;
    let code = site.code("ada").await?;
    let stranger = Visitor::stranger(&site.origin);
    let before = all(&site.world)?;
    for n in 0..40 {
        let guess = format!("code=0000000000000000{n:04}");
        let path = ["/sign-in/code", "/enroll/code"][n % 2];
        assert_eq!(stranger.form(path, &guess).await?.status, 403);
    }
    assert_eq!(stranger.json("/enroll/start", &json!({"code": "00000-00000-00000-99999"})).await?.status, 403);
    // Even the right one is not looked at any more, so no guess of the rest could have told anything.
    let right = stranger.form("/enroll/code", &format!("code={code}")).await?;
    assert_eq!(right.status, 403);
    assert!(right.body.contains("too many were tried"), "{}", right.body);
    assert_eq!(all(&site.world)?, before);
    site.sound().await
}

#[tokio::test]
async fn what_is_too_much_is_not_read() -> Result {
    let site = Site::new("").await?;
    let (ada, _) = site.enrolled("ada").await?;
    let question = site.ask(PURGE, &json!({"target": "fleet", "table": "bookings"})).await?;
    let path = format!("/questions/{question}/answer");
    let before = all(&site.world)?;
    let much = format!("decision=decline&typed={}", "a".repeat(200 << 10));
    let refused = ada.form(&path, &much).await?;
    assert_eq!(refused.status, 413);
    assert_guarded(&refused, "too much");
    for body in
        ["", "decision=maybe", "decision=approve&approve=approve", "decision=approve&decision=decline", "{", "\0"]
    {
        let refused = ada.form(&path, body).await?;
        assert_eq!(refused.status, 403, "{body}");
        assert!(refused.body.contains("Nothing was changed"), "{body}");
    }
    let long = format!("/{}", "a".repeat(1 << 20));
    assert!(ada.get(&long).await.map_or(414, |reply| reply.status) >= 400);
    assert_eq!(all(&site.world)?, before);
    site.sound().await
}

/// Connections that say nothing, or never finish what they say, are let go, and the others get their turn.
#[tokio::test]
async fn many_and_slow_connections_do_not_keep_a_person_out() -> Result {
    let site = Site::new("").await?;
    let (ada, _) = site.enrolled("ada").await?;
    let authority = site.origin.trim_start_matches("http://").to_owned();
    let half = format!(
        "POST /sign-out HTTP/1.1\r\nHost: {authority}\r\nOrigin: {}\r\nContent-Length: 9\r\n\r\n1",
        site.origin
    );
    let mut silent = Vec::new();
    for n in 0..520 {
        let mut stream = TcpStream::connect(&authority).await?;
        let said = ["", "GET / HT", half.as_str()][n % 3];
        stream.write_all(said.as_bytes()).await?;
        silent.push(stream);
    }
    assert_eq!(ada.get("/").await?.status, 200, "whoever came later is answered");
    // And each of them was ended by the gateway.
    for mut stream in silent {
        let mut rest = Vec::new();
        let ended = mollyguard_tests::within("the end of a silent connection", stream.read_to_end(&mut rest)).await?;
        let rest = String::from_utf8_lossy(&rest).into_owned();
        assert!(ended.is_err() || !rest.starts_with("HTTP/1.1 2"), "{rest}");
    }
    assert_eq!((calls(&site.world)?.len(), open_questions(&site.world)?.len()), (0, 0));
    site.sound().await
}

/// What names, statements and clients say stays what they say.
#[tokio::test]
async fn text_of_others_is_text() -> Result {
    const BAIT: &str = "<img src=x onerror=alert(1)>";
    let mut world = super::rental(OUT_OF_BAND)?;
    world.sql(
        "fleet",
        &format!("CREATE TABLE \"{BAIT}\u{202e}\" (id INTEGER); INSERT INTO \"{BAIT}\u{202e}\" VALUES (1)"),
    )?;
    world.set("gateway.user", format!("al{BAIT}ice"));
    let site = Site::of(world).await?;
    let (ada, mut passkey) = site.enrolled(&format!("ada{}", &BAIT[..20])).await?;
    let script = "</code></pre><script>alert(1)</script>\u{202e}\u{200b}";
    let write =
        json!({"target": "fleet", "sql": format!("DELETE FROM \"{BAIT}\u{202e}\" WHERE 1 = 1 OR --\n'{script}' = ''")});
    let question = site.ask(super::WRITE, &write).await?;
    let purge = json!({"target": "fleet", "table": format!("{BAIT}\u{202e}")});
    site.ask(PURGE, &purge).await?;
    let signed = passkey.sign(&ada.challenge(&question).await?)?;
    let typed = typed(&ada, &question).await?;
    let taken = ada.approve(&question, Some(&typed), &signed).await?;
    assert_eq!(taken.status, 200, "{}", taken.body);
    site.agent.call(super::WRITE, write).await?.done();
    for path in ["/", "/history", "/people", &format!("/questions/{question}"), "/questions/%3Cimg%20src=x%3E"] {
        let page = ada.get(path).await?.body;
        assert!(!page.contains("<img") && !page.contains("<script>alert"), "{path}: {page}");
        let hidden = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}');
        assert!(!page.contains(hidden), "{path} has text that hides");
        assert!(!page.to_lowercase().contains(" style=") && !page.to_lowercase().contains(" onerror=\""), "{path}");
        if path.contains(&question) {
            assert!(page.contains("WHERE 1 = 1 OR ⟦--⟧\n| '&lt;/code&gt;"), "{page}");
        }
        if path != "/questions/%3Cimg%20src=x%3E" {
            assert!(page.contains("&lt;img src=x onerror"), "{path} shows it as text: {page}");
        }
    }
    site.sound().await
}

/// What has to be typed, as the page says.
async fn typed(visitor: &Visitor, question: &str) -> Result<String> {
    let page = visitor.get(&format!("/questions/{question}")).await?.body;
    let (_, rest) = page.split_once("To approve, type <code>").ok_or("nothing has to be typed")?;
    let shown = rest.split("</code>").next().unwrap_or_default();
    Ok(shown.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&"))
}

#[tokio::test]
async fn nobody_approves_by_what_the_agent_itself_can_send() -> Result {
    let site = Site::new(OUT_OF_BAND).await?;
    let (_ada, _) = site.enrolled("ada").await?;
    let question = site.ask_to_delete().await?;
    let before = site.world.dump("fleet")?;
    // As curl would, with everything an agent knows: the question's id, the name, where the page is.
    let agent = Visitor::stranger(&site.origin);
    let yes = agent.form(&format!("/questions/{question}/answer"), "decision=approve&typed=bookings").await?;
    assert_eq!(yes.status, 403);
    let invited = agent.form("/people/invite", "name=agent").await?;
    assert_eq!(invited.status, 403);
    let enroll = site.world.run(&["operator", "enroll", "agent"]).await?;
    assert_ne!(enroll.code, Some(0));
    assert!(codes(&enroll.stdout).next().is_none());
    assert!(
        super::first_code(&site.world, "agent").await.is_err(),
        "not even on a terminal, once somebody is enrolled"
    );
    site.agent.call(super::WRITE, delete()).await?.refused("confirmation_required");
    assert_eq!(site.world.dump("fleet")?, before);
    site.sound().await
}
