//! The pictures in the documentation: taken of the real page, and still of what it looks like.

use std::fs;
use std::path::{Path, PathBuf};

use mollyguard_tests::browser::{Browser, Setup, Tab, pictures};
use mollyguard_tests::{Result, root};
use serde_json::json;

use super::{PURGE, Site, WRITE, delete, enrol, first_code, rental};

/// The width and height of a PNG, from its header (PNG specification §11.2.2).
fn size(path: &Path) -> Result<(u32, u32)> {
    let bytes = fs::read(path).map_err(|error| format!("`{}`: {error}", path.display()))?;
    assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n"), "`{}`", path.display());
    let number = |at: usize| bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map(u32::from_be_bytes);
    Ok((number(16).ok_or("a width")?, number(20).ok_or("a height")?))
}

/// Takes a picture and holds it against the one in the documentation: times and addresses differ, the layout does not.
async fn shown(tab: &Tab, name: &str) -> Result {
    tab.picture(&format!("shown-{name}")).await?;
    let (taken, kept) = (pictures()?.join(format!("shown-{name}.png")), folder().join(format!("{name}.png")));
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value != "0") {
        fs::create_dir_all(folder())?;
        fs::copy(&taken, &kept)?;
    }
    let ((width, height), (kept_width, kept_height)) = (size(&taken)?, size(&kept)?);
    let advice = "run again with UPDATE_GOLDEN=1 and look at the picture";
    assert_eq!(width, kept_width, "{name}: {advice}");
    assert!(height.abs_diff(kept_height) * 10 <= kept_height, "{name}: {height} high, was {kept_height}; {advice}");
    Ok(())
}

fn folder() -> PathBuf {
    root().join("tests/golden/pages")
}

#[tokio::test]
async fn the_documentation_shows_the_page_as_it_is() -> Result {
    let mut world = rental("")?;
    world.default_policies().set("gateway.user", "anna");
    let site = Site::of(world).await?;
    let browser = Browser::start().await?;
    let desk = Setup { width: 900, ..Setup::DESK };
    let tab = browser.open(&site.origin, &desk).await?;
    enrol(&tab, &first_code(&site.world, "ada").await?).await?;
    let write = site.ask(WRITE, &delete()).await?;
    let purge = site.ask(PURGE, &json!({"target": "fleet", "table": "bookings"})).await?;
    tab.go("/").await?;
    tab.sees("2 questions.").await?;
    shown(&tab, "inbox").await?;
    tab.go(&format!("/questions/{purge}")).await?;
    tab.sees("Approve with your passkey").await?;
    shown(&tab, "question").await?;

    let phone = browser.open(&site.origin, &Setup::PHONE).await?;
    let code = super::invited(&tab, "grace").await?;
    enrol(&phone, &code).await?;
    phone.go(&format!("/questions/{purge}")).await?;
    phone.sees("Approve with your passkey").await?;
    shown(&phone, "question-phone").await?;
    phone.press("Decline").await?;
    phone.sees("Not approved: declined").await?;

    tab.go(&format!("/questions/{write}")).await?;
    tab.press("Approve with your passkey").await?;
    tab.sees("Approved.").await?;
    site.repeat_delete().await?.done();
    tab.sees("It was done.").await?;
    tab.go("/history").await?;
    shown(&tab, "history").await?;
    site.sound().await
}

/// Every picture the documentation names is one of those, and the other way round.
#[test]
fn every_picture_is_shown() -> Result {
    let pages = fs::read_to_string(root().join("gateway/ANSWERS.md"))?;
    let mut named: Vec<_> =
        pages.split("tests/golden/pages/").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    let mut kept = Vec::new();
    for entry in fs::read_dir(folder())? {
        kept.push(entry?.file_name().to_string_lossy().into_owned());
    }
    named.sort_unstable();
    kept.sort_unstable();
    assert_eq!(named, kept);
    Ok(())
}
