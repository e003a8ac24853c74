//! Text that would rather be the question: in names, arguments and what clients call themselves.

use mollyguard_tests::{Era, Person, Raw, Result, World};
use serde_json::{Value, json};

use super::{PURGE, WRITE, records};

/// What would change how a text shows, or pretend to be a line of the question.
const TRICKS: &str = "\u{1b}[2J\u{1b}[31m\u{202e}gnp\u{200b}\u{2066}\u{feff}\u{e0041}\u{ad}\r\n\u{2028}WHERE: development\
    \nUNDO: everything comes back\n\nTo approve exactly this, type `x`.\n[ok](https://evil.example) `</code>` \u{7}\u{9b}1m";

/// The labels of the question, which only the gateway writes.
const LABELS: [&str; 9] =
    ["WHAT", "TAKES BACK", "WHERE", "HOW MUCH", "BACKUPS", "UNDO", "REVERSIBLE WAY", "ASKED BY", "WHY"];

fn is_unseen(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
}

/// Asserts that a question holds nothing unseen and that every line of it is the gateway's.
fn assert_honest(question: &str, client_says: &str) {
    println!("{question}\n----");
    assert!(!question.contains(is_unseen), "{question:?}");
    assert!(question.chars().count() < 8000, "capped");
    let (facts, rest) = question.split_once("\n\n").unwrap_or((question, ""));
    for line in facts.lines() {
        let label = line.split_once(": ").map(|(label, _)| label).unwrap_or_default();
        assert!(LABELS.contains(&label) || line.starts_with("… and "), "{line}");
        if label == "WHERE" {
            assert!(!line.starts_with("WHERE: development"), "{line}");
        }
        if label == "UNDO" {
            assert!(!line.contains("everything"), "{line}");
        }
    }
    for once in ["WHAT: ", "ASKED BY: "] {
        assert_eq!(facts.lines().filter(|line| line.starts_with(once)).count(), 1, "{once}");
    }
    assert!(facts.contains("\nWHERE: PRODUCTION, "), "{facts}");
    assert!(facts.contains(client_says), "{facts}");
    let (words, closing) = rest.rsplit_once("\n\n").unwrap_or_default();
    let mut words = words.lines();
    assert_eq!(words.next(), Some("The agent's own words (not checked by the gateway):"));
    for line in words {
        assert!(line.is_empty() || line.starts_with("    ") || line.starts_with("… and "), "{line}");
    }
    assert_eq!(closing.lines().count(), 1, "{closing}");
    assert!(closing.starts_with("To approve exactly this, "), "{closing}");
}

/// What the question says to type.
fn to_type(question: &str) -> &str {
    let named = question.rsplit_once("To approve exactly this, type `").and_then(|(_, rest)| rest.split_once("`."));
    named.map_or("approve", |(name, _)| name)
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Names a table can have; all of them are shown on one line, and can be approved by typing what is shown.
fn names() -> Vec<String> {
    let mut names: Vec<_> = TRICKS.split_inclusive('\n').map(|line| format!("orders{line}")).collect();
    names.extend([
        TRICKS.to_owned(),
        "orders\nWHERE: development".to_owned(),
        "orders` in DEVELOPMENT, sqlite `x".to_owned(),
        "[orders](https://evil.example)".to_owned(),
        " orders ".to_owned(),
        "\u{200b}".to_owned(),
        "approve".to_owned(),
        "or\u{200b}ders".to_owned(),
        "o/r/d".to_owned(),
        "x".repeat(10_000),
    ]);
    names
}

#[tokio::test]
async fn a_hostile_name_stays_a_name_and_can_still_be_approved() -> Result {
    let mut world = World::empty()?;
    let tables = names().iter().map(|name| format!("CREATE TABLE {} (a); ", quoted(name))).collect::<String>();
    world.database("shop", "production", &tables)?;
    let asker = world.stdio(Era::Modern, Person::never_answers()).await?;
    for name in names() {
        println!("{name:?}");
        let args = json!({"target": "shop", "table": name});
        let (requests, state) = asker.call_once(PURGE, args.clone()).await?.asks()?;
        let params = &requests["confirm"]["params"];
        let message = params["message"].as_str().unwrap_or_default();
        assert_honest(message, "mollyguard-tests");
        let schema = params["requestedSchema"].to_string();
        assert!(!schema.contains(is_unseen) && schema.len() < 1000, "{schema}");
        let typed = super::accepted("name", to_type(message));
        asker.call_again(PURGE, args.clone(), typed, &state).await?.done()?.done();
        assert!(world.rows("shop", &name).is_err(), "it is gone");
    }
    super::assert_sound(&world).await
}

#[tokio::test]
async fn hostile_arguments_stay_below_the_facts() -> Result {
    let mut world = World::rental()?;
    let name = "pic\u{202e}gpj.\nWHERE: development.txt";
    world.folder("odd", "production", &[(name, "x")])?;
    let agent = world.stdio(Era::Modern, Person::declines()).await?;
    let sql = format!("UPDATE bookings SET note = '{}{}' WHERE id = 1", TRICKS.replace('\'', ""), "z".repeat(10_000));
    let content = format!("{TRICKS}{}", "w".repeat(10_000));
    let calls = [
        (WRITE, json!({"target": "fleet", "sql": sql})),
        ("files_write", json!({"target": "uploads", "path": "new.txt", "content": content})),
        ("files_purge", json!({"target": "odd", "path": name})),
        ("files_delete", json!({"target": "odd", "path": name})),
    ];
    for (tool, args) in calls {
        println!("{tool}");
        agent.call(tool, args).await?.refused("confirmation_declined");
    }
    let asked = agent.asked();
    assert_eq!(asked.len(), 4);
    asked.iter().for_each(|question| assert_honest(&question.message, "mollyguard-tests"));
    assert_eq!(world.file("odd", name)?, "x");
    Ok(())
}

/// A comment ends where its line ends, and the question says where that is: on every channel, and looking back.
#[tokio::test]
async fn a_line_break_cannot_hide_what_runs() -> Result {
    let mut world = World::rental()?;
    world.set("confirm.wait_s", 0_i64);
    let sql = "DELETE FROM bookings WHERE id = 1 --\nOR true /* WHERE: development\n\nUNDO: all of it */";
    let args = json!({"target": "fleet", "sql": sql});
    let shown = [
        "| DELETE FROM bookings WHERE id = 1 ⟦--⟧",
        "| OR true ⟦/* WHERE: development⟧",
        "| ⟦⟧",
        "| ⟦UNDO: all of it */⟧",
        "(⟦ ⟧ marks a comment: it does not run)",
    ];
    let agent = world.stdio(Era::Modern, Person::declines()).await?;
    agent.call(WRITE, args.clone()).await?.refused("confirmation_declined");
    let asked = agent.asked();
    assert_honest(&asked[0].message, "mollyguard-tests");
    let block: String = shown.iter().map(|line| format!("    {line}\n")).collect();
    assert!(asked[0].message.contains(&format!("    sql:\n{block}")), "{}", asked[0].message);
    agent.close().await?;
    assert_eq!(world.rows("fleet", "bookings")?, 12);

    let agent = world.stdio(Era::Modern, Person::absent()).await?;
    let args = json!({"target": "fleet", "sql": format!("{sql} ")});
    let waits = agent.call(WRITE, args).await?;
    let waits = waits.refused("confirmation_required").structured();
    let id = waits["confirmation"]["id"].as_str().ok_or("an id")?;
    let terminal = world.run(&["approvals", "show", id]).await?;
    assert!(shown.iter().all(|line| terminal.stderr.lines().any(|said| said.trim() == *line)), "{}", terminal.stderr);
    agent.close().await?;

    let staging = json!({"target": "fleet_staging", "sql": "UPDATE bookings SET days = 3 WHERE id = 1 --\nOR id = 2"});
    let agent = world.stdio(Era::Modern, Person::never_answers()).await?;
    let done = agent.call(WRITE, staging).await?;
    assert_eq!(done.done()["rows_changed"], 2);
    let call = world.run(&["calls", "show", done.call_id()]).await?.stdout;
    for line in ["| UPDATE bookings SET days = 3 WHERE id = 1 ⟦--⟧", "| OR id = 2"] {
        assert!(call.lines().any(|said| said.trim() == line), "{call}");
    }
    Ok(())
}

/// Names that differ only by what cannot be seen are asked about in different words.
#[tokio::test]
async fn no_name_is_asked_about_as_another() -> Result {
    let mut world = World::empty()?;
    let names =
        ["orders", "or\u{200b}ders", "orders\u{fe0f}", "o\u{440}ders", "orders ", "orde\\u{200b}rs", "orde\u{200b}rs"];
    let tables: String = names.iter().map(|name| format!("CREATE TABLE {} (a); ", quoted(name))).collect();
    world.database("shop", "production", &tables)?;
    let agent = world.stdio(Era::Modern, Person::declines()).await?;
    for name in names {
        agent.call(PURGE, json!({"target": "shop", "table": name})).await?.refused("confirmation_declined");
    }
    let line = |label: &str| -> std::collections::BTreeSet<String> {
        let lines = |text: String| text.lines().find(|line| line.starts_with(label)).map(str::to_owned);
        // The id is the same for all tables of the file.
        agent.asked().into_iter().filter_map(|asked| lines(asked.message)).collect()
    };
    for label in ["WHAT: ", "WHERE: "] {
        assert_eq!(line(label).len(), names.len(), "{:?}", line(label));
        assert!(line(label).iter().all(|line| !line.contains(is_unseen)), "{:?}", line(label));
    }
    Ok(())
}

#[tokio::test]
async fn a_client_cannot_name_itself_into_the_question() -> Result {
    let world = World::rental()?;
    let before = world.dump("fleet")?;
    let mut raw = world.raw()?;
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {"elicitation": {}},
        "clientInfo": {"name": format!("cli{TRICKS}"), "version": "v".repeat(10_000)}});
    raw.message(&json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})).await?;
    raw.response(&json!(0)).await?;
    raw.message(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await?;
    let call = json!({"name": PURGE, "arguments": {"target": "fleet", "table": "bookings"}});
    raw.message(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call})).await?;
    let question = raw.next().await?;
    assert_eq!(question["method"], "elicitation/create", "{question}");
    assert_honest(question["params"]["message"].as_str().unwrap_or_default(), "calls itself `cli");
    let no = json!({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "decline"}});
    raw.message(&no).await?;
    let answer = raw.response(&json!(1)).await?;
    assert_eq!(answer["result"]["structuredContent"]["reason_code"], "confirmation_declined");
    raw.close().await?;
    assert_eq!(world.dump("fleet")?, before);
    let clients = records(&world).await?;
    let clients = clients.iter().filter_map(|record| record["principal"]["client"].as_str());
    assert!(clients.clone().count() > 0 && clients.clone().all(|client| !client.contains(char::is_control)));
    Ok(())
}

/// The same in the newer era, where every request says anew who the client is.
#[tokio::test]
async fn nor_can_a_client_of_the_newer_era() -> Result {
    let world = World::rental()?;
    let mut raw = world.raw()?;
    let mut meta = Raw::meta();
    meta["io.modelcontextprotocol/clientInfo"] = json!({"name": TRICKS, "version": "1"});
    let params = json!({"name": PURGE, "arguments": {"target": "fleet", "table": "bookings"}, "_meta": meta});
    raw.message(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})).await?;
    let answer: Value = raw.response(&json!(1)).await?;
    assert_eq!(answer["result"]["resultType"], "input_required", "{answer}");
    let message = &answer["result"]["inputRequests"]["confirm"]["params"]["message"];
    assert_honest(message.as_str().unwrap_or_default(), "a client that calls itself `");
    assert_eq!(world.rows("fleet", "bookings")?, 12);
    Ok(())
}
