//! Whose turn it is to run: so many calls at a time, and beside every few of these one for a user who has none running.

use mollyguard_tools::turns::Turns;

/// Beside every so many places one is kept for a user who has no call running.
const KEPT: usize = 4;

/// Places for so many calls at a time, and a bounded number of calls that wait for one.
pub(crate) fn slots(concurrent: usize, most_waiting: usize) -> Turns {
    Turns::new(concurrent.max(1), (concurrent / KEPT).max(1), most_waiting)
}
