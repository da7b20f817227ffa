//! How late a shell that was killed is closed.

use jiff::Timestamp;

use super::findings::{self, Record};
use super::flock::Gone;
use crate::clock;

/// A time in which there was no server.
pub(super) struct Away {
    from: Timestamp,
    to: Timestamp,
}

impl Away {
    pub(super) fn until_now(from: Timestamp) -> Self {
        Self {
            from,
            to: clock::now(),
        }
    }
}

/// Says how late the closes of killed shells came, of those over which the server was there.
pub(super) fn of(gone: &[Gone], records: &[Record], away: &[Away]) -> String {
    let closed = findings::closed(records);
    let mut late: Vec<f64> = Vec::new();
    for gone in gone {
        let Some(at) = closed.get(gone.name.as_str()) else {
            continue;
        };
        if !away.iter().any(|away| away.from < *at && gone.at < away.to) {
            late.push(at.duration_since(gone.at).as_secs_f64());
        }
    }
    late.sort_unstable_by(f64::total_cmp);
    match (late.get(late.len() / 2), late.last()) {
        (Some(median), Some(worst)) => format!(
            "closes of {} killed shells, the server being there: {median:.2} s late in the median, {worst:.2} s at worst",
            late.len()
        ),
        _ => "no shell was killed with the server there throughout".to_owned(),
    }
}
