//! What an agent writes, with a target's own tools, where a program of the gateway's would find its code, or the gateway its
//! configuration.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use mollyguard_tests::{Agent, Era, Person, Result, World, mollyguard, until};
use serde_json::json;
use tokio::process::Command;

/// Code that says that it ran, and what a program is expected to print.
fn plant(mark: &Path) -> String {
    format!("open({:?}, 'w').write('ran')\nprint('printed-by-the-plant')\n", mark.display().to_string())
}

/// The Python that is really run behind the name, and where it looks for a user's own modules below their home.
async fn python() -> Result<(String, String)> {
    let code = "import sys, sysconfig; print(sys.executable); \
                print(sysconfig.get_path('purelib', 'posix_user', {'userbase': '.local'}))";
    let output = Command::new("python3").args(["-c", code]).output().await?;
    let text = String::from_utf8(output.stdout)?;
    let (program, folder) = text.trim_end().split_once('\n').ok_or("two lines")?;
    Ok((program.to_owned(), folder.to_owned()))
}

/// Writes a file through the tool of a gateway that runs nothing yet.
async fn write(world: &World, target: &str, path: &str, content: &str) -> Result {
    let agent = world.stdio(Era::Modern, Person::absent()).await?;
    agent.call("files_write", json!({"target": target, "path": path, "content": content})).await?.done();
    agent.close().await?;
    assert_eq!(world.file(target, path)?, content);
    Ok(())
}

/// Asks for something that people are told of.
async fn ask(world: &World, command: Command) -> Result<Agent> {
    let agent = Agent::over_stdio(command, Era::Modern, Person::absent()).await?;
    agent.call("sqlite_purge_table", json!({"target": "fleet", "table": "bookings"})).await?;
    assert!(world.rows("fleet", "bookings")? > 0);
    Ok(agent)
}

#[tokio::test]
async fn a_module_in_the_folder_a_gateway_is_started_in_is_not_found() -> Result {
    let (python, _) = python().await?;
    let mut world = World::rental()?;
    let mark = world.path().join("mark");
    write(&world, "scratch", "this.py", &plant(&mark)).await?;
    let told = world.path().join("told");
    let code = format!("import this; open({:?}, 'w')", told.display().to_string());
    world.set("notify.command", vec![python.as_str(), "-c", &code]).set("confirm.page", false);
    world.set("redact.secrets", vec![format!("command:{python} -m this")]);
    let mut command = world.command(&["serve"])?;
    command.current_dir(world.path().join("scratch"));
    let agent = ask(&world, command).await?;
    until("the command", || Ok(told.exists().then_some(()))).await?;
    agent.close().await?;
    assert!(!mark.exists(), "the plant ran");
    Ok(())
}

/// A target, what is planted in it, and the command that would find that.
type Way<'a> = (&'a str, &'a str, Vec<String>);

#[tokio::test]
async fn a_gateway_whose_programs_would_find_a_plant_does_not_start() -> Result {
    let (python, modules) = python().await?;
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let modules = modules.strip_prefix(".local/").ok_or("below .local")?;
    let customize = format!("{modules}/usercustomize.py");
    let ways: [Way<'_>; 5] = [
        // A folder beside a script, of the name of a module.
        ("code/colorsys", "__init__.py", words(&[&python, "code/tell.py"])),
        ("code/colorsys", "__init__.py", words(&["code/tell"])),
        // A user's own modules, which every Python loads.
        ("home/.local", &customize, words(&[&python, "-c", "print('s3cret-word')"])),
        ("home/.local", &customize, words(&["sh", "-c", &format!("exec {python} -c 'print(6*7)'")])),
        // The same where that folder of the home directory is a link to the target, as tools for dot-files make them.
        ("linked", &customize, words(&[&python, "-c", "print('s3cret-word')"])),
    ];
    for (target, path, command) in ways {
        for key in ["notify.command", "redact.secrets"] {
            let mut world = World::empty()?;
            let mark = world.path().join("mark");
            let home = world.path().join("home");
            fs::create_dir_all(&home)?;
            world.env("HOME", &home).folder("root", "development", &[])?;
            world.set("targets.root.root", target);
            fs::create_dir_all(world.path().join(target))?;
            fs::create_dir_all(world.path().join("code"))?;
            if target == "linked" {
                std::os::unix::fs::symlink(world.path().join(target), home.join(".local"))?;
            }
            let script = format!("#!{python}\nimport colorsys\nprint('printed-by-the-script')\n");
            for name in ["code/tell.py", "code/tell"] {
                fs::write(world.path().join(name), &script)?;
                fs::set_permissions(world.path().join(name), std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
            }
            let agent = world.stdio(Era::Modern, Person::absent()).await?;
            let planted = json!({"target": "root", "path": path, "content": plant(&mark), "create_parents": true});
            agent.call("files_write", planted).await?.done();
            agent.close().await?;
            assert!(world.path().join(target).join(path).exists());

            match key {
                "notify.command" => world.set(key, command.clone()),
                // Its words are split at white space.
                _ if command.iter().any(|word| word.contains(' ')) => continue,
                _ => world.set(key, vec![format!("command:{}", command.join(" "))]),
            };
            let printed = world.run(&["serve"]).await?;
            assert!(!mark.exists(), "{key}, {command:?}: the plant ran");
            assert_eq!(printed.code, Some(2), "{key}, {command:?}: {}", printed.stderr);
            assert!(printed.stderr.contains("target `root` reaches"), "{}", printed.stderr);
            assert!(!world.state().join("programs").exists(), "nothing was run");
        }
    }
    Ok(())
}

/// Each variable a program is given leads nowhere, or where no target may be; and it is given none that nobody listed.
#[tokio::test]
async fn a_program_is_given_only_what_is_listed_and_out_of_reach() -> Result {
    const HARMLESS: [&str; 3] = ["USER", "LANG", "DISPLAY"];
    const LED: [&str; 5] = ["HOME", "XDG_RUNTIME_DIR", "GNUPGHOME", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS"];
    // What the shell that prints them adds.
    const SHELLS: [&str; 4] = ["PWD", "OLDPWD", "SHLVL", "_"];
    for key in ["notify.command", "redact.secrets"] {
        let mut world = World::rental()?;
        let folder = |name: &str| world.path().join("env").join(name).display().to_string();
        let bus = format!("unix:path={},guid=0", folder("bus/socket"));
        let given: BTreeMap<&str, String> = [
            ("HOME", folder("home")),
            ("XDG_RUNTIME_DIR", folder("run")),
            ("GNUPGHOME", folder("gnupg")),
            ("WAYLAND_DISPLAY", folder("wayland/socket")),
            ("DBUS_SESSION_BUS_ADDRESS", bus),
            ("DISPLAY", ":0".to_owned()),
            ("USER", "anna".to_owned()),
            ("LANG", "C.UTF-8".to_owned()),
        ]
        .into();
        let kept = [
            "PYTHONPATH",
            "PYTHONSTARTUP",
            "PYTHONHOME",
            "PYTHONUSERBASE",
            "NODE_PATH",
            "NODE_OPTIONS",
            "PERL5LIB",
            "PERL5OPT",
            "RUBYLIB",
            "RUBYOPT",
            "BASH_ENV",
            "ENV",
            "LD_PRELOAD_TEST",
            "LD_LIBRARY_PATH_TEST",
            "XDG_CONFIG_HOME",
            "XDG_DATA_DIRS",
            "GIT_CONFIG_GLOBAL",
            "LOCPATH",
            "CDPATH",
            "AWS_SECRET_ACCESS_KEY",
            "TMPDIR_OF_MINE",
        ];
        let kept_in = folder("kept");
        let written = world.path().join("written");
        let script = world.path().join("print-it");
        fs::write(
            &script,
            format!("#!/bin/sh\nenv >{0}.new && mv {0}.new {0}\necho a-secret-word\n", written.display()),
        )?;
        fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
        for (name, value) in &given {
            world.env(*name, value);
        }
        for name in kept {
            world.env(name, &kept_in);
        }
        world.set("confirm.page", false);
        match key {
            "notify.command" => world.set(key, vec!["./print-it", "{what}"]),
            _ => world.set(key, vec!["command:./print-it"]),
        };
        let agent = ask(&world, world.command(&["serve"])?).await?;
        let printed = until("the command", || Ok(fs::read_to_string(&written).ok())).await?;
        agent.close().await?;
        let variables: BTreeMap<&str, &str> = printed.lines().filter_map(|line| line.split_once('=')).collect();
        for (name, value) in &variables {
            let is_listed = HARMLESS.contains(name) || LED.contains(name) || SHELLS.contains(name) || *name == "PATH";
            assert!(is_listed && !value.contains(&kept_in), "{key}: {name}={value}");
        }
        for (name, value) in &given {
            assert_eq!(variables.get(name), Some(&value.as_str()), "{key}");
        }
        for name in LED {
            let value = &given[name];
            let path = value.split(['=', ',']).find(|piece| piece.starts_with('/')).ok_or("a path")?;
            world.set("targets.scratch.root", path.trim_end_matches("/socket"));
            let printed = world.run(&["serve"]).await?;
            assert_eq!(printed.code, Some(2), "{key}: a target over {name} is let in");
            assert!(printed.stderr.contains(&format!("`{key}`")), "{key}: {}", printed.stderr);
        }
    }
    Ok(())
}

/// `./mollyguard.toml` is looked for before the user's own configuration: a target that could make one is not served.
#[tokio::test]
async fn no_target_could_make_the_next_configuration() -> Result {
    let mut world = World::rental()?;
    let (scratch, users) = (world.path().join("scratch"), world.path().join("users"));
    fs::create_dir_all(users.join("mollyguard"))?;
    for (key, path) in
        [("targets.scratch.root", "scratch"), ("targets.uploads.root", "uploads"), ("gateway.state", "state")]
    {
        let path = world.path().join(path).display().to_string();
        world.set(key, path);
    }
    for name in ["fleet", "fleet_staging", "fleet_dev"] {
        let path = world.path().join(format!("{name}.db")).display().to_string();
        world.set(&format!("targets.{name}.path"), path);
    }
    let configuration = users.join("mollyguard/mollyguard.toml");
    fs::rename(world.config()?, &configuration)?;
    let start = async |folder: &Path, arguments: &[&str], named: Option<&Path>| -> Result<(Option<i32>, String)> {
        let mut command = Command::new(mollyguard()?);
        command.args(arguments).arg("serve").current_dir(folder).stdin(std::process::Stdio::null());
        command.env("XDG_CONFIG_HOME", &users).env_remove("MOLLYGUARD_CONFIG").env("NO_COLOR", "1");
        command.envs(named.map(|named| ("MOLLYGUARD_CONFIG", named)));
        let output = command.output().await?;
        Ok((output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned()))
    };
    let damage = scratch.join("damage");
    for folder in [&scratch, &damage] {
        let (code, said) = start(folder, &[], None).await?;
        assert_eq!(code, Some(2), "{folder:?}: {said}");
        assert!(said.contains("target `scratch` reaches") && said.contains("`--config FILE`"), "{said}");
        // Who names it, finds it.
        let file = configuration.display().to_string();
        for (arguments, named) in [(&["--config", &file][..], None), (&[][..], Some(configuration.as_path()))] {
            let (code, said) = start(folder, arguments, named).await?;
            assert_eq!(code, Some(0), "{arguments:?} {named:?}: {said}");
        }
    }
    let (code, said) = start(world.path(), &[], None).await?;
    assert_eq!(code, Some(0), "nothing reaches this folder: {said}");
    Ok(())
}
