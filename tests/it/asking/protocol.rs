//! What is called by the wrong name, with the wrong arguments or in no form at all; progress; and looking ahead.

use mollyguard_tests::{Person, Raw, Result};
use serde_json::{Value, json};

use super::{PURGE, WRITE, bookings, counting, events, everywhere, visit};

#[tokio::test]
async fn a_tool_that_is_not_there_is_an_error_that_names_the_nearest() -> Result {
    everywhere(Person::declines, async |setup| {
        let reply = setup.agent.call("sqlite_purge_tabel", bookings()).await?;
        assert!(reply.protocol_error(-32602).contains("did you mean `sqlite_purge_table`"));
        let reply = setup.agent.call("make_coffee", json!({})).await?;
        assert!(!reply.protocol_error(-32602).contains("did you mean"));
        let hostile = setup.agent.call(&format!("x\n\u{1b}[31m{}", "y".repeat(10_000)), json!({})).await?;
        let said = hostile.protocol_error(-32602);
        assert!(said.len() < 500 && !said.contains('\u{1b}') && !said.contains('\n'), "{said}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn tools_that_only_take_back_cannot_be_called() -> Result {
    everywhere(
        || Person::types("approve"),
        async |setup| {
            let before = setup.world.dump("fleet_dev")?;
            let listed = setup.agent.tools().await?;
            let calls = [
                ("files_restore", json!({"target": "scratch", "path": "x", "trash_entry": "x"})),
                ("sqlite_restore_rows", json!({"target": "fleet_dev", "rows": {}, "left": [], "orphans": {}})),
            ];
            for (tool, args) in calls {
                assert!(listed.iter().all(|listed| listed["name"] != tool), "{tool}");
                setup.agent.call(tool, args.clone()).await?.protocol_error(-32602);
                let preview = setup.agent.call("preview_call", json!({"tool": tool, "arguments": args})).await?;
                preview.refused("invalid_arguments");
            }
            assert_eq!(setup.world.dump("fleet_dev")?, before);
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn arguments_that_do_not_fit_are_told_by_their_path() -> Result {
    everywhere(
        || Person::types("bookings"),
        async |setup| {
            let before = setup.world.dump("fleet_dev")?;
            let wrong = [
                (json!({"target": "fleet_dev", "table": "bookings", "force": true}), "'force'"),
                (json!({"target": "fleet_dev", "table": 7}), "/table"),
                (json!({"target": "fleet_dev"}), "\"table\""),
                (json!({"table": "bookings"}), "\"target\""),
                (json!({"target": "fleet_prod", "table": "bookings"}), "/target"),
                (json!({"target": "fleet_prod", "table": "bookings"}), "\"fleet_dev\""),
                (json!({"target": "scratch", "table": "bookings"}), "/target"),
                (json!({"target": ["fleet_dev"], "table": "bookings"}), "/target"),
            ];
            for (args, named) in wrong {
                let reply = setup.agent.call(PURGE, args.clone()).await?;
                assert!(reply.refused("invalid_arguments").text().contains(named), "{args}: {}", reply.text());
            }
            let none = setup.agent.call("preview_call", json!({"tool": PURGE, "arguments": {"target": "x"}})).await?;
            assert!(none.refused("invalid_arguments").text().contains("/arguments"), "{}", none.text());
            assert_eq!(setup.world.dump("fleet_dev")?, before);
            assert!(setup.agent.asked().is_empty());
            Ok(())
        },
    )
    .await
}

/// A change in development, as text: nobody is asked, so if it is understood, it runs.
const CHANGE: &str = r#"{"target":"fleet_dev","sql":"DELETE FROM bookings WHERE id = 1"}"#;
const OTHER: &str = r#"{"target":"fleet_dev","sql":"SELECT 1"}"#;

#[tokio::test]
async fn what_can_be_read_in_two_ways_is_an_error() -> Result {
    let world = counting()?;
    for is_modern in [false, true] {
        let mut raw = world.raw()?;
        if !is_modern {
            raw.initialize().await?;
        }
        let meta = if is_modern { format!(r#","_meta":{}"#, Raw::meta()) } else { String::new() };
        let head = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call""#;
        let twice = [
            format!(r#"{head},"params":{{"name":"sqlite_query","name":"sqlite_write","arguments":{CHANGE}{meta}}}}}"#),
            format!(r#"{head},"params":{{"name":"sqlite_write","arguments":{OTHER},"arguments":{CHANGE}{meta}}}}}"#),
            format!(r#"{head},"params":{{"name":"sqlite_write","arguments":{CHANGE},"arguments":{OTHER}{meta}}}}}"#),
            format!(r#"{head},"params":{{"name":"sqlite_write","arguments":[{CHANGE}]{meta}}}}}"#),
            format!(r#"{head},"params":{{"name":["sqlite_write"],"arguments":{CHANGE}{meta}}}}}"#),
            format!(r#"{head},"params":{{"name":"sqlite_write","arguments":"x"{meta}}}}}"#),
            format!(r#"{head},"params":[]}}"#),
            format!(r#"{head},"method":"tools/list","params":{{"name":"sqlite_write","arguments":{CHANGE}{meta}}}}}"#),
            format!(r#"{head},"params":{{}},"params":{{"name":"sqlite_write","arguments":{CHANGE}{meta}}}}}"#),
            format!(r#"{head},"id":2,"params":{{"name":"sqlite_write","arguments":{CHANGE}{meta}}}}}"#),
        ];
        for line in twice {
            println!("{line}");
            raw.send(format!("{line}\n")).await?;
            // Where not even the request could be told, the answer has no id.
            let answer = raw.next().await?;
            let code = answer["error"]["code"].as_i64();
            assert!(code.is_some_and(|code| [-32600, -32602].contains(&code)), "{answer}");
        }
        assert!(raw.close().await?.success());
    }
    assert_eq!(world.rows("fleet_dev", "bookings")?, 12);
    assert_eq!(events(&world, WRITE).await?, [""; 0]);
    Ok(())
}

#[tokio::test]
async fn what_is_no_message_is_not_guessed_at() -> Result {
    let world = counting()?;
    let mut raw = world.raw()?;
    raw.initialize().await?;
    let call = format!(r#""method":"tools/call","params":{{"name":"sqlite_write","arguments":{CHANGE}}}"#);
    let lines = [
        format!(r#"{{"jsonrpc":"2.0","id":1,{call}"#),
        format!(r#"{{"jsonrpc":"1.0","id":1,{call}}}"#),
        format!(r#"{{"id":1,{call}}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list",{call}}}"#),
        format!(r#"{{"jsonrpc":"2.0",{call}}}"#),
        "\u{0}\u{1}".to_owned(),
        "null".to_owned(),
        String::new(),
    ];
    for line in lines {
        raw.send(format!("{line}\n")).await?;
    }
    raw.send(b"\xff\xfe\n").await?;
    raw.message(&json!({"jsonrpc": "2.0", "id": "last", "method": "tools/list"})).await?;
    assert!(raw.response(&json!("last")).await?["result"]["tools"].is_array(), "it goes on");
    assert!(raw.close().await?.success());
    assert_eq!(world.rows("fleet_dev", "bookings")?, 12);
    assert_eq!(events(&world, WRITE).await?, [""; 0]);
    Ok(())
}

/// Before the session opens, in either era: what is no request ends no process, and is not taken for one.
#[tokio::test]
async fn what_comes_before_the_opening_does_not_end_the_process() -> Result {
    let world = counting()?;
    let strays = [
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"no"}}"#,
        "[]",
        "{this is no json",
        "",
    ];
    for is_modern in [false, true] {
        for stray in strays {
            let mut raw = world.raw()?;
            raw.send(format!("{stray}\n")).await?;
            let mut params = json!({"name": "sqlite_query", "arguments": serde_json::from_str::<Value>(OTHER)?});
            if is_modern {
                params["_meta"] = Raw::meta();
            } else {
                raw.initialize().await?;
            }
            raw.message(&json!({"jsonrpc": "2.0", "id": "last", "method": "tools/call", "params": params})).await?;
            assert_eq!(raw.response(&json!("last")).await?["result"]["isError"], false, "{stray}");
            assert!(raw.close().await?.success(), "{stray}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn whoever_gives_a_token_is_told_that_a_person_is_waited_for() -> Result {
    let world = counting()?;
    let mut raw = world.raw()?;
    raw.initialize().await?;
    let params = json!({"name": WRITE, "arguments": visit(), "_meta": {"progressToken": "t"}});
    raw.message(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})).await?;
    let (mut question, mut progress) = (Value::Null, Value::Null);
    while question.is_null() || progress["message"] != "waiting for a person" {
        let message = raw.next().await?;
        match message["method"].as_str() {
            Some("elicitation/create") => question = message["id"].clone(),
            Some("notifications/progress") => {
                let now = message["params"].clone();
                assert_eq!(now["progressToken"], "t");
                assert!(progress.is_null() || now["progress"].as_f64() > progress["progress"].as_f64(), "{now}");
                progress = now;
            }
            _ => return Err(format!("unexpected: {message}").into()),
        }
    }
    let yes = json!({"action": "accept", "content": {"decision": "approve"}});
    raw.message(&json!({"jsonrpc": "2.0", "id": question, "result": yes})).await?;
    let answer = raw.response(&json!(1)).await?;
    assert_eq!(answer["result"]["structuredContent"]["rows_changed"], 1, "{answer}");
    assert_eq!(world.rows("fleet", "visits")?, 1);
    Ok(())
}

#[tokio::test]
async fn a_preview_changes_nothing_and_says_what_will_be_asked() -> Result {
    everywhere(Person::absent, async |setup| {
        let delete = "DELETE FROM bookings WHERE id < 3";
        let calls = [
            (PURGE, bookings()),
            (PURGE, json!({"target": "fleet_dev", "table": "bookings"})),
            (PURGE, json!({"target": "fleet_staging", "table": "bookings"})),
            (WRITE, visit()),
            (WRITE, json!({"target": "fleet", "sql": delete})),
            (WRITE, json!({"target": "fleet_staging", "sql": delete})),
            (WRITE, json!({"target": "fleet_dev", "sql": delete})),
            ("sqlite_drop_table", json!({"target": "fleet", "table": "visits"})),
            ("files_purge", json!({"target": "uploads", "path": "damage"})),
            ("files_purge", json!({"target": "scratch", "path": "damage"})),
            ("files_write", json!({"target": "uploads", "path": "licence-4711.txt", "content": "x"})),
            ("files_delete", json!({"target": "uploads", "path": "damage"})),
            ("files_delete", json!({"target": "scratch", "path": "damage"})),
        ];
        let state = || -> Result<_> {
            let databases = ["fleet", "fleet_staging", "fleet_dev"].map(|name| setup.world.dump(name));
            let files = ["uploads", "scratch"].map(|folder| setup.world.file(folder, "damage/car-3.txt").ok());
            let licence = setup.world.file("uploads", "licence-4711.txt")?;
            Ok((databases.into_iter().collect::<Result<Vec<_>>>()?, files, licence))
        };
        for (tool, args) in calls {
            println!("{tool} {args}");
            let before = state()?;
            let preview = setup.agent.call("preview_call", json!({"tool": tool, "arguments": args})).await?;
            let preview = preview.done();
            assert_eq!(state()?, before, "a preview changes nothing");
            let real = setup.agent.call(tool, args).await?;
            match preview["decision"].as_str() {
                Some("allow") => {
                    real.done();
                    assert_ne!(state()?, before);
                }
                Some("confirm") => {
                    real.refused("confirmation_required");
                    let pending = &real.structured()["confirmation"];
                    assert_eq!(pending["need"], preview["need"]);
                    assert_eq!(real.structured()["because"], preview["because"]);
                    assert_eq!(state()?, before);
                }
                other => return Err(format!("{other:?}: {preview}").into()),
            }
            assert_eq!(real.about()["targets"], preview["targets"]);
            assert_eq!(real.about()["reversibility"], preview["reversibility"]);
            assert_eq!(real.about()["blast_radius"], preview["blast_radius"]);
        }
        Ok(())
    })
    .await
}
