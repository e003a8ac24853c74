//! What lies in reach only by a link in something trusted, or by a path that is joined to other words.

use std::os::unix::fs::symlink;

use super::super::links::links_in;
use super::super::within::{Owned, Within};
use super::*;
use crate::config::Names;

/// Whether a target over `root` reaches one of the links in a trusted folder, or lies behind one.
fn is_reached(folder: &Path, within: Within, root: &Path) -> bool {
    let owned = Owned { what: "folder", path: folder.to_path_buf(), within };
    let root = Walked::of(root);
    links_in(&owned).iter().any(|link| {
        let own = Walked::of(&link.path);
        own.is_in(&root).is_some() || link.within.holds(&root, &own).is_some()
    })
}

#[test]
fn a_link_in_a_home_directory_leads_to_what_programs_go_by() {
    let folder = ground();
    let at = |name: &str| folder.path().join(name);
    for name in ["home/.config/git", "home/.deep/a/b/c", "home/project", "dots/git", "root/lib"] {
        std::fs::create_dir_all(at(name)).unwrap();
    }
    let settings = Within::Names(Names::Settings);
    for link in ["home/.local", "home/.npmrc", "home/.config/git/config", "home/.deep/a/b", "home/.deep/a/b/it"] {
        for (to, is_refused) in [("root", true), ("root/it", true), (".", false), ("elsewhere", false), ("/", false)] {
            let _ = std::fs::remove_dir_all(at(link));
            let to = if to == "/" { PathBuf::from("/") } else { folder.path().join(to) };
            symlink(to, at(link)).unwrap();
            let found = is_reached(&at("home"), settings, &at("root"));
            assert_eq!(found, is_refused, "{link}: {:?}", at(link).read_link());
            std::fs::remove_file(at(link)).unwrap();
            std::fs::create_dir_all(at("home/.deep/a/b")).unwrap();
        }
    }
    // From a folder that a link leads to, a target is in reach from within as well.
    symlink(at("root"), at("home/.local")).unwrap();
    assert!(is_reached(&at("home"), settings, &at("root/lib")));
    // What does not begin with a dot is ordinary, links in it included.
    std::fs::remove_file(at("home/.local")).unwrap();
    symlink(at("root"), at("home/data")).unwrap();
    symlink(at("root"), at("home/project/data")).unwrap();
    assert!(!is_reached(&at("home"), settings, &at("root")));
}

/// Every file that is opened by its name in a trusted folder is trusted as the folder is, wherever it really lies.
#[test]
fn a_link_in_a_trusted_folder_leads_to_what_is_trusted() {
    let folder = ground();
    let at = |name: &str| folder.path().join(name);
    for (line, link) in [
        ("policies.directories = [\"{}\"]", "a.cedar"),
        ("gateway.state = \"{}\"", "keys"),
        ("notify.command = [\"python3\", \"{}/tell.py\"]", "json.py"),
        ("redact.secrets = [\"command:python3 {}/tell.py\"]", "json"),
    ] {
        let trusted = at("trusted");
        std::fs::create_dir_all(&trusted).unwrap();
        std::fs::write(trusted.join("tell.py"), "").unwrap();
        assert_eq!(refused(folder.path(), line, "trusted"), None, "{line}");
        for (to, is_refused) in [("root/it", true), ("root/inner", true), ("root", true), ("elsewhere", false)] {
            symlink(at(to), trusted.join(link)).unwrap();
            let found = refused(folder.path(), line, "trusted");
            assert_eq!(matches!(found, Some(Overlap::Own { .. })), is_refused, "{line}, {link} to {to}: {found:?}");
            std::fs::remove_file(trusted.join(link)).unwrap();
        }
        std::fs::remove_dir_all(trusted).unwrap();
    }
}

/// However a path is joined to what stands before and behind it.
#[test]
fn a_path_within_an_argument_is_a_path() {
    let folder = ground();
    let place = folder.path().canonicalize().unwrap();
    let forms = [
        "{}",
        "A={}",
        "PYTHONPATH=/none:{}",
        "PYTHONPATH={}:/none",
        "PYTHONPATH=:{}:",
        "-nf{}",
        "-xvf{}",
        "--file={}",
        "a:{}",
        "a,{},b",
        "@{}",
        "%{}",
        "file://{}",
        "x[{}]",
        "k: \"{}\"",
        "f+{}",
        "/none/..{}",
        "exec 3<{}; cat <&3",
        "https://a.example/x {}",
    ];
    for form in forms {
        for (it, is_refused) in [("root/it", true), ("root", true), ("guarded/it", false)] {
            let word = form.replace("{}", &place.join(it).display().to_string());
            let command = toml::Value::from(vec!["env".to_owned(), word]).to_string();
            let found = with_command(&place, &command, &place.join("root"));
            assert_eq!(matches!(found, Err(Overlap::Own { .. })), is_refused, "{form} with {it}: {found:?}");
        }
    }
    let home = std::env::home_dir().unwrap();
    for form in ["~/a-project/x", "-f~/a-project/x", "A=/none:$HOME/a-project", "a:$HOME/a-project:b"] {
        let command = toml::Value::from(vec!["env", form]).to_string();
        let found = with_command(&place, &command, &home.join("a-project"));
        assert!(matches!(found, Err(Overlap::Own { .. })), "{form}: {found:?}");
    }
    // The path of a web address is on another machine.
    let address = format!("https://a.example:8080{}", place.join("root/it").display());
    let command = toml::Value::from(vec!["curl", &address]).to_string();
    assert_eq!(with_command(&place, &command, &place.join("root")), Ok(()));
}

/// What of a database lies in a folder of files, as the links lie.
#[cfg(feature = "sqlite")]
#[test]
fn a_database_in_a_folder_of_files_is_reserved_with_all_on_the_way() {
    let folder = ground();
    let real = folder.path().canonicalize().unwrap();
    symlink(real.join("root/inner"), real.join("root/way")).unwrap();
    symlink(real.join("root/inner/it"), real.join("root/app.db")).unwrap();
    let text = "gateway.state = \"state\"\nenvironments.e.tier = \"staging\"\n\
                targets.a = { kind = \"files\", environment = \"e\", root = \"../root\" }\n\
                targets.b = { kind = \"sqlite\", environment = \"e\", path = \"../root/app.db\" }\n\
                targets.c = { kind = \"sqlite\", environment = \"e\", path = \"../root/way/late.db\" }\n";
    let toolsets = mollyguard_tools::toolsets();
    let config = Config::parse(text, &real.join("etc/mollyguard.toml"), &toolsets).unwrap();
    let reaches = Reaches::check(&config, &toolsets).unwrap();
    let reserved = reaches.reserved(&config.targets["a"].configured);
    let mut below: Vec<_> = reserved
        .iter()
        .filter_map(|one| Some((one.path.strip_prefix(real.join("root")).ok()?.display().to_string(), &*one.target)))
        .filter(|(path, _)| !path.is_empty())
        .collect();
    below.sort_unstable();
    let names =
        ["app.db", "inner", "inner/it", "inner/it-journal", "inner/it-shm", "inner/it-wal"].map(|path| (path, "b"));
    let late = ["inner/late.db", "inner/late.db-journal", "inner/late.db-shm", "inner/late.db-wal", "way"]
        .map(|path| (path, "c"));
    let expected: Vec<_> = names.into_iter().chain(late).collect();
    let below: Vec<_> = below.iter().map(|(path, target)| (path.as_str(), *target)).collect();
    assert_eq!(below, expected);
    assert!(reaches.reserved(&config.targets["b"].configured).is_empty());
}
