//! The files of `examples/separate-user`: they say what they should, and systemd takes them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::Command;

use mollyguard_tests::{Result, mollyguard, root};

fn example() -> PathBuf {
    root().join("examples/separate-user")
}

/// The keys of a unit with their values, each in the order they stand.
fn unit(text: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut keys: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (key, value) in text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('=')) {
        keys.entry(key).or_default().push(value);
    }
    keys
}

#[test]
fn the_service_is_closed_in() -> Result {
    let text = fs::read_to_string(example().join("mollyguard.service"))?;
    let keys = unit(&text);
    for (key, value) in [
        ("User", "mollyguard"),
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "yes"),
        ("PrivateTmp", "yes"),
        ("StateDirectory", "mollyguard"),
        ("StateDirectoryMode", "0700"),
        ("UMask", "0077"),
        ("CapabilityBoundingSet", ""),
        ("MemoryDenyWriteExecute", "yes"),
        ("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6"),
        ("SystemCallFilter", "@system-service"),
        ("LimitCORE", "0"),
    ] {
        assert_eq!(keys.get(key), Some(&vec![value]), "{key}");
    }
    // Inside a user namespace the kernel names nobody it does not know there.
    assert!(!keys.contains_key("PrivateUsers") && !keys.contains_key("DynamicUser"));
    let start = keys["ExecStart"].concat();
    let editor: serde_json::Value = serde_json::from_str(&fs::read_to_string(example().join("mcp.json"))?)?;
    let socket = editor["mcpServers"]["mollyguard"]["args"][2].as_str().unwrap_or_default();
    assert!(start.contains(&format!("--socket {socket}")), "the editor connects to where the service listens");
    let readme = fs::read_to_string(example().join("README.md"))?;
    let operators = start.split_whitespace().last().unwrap_or_default();
    assert!(readme.contains(&format!("MOLLYGUARD_OPERATORS={operators}")), "operators ask where the service listens");
    Ok(())
}

/// Whether systemd's programs are here: without them the files are only read.
fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

fn succeeds(command: &mut Command) -> Result {
    let output = command.output()?;
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&said));
    Ok(())
}

#[test]
fn systemd_takes_the_service() -> Result {
    if !has("systemd-analyze") {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let text = fs::read_to_string(example().join("mollyguard.service"))?;
    let installed = text.replace("/usr/local/bin/mollyguard", &mollyguard()?.display().to_string());
    assert_ne!(installed, text);
    let path = folder.path().join("mollyguard.service");
    fs::write(&path, &installed)?;
    succeeds(Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&path))?;
    fs::write(&path, installed.replace("SystemCallFilter=@system-service", "SystemCallFilter=@sistem"))?;
    let output = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&path).output()?;
    assert!(String::from_utf8_lossy(&output.stderr).contains("@sistem"), "it looks at what stands there");
    Ok(())
}

/// The users, groups and folders are made as the service needs them: tried below another root.
#[test]
fn systemd_makes_the_users_and_folders() -> Result {
    if !has("systemd-sysusers") || !has("systemd-tmpfiles") {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let at = |path: &str| folder.path().join(path);
    for directory in ["etc", "run", "usr/lib/sysusers.d", "usr/lib/tmpfiles.d"] {
        fs::create_dir_all(at(directory))?;
    }
    fs::copy(example().join("mollyguard.sysusers"), at("usr/lib/sysusers.d/mollyguard.conf"))?;
    fs::copy(example().join("mollyguard.tmpfiles"), at("usr/lib/tmpfiles.d/mollyguard.conf"))?;
    let is_root = fs::metadata(folder.path())?.uid() == 0;
    let program = |name: &str| {
        let mut command = Command::new(if is_root { name } else { "sudo" });
        if !is_root {
            command.args(["-n", name]);
        }
        command.arg(format!("--root={}", folder.path().display()));
        command
    };
    succeeds(program("systemd-sysusers").arg("mollyguard.conf"))?;
    succeeds(program("systemd-tmpfiles").args(["--create", "mollyguard.conf"]))?;
    let id = |file: &str, name: &str| -> Result<u32> {
        let text = fs::read_to_string(at(file))?;
        let line = text.lines().find(|line| line.split(':').next() == Some(name)).ok_or(format!("no {name}"))?;
        Ok(line.split(':').nth(2).ok_or("no id")?.parse()?)
    };
    let gateway = id("etc/passwd", "mollyguard")?;
    let groups = fs::read_to_string(at("etc/group"))?;
    for (path, group) in [("run/mollyguard", "mollyguard-agents"), ("run/mollyguard-operators", "mollyguard-operators")]
    {
        let made = fs::metadata(at(path))?;
        assert_eq!(
            (made.mode() & 0o7777, made.uid(), made.gid()),
            (0o2750, gateway, id("etc/group", group)?),
            "{path}"
        );
        let member = groups.lines().any(|line| line.starts_with(&format!("{group}:")) && line.ends_with(":mollyguard"));
        assert!(member, "the gateway may give its socket to {group}");
    }
    assert!(id("etc/group", "mollyguard-agents")? != id("etc/group", "mollyguard-operators")?);
    Ok(())
}
