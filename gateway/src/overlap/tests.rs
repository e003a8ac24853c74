//! What is found to be in reach, and what is not.

use super::*;

fn checked(folder: &Path, targets: &str) -> Result<(), Overlap> {
    let toolsets = mollyguard_tools::toolsets();
    let text = format!(
        "[gateway]\nstate = \"state\"\nuser = \"anna\"\n[audit]\ncheckpoint = \"heads/heads.txt\"\n\
         [environments.production]\ntier = \"production\"\n[environments.staging]\ntier = \"staging\"\n{targets}"
    );
    let config = Config::parse(&text, &folder.join("etc/mollyguard.toml"), &toolsets).unwrap();
    Reaches::check(&config, &toolsets).map(drop)
}

fn files(name: &str, environment: &str, root: &str) -> String {
    format!("[targets.{name}]\nkind = \"files\"\nenvironment = \"{environment}\"\nroot = \"{root}\"\n")
}

#[test]
fn the_gateways_own_files_are_out_of_reach() {
    let folder = tempfile::tempdir().unwrap();
    for root in [".", "..", "state", "state/streams", "heads", "/"] {
        let found = checked(folder.path(), &files("a", "staging", root));
        assert!(matches!(found, Err(Overlap::Own { .. })), "{root}: {found:?}");
    }
    assert_eq!(checked(folder.path(), &files("a", "staging", "uploads")), Ok(()));
}

#[test]
fn a_link_does_not_hide_what_lies_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("etc/state")).unwrap();
    std::os::unix::fs::symlink(folder.path().join("etc/state"), folder.path().join("etc/innocent")).unwrap();
    let found = checked(folder.path(), &files("a", "staging", "innocent"));
    assert!(matches!(found, Err(Overlap::Own { what: "state directory", .. })), "{found:?}");
}

#[test]
fn environments_are_out_of_each_others_reach() {
    let folder = tempfile::tempdir().unwrap();
    let nested = files("a", "staging", "data") + &files("b", "production", "data/live");
    assert!(matches!(checked(folder.path(), &nested), Err(Overlap::Targets { .. })));
    let same = files("a", "staging", "data") + &files("b", "staging", "data/live");
    assert_eq!(checked(folder.path(), &same), Ok(()));
    let database = "[targets.b]\nkind = \"sqlite\"\nenvironment = \"production\"\npath = \"data/live.db\"\n";
    assert!(matches!(
        checked(folder.path(), &(files("a", "staging", "data") + database)),
        Err(Overlap::Targets { .. })
    ));
}

/// Every key that names something the gateway opens or runs, as `{}` in a line of TOML that names the file `it`.
const TRUSTED: &[(&str, &str)] = &[
    ("gateway.state", "gateway.state = \"{}\""),
    ("policies.directories", "policies.directories = [\"{}\"]"),
    ("audit.checkpoint", "audit.checkpoint = \"{}\""),
    ("redact.secrets", "redact.secrets = [\"file:{}\"]"),
    ("redact.secrets", "redact.secrets = [\"command:{}\"]"),
    ("redact.secrets", "redact.secrets = [\"command:sh {}\"]"),
    ("redact.secrets", "redact.secrets = [\"command:python3 -u {} --now\"]"),
    ("notify.command", "notify.command = [\"{}\", \"{what}\"]"),
    ("notify.command", "notify.command = [\"sh\", \"{}\", \"{what}\"]"),
    ("notify.command", "notify.command = [\"sh\", \"-c\", \". {}; tell \\\"$1\\\"\", \"sh\", \"{what}\"]"),
    ("notify.command", "notify.command = [\"env\", \"A=b\", \"--file={}\", \"{what}\"]"),
    ("notify.command", "notify.command = [\"tell\", \"-f{}\", \"{what}\"]"),
    ("notify.webhooks.url", "notify.webhooks = [{ url = \"file:{}\" }]"),
    ("notify.webhooks.url", "notify.webhooks = [{ url = \"command:cat {}\" }]"),
    ("notify.webhooks.secret", "notify.webhooks = [{ url = \"https://a.example/\", secret = \"file:{}\" }]"),
    ("targets.secret", "targets.pg = { kind = \"postgres\", environment = \"staging\", secret = \"file:{}\" }"),
    ("targets.secret", "targets.pg = { kind = \"postgres\", environment = \"staging\", secret = \"command:{} x\" }"),
    (
        "targets.read_secret",
        "targets.pg = { kind = \"postgres\", environment = \"staging\", secret = \"env:X\", read_secret = \"file:{}\" }",
    ),
];

/// Every key that names nothing in the file system, or what a target itself is.
const OTHERS: &[&str] = &[
    "gateway.user",
    "gateway.roles",
    "policies.defaults",
    "limits.undo_bytes",
    "limits.output_bytes",
    "limits.output_rows",
    "limits.count",
    "limits.call_timeout_ms",
    "limits.concurrent_calls",
    "limits.waiting_calls",
    "confirm.expires_s",
    "confirm.wait_s",
    "confirm.denial_s",
    "confirm.open_questions",
    "confirm.flood",
    "confirm.page",
    "confirm.page_port",
    "confirm.page_url",
    "notify.webhooks.tiers",
    "http.tokens.digest",
    "http.tokens.user",
    "http.tokens.roles",
    "http.allowed_hosts",
    "http.allowed_origins",
    "http.body_bytes",
    "http.requests_per_minute",
    "http.sessions",
    "socket.connections",
    "socket.connections_each",
    "socket.users.roles",
    "retention.keep_days",
    "environments.tier",
    "targets.kind",
    "targets.environment",
    "targets.identity",
    // What a target is, and so what it reaches.
    "targets.root",
    "targets.path",
    "targets.backups",
    "targets.connections",
    "targets.trial_ms",
    "targets.vouched_functions",
];

/// The names a refusal expects in place of an unknown one.
fn expected(refusal: &str) -> Option<Vec<String>> {
    let (_, names) = refusal.split_once("unknown field `zzz`, expected ")?;
    Some(names.split('`').skip(1).step_by(2).map(str::to_owned).collect())
}

/// Every key there is, as the parser itself tells them: by what it expects in place of one it does not know.
fn keys(toolsets: &[Arc<dyn Toolset>]) -> Vec<String> {
    let refusal = |text: &str| Config::parse(text, Path::new("/x/mollyguard.toml"), toolsets).unwrap_err().to_string();
    let mut keys = Vec::new();
    let mut ahead = vec![(String::new(), "{}".to_owned())];
    while let Some((prefix, form)) = ahead.pop() {
        for name in expected(&refusal(&form.replace("{}", "zzz = 1"))).unwrap() {
            let key = format!("{prefix}{name}");
            if key == "targets" {
                continue;
            }
            let inner = ["{} = { {} }", "{} = [{ {} }]", "{} = { name = { {} } }"].map(|inner| {
                let inner = inner.replacen("{}", &name, 1);
                form.replace("{}", &inner)
            });
            match inner.into_iter().find(|inner| expected(&refusal(&inner.replace("{}", "zzz = 1"))).is_some()) {
                Some(inner) => ahead.push((format!("{key}."), inner)),
                None => keys.push(key),
            }
        }
    }
    keys.extend(crate::config::TARGET_KEYS.map(|key| format!("targets.{key}")));
    for toolset in toolsets {
        let unknown = toml::Table::from_iter([("zzz".to_owned(), toml::Value::from(1))]);
        let refusal = toolset.settings(unknown, Path::new("/x")).map(drop).unwrap_err().to_string();
        keys.extend(
            refusal.split('`').skip(1).step_by(2).filter(|name| *name != "zzz").map(|name| format!("targets.{name}")),
        );
    }
    keys
}

#[test]
fn no_key_is_forgotten() {
    let keys = keys(&mollyguard_tools::toolsets());
    assert!(keys.len() > 40, "{keys:?}");
    for key in &keys {
        let known = TRUSTED.iter().any(|(trusted, _)| trusted == key) || OTHERS.contains(&key.as_str());
        assert!(known, "`{key}` is new: does it name a file, a folder, a secret or a program?");
    }
    for known in TRUSTED.iter().map(|(key, _)| key).chain(OTHERS) {
        assert!(keys.iter().any(|key| key == known), "there is no `{known}` any more");
    }
}

/// A ground with `guarded/it`, the folder `root` of a target, and a file in it.
fn ground() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["etc", "root/inner", "guarded", "elsewhere"] {
        std::fs::create_dir_all(folder.path().join(name)).unwrap();
    }
    for name in ["root/it", "root/inner/it", "guarded/it"] {
        std::fs::write(folder.path().join(name), "").unwrap();
    }
    folder
}

fn refused(folder: &Path, line: &str, it: &str) -> Option<Overlap> {
    let target = files("a", "development", "../root").replace("[targets.a]\n", "");
    let target = format!("targets.a = {{ {} }}\n", target.trim().replace('\n', ", "));
    let line = line.replace("{}", &folder.join(it).display().to_string());
    let state = if line.contains("gateway.state") { "" } else { "gateway.state = \"state\"\n" };
    let text = format!(
        "{state}{line}\n{target}environments.development.tier = \"development\"\nenvironments.staging.tier = \"staging\"\n"
    );
    let toolsets = mollyguard_tools::toolsets();
    let config = Config::parse(&text, &folder.join("etc/mollyguard.toml"), &toolsets).unwrap();
    Reaches::check(&config, &toolsets).map(drop).err()
}

/// Each key, with its file wherever a call on the target could change it, or lead the way to it elsewhere.
#[test]
fn whatever_the_gateway_opens_or_runs_is_out_of_reach() {
    use std::os::unix::fs::symlink;

    let folder = ground();
    let at = |name: &str| folder.path().join(name);
    symlink("it", at("root/link_in_root")).unwrap();
    symlink(at("guarded/it"), at("root/link_out_of_root")).unwrap();
    symlink(at("guarded"), at("root/folder_out_of_root")).unwrap();
    symlink(at("root/it"), at("elsewhere/link_into_root")).unwrap();
    symlink("link_into_root", at("elsewhere/link_to_a_link")).unwrap();
    symlink(at("root"), at("elsewhere/folder_into_root")).unwrap();
    let within = [
        "root/it",
        "root/inner/it",
        "root/link_in_root",
        "root/link_out_of_root",
        "root/folder_out_of_root/it",
        "root/inner/../../guarded/it",
        "elsewhere/link_into_root",
        "elsewhere/link_to_a_link",
        "elsewhere/folder_into_root/it",
        "elsewhere/../root/it",
        "root/not_there_yet",
    ];
    for (key, line) in TRUSTED {
        assert_eq!(refused(folder.path(), line, "guarded/it"), None, "{line}");
        for it in within {
            let found = refused(folder.path(), line, it);
            let Some(Overlap::Own { key: found, .. }) = &found else { panic!("{line} with {it}: {found:?}") };
            let found: Vec<_> = found.split('.').filter(|part| *part != "pg" && part.parse::<u8>().is_err()).collect();
            assert_eq!(&found.join("."), key, "{line} with {it}");
        }
    }
}

#[test]
fn what_a_folder_of_the_gateways_holds_is_no_target() {
    let folder = ground();
    for line in ["gateway.state = \"{}\"", "policies.directories = [\"{}\"]"] {
        let found = refused(folder.path(), line, "");
        assert!(matches!(found, Some(Overlap::Own { .. })), "{line}: {found:?}");
    }
}

#[test]
fn a_file_under_a_second_name_is_the_same_file() {
    let folder = ground();
    std::fs::hard_link(folder.path().join("guarded/it"), folder.path().join("root/data.db")).unwrap();
    let found = checked(
        folder.path(),
        "[targets.b]\nkind = \"sqlite\"\nenvironment = \"staging\"\npath = \"../root/data.db\"\n",
    );
    assert_eq!(found, Ok(()));
    let toolsets = mollyguard_tools::toolsets();
    let text = "redact.secrets = [\"file:../guarded/it\"]\ngateway.state = \"state\"\nenvironments.e.tier = \"staging\"\n\
                targets.b = { kind = \"sqlite\", environment = \"e\", path = \"../root/data.db\" }\n";
    let config = Config::parse(text, &folder.path().join("etc/mollyguard.toml"), &toolsets).unwrap();
    let found = Reaches::check(&config, &toolsets).map(drop);
    assert!(matches!(found, Err(Overlap::Own { what: "secret", .. })), "{found:?}");
}

#[test]
fn what_sqlite_keeps_beside_its_file_is_in_reach_too() {
    let folder = ground();
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let line = format!(
            "targets.b = {{ kind = \"sqlite\", environment = \"staging\", path = \"../guarded/data.db\" }}\n\
             audit.checkpoint = \"../guarded/data.db{suffix}\""
        );
        let found = refused(folder.path(), &line, "");
        assert!(matches!(found, Some(Overlap::Own { .. })), "{suffix}: {found:?}");
    }
}

#[test]
fn what_was_out_of_reach_is_looked_at_again() {
    use std::os::unix::fs::symlink;

    let folder = ground();
    let toolsets = mollyguard_tools::toolsets();
    symlink("../root", folder.path().join("etc/root")).unwrap();
    let text = "gateway.state = \"state\"\nenvironments.e.tier = \"staging\"\n\
                notify.command = [\"sh\", \"../guarded/it\"]\n\
                targets.a = { kind = \"files\", environment = \"e\", root = \"root\" }\n";
    let config = Config::parse(text, &folder.path().join("etc/mollyguard.toml"), &toolsets).unwrap();
    let reaches = Reaches::check(&config, &toolsets).unwrap();
    let words = ["sh".to_owned(), folder.path().join("guarded/it").display().to_string()];
    assert!(reaches.program("notify.command", &words).unwrap().is_some());
    assert_eq!(reaches.still(&config.targets["a"].configured), Ok(()));

    // The target's own path leads to what the gateway runs.
    std::fs::remove_file(folder.path().join("etc/root")).unwrap();
    symlink("../guarded", folder.path().join("etc/root")).unwrap();
    assert!(matches!(reaches.program("notify.command", &words), Err(Overlap::Own { what: "program", .. })));

    // To the state.
    std::fs::remove_file(folder.path().join("etc/root")).unwrap();
    std::fs::create_dir(folder.path().join("etc/state")).unwrap();
    symlink("state", folder.path().join("etc/root")).unwrap();
    let found = reaches.still(&config.targets["a"].configured);
    assert!(matches!(found, Err(Overlap::Own { what: "state directory", .. })), "{found:?}");

    // To another folder that is nobody's, as a deployment does it.
    std::fs::remove_file(folder.path().join("etc/root")).unwrap();
    symlink("../elsewhere", folder.path().join("etc/root")).unwrap();
    assert_eq!(reaches.still(&config.targets["a"].configured), Ok(()));
    assert!(reaches.program("notify.command", &words).unwrap().is_some());

    // And what runs becomes a link into the target.
    std::fs::write(folder.path().join("elsewhere/it"), "").unwrap();
    std::fs::remove_file(folder.path().join("guarded/it")).unwrap();
    symlink("../elsewhere/it", folder.path().join("guarded/it")).unwrap();
    assert!(matches!(reaches.program("notify.command", &words), Err(Overlap::Own { what: "program", .. })));
}

#[test]
fn programs_are_not_looked_for_where_a_target_could_put_them() {
    let folder = ground();
    let reach = |root: &str| Reach {
        target: Arc::clone(&config_with(folder.path(), root).targets["a"].configured),
        named: PathBuf::from(root),
        path: Walked::of(&folder.path().join("etc").join(root)),
    };
    let (shells, _) = search_path().into_iter().partition::<Vec<_>, _>(|path| path.join("sh").exists());
    let shell = shells.first().unwrap().display().to_string();
    assert!(!safe_search_path(&[reach(&shell)]).contains(&shells[0]));
    assert!(safe_search_path(&[reach("../root")]).contains(&shells[0]));
}

fn config_with(folder: &Path, root: &str) -> Config {
    let text = format!(
        "gateway.state = \"state\"\nenvironments.e.tier = \"staging\"\n\
         targets.a = {{ kind = \"files\", environment = \"e\", root = \"{root}\" }}\n"
    );
    Config::parse(&text, &folder.join("etc/mollyguard.toml"), &mollyguard_tools::toolsets()).unwrap()
}
