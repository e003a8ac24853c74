//! A library in front of the system's own, which makes a gateway meet failing disks and clocks that are set back.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use mollyguard_tests::{Result, World};

/// What the processes of a world started from now on meet, from when it is told until it is taken back.
pub(super) struct Shim(PathBuf);

impl Shim {
    pub(super) fn new(world: &mut World) -> Result<Self> {
        let (source, library) = (world.path().join("shim.c"), world.path().join("shim.so"));
        fs::write(&source, include_str!("shim.c"))?;
        let built = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).output()?;
        assert!(built.status.success(), "cc: {}", String::from_utf8_lossy(&built.stderr));
        let told = world.path().join("faults");
        fs::create_dir_all(&told)?;
        world.env("LD_PRELOAD", &library).env("FAULTS", &told);
        Ok(Self(told))
    }

    /// `sync` or `write` with an errno, `clock` with seconds.
    pub(super) fn tell(&self, what: &str, number: i64) -> Result {
        // Renamed into place: never read half written.
        let draft = self.0.join("draft");
        fs::write(&draft, number.to_string())?;
        Ok(fs::rename(draft, self.0.join(what))?)
    }

    pub(super) fn take_back(&self, what: &str) -> Result {
        Ok(fs::remove_file(self.0.join(what))?)
    }
}
