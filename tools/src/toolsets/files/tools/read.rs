//! `files_read`: a file's content, as text or base64.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::ops::Range;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cap_std::fs::File;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::{
    Audience, BlastRadius, Digest, Done, HeldSecrets, Lease, MARK, Preflight, Promise, Reversibility, Scope, ToolError,
    TypedTool,
};
use crate::toolsets::files::connect::rel::Rel;
use crate::toolsets::files::connect::{Kind, Place, Root, Stat, io_error, work};
use crate::toolsets::files::model::KIND;
use crate::toolsets::files::model::encoding::Encoding;
use crate::toolsets::files::model::walk::{digest_of, open_file};

/// Reads a file.
pub(crate) struct Read;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
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

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
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

    fn blocks(&self) -> bool {
        true
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
    let window = Window::read(&mut file, root.held(), args.offset, most).map_err(failed)?;
    let stat = Stat::of(&file.metadata().map_err(failed)?);
    let end = |bytes: usize| args.offset.saturating_add(bytes as u64);
    let cut = end(window.part().len()) < stat.bytes;
    let (encoding, taken) = shape(window.part(), cut, limits.output_bytes);
    let clean = window.without_secrets(taken);
    let text = match encoding {
        Encoding::Utf8 => String::from_utf8_lossy(&clean).into_owned(),
        Encoding::Base64 => STANDARD.encode(&clean),
    };
    let truncated = end(taken) < stat.bytes;
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
        next_offset: truncated.then(|| end(taken)),
    })
}

/// A part of a file with so much around it that no held secret is cut in two by the part's ends.
struct Window {
    bytes: Vec<u8>,
    /// Where the part is in these bytes.
    part: Range<usize>,
    /// Where held secrets are.
    secrets: Vec<Range<usize>>,
}

impl Window {
    fn read(file: &mut File, held: Option<&dyn HeldSecrets>, offset: u64, most: u64) -> std::io::Result<Self> {
        let around = held.map_or(0, |held| held.longest().saturating_sub(1)) as u64;
        let before = around.min(offset);
        file.seek(SeekFrom::Start(offset - before))?;
        let mut bytes = Vec::new();
        file.take(before.saturating_add(most).saturating_add(around)).read_to_end(&mut bytes)?;
        let at = |place: u64| usize::try_from(place).unwrap_or(usize::MAX).min(bytes.len());
        let part = at(before)..at(before.saturating_add(most));
        let secrets = held.map(|held| held.spans(&bytes)).unwrap_or_default();
        Ok(Self { bytes, part, secrets })
    }

    fn part(&self) -> &[u8] {
        self.bytes.get(self.part.clone()).unwrap_or_default()
    }

    /// The first bytes of the part, with a mark for each secret of which there is a piece.
    fn without_secrets(&self, taken: usize) -> Vec<u8> {
        let (mut at, end) = (self.part.start, (self.part.start + taken).min(self.part.end));
        let mut clean = Vec::with_capacity(taken);
        for secret in self.secrets.iter().filter(|secret| secret.end > self.part.start && secret.start < end) {
            clean.extend_from_slice(self.bytes.get(at..secret.start).unwrap_or_default());
            clean.extend_from_slice(MARK.as_bytes());
            at = secret.end;
        }
        clean.extend_from_slice(self.bytes.get(at..end).unwrap_or_default());
        clean
    }
}

/// How a part is written, and how many of its bytes are given: to a whole character, or what base64 leaves room for.
fn shape(part: &[u8], cut: bool, most: u64) -> (Encoding, usize) {
    let whole = match std::str::from_utf8(part) {
        Ok(_) => part.len(),
        // The last character was cut in two, rather than the file being something else than text.
        Err(error) if cut && error.error_len().is_none() && error.valid_up_to() > 0 => error.valid_up_to(),
        Err(_) => 0,
    };
    if (whole > 0 || part.is_empty()) && !part.get(..whole).unwrap_or_default().contains(&0) {
        return (Encoding::Utf8, whole);
    }
    let room = usize::try_from(most / 4 * 3).unwrap_or(usize::MAX).max(3);
    (Encoding::Base64, part.len().min(room))
}
