//! However a file is read in parts, no part holds a piece of a held secret, and nothing else is missing.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::contract::{HeldSecrets, MARK};

/// Made of letters that stand nowhere else in what is read here.
const SECRET: &[u8] = b"QZXWVKJHGUY";

struct Held;

impl HeldSecrets for Held {
    fn longest(&self) -> usize {
        SECRET.len()
    }

    fn spans(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        let (mut spans, mut at) = (Vec::new(), 0);
        while let Some(found) = bytes[at..].windows(SECRET.len()).position(|window| window == SECRET) {
            spans.push(at + found..at + found + SECRET.len());
            at += found + SECRET.len();
        }
        spans
    }

    fn references(&self, bytes: &[u8]) -> Vec<String> {
        if self.spans(bytes).is_empty() { Vec::new() } else { vec!["env:X".into()] }
    }
}

impl Ground {
    async fn part(&self, offset: u64, limit: u64) -> (Vec<u8>, Option<u64>) {
        let lease = self.lease(Access::Read).holding(Arc::new(Held));
        let args = json!({"target": "uploads", "path": "it", "offset": offset, "limit": limit});
        let seen = self.look("files_read", args.clone()).await.unwrap();
        let output = find("files_read").execute(&args, &seen, &lease).await.unwrap().output;
        let content = output["content"].as_str().unwrap();
        let bytes = match output["encoding"].as_str().unwrap() {
            "utf8" => content.as_bytes().to_vec(),
            _ => STANDARD.decode(content).unwrap(),
        };
        (bytes, output["next_offset"].as_u64())
    }
}

fn without(bytes: &[u8], what: &[u8]) -> Vec<u8> {
    let mut rest = bytes.to_vec();
    while let Some(at) = rest.windows(what.len()).position(|window| window == what) {
        rest.drain(at..at + what.len());
    }
    rest
}

#[tokio::test]
async fn no_part_of_a_file_holds_a_piece_of_a_secret() {
    let ground = Ground::new();
    let around: [&[u8]; 5] = [b"", b"0123456789", "ä€ü".as_bytes(), b"\0\xff\x01", b"QZXW"];
    for before in around {
        for after in around {
            let content = [before, SECRET, after, SECRET, SECRET, after].concat();
            ground.file("it", &content);
            let clean = without(&content, SECRET);
            let stray = before == b"QZXW" || after == b"QZXW";
            let has_piece = |part: &[u8]| !stray && part.iter().any(|byte| SECRET.contains(byte));
            for limit in [1, 2, 3, 5, 7, 11, 64] {
                let (mut read, mut offset) = (Vec::new(), Some(0));
                while let Some(at) = offset {
                    let (part, next) = ground.part(at, limit).await;
                    assert!(!has_piece(&part), "{before:?} {after:?} {limit} at {at}: {part:?}");
                    read.extend(without(&part, MARK.as_bytes()));
                    offset = next;
                }
                assert_eq!(read, clean, "{before:?} {after:?} {limit}");
            }
            for offset in 0..content.len() as u64 {
                let (part, _) = ground.part(offset, 5).await;
                assert!(!has_piece(&part), "{before:?} {after:?} at {offset}: {part:?}");
            }
        }
    }
}

/// At the border of the largest part, too.
#[tokio::test]
async fn no_border_of_a_large_file_cuts_a_secret() {
    let mut ground = Ground::new();
    ground.limits.output_bytes = 256;
    for shift in 0..SECRET.len() {
        let content = ["a".repeat(256 - shift).as_bytes(), SECRET, "a".repeat(300).as_bytes()].concat();
        ground.file("it", &content);
        for offset in [0, 256] {
            let (part, _) = ground.part(offset, 4096).await;
            assert!(part.iter().all(|byte| !SECRET.contains(byte)), "{shift} at {offset}");
        }
    }
}

#[tokio::test]
async fn a_search_names_the_file_and_the_reference() {
    let ground = Ground::new();
    ground.file("a/b", [&vec![b'a'; (256 << 10) - 3], SECRET].concat());
    ground.file("c", "nothing");
    ground.file(".mollyguard-trash/x/item", SECRET);
    symlink(ground.outside.join("precious"), ground.root.join("link")).unwrap();
    let held: Arc<dyn HeldSecrets> = Arc::new(Held);
    let found = Files::new().search(&ground.lease(Access::Read), &held).await.unwrap();
    let told: Vec<_> = found.found.iter().map(|found| (found.secret.as_str(), found.place.as_str())).collect();
    assert_eq!((told, found.partial), (vec![("env:X", "a/b")], false));
}
