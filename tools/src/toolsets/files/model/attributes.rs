//! What a file has beside its content, owner and mode: access control lists and other extended attributes. What replaces a
//! file has the same, or the file is not replaced: without them others could read it, or could not any more.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::io;

use cap_std::fs::File;
use rustix::fs::{XattrFlags, fgetxattr, flistxattr, fremovexattr, fsetxattr};
use rustix::io::Errno;

/// No system keeps more in one (xattr(7)), but for resource forks.
const LONGEST: usize = 64 << 10;

/// What is about the content, and goes with it as it does with every write.
const OF_CONTENT: [&[u8]; 3] = [b"security.capability", b"security.evm", b"security.ima"];

/// Gives a new file all that the one it will replace has, and nothing else that its folder gave it.
pub(crate) fn keep(old: &File, new: &File) -> io::Result<()> {
    let (wanted, made) = (all(old)?, all(new)?);
    for (name, value) in &wanted {
        if made.get(name) != Some(value) {
            fsetxattr(new, name.as_c_str(), value, XattrFlags::empty()).map_err(|error| lost(name, error))?;
        }
    }
    // Labels that the system sets by itself are not for taking away.
    let is_own = |name: &&CString| !name.as_bytes().starts_with(b"security.");
    for name in made.keys().filter(|name| !wanted.contains_key(*name)).filter(is_own) {
        fremovexattr(new, name.as_c_str()).map_err(|error| lost(name, error))?;
    }
    Ok(())
}

fn lost(name: &CStr, error: Errno) -> io::Error {
    let name = name.to_string_lossy();
    io::Error::other(format!("its attribute `{name}`, which may say who has access, cannot be kept: {error}"))
}

fn all(file: &File) -> io::Result<BTreeMap<CString, Vec<u8>>> {
    let mut buffer = vec![0_u8; LONGEST];
    let listed = match flistxattr(file, &mut buffer[..]) {
        Ok(listed) => buffer[..listed].to_vec(),
        // The first two are one number on Linux.
        Err(error) if [Errno::NOTSUP, Errno::OPNOTSUPP, Errno::NOSYS].contains(&error) => Vec::new(),
        Err(error) => return Err(io::Error::other(format!("its attributes cannot be read: {error}"))),
    };
    let names = listed.split(|byte| *byte == 0).filter(|name| !name.is_empty() && !OF_CONTENT.contains(name));
    let mut found = BTreeMap::new();
    for name in names.filter_map(|name| CString::new(name).ok()) {
        let read = fgetxattr(file, name.as_c_str(), &mut buffer[..]).map_err(|error| lost(&name, error))?;
        found.insert(name, buffer[..read].to_vec());
    }
    Ok(found)
}
