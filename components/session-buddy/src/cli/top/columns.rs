//! The columns of the list: which fit, how wide they are, and what is sorted by.

use std::cmp::Reverse;

use admin_shell::output::length;
use session_model::Timestamp;

use super::feed::Row;

/// What sessions are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// The newest first.
    Age,
    Component,
    User,
    Host,
    /// Most first.
    Commands,
    /// Most first.
    Errors,
    /// Silent for the longest first.
    Seen,
}

impl Sort {
    /// Gives the next one.
    pub(super) const fn next(self) -> Self {
        match self {
            Self::Age => Self::Component,
            Self::Component => Self::User,
            Self::User => Self::Host,
            Self::Host => Self::Commands,
            Self::Commands => Self::Errors,
            Self::Errors => Self::Seen,
            Self::Seen => Self::Age,
        }
    }

    /// Sorts; those that are equal by age and id, so that none moves without a reason.
    pub(super) fn sort(self, rows: &mut [Row]) {
        rows.sort_by(|a, b| {
            let age = |row: &Row| (row.duration_seconds, row.session_id.clone());
            let first = match self {
                Self::Age => std::cmp::Ordering::Equal,
                Self::Component => a.component_name.cmp(&b.component_name),
                Self::User => a.username.cmp(&b.username),
                Self::Host => a.hostname.cmp(&b.hostname),
                Self::Commands => Reverse(a.command_count).cmp(&Reverse(b.command_count)),
                Self::Errors => Reverse(a.error_count).cmp(&Reverse(b.error_count)),
                Self::Seen => a.last_seen.cmp(&b.last_seen),
            };
            first.then_with(|| age(a).cmp(&age(b)))
        });
    }
}

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Component,
    User,
    Host,
    Pid,
    Age,
    Life,
    Seen,
    Commands,
    Errors,
    Id,
    Folder,
}

impl Column {
    /// All, as they stand from left to right.
    const ALL: [Self; 11] = [
        Self::Component,
        Self::User,
        Self::Host,
        Self::Pid,
        Self::Age,
        Self::Life,
        Self::Seen,
        Self::Commands,
        Self::Errors,
        Self::Id,
        Self::Folder,
    ];
    /// All, what is needed most first.
    const BY_NEED: [Self; 11] = [
        Self::Component,
        Self::Age,
        Self::User,
        Self::Life,
        Self::Errors,
        Self::Commands,
        Self::Host,
        Self::Id,
        Self::Seen,
        Self::Pid,
        Self::Folder,
    ];

    /// Gives its title, the least columns of the terminal that it takes, and the most that it has use for.
    const fn shape(self) -> (&'static str, usize, usize) {
        match self {
            Self::Component => ("Component", 12, 16),
            Self::User => ("User", 8, 14),
            Self::Host => ("Host", 10, 20),
            Self::Pid => ("PID", 7, 7),
            Self::Age => ("Age", 7, 7),
            Self::Life => ("Life", 7, 7),
            Self::Seen => ("Silent", 7, 7),
            Self::Commands => ("Cmds", 5, 7),
            Self::Errors => ("Errs", 5, 5),
            Self::Id => ("ID", 8, 52),
            Self::Folder => ("Folder", 12, usize::MAX),
        }
    }

    pub(super) const fn title(self) -> &'static str {
        self.shape().0
    }

    /// Tells whether it is numbers, which stand to the right.
    pub(super) const fn is_number(self) -> bool {
        matches!(
            self,
            Self::Pid | Self::Age | Self::Seen | Self::Commands | Self::Errors
        )
    }

    /// Tells whether the list is sorted by it.
    pub(super) const fn is_sorted_by(self, sort: Sort) -> bool {
        matches!(
            (self, sort),
            (Self::Age, Sort::Age)
                | (Self::Component, Sort::Component)
                | (Self::User, Sort::User)
                | (Self::Host, Sort::Host)
                | (Self::Commands, Sort::Commands)
                | (Self::Errors, Sort::Errors)
                | (Self::Seen, Sort::Seen)
        )
    }

    /// Gives what stands in it, of so many columns of the terminal.
    pub(super) fn cell(self, row: &Row, as_of: Timestamp, now: Timestamp, width: usize) -> String {
        let count = |count: Option<i64>| count.map_or_else(String::new, |count| count.to_string());
        let since = |at: Timestamp| now.micros_since(at).max(0) / 1_000_000;
        match self {
            Self::Component => row.component_name.clone(),
            Self::User => row.username.clone(),
            Self::Host => row.hostname.clone(),
            Self::Pid => row.pid.to_string(),
            Self::Age => length(row.duration_seconds.unwrap_or_default() + since(as_of)),
            Self::Life => row.liveness.clone().unwrap_or_default(),
            Self::Seen => length(since(row.last_seen)),
            Self::Commands => count(row.command_count),
            Self::Errors => count(row.error_count),
            // Its last part is enough to name it by.
            Self::Id if row.session_id.len() > width => row
                .session_id
                .rsplit('-')
                .next()
                .unwrap_or_default()
                .to_owned(),
            Self::Id => row.session_id.clone(),
            Self::Folder => row.working_directory.clone(),
        }
    }
}

/// Gives the columns that fit, each with its width; a blank stands between two.
pub(super) fn fitting(width: usize) -> Vec<(Column, usize)> {
    let mut left = width;
    let mut widths = [None; 11];
    for column in Column::BY_NEED {
        let (_, least, _) = column.shape();
        let gap = usize::from(left < width);
        if left >= least + gap {
            left -= least + gap;
            widths[column as usize] = Some(least);
        } else {
            break;
        }
    }
    for column in Column::BY_NEED {
        let (_, least, most) = column.shape();
        if let Some(own) = &mut widths[column as usize] {
            let more = left.min(most - least);
            *own += more;
            left -= more;
        }
    }
    let all = Column::ALL.into_iter();
    all.filter_map(|column| Some((column, widths[column as usize]?)))
        .collect()
}
