//! A session as a row of table `sessions`.

use rusqlite::types::{Value, ValueRef};
use session_model::{Metadata, Number, Session, SessionRecord, Timestamp, fold::Vitals};

use crate::store::Stored;

/// What a record is that index `ledger_corrections` has, as SQLite must read it to use that: in the words of migration 6, and in
/// those of migration 1 for a database that no server has opened since.
macro_rules! corrections {
    () => {
        "kind <> 'genesis' AND kind <> 'start' AND kind <> 'end' AND kind NOT IN ('genesis', 'start', 'end')"
    };
}

pub(super) use corrections;

/// A row: the public record, and what only SQL shows.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) record: SessionRecord,
    pub(super) sql_only: SqlOnly,
}

/// The columns that are not in a record.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SqlOnly {
    pub(super) host_id: Option<String>,
    pub(super) boot_id: Option<String>,
    pub(super) pid_namespace: Option<i64>,
    pub(super) start_ticks: Option<i64>,
    pub(super) pidfd_inode: Option<i64>,
    pub(super) heartbeat_interval_seconds: Option<i64>,
    pub(super) lease_expires_at: Option<Timestamp>,
    pub(super) start_record: i64,
    pub(super) end_record: Option<i64>,
}

/// Where a session's start and its own report of its end stand in the ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Places {
    pub(super) start: i64,
    pub(super) end: Option<i64>,
}

/// The bits of a record's key that hold its number; the chain's key stands above them.
const SEQ_BITS: u32 = 40;

/// Gives the key of a record.
pub(super) const fn record_key(chain: i64, seq: i64) -> i64 {
    (chain << SEQ_BITS) | seq
}

/// Gives the key of a record that somebody else names; `None` where no record can have that number.
pub(super) fn checked_key(chain: i64, seq: u64) -> Option<i64> {
    let seq = i64::try_from(seq).ok()?;
    (seq >> SEQ_BITS == 0).then(|| record_key(chain, seq))
}

/// Gives the chain of a record.
pub(super) const fn chain_of(record: i64) -> i64 {
    record >> SEQ_BITS
}

impl Row {
    /// Folds a session to its row.
    pub(super) fn of(session: &Session, vitals: &Vitals, places: Places) -> Self {
        let event = &session.started().event;
        let process = event.process.as_ref();
        Self {
            record: session.record(vitals),
            sql_only: SqlOnly {
                host_id: event.host_id.as_ref().map(|id| id.as_str().to_owned()),
                boot_id: process.map(|process| process.boot_id.to_string()),
                pid_namespace: process.map(|process| process.pid_namespace.get()),
                start_ticks: process.map(|process| process.start_ticks.get()),
                pidfd_inode: process
                    .and_then(|process| process.pidfd_inode)
                    .map(|inode| inode.get()),
                heartbeat_interval_seconds: event
                    .heartbeat_interval_seconds
                    .map(|seconds| seconds.get()),
                lease_expires_at: vitals.lease_expires_at,
                start_record: places.start,
                end_record: places.end,
            },
        }
    }

    /// Gives what leaves the store.
    pub(super) fn into_stored(self) -> Stored {
        Stored {
            record: self.record,
        }
    }
}

macro_rules! columns {
    (record { $($record:ident)+ } sql_only { $($sql_only:ident)+ }) => {
        /// The columns, in the order of [`Row::into_values`].
        pub(super) const COLUMNS: &[&str] = &[$(stringify!($record),)+ $(stringify!($sql_only),)+];

        impl Row {
            /// Gives the values of the columns.
            pub(super) fn into_values(self) -> Vec<Value> {
                let mut values = Vec::with_capacity(COLUMNS.len());
                $(values.push(self.record.$record.into_cell());)+
                $(values.push(self.sql_only.$sql_only.into_cell());)+
                values
            }

            /// Reads a row that was selected with all columns.
            pub(super) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
                let mut column = 0..;
                let mut next = || column.next().unwrap_or_default();
                // Fields of a literal are read in the order in which they stand.
                Ok(Self {
                    record: SessionRecord { $($record: cell(row, next())?,)+ liveness: None },
                    sql_only: SqlOnly { $($sql_only: cell(row, next())?,)+ },
                })
            }
        }
    };
}

columns! {
    record {
        session_id session_type component_name shell_type status username hostname pid platform python_version
        working_directory start_time end_time duration_seconds end_known_by end_estimated end_earliest end_latest
        closed_by exit_reason exit_code command_count error_count error_occurred error_message quality_score project
        reason parent_session_id actor_kind actor_name login_name login_name_source tty remote_address runtime
        user_home origin_transport origin_address origin_uid token_subject event_id created_at skew_seconds last_seen
        gaps metadata end_metadata
    }
    sql_only {
        host_id boot_id pid_namespace start_ticks pidfd_inode heartbeat_interval_seconds lease_expires_at
        start_record end_record
    }
}

/// The columns that change after a session's start.
pub(super) const CHANGING: &[&str] = &[
    "status",
    "end_time",
    "duration_seconds",
    "end_known_by",
    "end_estimated",
    "end_earliest",
    "end_latest",
    "closed_by",
    "exit_reason",
    "exit_code",
    "command_count",
    "error_count",
    "error_occurred",
    "error_message",
    "quality_score",
    "last_seen",
    "gaps",
    "end_metadata",
    "lease_expires_at",
    "end_record",
];

/// A value as it stands in a column.
pub(super) trait Cell: Sized {
    fn into_cell(self) -> Value;
    fn from_cell(value: ValueRef<'_>) -> Result<Self, String>;
}

pub(super) fn cell<T: Cell>(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<T> {
    let value = row.get_ref(column)?;
    T::from_cell(value).map_err(|problem| {
        rusqlite::Error::FromSqlConversionFailure(column, value.data_type(), problem.into())
    })
}

fn text(value: ValueRef<'_>) -> Result<&str, String> {
    value.as_str().map_err(|error| error.to_string())
}

impl<T: Cell> Cell for Option<T> {
    fn into_cell(self) -> Value {
        self.map_or(Value::Null, Cell::into_cell)
    }

    fn from_cell(value: ValueRef<'_>) -> Result<Self, String> {
        if value == ValueRef::Null {
            Ok(None)
        } else {
            T::from_cell(value).map(Some)
        }
    }
}

impl Cell for String {
    fn into_cell(self) -> Value {
        Value::Text(self)
    }

    fn from_cell(value: ValueRef<'_>) -> Result<Self, String> {
        text(value).map(str::to_owned)
    }
}

impl Cell for i64 {
    fn into_cell(self) -> Value {
        Value::Integer(self)
    }

    fn from_cell(value: ValueRef<'_>) -> Result<Self, String> {
        value.as_i64().map_err(|error| error.to_string())
    }
}

impl Cell for bool {
    fn into_cell(self) -> Value {
        Value::Integer(self.into())
    }

    fn from_cell(value: ValueRef<'_>) -> Result<Self, String> {
        i64::from_cell(value).map(|number| number != 0)
    }
}

impl Cell for f64 {
    fn into_cell(self) -> Value {
        Value::Real(self)
    }

    fn from_cell(value: ValueRef<'_>) -> Result<Self, String> {
        value.as_f64().map_err(|error| error.to_string())
    }
}

impl Cell for Number {
    fn into_cell(self) -> Value {
        Value::Real(self.get())
    }

    fn from_cell(value: ValueRef<'_>) -> Result<Self, String> {
        f64::from_cell(value).map(Self::saturating)
    }
}

macro_rules! text_cells {
    ($($type:ty),+) => {$(
        impl Cell for $type {
            fn into_cell(self) -> Value {
                Value::Text(self.to_string())
            }

            fn from_cell(value: ValueRef<'_>) -> Result<Self, String> {
                text(value)?.parse().map_err(|error| format!("{error}"))
            }
        }
    )+};
}

text_cells!(
    Timestamp,
    session_model::SessionStatus,
    session_model::EndKnownBy,
    session_model::ExitReason,
    session_model::Transport,
    session_model::words::ActorKind,
    session_model::words::LoginNameSource
);

macro_rules! json_cells {
    ($($type:ty),+) => {$(
        impl Cell for $type {
            fn into_cell(self) -> Value {
                Value::Text(serde_json::to_string(&self).expect("a model can be written as JSON"))
            }

            fn from_cell(value: ValueRef<'_>) -> Result<Self, String> {
                serde_json::from_str(text(value)?).map_err(|error| error.to_string())
            }
        }
    )+};
}

json_cells!(Metadata, Vec<session_model::Gap>);
