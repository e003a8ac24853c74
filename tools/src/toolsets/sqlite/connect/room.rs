//! How much memory the statements of this process may take: one pool for all of them, in places of a few sizes.
//!
//! Every read has a small place, for which it waits only behind other reads. One that turns out to need more gives its place
//! back, waits for a larger one, and runs again from its beginning: whether a statement meets long values shows only while it
//! runs. What changes rows, or goes through whole rows, has places of its own. Within its size a statement is kept by
//! [`super::program`], which tells from what it is compiled to how long its values may be. Databases take turns, in the
//! order of [`crate::turns`].
//!
//! SQLite counts the memory it uses itself, and goes no further than [`HARDEST`]: nothing that was counted too low here costs
//! the gateway.

use std::future::Future as _;
use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use super::Site;
use crate::contract::ToolError;
use crate::turns::{Place, Turns};

/// How many wait for a place of one size at most.
const LINE: usize = 256;

/// How often who waits looks whether anybody still wants the answer.
const GLANCE: Duration = Duration::from_millis(20);

/// Places of one size: how many for everybody, how many beside them for databases that have none.
struct Places {
    bytes: usize,
    all: usize,
    kept: usize,
}

impl Places {
    fn turns(&self) -> Turns {
        Turns::new(self.all, self.kept, LINE)
    }

    const fn together(&self) -> usize {
        (self.all + self.kept) * self.bytes
    }
}

const SMALL: Places = Places { bytes: 8 << 20, all: 40, kept: 8 };
const MIDDLE: Places = Places { bytes: 64 << 20, all: 3, kept: 1 };
const LARGE: Places = Places { bytes: 256 << 20, all: 1, kept: 0 };

/// For a change: the pages it changes, and the values or rows it goes through.
const ROWS: Places = Places { bytes: 128 << 20, all: 2, kept: 1 };

/// What all places are together, and what all sorts of short rows may take on top.
const ALL: usize = SMALL.together() + MIDDLE.together() + LARGE.together() + ROWS.together() + SORTS;

/// SQLite takes no more memory than this in this process: all of that, the gateway's own store, and what is kept open.
pub(crate) const HARDEST: usize = ALL + (192 << 20);

static SMALLS: LazyLock<Turns> = LazyLock::new(|| SMALL.turns());
static MIDDLES: LazyLock<Turns> = LazyLock::new(|| MIDDLE.turns());
static LARGES: LazyLock<Turns> = LazyLock::new(|| LARGE.turns());
static CHANGES: LazyLock<Turns> = LazyLock::new(|| ROWS.turns());

/// What a statement may take.
///
/// A sort that goes to a file comes back from it with a row of each part it wrote, two of them with what SQLite reserves: the
/// longer its rows may be, the fewer parts it may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Size {
    /// A read, at first.
    Small,
    /// A change, at first, in its place for rows.
    Change,
    /// Longer values, in small sorts.
    Middle,
    /// Not as long ones, in sorts of any size.
    Many,
    /// The longest, in sorts that are not large.
    Long,
}

/// Rows no longer than this are sorted however many they are: what all such sorts read at once is bounded by what all may
/// write, see [`SORTS`].
const SHORT_ROW: usize = 128 << 10;

/// What the temporary files of all statements may take together.
pub(crate) const FILES: u64 = 512 << 20;

/// What a sort takes before it writes a part.
const PART: usize = 2 << 20;

/// What all sorts of short rows read at once.
const SORTS: usize = 2 * SHORT_ROW * (FILES as usize / PART);

impl Size {
    /// In bytes.
    pub(crate) const fn bytes(self) -> usize {
        match self {
            Self::Small => SMALL.bytes,
            Self::Change => ROWS.bytes / 2,
            Self::Middle => MIDDLE.bytes,
            Self::Many | Self::Long => LARGE.bytes,
        }
    }

    /// How many bytes of files it may sort into.
    pub(crate) const fn sorted(self) -> u64 {
        match self {
            Self::Small | Self::Change | Self::Many => FILES,
            Self::Middle => 16 << 20,
            Self::Long => 64 << 20,
        }
    }

    /// How much each sort takes in memory before it writes a part, and as much the database's own pages: what SQLite calls
    /// the size of its cache.
    pub(crate) const fn part(self) -> usize {
        match self {
            Self::Many => 8 * PART,
            _ => PART,
        }
    }

    /// How long a value may be where nothing is taken but `base` bytes, and values of that length so often, among them the
    /// rows of so many sorts.
    pub(crate) fn longest(self, base: usize, values: usize, sorts: usize) -> usize {
        let (bytes, values) = (self.bytes().saturating_sub(base), values.max(1));
        match self {
            _ if sorts == 0 => bytes / values,
            Self::Small | Self::Change => SHORT_ROW.min(bytes / values),
            Self::Middle | Self::Long => bytes.saturating_sub(2 * self.sorted() as usize) / values,
            Self::Many => bytes / values.saturating_add(2 * self.sorted() as usize / self.part()),
        }
    }

    /// Where a statement runs again whose values were too long.
    pub(crate) const fn for_longer(self) -> Self {
        match self {
            Self::Small => Self::Middle,
            _ => Self::Long,
        }
    }

    /// Where one runs again whose sorts were too large, if there is such a place.
    pub(crate) const fn for_more(self) -> Option<Self> {
        match self {
            Self::Middle => Some(Self::Many),
            _ => None,
        }
    }

    /// Its sorts may write little, and are looked at often.
    pub(crate) const fn is_watched(self) -> bool {
        self.sorted() < FILES
    }

    /// Nothing has longer values.
    pub(crate) const fn is_longest(self) -> bool {
        matches!(self, Self::Long)
    }

    /// A place of this size, as soon as it is this database's turn. Whoever waits holds no lock of a database.
    pub(crate) fn wait(self, site: &Site) -> Result<Place, ToolError> {
        match self {
            Self::Small => wait(site, &SMALLS),
            Self::Change => wait(site, &CHANGES),
            Self::Middle => wait(site, &MIDDLES),
            Self::Many | Self::Long => wait(site, &LARGES),
        }
    }
}

fn wait(site: &Site, places: &Turns) -> Result<Place, ToolError> {
    come(places, &site.uid, || site.is_over()).ok_or_else(|| {
        let reason = format!(
            "not run on `{}`: it needs memory that other statements have, and its turn did not come in time",
            site.name
        );
        ToolError::unavailable(reason).with_next(
            "try again in a moment, with fewer calls at once, or with fewer and shorter values in one statement",
        )
    })
}

/// Waits until there is a place, the line is too long or nobody wants the answer any more.
fn come(places: &Turns, user: &str, is_over: impl Fn() -> bool) -> Option<Place> {
    let mut turn = pin!(places.line_up(user).ok()?.come());
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(place) = turn.as_mut().poll(&mut context) {
            return place;
        }
        if is_over() {
            return None;
        }
        thread::park_timeout(GLANCE);
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// All of the largest places, or all for changes, so that whoever wants one waits.
    pub(crate) fn taken(user: &str, changes: bool) -> Place {
        come(if changes { &CHANGES } else { &LARGES }, user, || true).expect("it is free")
    }

    #[test]
    fn what_is_said_of_the_bound_is_what_the_places_are() {
        assert_eq!(ALL >> 20, 1_344);
        assert_eq!(HARDEST >> 20, 1_536);
        for size in [Size::Small, Size::Change, Size::Middle, Size::Many, Size::Long] {
            assert!(size.for_longer() > size || size.is_longest());
            for (values, sorts) in (1..300).flat_map(|values| (0..20).map(move |sorts| (values, sorts))) {
                let base = sorts * size.part();
                let longest = size.longest(base, values, sorts);
                let read = match (sorts, size) {
                    (0, _) | (_, Size::Small | Size::Change) => 0,
                    _ => size.sorted() as usize / size.part() * longest,
                };
                // What was sorted is there once more at most, and never more than twice as long.
                let read = 2 * read.min(size.sorted() as usize);
                assert!(longest == 0 || base + values * longest + read <= size.bytes(), "{size:?} {values} {sorts}");
            }
        }
    }

    #[test]
    fn a_place_is_had_at_once_in_turn_or_not_at_all() {
        let places = Places { bytes: 1, all: 1, kept: 0 }.turns();
        let first = come(&places, "a", || panic!("it is free")).expect("a place");
        assert!(come(&places, "b", || true).is_none());
        let waiting = {
            let places = places.clone();
            thread::spawn(move || come(&places, "b", || false).is_some())
        };
        drop(first);
        assert!(waiting.join().expect("it ends"));
        assert!(come(&places, "c", || true).is_some(), "it was given back");
    }
}
