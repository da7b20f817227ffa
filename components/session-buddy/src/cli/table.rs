//! Sessions for people: aligned, without boxes, as wide as the terminal.

use std::io::{self, Write};

use admin_shell::{Cell, Column, Kind, Table, View};
use serde_json::Value;
use session_model::escape::for_line;

use super::output::{Output, SessionWriter};

/// What a line of the table wants of a session.
#[derive(serde::Deserialize)]
pub(super) struct Line {
    session_id: String,
    component_name: String,
    session_type: String,
    status: String,
    liveness: Option<String>,
    username: String,
    hostname: String,
    pid: i64,
    start_time: String,
    duration_seconds: Option<i64>,
}

/// Which columns a table of sessions has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Columns {
    /// Those of a list of all sessions.
    All,
    /// Those of a list of open ones: where each is, and whether it lives.
    Open,
}

impl Columns {
    /// Makes a table without rows. `empty` is what people are told if it stays so.
    pub(super) fn table(self, empty: &str) -> Table {
        let id = Column::new("session_id", "Session ID");
        let component = Column::new("component_name", "Component").dispensable(3);
        let session_type = Column::new("session_type", "Type").dispensable(4);
        let status = Column::new("status", "Status");
        let user = Column::new("username", "User").dispensable(1);
        let started = Column::new("start_time", "Started")
            .kind(Kind::Time)
            .dispensable(1);
        let duration = |title| {
            Column::new("duration_seconds", title)
                .kind(Kind::Seconds)
                .dispensable(2)
        };
        let columns = match self {
            Self::All => vec![
                id,
                component,
                session_type,
                status,
                user,
                started,
                duration("Duration"),
            ],
            Self::Open => vec![
                id,
                component,
                user,
                Column::new("hostname", "Host").dispensable(4),
                Column::new("pid", "PID").kind(Kind::Number).dispensable(4),
                started,
                duration("Elapsed"),
                Column::new("liveness", "Liveness"),
            ],
        };
        Table::new(columns, empty)
    }

    /// Makes the row of a session.
    pub(super) fn row(self, session: Line) -> Vec<Cell> {
        let shown = status(&session.status, session.liveness.as_deref());
        let started = Cell::from(session.start_time);
        let duration = Cell::from(session.duration_seconds.map_or(Value::Null, Value::from));
        match self {
            Self::All => vec![
                session.session_id.into(),
                session.component_name.into(),
                session.session_type.into(),
                Cell::shown_as(session.status, shown),
                session.username.into(),
                started,
                duration,
            ],
            Self::Open => vec![
                session.session_id.into(),
                session.component_name.into(),
                session.username.into(),
                session.hostname.into(),
                session.pid.into(),
                started,
                duration,
                session.liveness.map_or(Value::Null, Value::from).into(),
            ],
        }
    }
}

/// Writes sessions as a table.
pub(super) struct TableWriter {
    view: View,
    table: Table,
}

impl TableWriter {
    pub(super) fn new(view: View) -> Self {
        Self {
            view,
            table: Columns::All.table(""),
        }
    }
}

impl SessionWriter for TableWriter {
    type Session = Line;

    fn begin(&mut self, _: &mut Output) -> io::Result<()> {
        Ok(())
    }

    fn page(&mut self, _: &mut Output, sessions: Vec<Line>) -> io::Result<()> {
        for session in sessions {
            self.table.push(Columns::All.row(session));
        }
        Ok(())
    }

    fn end(&mut self, output: &mut Output) -> io::Result<()> {
        output.write_all(self.table.for_people(&self.view).as_bytes())
    }
}

/// The state, and of an active session what is not sure about it.
pub(super) fn status(status: &str, liveness: Option<&str>) -> String {
    let status = for_line(status);
    match liveness {
        Some(unsure @ ("unknown" | "stale")) => format!("{status} ({unsure})"),
        _ => status.into_owned(),
    }
}
