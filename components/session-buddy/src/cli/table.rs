//! Sessions for people: aligned, without boxes, as wide as the terminal.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
};

use comfy_table::{Table, presets};
use jiff::tz::TimeZone;
use session_model::{Timestamp, escape::for_line};

use super::{
    dates,
    output::{Output, SessionWriter},
};

/// What a line of the table wants of a session.
#[derive(serde::Deserialize)]
pub(super) struct Line {
    session_id: String,
    component_name: String,
    session_type: String,
    status: String,
    liveness: Option<String>,
    username: String,
    start_time: Timestamp,
    duration_seconds: Option<i64>,
}

/// A column: its title, and how dearly it is kept when the terminal is narrow (0 stays to the end).
struct Column {
    title: &'static str,
    dispensable: u8,
    cell: fn(&TableWriter, &Line) -> String,
}

const COLUMNS: [Column; 7] = [
    Column {
        title: "Session ID",
        dispensable: 0,
        cell: |_, session| shown(&session.session_id),
    },
    Column {
        title: "Component",
        dispensable: 3,
        cell: |_, session| shown(&session.component_name),
    },
    Column {
        title: "Type",
        dispensable: 4,
        cell: |_, session| shown(&session.session_type),
    },
    Column {
        title: "Status",
        dispensable: 0,
        cell: |_, session| status(&session.status, session.liveness.as_deref()),
    },
    Column {
        title: "User",
        dispensable: 1,
        cell: |_, session| shown(&session.username),
    },
    Column {
        title: "Started",
        dispensable: 1,
        cell: |table, session| table.started(session),
    },
    Column {
        title: "Duration",
        dispensable: 2,
        cell: |_, session| {
            session
                .duration_seconds
                .map(dates::length)
                .unwrap_or_default()
        },
    },
];

/// Writes sessions as a table.
pub(super) struct TableWriter {
    pub(super) now: Timestamp,
    pub(super) zone: TimeZone,
    /// Columns of the terminal; `None` where there is none.
    pub(super) width: Option<usize>,
    pub(super) rows: Vec<Vec<String>>,
}

impl SessionWriter for TableWriter {
    type Session = Line;

    fn begin(&mut self, _: &mut Output) -> io::Result<()> {
        Ok(())
    }

    fn page(&mut self, _: &mut Output, sessions: &[Line]) -> io::Result<()> {
        let cells = |session| {
            COLUMNS
                .iter()
                .map(|column| (column.cell)(self, session))
                .collect()
        };
        let rows: Vec<_> = sessions.iter().map(cells).collect();
        self.rows.extend(rows);
        Ok(())
    }

    fn end(&mut self, output: &mut Output) -> io::Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let mut text = String::new();
        for line in self.render().lines() {
            // Without boxes the last column ends in blanks.
            writeln!(text, "{}", line.trim_end()).map_err(io::Error::other)?;
        }
        output.write_all(text.as_bytes())
    }
}

impl TableWriter {
    /// Renders the columns that fit.
    fn render(&self) -> String {
        let most = COLUMNS
            .iter()
            .map(|column| column.dispensable)
            .max()
            .unwrap_or_default();
        let mut kept = most;
        loop {
            let text = self.render_up_to(kept);
            let widest = text
                .lines()
                .map(|line| line.trim_end().chars().count())
                .max()
                .unwrap_or_default();
            if kept == 0 || self.width.is_none_or(|width| widest <= width) {
                return text;
            }
            kept -= 1;
        }
    }

    fn render_up_to(&self, dispensable: u8) -> String {
        let kept = || {
            COLUMNS
                .iter()
                .enumerate()
                .filter(move |(_, column)| column.dispensable <= dispensable)
        };
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(kept().map(|(_, column)| column.title));
        for row in &self.rows {
            table.add_row(kept().map(|(n, _)| row[n].as_str()));
        }
        for (n, column) in table.column_iter_mut().enumerate() {
            column.set_padding((if n == 0 { 0 } else { 1 }, 1));
        }
        table.to_string()
    }

    /// The time of day if it began today, else its date and time.
    fn started(&self, session: &Line) -> String {
        let local = |at: Timestamp| at.as_jiff().to_zoned(self.zone.clone());
        let (start, now) = (local(session.start_time), local(self.now));
        let format = if start.date() == now.date() {
            "%H:%M:%S"
        } else {
            "%Y-%m-%d %H:%M"
        };
        start.strftime(format).to_string()
    }
}

/// Makes a text fit for one cell: nothing in it acts.
fn shown(text: &str) -> String {
    for_line(text).into_owned()
}

/// The state, and of an active session what is not sure about it.
pub(super) fn status(status: &str, liveness: Option<&str>) -> String {
    match liveness {
        Some(unsure @ ("unknown" | "stale")) => format!("{} ({unsure})", shown(status)),
        _ => shown(status),
    }
}
