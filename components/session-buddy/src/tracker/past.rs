//! Sessions whose events are all known at once, as those of a history that is loaded.

use session_model::{Session, SessionEndEvent, SessionStartEvent, Timestamp};

use super::{Delivery, change};
use crate::{
    liveness::Known,
    store::{Change, Past, Standing},
};

/// An event, how it came, and when.
pub type Received<E> = (E, Delivery, Timestamp);

/// Gives what comes of a session's start, and of its end where it has one: what a server would have recorded that took them.
pub fn past(start: Received<SessionStartEvent>, end: Option<Received<SessionEndEvent>>) -> Past {
    let (event, delivery, at) = start;
    let begun = Box::new(change::Start::new(event, delivery, at)).decide(None);
    let (mut records, mut vitals) = (begun.records, begun.vitals);
    let mut standing = || {
        let session = Session::begin(records.first()?.record.clone())?;
        let vitals = vitals.take()?;
        Some(Standing { session, vitals })
    };
    let standing = standing().expect("whoever loads a history may begin every session");
    let mut vitals = standing.vitals.clone();
    if let Some((event, delivery, at)) = end {
        let end = Box::new(change::End::new(event, delivery, Known::default(), at));
        let ended = end.decide(Some(&standing));
        records.extend(ended.records);
        vitals = ended.vitals.unwrap_or(vitals);
    }
    Past { records, vitals }
}
