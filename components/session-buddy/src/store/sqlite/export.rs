//! Sessions from the oldest on, page by page. Each page is a read transaction of its own and looks at a bounded number of
//! rows, whatever the filter is, so that no export keeps the WAL from being brought in.

use rusqlite::{Connection, params_from_iter};
use session_model::{SessionFilter, SessionStatus, search::Searched};

use super::{
    reader::Conditions,
    row::{COLUMNS, Cell, Row, cell},
};
use crate::store::{Cursor, ExportQuery, Page};

/// The index along which an export goes, and what it holds true of its rows.
fn index_for(filter: &SessionFilter, narrow: &mut Conditions) -> &'static str {
    if filter.incomplete || filter.status == [SessionStatus::Active] {
        // As text, so that the partial index fits.
        narrow
            .sql
            .push(format!("status = '{}'", SessionStatus::Active));
        "sessions_active"
    } else if filter.component.len() == 1 {
        narrow.one_of("component_name", &filter.component);
        "sessions_by_component"
    } else {
        "sessions_by_start"
    }
}

/// Gives a page. The keys are sorted first, and only then are whole rows read: SQLite would carry all columns of all rows
/// through its sorter.
pub(super) fn page(connection: &Connection, query: &ExportQuery) -> rusqlite::Result<Page> {
    let snapshot = connection.unchecked_transaction()?;
    let mut narrow = Conditions::default();
    let index = index_for(&query.filter, &mut narrow);
    if let Some(after) = query.filter.after {
        narrow.add("start_time >= ?", [after.into_cell()]);
    }
    if let Some(before) = query.filter.before {
        narrow.add("start_time < ?", [before.into_cell()]);
    }
    if let Some(Cursor {
        start_time,
        session_id,
    }) = &query.after
    {
        let time = start_time.into_cell();
        narrow.add(
            "start_time >= ? AND (start_time, session_id) > (?, ?)",
            [time.clone(), time, session_id.clone().into_cell()],
        );
    }
    let keys = format!(
        "SELECT rowid, start_time, session_id FROM sessions INDEXED BY {index} {}
          ORDER BY start_time, session_id LIMIT ?",
        narrow.clause()
    );
    let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
    let wanted = Conditions::of(&query.filter, query.now);
    let wanted_sql = match wanted.sql.is_empty() {
        true => "1".to_owned(),
        false => wanted.sql.join(" AND "),
    };
    let whole = format!(
        "SELECT {}, {wanted_sql} FROM sessions WHERE rowid = ?",
        COLUMNS.join(", ")
    );
    let (mut sessions, mut seen, mut last) = (Vec::with_capacity(query.limit), 0, None);
    {
        let mut keys = snapshot.prepare_cached(&keys)?;
        let mut whole = snapshot.prepare_cached(&whole)?;
        let values = narrow.values.into_iter().chain([limit.into_cell()]);
        let mut keys = keys.query(params_from_iter(values))?;
        while let Some(key) = keys.next()? {
            seen += 1;
            if seen == query.limit {
                last = Some(Cursor {
                    start_time: cell(key, 1)?,
                    session_id: key.get(2)?,
                });
            }
            let rowid: i64 = key.get(0)?;
            let values = wanted.values.iter().cloned().chain([rowid.into_cell()]);
            let session = whole.query_row(params_from_iter(values), |row| {
                let wanted: Option<bool> = row.get(COLUMNS.len())?;
                match wanted {
                    Some(true) => Row::read(row).map(Some),
                    Some(false) | None => Ok(None),
                }
            })?;
            let session = session.map(Row::into_stored).filter(|session| {
                let search = query.filter.search.as_ref();
                search.is_none_or(|search| search.finds(&Searched::of(&session.record)))
            });
            sessions.extend(session);
        }
    }
    snapshot.finish()?;
    Ok(Page {
        sessions,
        next: last,
        total: None,
    })
}
