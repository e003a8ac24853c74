//! Where a command says that a program's code lies, and targets in and around that.

use super::*;

/// What each way of saying it is: `{}` for the folder.
const SAID: &[&str] = &[
    "[\"env\", \"PYTHONPATH={}\", \"python3\", \"-c\", \"import pkg\"]",
    "[\"env\", \"PYTHONPATH=/usr/lib:{}\", \"tell\", \"{what}\"]",
    "[\"sh\", \"-c\", \"PYTHONPATH={} exec python3 -m pkg\"]",
    "[\"sh\", \"-c\", \"export PYTHONPATH='{}:/usr/lib'; python3 -m pkg\"]",
    "[\"sh\", \"-c\", \"tell; PERL5LIB=\\\"{}\\\" perl -Mpkg\"]",
    "[\"csh\", \"-c\", \"setenv RUBYLIB {}; ruby -rpkg\"]",
    "[\"env\", \"NODE_PATH={}\", \"node\", \"-e\", \"require('pkg')\"]",
    "[\"env\", \"LUA_PATH={}/?.lua;;\", \"lua\", \"-e\", \"require 'pkg'\"]",
    "[\"env\", \"CLASSPATH={}/*\", \"java\", \"Tell\"]",
    "[\"env\", \"LD_LIBRARY_PATH={}\", \"tell\", \"{what}\"]",
    "[\"env\", \"PERL5OPT=-w -I{}\", \"perl\", \"-e\", \"0\"]",
    "[\"perl\", \"-I{}\", \"-e\", \"use pkg\"]",
    "[\"ruby\", \"-I\", \"{}\", \"-e\", \"require 'pkg'\"]",
    "[\"sh\", \"-c\", \"perl -I {} -Mpkg -e 0\"]",
    "[\"java\", \"-cp\", \"/usr/share/java:{}\", \"Tell\"]",
    "[\"python3\", \"-c\", \"import sys; sys.path.insert(0, '{}'); import pkg\"]",
    "[\"perl\", \"-e\", \"use lib '{}'; use pkg\"]",
    "[\"sh\", \"-c\", \"cd {} && exec python3 -m pkg\"]",
    "[\"sh\", \"-c\", \"cd '{}'; python3 tell.py\"]",
    "[\"env\", \"-C\", \"{}\", \"python3\", \"-c\", \"import pkg\"]",
    "[\"env\", \"--chdir={}\", \"node\", \"tell.js\"]",
];

/// The same folder as data, and other folders.
const ORDINARY: &[&str] = &[
    "[\"env\", \"BACKUPS={}\", \"tell\", \"{what}\"]",
    "[\"tell\", \"--about\", \"{}\"]",
    "[\"sh\", \"-c\", \"cd {} && tar -c .\"]",
    "[\"sh\", \"-c\", \"mkdir -p {}; python3 -c 'print(1)'\"]",
    "[\"sh\", \"-c\", \"cd {} && python3 -I -c 'print(1)'\"]",
    "[\"sh\", \"-c\", \"cd {} && python3 /bin/true\"]",
    "[\"python3\", \"-c\", \"import os; os.listdir('{}')\"]",
    "[\"env\", \"PYTHONPATH=/usr/lib/python3\", \"python3\", \"-c\", \"0\", \"{}\"]",
    "[\"env\", \"MYPYTHONPATH={}\", \"tell\"]",
];

#[test]
fn no_target_lies_in_a_folder_that_code_is_looked_for_in_or_around_it() {
    let folder = scripts();
    let at = |name: &str| folder.path().join(name);
    let parent = at("parent dir");
    for name in ["parent dir/pkg/deep", "beside"] {
        std::fs::create_dir_all(at(name)).unwrap();
    }
    // Where a space ends the folder's name, it has none.
    let plain = at("parent");
    std::os::unix::fs::symlink("parent dir", &plain).unwrap();
    let command = |said: &str, path: &Path| said.replace("{}", &path.display().to_string());
    for said in SAID {
        for root in ["parent dir", "parent dir/pkg", "parent dir/pkg/deep", "parent dir/new", "."] {
            let found = with_command(folder.path(), &command(said, &plain), &at(root));
            assert!(matches!(found, Err(Overlap::Own { .. })), "{said} and {root}: {found:?}");
        }
        assert_eq!(with_command(folder.path(), &command(said, &plain), &at("beside")), Ok(()), "{said}");
    }
    for said in SAID.iter().filter(|said| said.contains("'{}") || said.contains("{}\"")) {
        let found = with_command(folder.path(), &command(said, &parent), &at("parent dir/pkg"));
        assert!(matches!(found, Err(Overlap::Own { .. })), "{said} with a space: {found:?}");
    }
    for said in ORDINARY {
        assert_eq!(with_command(folder.path(), &command(said, &plain), &at("parent dir/pkg")), Ok(()), "{said}");
    }
}

/// A database there is none of the modules.
#[cfg(feature = "sqlite")]
#[test]
fn a_database_may_lie_where_code_is_looked_for() {
    let folder = scripts();
    let text = |path: &str| {
        format!(
            "gateway.state = \"state\"\nenvironments.e.tier = \"staging\"\n\
             notify.command = [\"env\", \"PYTHONPATH={}\", \"python3\", \"-m\", \"tell\"]\n\
             targets.a = {{ kind = \"sqlite\", environment = \"e\", path = \"../code/{path}\" }}\n",
            folder.path().join("code").display()
        )
    };
    let toolsets = mollyguard_tools::toolsets();
    for (path, is_refused) in [("app.db", false), ("tell.py", true), ("json/__init__.py", true)] {
        let config = Config::parse(&text(path), &folder.path().join("etc/mollyguard.toml"), &toolsets).unwrap();
        let found = Reaches::check(&config, &toolsets).map(drop);
        assert_eq!(found.is_err(), is_refused, "{path}: {found:?}");
    }
}
