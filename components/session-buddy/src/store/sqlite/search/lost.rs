//! When the sessions began that were lost: few of many.

use std::collections::HashSet;

use rusqlite::{Connection, params};
use session_model::{SessionFilter, SessionStatus};

use super::{Moment, starts};

/// Of more, about 30 ms of reading, each candidate is looked at instead.
const MOST: usize = 200_000;

/// Needs no row: the index of the lost has all that it asks for.
const STARTS: &str = "
    SELECT start_time FROM sessions INDEXED BY sessions_lost
     WHERE status = 'lost' AND start_time BETWEEN ?1 AND ?2 LIMIT ?3";

/// A time in a column, cut behind its milliseconds.
type Millisecond = [u8; 23];

/// The moments in which a lost session began.
pub(super) struct Lost(HashSet<Millisecond>);

impl Lost {
    /// Gives those that a filter lets through; `None` where it lets others through too, or they are too many.
    pub(super) fn of(
        snapshot: &Connection,
        filter: &SessionFilter,
    ) -> rusqlite::Result<Option<Self>> {
        if filter.status != [SessionStatus::Lost] {
            return Ok(None);
        }
        let [first, last] = starts(filter);
        let mut statement = snapshot.prepare_cached(STARTS)?;
        let mut rows = statement.query(params![first, last, MOST + 1])?;
        let (mut moments, mut count) = (HashSet::new(), 0);
        while let Some(row) = rows.next()? {
            count += 1;
            moments.extend(millisecond(row.get_ref(0)?.as_str()?));
        }
        Ok((count <= MOST).then_some(Self(moments)))
    }

    pub(super) fn has(&self, moment: Moment) -> bool {
        let [first, _] = moment.span();
        millisecond(&first).is_none_or(|moment| self.0.contains(&moment))
    }
}

fn millisecond(time: &str) -> Option<Millisecond> {
    time.as_bytes().first_chunk().copied()
}
