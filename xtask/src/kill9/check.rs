//! Compares all that the server shows with all that it was told.

use std::collections::HashMap;
use std::net::SocketAddr;

use anyhow::{Result, bail, ensure};
use serde::Deserialize;

use super::client::Told;
use crate::listed;

/// The part of a session record that we compare.
#[derive(Deserialize)]
struct Record {
    session_id: String,
    event_id: String,
    status: String,
}

/// Checks that every acknowledgement is kept, exactly once, and that nothing else is there.
pub(super) async fn everything(address: SocketAddr, told: &[Told]) -> Result<()> {
    let records = listed::all(address).await?;
    compare(&records, told)
}

fn compare(records: &[Record], told: &[Told]) -> Result<()> {
    let mut by_event: HashMap<&str, &Record> = HashMap::with_capacity(records.len());
    let mut by_session: HashMap<&str, &Record> = HashMap::with_capacity(records.len());
    for record in records {
        ensure!(
            by_event.insert(&record.event_id, record).is_none(),
            "start {} is there twice",
            record.event_id
        );
        ensure!(
            by_session.insert(&record.session_id, record).is_none(),
            "{} is there twice",
            record.session_id
        );
    }
    for told in told {
        let record = by_event.remove(told.event_id.as_str());
        match (record, &told.session_id) {
            (None, Some(session_id)) => bail!("{session_id} was acknowledged and is gone"),
            (None, None) => {}
            (Some(record), session_id) => {
                let same = session_id
                    .as_ref()
                    .is_none_or(|session_id| *session_id == record.session_id);
                ensure!(
                    same,
                    "{session_id:?} was acknowledged and is shown as {}",
                    record.session_id
                );
                ensure!(
                    told.may_be(&record.status),
                    "{} is shown as {}, which nobody reported",
                    record.session_id,
                    record.status
                );
            }
        }
    }
    ensure!(
        by_event.is_empty(),
        "{} sessions are there that nobody sent",
        by_event.len()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_is_there_twice_is_found() {
        let record = |session_id: &str, event_id: &str| Record {
            session_id: session_id.to_owned(),
            event_id: event_id.to_owned(),
            status: "active".to_owned(),
        };
        let error = compare(&[record("a", "1"), record("b", "1")], &[]).unwrap_err();
        assert_eq!(error.to_string(), "start 1 is there twice");
        let error = compare(&[record("a", "1")], &[]).unwrap_err();
        assert_eq!(error.to_string(), "1 sessions are there that nobody sent");
    }
}
