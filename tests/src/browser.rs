//! A real browser: headless Chromium, driven by a script, with passkeys in a virtual authenticator.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::{env, fs};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::sync::Mutex;

use crate::{Result, binary, peers, within};

/// A running browser. Dropping it ends it.
#[derive(Clone, Debug)]
pub struct Browser(Arc<Mutex<Driver>>);

#[derive(Debug)]
struct Driver {
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    tabs: usize,
    _driver: Child,
    _home: TempDir,
}

/// How somebody's browser is set up.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Whether they like it dark.
    pub dark: bool,
    /// The window's width in CSS pixels.
    pub width: u32,
    /// Whether it runs scripts.
    pub script: bool,
}

impl Setup {
    /// A computer's.
    pub const DESK: Self = Self { dark: false, width: 1100, script: true };
    /// A phone's, in the dark.
    pub const PHONE: Self = Self { dark: true, width: 380, script: true };
}

/// The one tab of somebody's browser: cookies and passkeys are theirs alone.
#[derive(Debug)]
pub struct Tab {
    browser: Browser,
    name: String,
}

impl Browser {
    /// Starts one.
    ///
    /// # Errors
    /// Chromium or its driver is not installed.
    pub async fn start() -> Result<Self> {
        let home = TempDir::with_prefix("mollyguard-browser-")?;
        let mut command = peers::script(&home, "browser/driver.mjs")?;
        // The driver ends the browser and then itself once nobody can command it any more. Killed, it could not.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(false);
        let mut driver = command.spawn()?;
        let commands = driver.stdin.take().ok_or("no standard input")?;
        let answers = BufReader::new(driver.stdout.take().ok_or("no standard output")?).lines();
        Ok(Self(Arc::new(Mutex::new(Driver { commands, answers, tabs: 0, _driver: driver, _home: home }))))
    }

    /// Somebody's browser, for the page at `origin`.
    ///
    /// # Errors
    /// The browser is gone.
    pub async fn open(&self, origin: &str, setup: &Setup) -> Result<Tab> {
        let mut driver = self.0.lock().await;
        driver.tabs += 1;
        let name = driver.tabs.to_string();
        drop(driver);
        let Setup { dark, width, script } = setup;
        let open = json!({"do": "open", "tab": name, "origin": origin, "dark": dark, "width": width, "script": script});
        self.send(&open).await?;
        Ok(Tab { browser: self.clone(), name })
    }

    async fn send(&self, command: &Value) -> Result<Value> {
        let mut driver = self.0.lock().await;
        driver.commands.write_all(format!("{command}\n").as_bytes()).await?;
        let answer = within(&format!("the browser's answer to {command}"), driver.answers.next_line()).await??;
        let answer: Value = serde_json::from_str(&answer.ok_or("the browser's driver has ended")?)?;
        match answer.get("ok") {
            Some(ok) => Ok(ok.clone()),
            None => Err(format!("{command}: {}", answer["failed"].as_str().unwrap_or_default()).into()),
        }
    }
}

/// Where pictures of pages are kept: `$MOLLYGUARD_TEST_PAGES`, or `pages` beside what cargo builds.
pub fn pictures() -> Result<PathBuf> {
    let folder = match env::var_os("MOLLYGUARD_TEST_PAGES") {
        Some(folder) => PathBuf::from(folder),
        None => binary::profile_dir()?.parent().ok_or("the profile's directory has no parent")?.join("pages"),
    };
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

macro_rules! commands {
    ($($(#[$doc:meta])+ $name:ident($($arg:ident),*) as $command:literal;)+) => {
        impl Tab {
            $(
                $(#[$doc])+
                ///
                /// # Errors
                /// It never came to that, with what the browser shows.
                pub async fn $name(&self, $($arg: &str),*) -> Result {
                    self.send($command, json!({$(stringify!($arg): $arg),*})).await.map(drop)
                }
            )+
        }
    };
}

commands! {
    /// Goes to a page.
    go(path) as "go";
    /// Waits until this text is seen.
    sees(text) as "sees";
    /// Waits until this text is not seen, or no longer.
    lacks(text) as "lacks";
    /// Presses a button.
    press(name) as "button";
    /// Follows a link.
    follow(name) as "link";
    /// Fills a field in.
    fill(label, text) as "fill";
    /// Chooses from a list.
    choose(label, text) as "choose";
    /// Presses a key.
    key(key) as "key";
    /// Types with the keyboard, wherever it goes.
    types(text) as "types";
    /// Waits until the address starts with this.
    at(path) as "at";
    /// Runs this before any page's own script.
    before(script) as "before";
}

impl Tab {
    async fn send(&self, name: &str, mut command: Value) -> Result<Value> {
        command["do"] = name.into();
        command["tab"] = self.name.as_str().into();
        self.browser.send(&command).await
    }

    /// An authenticator without passkeys, that verifies its owner or does not; its id.
    ///
    /// # Errors
    /// The browser has none.
    pub async fn authenticator(&self, verifies: bool) -> Result<String> {
        let id = self.send("authenticator", json!({"verifies": verifies})).await?;
        Ok(id.as_str().ok_or("an authenticator has an id")?.to_owned())
    }

    /// An authenticator with a passkey for `localhost` that nobody has enrolled.
    ///
    /// # Errors
    /// The browser has none.
    pub async fn strange_authenticator(&self) -> Result {
        self.send("authenticator", json!({"verifies": true, "unknown": "localhost"})).await.map(drop)
    }

    /// From now on the authenticator verifies its owner, or does not.
    ///
    /// # Errors
    /// There is no such authenticator.
    pub async fn verifies(&self, authenticator: &str, verifies: bool) -> Result {
        self.send("verifies", json!({"authenticator": authenticator, "verifies": verifies})).await.map(drop)
    }

    /// Everything that is seen.
    ///
    /// # Errors
    /// The browser is gone.
    pub async fn text(&self) -> Result<String> {
        Ok(self.send("text", json!({})).await?.as_str().unwrap_or_default().to_owned())
    }

    /// The address.
    ///
    /// # Errors
    /// The browser is gone.
    pub async fn url(&self) -> Result<String> {
        Ok(self.send("url", json!({})).await?.as_str().unwrap_or_default().to_owned())
    }

    /// What a script within the page comes to.
    ///
    /// # Errors
    /// It failed.
    pub async fn run(&self, script: &str) -> Result<Value> {
        self.send("run", json!({"script": script})).await
    }

    /// What the page's scripts, or the browser about them, said: errors and dialogs among them.
    ///
    /// # Errors
    /// The browser is gone.
    pub async fn said(&self) -> Result<Vec<String>> {
        Ok(serde_json::from_value(self.send("said", json!({})).await?)?)
    }

    /// What axe finds wrong with the page as it is.
    ///
    /// # Errors
    /// It could not look.
    pub async fn wrong(&self) -> Result<Vec<String>> {
        Ok(serde_json::from_value(self.send("axe", json!({})).await?)?)
    }

    /// Keeps a picture of the whole page.
    ///
    /// # Errors
    /// It could not be written.
    pub async fn picture(&self, name: &str) -> Result {
        let path = pictures()?.join(format!("{name}.png"));
        self.send("picture", json!({"path": path})).await.map(drop)
    }
}
