//! What is found to be in reach, and what is not.

mod links;
mod search;

use std::path::Path;

use super::*;
use crate::config::SecretSource;

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
    if cfg!(feature = "sqlite") {
        let database = "[targets.b]\nkind = \"sqlite\"\nenvironment = \"production\"\npath = \"data/live.db\"\n";
        assert!(matches!(
            checked(folder.path(), &(files("a", "staging", "data") + database)),
            Err(Overlap::Targets { .. })
        ));
    }
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
    #[cfg(feature = "postgres")]
    ("targets.secret", "targets.pg = { kind = \"postgres\", environment = \"staging\", secret = \"file:{}\" }"),
    #[cfg(feature = "postgres")]
    ("targets.secret", "targets.pg = { kind = \"postgres\", environment = \"staging\", secret = \"command:{} x\" }"),
    #[cfg(feature = "postgres")]
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
    "limits.kept_bytes",
    "limits.free_bytes",
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
    "retention.quarantine_bytes",
    "retention.quarantine_days",
    "environments.tier",
    "targets.kind",
    "targets.environment",
    "targets.environments",
    "targets.identity",
    // What a target is, and so what it reaches.
    "targets.root",
    "targets.path",
    "targets.backups",
    "targets.connections",
    "targets.trial_ms",
    "targets.lock_ms",
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
    // Some keys are a toolset's.
    let are_all_built = cfg!(all(feature = "postgres", feature = "sqlite"));
    for known in TRUSTED.iter().map(|(key, _)| key).chain(OTHERS).filter(|_| are_all_built) {
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

#[cfg(feature = "sqlite")]
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

#[cfg(feature = "sqlite")]
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

/// What a configuration with this command, and a target over or in one folder after the other, comes to.
fn with_command(folder: &Path, command: &str, root: &Path) -> Result<(), Overlap> {
    let text = format!(
        "gateway.state = \"state\"\nenvironments.e.tier = \"staging\"\nnotify.command = {command}\n\
         targets.a = {{ kind = \"files\", environment = \"e\", root = \"{}\" }}\n",
        root.display()
    );
    let toolsets = mollyguard_tools::toolsets();
    let config = Config::parse(&text, &folder.join("etc/mollyguard.toml"), &toolsets).unwrap();
    Reaches::check(&config, &toolsets).map(drop)
}

/// A folder of scripts, one of which leads the way to another in a folder of its own, and of data.
fn scripts() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    for name in ["etc", "code/json", "shell/data", "far/data", "real/data", "venv/bin", "venv/lib", "data", "a b"] {
        std::fs::create_dir_all(folder.path().join(name)).unwrap();
    }
    let far = format!("#!{}\n", folder.path().join("far/runs").display());
    for (name, text) in [
        ("code/tell.py", ""),
        ("code/tell", "#!/usr/bin/env -S python3 -u\n"),
        ("shell/tell", "#!/bin/sh\n"),
        ("shell/tell.sh", ""),
        ("far/runs", "#!/usr/bin/python3\n"),
        ("data/word", "a secret"),
        ("etc/by_far", &far),
        ("venv/bin/python3", "not a script"),
        ("real/tell.py", ""),
        ("a b/tell it", ""),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
        std::fs::set_permissions(folder.path().join(name), std::fs::Permissions::from_mode(0o700)).unwrap();
    }
    std::os::unix::fs::symlink("../real/tell.py", folder.path().join("etc/link.py")).unwrap();
    folder
}

/// Whatever a program finds its code by: the folder a script lies in, of what runs a script, of a virtual environment. Data
/// that a program is told of, and folders beside a shell's script, are ordinary.
#[test]
fn where_a_program_finds_its_code_is_out_of_reach() {
    let folder = scripts();
    let at = |name: &str| folder.path().join(name);
    for (command, root, is_refused) in [
        ("[\"python3\", \"../code/tell.py\"]", "code/json", true),
        ("[\"env\", \"A=b\", \"python3\", \"-u\", \"../code/tell.py\"]", "code/json", true),
        ("[\"sh\", \"-c\", \"exec python3.11 CODE/tell.py\"]", "code/json", true),
        ("[\"../code/tell\"]", "code/json", true),
        ("[\"sh\", \"-c\", \"CODE/tell\"]", "code/json", true),
        ("[\"node\", \"../code/tell\"]", "node_modules", true),
        ("[\"python3\", \"../code\"]", "code/json", true),
        ("[\"link.py\"]", "real/data", false),
        ("[\"python3\", \"link.py\"]", "real/data", true),
        ("[\"by_far\"]", "far", false),
        ("[\"./by_far\"]", "far", true),
        ("[\"./by_far\"]", "far/data", true),
        ("[\"../venv/bin/python3\", \"-c\", \"0\"]", "venv/lib", true),
        ("[\"../venv/bin/python3\", \"-c\", \"0\"]", "data", false),
        ("[\"../shell/tell\"]", "shell/data", false),
        ("[\"sh\", \"../shell/tell.sh\", \"../data/word\"]", "shell/data", false),
        ("[\"cat\", \"../code/word\"]", "code/json", false),
        ("[\"python3\", \"../code/tell.py\"]", "data", false),
        ("[\"python3\", \"-u\", \"../code/tell\", \"../shell/tell\"]", "code/json", true),
        ("[\"python3\", \"-u\", \"../code/tell\", \"../shell/tell\"]", "shell/data", false),
        ("[\"python3\", \"-c\", \"open('SHELL/tell.log', 'w')\"]", "shell/data", false),
        ("[\"perl\", \"SHELL/tell\"]", "shell/data", true),
        ("[\"perl\", \"SPACED/tell it\"]", "shell/data", false),
        ("[\"perl\", \"SPACED/tell it\"]", "a b/data", true),
    ] {
        let command = command.replace("CODE", &at("code").display().to_string());
        let command = command.replace("SPACED", &at("a b").display().to_string());
        let command = command.replace("SHELL", &at("shell").display().to_string());
        std::fs::create_dir_all(at(root)).unwrap();
        let found = with_command(folder.path(), &command, &at(root));
        assert_eq!(matches!(found, Err(Overlap::Own { .. })), is_refused, "{command} and {root}: {found:?}");
    }
}

/// A database beside a script is no module.
#[cfg(feature = "sqlite")]
#[test]
fn a_database_may_lie_beside_a_script() {
    let folder = scripts();
    let text = |path: &str| {
        format!(
            "gateway.state = \"state\"\nenvironments.e.tier = \"staging\"\nnotify.command = [\"python3\", \"../code/tell.py\"]\n\
             targets.a = {{ kind = \"sqlite\", environment = \"e\", path = \"../code/{path}\" }}\n"
        )
    };
    let toolsets = mollyguard_tools::toolsets();
    for (path, is_refused) in
        [("app.db", false), ("app.sqlite3", false), ("json.py", true), ("json", true), ("tell.py", true)]
    {
        let config = Config::parse(&text(path), &folder.path().join("etc/mollyguard.toml"), &toolsets).unwrap();
        let found = Reaches::check(&config, &toolsets).map(drop);
        assert_eq!(found.is_err(), is_refused, "{path}: {found:?}");
    }
}

/// The system's folders and the user's settings, from within and from above; what people keep beside them is ordinary.
#[test]
fn what_programs_are_loaded_from_is_out_of_reach() {
    let folder = scripts();
    let always = [
        "/",
        "/usr",
        "/usr/lib",
        "/usr/lib/python3",
        "/usr/bin",
        "/lib",
        "/etc",
        "/etc/ssl",
        "/usr/local/lib",
        "/proc/1",
    ];
    for root in always {
        let found = checked(folder.path(), &files("a", "staging", root));
        assert!(matches!(found, Err(Overlap::Own { .. })), "{root}: {found:?}");
    }
    let ordinary = ["/etc/nginx", "/usr/share/nginx/html", "/usr/local/var/app", "/opt/app/data", "/srv", "/var/www"];
    for root in ordinary {
        assert_eq!(checked(folder.path(), &files("a", "staging", root)), Ok(()), "{root}");
        for command in ["[\"env\"]", "[\"/bin/sh\", \"/bin/true\"]", "[\"perl\", \"-ne\", \"print if /foo/\"]"] {
            assert_eq!(with_command(folder.path(), command, Path::new(root)), Ok(()), "{command} and {root}");
        }
    }
    let home = std::env::home_dir().unwrap();
    let (over, in_it) = (home.parent().unwrap_or(&home), |name: &str| home.join(name));
    for root in [over, &home, &in_it(".config"), &in_it(".local/lib/python3.11/site-packages"), &in_it(".npmrc")] {
        let found = with_command(folder.path(), "[\"tell\", \"{what}\"]", root);
        assert!(matches!(found, Err(Overlap::Own { .. })), "{root:?}: {found:?}");
    }
    for root in [in_it("a-project"), in_it("a-project/.config"), folder.path().join("data")] {
        assert_eq!(with_command(folder.path(), "[\"tell\", \"{what}\"]", &root), Ok(()), "{root:?}");
    }
}

/// Every variable a program is given is harmless by its name, or what it names is out of reach; whatever else the gateway was
/// given stays with it.
#[test]
fn what_a_program_is_given_leads_to_nothing_in_reach() {
    const HARMLESS: [&str; 2] = ["USER", "LANG"];
    let folder = scripts();
    let toolsets = mollyguard_tools::toolsets();
    for (key, line) in TRUSTED.iter().filter(|(_, line)| line.contains("command")) {
        let line = line.replace("{}", &folder.path().join("shell/tell").display().to_string());
        let text = format!("gateway.state = \"state\"\nenvironments.staging.tier = \"staging\"\n{line}\n");
        let text =
            if line.contains("gateway.state") { text.replacen("gateway.state = \"state\"\n", "", 1) } else { text };
        let config = Config::parse(&text, &folder.path().join("etc/mollyguard.toml"), &toolsets).unwrap();
        let programs = config.trusted.iter().filter(|trusted| matches!(trusted.place, Place::Program(_)));
        for trusted in programs {
            let reaches = Reaches::check(&config, &toolsets).unwrap();
            let program = reaches.program(&trusted.key, &["env".to_owned()]).unwrap().unwrap();
            let printed = program.command().unwrap().output().unwrap();
            let printed = String::from_utf8(printed.stdout).unwrap();
            assert!(printed.contains("PATH=/"), "{printed}");
            for (name, value) in printed.lines().filter_map(|line| line.split_once('=')) {
                let paths: Vec<PathBuf> = match name {
                    _ if HARMLESS.contains(&name) => continue,
                    "PATH" => std::env::split_paths(value).collect(),
                    _ => {
                        value.split(['=', ',', ';']).filter(|piece| piece.starts_with('/')).map(PathBuf::from).collect()
                    }
                };
                for path in paths {
                    let target = config_with(folder.path(), &path.display().to_string());
                    let target = Reaches {
                        targets: vec![(Arc::clone(&target.targets["a"].configured), files_toolset(&toolsets))],
                        ..Reaches::default()
                    };
                    let found = target.program(&trusted.key, &["env".to_owned()]);
                    // Of `PATH` it is enough that nothing is looked for there.
                    let is_left_out = found.as_ref().is_ok_and(|found| {
                        found.as_ref().is_none_or(|it| std::env::split_paths(&it.search).all(|folder| folder != path))
                    });
                    assert!(found.is_err() || (name == "PATH" && is_left_out), "{key}: {name} leads to {path:?}");
                }
            }
        }
    }
}

fn files_toolset(toolsets: &[Arc<dyn Toolset>]) -> Arc<dyn Toolset> {
    Arc::clone(toolsets.iter().find(|toolset| toolset.name() == "files").unwrap())
}

/// Where no target reaches, whatever is found first in `PATH` is not what was found before.
#[test]
fn a_program_that_is_found_elsewhere_than_before_is_not_run() {
    let folder = scripts();
    let reaches = Reaches::default();
    let words = ["env".to_owned()];
    assert!(reaches.program("notify.command", &words).unwrap().is_some());
    reaches.found.write().unwrap().insert("env".to_owned(), folder.path().join("env"));
    assert!(matches!(reaches.program("notify.command", &words), Err(Overlap::Moved { .. })));
    let source = SecretSource::parse("command:env", folder.path()).unwrap();
    assert!(source.fetch("redact.secrets", &reaches).is_err());
}

#[test]
fn a_program_runs_where_nothing_of_a_targets_lies() {
    let folder = scripts();
    let toolsets = mollyguard_tools::toolsets();
    let config = config_with(folder.path(), "../data");
    let reaches = Arc::new(Reaches::check(&config, &toolsets).unwrap());
    let source = SecretSource::parse("command:pwd", folder.path()).unwrap();
    let there = source.fetch("redact.secrets", &reaches).unwrap().reveal().to_owned();
    let state = config.state.canonicalize().unwrap();
    assert!(Path::new(&there).starts_with(&state), "{there}");
    assert_eq!(std::fs::read_dir(there).unwrap().count(), 0);
}

/// Where a configuration is looked for before the one in use, be it there or not.
#[test]
fn the_next_start_finds_the_same_configuration() {
    let folder = ground();
    for (place, is_refused) in [("root/mollyguard.toml", true), ("root/inner/x.toml", true), ("etc/x.toml", false)] {
        let mut config = config_with(folder.path(), "../root");
        config.trusted.push(Trusted::looked_before(&folder.path().join(place)));
        let found = Reaches::check(&config, &mollyguard_tools::toolsets()).map(drop);
        assert_eq!(matches!(found, Err(Overlap::NextStart { .. })), is_refused, "{place}: {found:?}");
        assert!(found.err().is_none_or(|why| why.to_string().contains("`--config FILE`")));
    }
}
