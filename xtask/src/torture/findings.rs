//! The oracle: compares all that the server shows with all that it was told, and with what the shells really did.

use std::collections::HashMap;

use anyhow::{Result, bail};
use jiff::Timestamp;
use serde::Deserialize;

use super::client::Told;
use super::flock::{Fate, Gone};

/// How many findings of a kind are shown.
const SHOWN_MAX: usize = 10;

/// The part of a session record that we compare.
#[derive(Deserialize)]
pub(super) struct Record {
    session_id: String,
    event_id: String,
    status: String,
    end_known_by: Option<String>,
    end_latest: Option<String>,
    /// Names the shell.
    parent_session_id: Option<String>,
}

/// What is wrong, a line for each.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Acknowledged, or spooled by a shell, and not there.
    pub(super) lost: Vec<String>,
    /// There more than once.
    pub(super) doubled: Vec<String>,
    /// Closed while it was open, or against its own report.
    pub(super) falsely_closed: Vec<String>,
    /// Open, though its end was acknowledged or its shell is gone.
    pub(super) left_open: Vec<String>,
    /// There, though nobody sent it.
    pub(super) made_up: Vec<String>,
}

impl Findings {
    pub(super) fn kinds(&self) -> [(&'static str, &[String]); 5] {
        [
            ("lost", &self.lost),
            ("doubled", &self.doubled),
            ("falsely closed", &self.falsely_closed),
            ("left open", &self.left_open),
            ("made up", &self.made_up),
        ]
    }

    pub(super) fn are_none(&self) -> bool {
        self.kinds().iter().all(|(_, found)| found.is_empty())
    }

    /// Fails with what was found.
    pub(super) fn ensure_none(&self) -> Result<()> {
        if self.are_none() {
            return Ok(());
        }
        let mut text = String::new();
        for (kind, found) in self.kinds() {
            text += &format!("\n{} {kind}", found.len());
            for line in found.iter().take(SHOWN_MAX) {
                text += &format!("\n  {line}");
            }
        }
        bail!("the record is not true:{text}")
    }
}

/// Which shells are known, by the name that each gives as its parent.
pub(super) struct Shells<'a> {
    pub(super) living: Vec<&'a str>,
    pub(super) gone: &'a [Gone],
    /// Whether all that waits should have arrived.
    pub(super) settled: bool,
}

/// Compares.
pub(super) fn compare(records: &[Record], told: &[Told], shells: &Shells<'_>) -> Findings {
    let mut findings = Findings::default();
    let mut by_event: HashMap<&str, &Record> = HashMap::with_capacity(records.len());
    let mut by_shell: HashMap<&str, &Record> = HashMap::new();
    let mut ids = HashMap::with_capacity(records.len());
    for record in records {
        if ids.insert(&record.session_id, ()).is_some() {
            findings.doubled.push(record.session_id.clone());
        }
        let twin = match &record.parent_session_id {
            Some(shell) => by_shell.insert(shell, record),
            None => by_event.insert(&record.event_id, record),
        };
        if twin.is_some() {
            findings.doubled.push(record.session_id.clone());
        }
    }
    for told in told {
        told_session(told, by_event.remove(told.event_id.as_str()), &mut findings);
    }
    for name in &shells.living {
        // It may not have been delivered yet.
        let record = by_shell.remove(name);
        if let Some(record) = record.filter(|record| record.status != "active") {
            findings.falsely_closed.push(said(name, record));
        }
    }
    for gone in shells.gone {
        let record = by_shell.remove(gone.name.as_str());
        gone_shell(gone, record, shells.settled, &mut findings);
    }
    for record in by_event.values().chain(by_shell.values()) {
        findings.made_up.push(record.session_id.clone());
    }
    findings
}

fn told_session(told: &Told, record: Option<&Record>, findings: &mut Findings) {
    match (record, &told.session_id) {
        (None, Some(session_id)) => findings.lost.push(session_id.clone()),
        (None, None) => {}
        (Some(record), Some(session_id)) if *session_id != record.session_id => {
            findings.lost.push(format!(
                "{session_id} was acknowledged and is shown as {}",
                record.session_id
            ));
        }
        (Some(record), _) if told.may_be(&record.status) => {}
        (Some(record), _) if record.status == "active" => {
            findings.left_open.push(record.session_id.clone());
        }
        (Some(record), _) => findings.falsely_closed.push(said("a client", record)),
    }
}

fn gone_shell(gone: &Gone, record: Option<&Record>, settled: bool, findings: &mut Findings) {
    let Some(record) = record else {
        if settled && gone.had_begun {
            findings
                .lost
                .push(format!("{}, {:?}", gone.name, gone.fate));
        }
        return;
    };
    let known_by = record.end_known_by.as_deref();
    let truly = match gone.fate {
        Fate::Left => known_by == Some("reported"),
        Fate::Killed => known_by == Some("process_gone"),
        Fate::KilledLeaving => matches!(known_by, Some("reported" | "process_gone")),
    };
    if record.status == "active" {
        if settled {
            findings.left_open.push(said(&gone.name, record));
        }
    } else if !truly {
        findings
            .falsely_closed
            .push(format!("{:?}: {}", gone.fate, said(&gone.name, record)));
    }
}

fn said(name: &str, record: &Record) -> String {
    let Record {
        session_id,
        status,
        end_known_by,
        ..
    } = record;
    format!("{session_id} of {name} is {status}, known by {end_known_by:?}")
}

/// When each shell that was killed was closed.
pub(super) fn closed(records: &[Record]) -> HashMap<&str, Timestamp> {
    let lost = |record: &&Record| record.end_known_by.as_deref() == Some("process_gone");
    records
        .iter()
        .filter(lost)
        .filter_map(|record| {
            let at = record.end_latest.as_ref()?.parse().ok()?;
            Some((record.parent_session_id.as_deref()?, at))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(
        session_id: &str,
        event_id: &str,
        shell: Option<&str>,
        known_by: Option<&str>,
    ) -> Record {
        Record {
            session_id: session_id.to_owned(),
            event_id: event_id.to_owned(),
            status: match known_by {
                None => "active",
                Some("reported") => "ended",
                Some(_) => "lost",
            }
            .to_owned(),
            end_known_by: known_by.map(str::to_owned),
            end_latest: None,
            parent_session_id: shell.map(str::to_owned),
        }
    }

    fn gone(name: &str, fate: Fate) -> Gone {
        Gone {
            name: name.to_owned(),
            had_begun: true,
            fate,
            at: Timestamp::UNIX_EPOCH,
        }
    }

    fn counts(records: &[Record], living: &[&str], gone: &[Gone]) -> [usize; 5] {
        let shells = Shells {
            living: living.to_vec(),
            gone,
            settled: true,
        };
        compare(records, &[], &shells)
            .kinds()
            .map(|(_, found)| found.len())
    }

    #[test]
    fn each_kind_of_untruth_is_found() {
        let killed = [gone("x", Fate::Killed)];
        assert_eq!(counts(&[], &[], &killed), [1, 0, 0, 0, 0]);
        let twice = [
            record("a", "1", Some("x"), Some("process_gone")),
            record("b", "2", Some("x"), Some("process_gone")),
        ];
        assert_eq!(counts(&twice, &[], &killed), [0, 1, 0, 0, 0]);
        let dead = [record("a", "1", Some("x"), Some("process_gone"))];
        assert_eq!(counts(&dead, &[], &killed), [0; 5]);
        assert_eq!(counts(&dead, &["x"], &[]), [0, 0, 1, 0, 0]);
        assert_eq!(
            counts(&dead, &[], &[gone("x", Fate::Left)]),
            [0, 0, 1, 0, 0]
        );
        let open = [record("a", "1", Some("x"), None)];
        assert_eq!(counts(&open, &["x"], &[]), [0; 5]);
        assert_eq!(counts(&open, &[], &killed), [0, 0, 0, 1, 0]);
        let unsent = [record("a", "1", None, None)];
        assert_eq!(counts(&unsent, &[], &[]), [0, 0, 0, 0, 1]);
    }
}
