//! What another server tells of sessions: all of a file in one transaction, or nothing.

use session_model::{Act, SessionRecord};

use super::{
    reader,
    writing::{WriteError, Writing},
};
use crate::store::{Differing, Import, ImportCount, ImportedLine};

/// After so many sessions their sums are added to the tables, so that those of years need no memory.
const SUMS_AFTER: u64 = 4_096;

/// Writes sessions and the act that brought them. Where one differs from what is on record, nothing of it may be committed.
pub(super) fn write(
    writing: &mut Writing<'_>,
    import: Import,
) -> Result<Result<ImportCount, Vec<Differing>>, WriteError> {
    let Import { sessions, act } = import;
    let (mut count, mut differing) = (ImportCount::default(), Vec::new());
    for line in sessions {
        let line = line.map_err(WriteError::Staged)?;
        match put(writing, line)? {
            Put::New => count.imported += 1,
            Put::Known => count.known += 1,
            Put::Differs(line) => differing.push(line),
        }
        if differing.len() == Differing::ENOUGH {
            break;
        }
        if count.imported % SUMS_AFTER == 0 {
            writing.write_sums()?;
        }
    }
    if !differing.is_empty() {
        return Ok(Err(differing));
    }
    let act: Act = act(count);
    writing.record(&act)?;
    Ok(Ok(count))
}

enum Put {
    New,
    Known,
    Differs(Differing),
}

fn put(writing: &mut Writing<'_>, line: ImportedLine) -> Result<Put, WriteError> {
    let stored = reader::get(writing.connection(), line.imported.session().id())?;
    let Some(stored) = stored else {
        writing.import(line)?;
        return Ok(Put::New);
    };
    let told: SessionRecord = line.imported.record();
    Ok(match Differing::of(line.number, &told, &stored.record) {
        None => Put::Known,
        Some(differing) => Put::Differs(differing),
    })
}
