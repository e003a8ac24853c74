//! SQLite's functions whose time grows faster than their arguments, made so that the deadline ends them. They give what
//! SQLite's own give, byte for byte: indexes and checks of the schema may call them.
//!
//! `LIKE` and `GLOB` are SQLite's own as long as texts and patterns are short, for it then uses an index for them.

use std::borrow::Cow;
use std::cell::RefCell;

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Error, Result, ToSql, ffi};

use super::pattern::{self, Kind};
use super::stop::{self, Meter, Over};

/// Text as SQLite has it: any bytes.
struct Text(Vec<u8>);

impl ToSql for Text {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(&self.0)))
    }
}

impl From<Over> for Error {
    fn from(_: Over) -> Self {
        Self::SqliteFailure(ffi::Error::new(ffi::SQLITE_INTERRUPT), None)
    }
}

fn too_big() -> Error {
    Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_TOOBIG), None)
}

fn flags() -> FunctionFlags {
    FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS
}

/// Has a connection use these instead of SQLite's own.
pub(crate) fn install(conn: &Connection) -> Result<()> {
    let wide = wide(conn)?;
    conn.create_scalar_function("instr", 2, flags(), move |call| instr(call, wide))?;
    conn.create_scalar_function("replace", 3, flags(), move |call| replace(call, wide))?;
    conn.create_scalar_function("trim", 2, flags(), move |call| trim(call, wide, true, true))?;
    conn.create_scalar_function("ltrim", 2, flags(), move |call| trim(call, wide, true, false))?;
    conn.create_scalar_function("rtrim", 2, flags(), move |call| trim(call, wide, false, true))?;
    conn.create_scalar_function("unhex", 2, flags(), move |call| unhex(call, wide))
}

/// The same for `LIKE` and `GLOB`, for texts and patterns of any length; no index serves them then.
pub(crate) fn install_patterns(conn: &Connection) -> Result<()> {
    let wide = wide(conn)?;
    conn.create_scalar_function("like", 2, flags(), move |call| matches(call, wide, Kind::Like))?;
    conn.create_scalar_function("like", 3, flags(), move |call| matches(call, wide, Kind::Like))?;
    conn.create_scalar_function("glob", 2, flags(), move |call| matches(call, wide, Kind::Glob))
}

/// Whether text is stored as UTF-16, and bytes taken for text are read as such.
pub(crate) fn wide(conn: &Connection) -> Result<bool> {
    conn.query_row("PRAGMA encoding", [], |row| Ok(row.get::<_, String>(0)? != "UTF-8"))
}

/// An argument as SQLite turns it into text; `None` for NULL.
fn text<'a>(call: &'a Context<'_>, wide: bool, at: usize) -> Result<Option<Cow<'a, [u8]>>> {
    thread_local! {
        static SCRATCH: RefCell<Option<Connection>> = const { RefCell::new(None) };
    }
    Ok(match call.get_raw(at) {
        ValueRef::Null => None,
        ValueRef::Blob(_) if wide => {
            return Err(Error::UserFunctionError("bytes taken for text, in a UTF-16 database".into()));
        }
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(Cow::Borrowed(bytes)),
        ValueRef::Integer(number) => Some(Cow::Owned(number.to_string().into_bytes())),
        // How a real is written is SQLite's affair.
        ValueRef::Real(number) => SCRATCH.with_borrow_mut(|scratch| {
            let conn = match scratch.take() {
                Some(conn) => conn,
                None => Connection::open_in_memory()?,
            };
            let written: String = conn.query_row("SELECT CAST(?1 AS TEXT)", [number], |row| row.get(0))?;
            *scratch = Some(conn);
            Ok::<_, Error>(Some(Cow::Owned(written.into_bytes())))
        })?,
    })
}

fn instr(call: &Context<'_>, wide: bool) -> Result<Option<i64>> {
    let by_bytes = matches!((call.get_raw(0), call.get_raw(1)), (ValueRef::Blob(_), ValueRef::Blob(_)));
    let wide = wide && !by_bytes;
    let (Some(hay), Some(needle)) = (text(call, wide, 0)?, text(call, wide, 1)?) else { return Ok(None) };
    let (hay, needle) = (&*hay, &*needle);
    let (mut at, mut place, mut meter) = (0, 1, Meter::default());
    let Some(first) = needle.first() else { return Ok(Some(1)) };
    while needle.len() <= hay.len() - at {
        if hay.get(at) == Some(first) {
            if hay[at..].starts_with(needle) {
                return Ok(Some(place));
            }
            meter.did(needle.len())?;
        }
        place += 1;
        at += 1;
        while !by_bytes && hay.get(at).is_some_and(|byte| byte & 0xc0 == 0x80) {
            at += 1;
        }
        meter.did(1)?;
    }
    Ok(Some(0))
}

fn replace(call: &Context<'_>, wide: bool) -> Result<Option<Text>> {
    let Some(source) = text(call, wide, 0)? else { return Ok(None) };
    let Some(pattern) = text(call, wide, 1)? else { return Ok(None) };
    if matches!(pattern.first(), None | Some(0)) {
        return Ok(Some(Text(source.into_owned())));
    }
    let Some(with) = text(call, wide, 2)? else { return Ok(None) };
    let (mut at, mut out, mut meter) = (0, Vec::with_capacity(source.len()), Meter::default());
    while at + pattern.len() <= source.len() {
        if source[at] == pattern[0] && source[at..].starts_with(&pattern) {
            out.extend_from_slice(&with);
            at += pattern.len();
            meter.did(with.len())?;
        } else {
            meter.did(if source[at] == pattern[0] { pattern.len() } else { 1 })?;
            out.push(source[at]);
            at += 1;
        }
        if !stop::fits(out.len()) {
            return Err(too_big());
        }
    }
    out.extend_from_slice(&source[at..]);
    Ok(Some(Text(out)))
}

/// The characters of a set, each as its bytes, up to a NUL.
fn characters(set: &[u8]) -> Vec<&[u8]> {
    let set = set.split(|byte| *byte == 0).next().unwrap_or_default();
    let mut found = Vec::new();
    let mut at = 0;
    while at < set.len() {
        let start = at;
        at += 1;
        if set[start] >= 0xc0 {
            while set.get(at).is_some_and(|byte| byte & 0xc0 == 0x80) {
                at += 1;
            }
        }
        found.push(&set[start..at]);
    }
    found
}

fn trim(call: &Context<'_>, wide: bool, left: bool, right: bool) -> Result<Option<Text>> {
    let (Some(source), Some(set)) = (text(call, wide, 0)?, text(call, wide, 1)?) else { return Ok(None) };
    let (set, mut rest, mut meter) = (characters(&set), &*source, Meter::default());
    let mut cut = |end: fn(&[u8], &[u8]) -> bool, rest: &[u8]| -> Result<usize> {
        for (tried, character) in set.iter().enumerate() {
            if end(rest, character) {
                meter.did(tried + 1)?;
                return Ok(character.len());
            }
        }
        Ok(0)
    };
    if left {
        while let length @ 1.. = cut(<[u8]>::starts_with, rest)? {
            rest = &rest[length..];
        }
    }
    if right {
        while let length @ 1.. = cut(<[u8]>::ends_with, rest)? {
            rest = &rest[..rest.len() - length];
        }
    }
    Ok(Some(Text(rest.to_vec())))
}

fn unhex(call: &Context<'_>, wide: bool) -> Result<Option<Vec<u8>>> {
    let (Some(digits), Some(passed)) = (text(call, wide, 0)?, text(call, wide, 1)?) else { return Ok(None) };
    let (mut at, mut out, mut meter) = (0, Vec::with_capacity(digits.len() / 2), Meter::default());
    let byte = |at: usize| digits.get(at).copied().unwrap_or_default();
    let value = |byte: u8| char::from(byte).to_digit(16);
    while byte(at) != 0 {
        let Some(high) = value(byte(at)) else {
            let (wanted, next) = pattern::read(&digits, at);
            let (mut passes, mut look) = (false, 0);
            while look < passed.len() && !passes {
                let (character, next) = pattern::read(&passed, look);
                passes = character == wanted;
                look = next;
            }
            meter.did(look + 1)?;
            if !passes {
                return Ok(None);
            }
            at = next;
            continue;
        };
        let Some(low) = value(byte(at + 1)) else { return Ok(None) };
        out.push(u8::try_from(high << 4 | low).unwrap_or_default());
        at += 2;
        meter.did(1)?;
    }
    Ok(Some(out))
}

fn matches(call: &Context<'_>, wide: bool, kind: Kind) -> Result<Option<bool>> {
    let (asked, against) = (text(call, wide, 0)?, text(call, wide, 1)?);
    if asked.as_ref().is_some_and(|asked| asked.len() > pattern::LONGEST) {
        return Err(Error::UserFunctionError("LIKE or GLOB pattern too complex".into()));
    }
    let escape = if call.len() == 3 {
        let Some(escape) = text(call, wide, 2)? else { return Ok(None) };
        match characters(&escape).as_slice() {
            [_] => Some(pattern::read(&escape, 0).0),
            _ => return Err(Error::UserFunctionError("ESCAPE expression must be a single character".into())),
        }
    } else {
        None
    };
    let (Some(asked), Some(against)) = (asked, against) else { return Ok(None) };
    Ok(Some(pattern::matches(&asked, &against, kind, escape, &mut Meter::default())?))
}
