//! `files_read`: a file's content, as text or base64.

use std::io::{Read as _, Seek as _, SeekFrom};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::KIND;
use super::client::{Kind, Place, Root, Stat, io_error, work};
use super::rel::Rel;
use super::walk::{digest_of, open_file};
use crate::contract::{
    Audience, BlastRadius, Digest, Done, Lease, Preflight, Promise, Reversibility, Scope, ToolError, TypedTool,
};

/// Reads a file.
pub(super) struct Read;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Args {
    /// The configured target.
    #[expect(dead_code, reason = "the lease is already for it")]
    target: String,
    /// The file, relative to the target's root.
    path: String,
    /// The byte to start at.
    #[serde(default)]
    offset: u64,
    /// How many bytes at most.
    #[serde(default)]
    #[schemars(range(min = 1))]
    limit: Option<u64>,
}

/// How content is written in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Encoding {
    /// As text.
    #[default]
    Utf8,
    /// In base64, with padding.
    Base64,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Output {
    /// The file, relative to the root, links resolved.
    path: String,
    /// Its whole size.
    bytes: u64,
    /// When it was last changed.
    modified: Option<String>,
    /// Its permission bits in octal.
    mode: String,
    /// SHA-256 of the whole file in hexadecimal; null for a file too large to read whole.
    sha256: Option<String>,
    /// The byte the content starts at.
    offset: u64,
    /// How the content is written.
    encoding: Encoding,
    /// The content.
    content: String,
    /// There is more behind it.
    truncated: bool,
    /// The offset to go on from, where there is more.
    next_offset: Option<u64>,
}

#[async_trait]
impl TypedTool for Read {
    type Args = Args;
    type Output = Output;

    fn promise(&self) -> Promise {
        Promise {
            name: "files_read",
            kind: KIND,
            title: "Read a file",
            description: "Reads a regular file below the target's root, as text where it is UTF-8 and else as base64, \
                          with its size, time, mode and SHA-256. Large files come in parts: go on from `next_offset`.",
            reversibility: Reversibility::ReadOnly,
            softened_by: Vec::new(),
            scope: Scope::Resource,
            idempotent: true,
            open_world: false,
            credential: None,
            audience: Audience::Agents,
        }
    }

    async fn look(&self, args: &Args, lease: &Lease) -> Result<Preflight, ToolError> {
        let args = args.clone();
        work(lease, move |root| {
            let (place, stat) = file(root, &args)?;
            Ok(Preflight {
                targets: vec![root.target("file", &place.rel, Some(stat.uid()))],
                blast_radius: BlastRadius { bytes: Some(stat.bytes), ..BlastRadius::one(Scope::Resource) },
                reversibility: Reversibility::ReadOnly,
                destroys_recovery: false,
                evidence: vec![root.whereabouts()],
                alternative: None,
                // Not of the content: a log that grows between look and read is still the file that was meant.
                fingerprint: Digest::of(&stat.uid()),
                summary: format!("read {}", place.rel.shown()),
                pre_image: None,
            })
        })
        .await
    }

    async fn run(&self, args: &Args, seen: &Preflight, lease: &Lease) -> Result<Done<Output>, ToolError> {
        let (args, seen) = (args.clone(), seen.fingerprint);
        work(lease, move |root| {
            let (place, stat) = file(root, &args)?;
            if Digest::of(&stat.uid()) != seen {
                return Err(ToolError::changed(format!("{} is another file now", place.rel.shown())));
            }
            read(root, &args, &place, stat).map(Done::read)
        })
        .await
    }
}

fn file(root: &Root, args: &Args) -> Result<(Place, Stat), ToolError> {
    let rel = root.follow(&Rel::parse(&args.path)?)?;
    let place = root.place_to_read(&rel)?;
    let shown = rel.shown();
    match place.stat()? {
        None => Err(ToolError::not_found(format!("there is no {shown}"))),
        Some(stat) if stat.kind == Kind::File => Ok((place, stat)),
        Some(stat) if stat.kind == Kind::Directory => {
            Err(ToolError::refused(format!("{shown} is a folder")).with_next("list it with `files_list`"))
        }
        Some(_) => Err(ToolError::refused(format!("{shown} is no regular file, so it has no content to read"))),
    }
}

fn read(root: &Root, args: &Args, place: &Place, stat: Stat) -> Result<Output, ToolError> {
    let failed = |error: std::io::Error| io_error(&place.rel.shown(), &error);
    let limits = root.limits();
    let mut file = open_file(place, stat).map_err(failed)?;
    let sha256 = digest_of(root, &mut file, limits.undo_bytes).map_err(failed)?;
    let most = args.limit.unwrap_or(limits.output_bytes).clamp(1, limits.output_bytes.max(4));
    let mut content = Vec::new();
    file.seek(SeekFrom::Start(args.offset)).map_err(failed)?;
    (&mut file).take(most).read_to_end(&mut content).map_err(failed)?;
    let stat = Stat::of(&file.metadata().map_err(failed)?);
    let end = |content: &[u8]| args.offset.saturating_add(content.len() as u64);
    let cut = end(&content) < stat.bytes;
    let (encoding, text) = encoded(&mut content, cut, limits.output_bytes);
    let truncated = end(&content) < stat.bytes;
    Ok(Output {
        path: place.rel.to_string(),
        bytes: stat.bytes,
        modified: stat.modified_at().map(|at| at.to_string()),
        mode: format!("{:04o}", stat.mode),
        sha256: sha256.map(|digest| hex::encode(digest.as_bytes())),
        offset: args.offset,
        encoding,
        content: text,
        truncated,
        next_offset: truncated.then(|| end(&content)),
    })
}

/// Text where it is text. Shortens `content` to what is given back: to a whole character, or to what base64 leaves room for.
fn encoded(content: &mut Vec<u8>, cut: bool, most: u64) -> (Encoding, String) {
    let whole = match std::str::from_utf8(content) {
        Ok(_) => content.len(),
        // The last character was cut in two, rather than the file being something else than text.
        Err(error) if cut && error.error_len().is_none() && error.valid_up_to() > 0 => error.valid_up_to(),
        Err(_) => 0,
    };
    if (whole > 0 || content.is_empty()) && !content[..whole].contains(&0) {
        content.truncate(whole);
        return (Encoding::Utf8, String::from_utf8_lossy(content).into_owned());
    }
    let room = usize::try_from(most / 4 * 3).unwrap_or(usize::MAX).max(3);
    content.truncate(room);
    (Encoding::Base64, STANDARD.encode(content))
}
