//! The toolset on real folders: a world to run the laws in, and calls made by hand.

mod attacks;
#[cfg(target_os = "linux")]
mod attributes;
mod behaviour;
mod bounds;
mod kept;
mod laws;
#[cfg(target_os = "linux")]
mod mounts;
mod pages;
mod reserved;
mod spelling;

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::Files;
use crate::contract::{
    Access, Configured, Environment, Lease, Limits, Outcome, Preflight, Reserved, Tier, Tool, ToolError, Toolset,
};
use crate::laws::World;

/// A root with something outside it that has to survive.
struct Ground {
    // Dropping it removes the folders.
    _temp: tempfile::TempDir,
    root: PathBuf,
    outside: PathBuf,
    target: Arc<Configured>,
    limits: Limits,
    reserved: Vec<Reserved>,
}

impl Ground {
    fn new() -> Self {
        Self::with(r#"backups = ["backups/**", "**/*.dump"]"#)
    }

    fn with(settings: &str) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let base = temp.path().canonicalize().unwrap();
        let (root, outside) = (base.join("root"), base.join("outside"));
        for folder in [&root, &outside] {
            std::fs::create_dir(folder).unwrap();
        }
        std::fs::write(outside.join("precious"), "outside").unwrap();
        let table = toml::from_str(&format!("root = \"root\"\n{settings}")).unwrap();
        let target = Arc::new(Configured {
            name: "uploads".into(),
            kind: "files".into(),
            environment: Environment { name: "prod".into(), tier: Tier::Production },
            environments: BTreeMap::new(),
            settings: Files::new().settings(table, &base).unwrap(),
        });
        Self { _temp: temp, root, outside, target, limits: Limits::default(), reserved: Vec::new() }
    }

    fn file(&self, path: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    fn lease(&self, access: Access) -> Lease {
        Lease::new(access, self.target.clone(), None, self.limits).reserving(self.reserved.clone())
    }

    async fn look(&self, tool: &str, args: Value) -> Result<Preflight, ToolError> {
        find(tool).preflight(&args, &self.lease(Access::Read)).await
    }

    async fn run(&self, tool: &str, args: Value, seen: &Preflight) -> Result<Outcome, ToolError> {
        find(tool).execute(&args, seen, &self.lease(Access::Write)).await
    }

    /// Looks and runs.
    async fn call(&self, tool: &str, args: Value) -> Result<Outcome, ToolError> {
        let seen = self.look(tool, args.clone()).await?;
        self.run(tool, args, &seen).await
    }

    async fn undo(&self, outcome: &Outcome) -> Outcome {
        let plan = outcome.undo.as_ref().unwrap();
        let seen = self.look(&plan.tool, plan.args.clone()).await.unwrap();
        assert_eq!(seen.fingerprint, plan.expects);
        self.run(&plan.tool, plan.args.clone(), &seen).await.unwrap()
    }

    fn trash(&self) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.root.join(".mollyguard-trash")) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().path()).filter(|path| !path.ends_with("lock")).collect()
    }
}

fn find(tool: &str) -> Arc<dyn Tool> {
    Files::new().tools().into_iter().find(|candidate| candidate.declaration().name == tool).unwrap()
}

fn at(path: &str) -> Value {
    json!({ "target": "uploads", "path": path })
}

/// The sentences of a preflight's evidence.
fn facts(seen: &Preflight) -> String {
    seen.evidence.iter().map(|evidence| evidence.what.as_str()).collect::<Vec<_>>().join("\n")
}

fn reason(error: &ToolError) -> String {
    match error {
        ToolError::Untouched { reason, .. } => reason.clone(),
        ToolError::Uncertain { reason } => panic!("uncertain: {reason}"),
    }
}

#[async_trait]
impl World for Ground {
    fn target(&self) -> Arc<Configured> {
        self.target.clone()
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    async fn state(&self) -> Value {
        let mut tree = BTreeMap::new();
        describe(&self.root, "root", &mut tree);
        describe(&self.outside, "outside", &mut tree);
        json!(tree)
    }

    async fn disturb(&self, args: &Value) -> bool {
        let Some(path) = args.get("path").or(args.get("from")).and_then(Value::as_str) else { return false };
        let path = self.root.join(path);
        match path.symlink_metadata() {
            Ok(metadata) if metadata.is_dir() => std::fs::write(path.join("disturbance"), "new").is_ok(),
            Ok(metadata) if metadata.is_symlink() => {
                std::fs::remove_file(&path).unwrap();
                symlink("somewhere else", &path).is_ok()
            }
            Ok(metadata) if metadata.is_file() => {
                let mut content = std::fs::read(&path).unwrap();
                content.push(b'!');
                std::fs::remove_file(&path).unwrap();
                std::fs::write(&path, content).is_ok()
            }
            Ok(_) => false,
            Err(_) => {
                let made = std::fs::create_dir_all(path.parent().unwrap()).is_ok();
                made && std::fs::write(&path, "new").is_ok()
            }
        }
    }
}

/// Everything below a path, by plain means; the trash aside. A folder's own times are not part of it.
fn describe(path: &Path, name: &str, tree: &mut BTreeMap<String, Value>) {
    let metadata = path.symlink_metadata().unwrap();
    let (mode, time) = (format!("{:o}", metadata.permissions().mode()), (metadata.mtime(), metadata.mtime_nsec()));
    if metadata.is_symlink() {
        let link = std::fs::read_link(path).unwrap();
        tree.insert(name.to_owned(), json!({ "link": hex::encode(link.as_os_str().as_bytes()) }));
    } else if metadata.is_dir() {
        tree.insert(name.to_owned(), json!({ "mode": mode }));
        for entry in std::fs::read_dir(path).unwrap() {
            let file_name = entry.unwrap().file_name();
            if file_name == ".mollyguard-trash" {
                continue;
            }
            let shown = file_name.to_str().map_or_else(|| hex::encode(file_name.as_bytes()), ToOwned::to_owned);
            describe(&path.join(&file_name), &format!("{name}/{shown}"), tree);
        }
    } else if metadata.is_file() {
        let bytes = hex::encode(std::fs::read(path).unwrap());
        let owner = (metadata.uid(), metadata.gid());
        tree.insert(name.to_owned(), json!({ "mode": mode, "bytes": bytes, "mtime": time, "owner": owner }));
    } else {
        tree.insert(name.to_owned(), json!({ "mode": mode, "special": true }));
    }
}
