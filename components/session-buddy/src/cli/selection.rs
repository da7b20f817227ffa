//! Which sessions a command is about.

use session_model::{SessionFilter, Timestamp};

use super::{ExitStatus, Failure, dates};

/// Which sessions
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Which sessions (values of one option are alternatives)")]
pub(super) struct Selection {
    #[command(flatten)]
    whose: LiveSelection,
    /// active, ended or lost
    #[arg(long, value_delimiter = ',')]
    status: Vec<String>,
    /// Began then or later: a date, an RFC 3339 time, or an age such as 7d
    #[arg(long, value_name = "TIME")]
    after: Option<String>,
    /// Began before then
    #[arg(long, value_name = "TIME")]
    before: Option<String>,
    /// Ran longer than this
    #[arg(long, value_name = "SECONDS")]
    duration_greater: Option<String>,
    /// Only what is active
    #[arg(long)]
    incomplete: bool,
    /// Has these words in component, user, host, folder, reason, error or metadata; the last may be a beginning, "..."
    /// keeps words together
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
}

/// Which sessions, by what stays as it is from their start
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Which sessions (values of one option are alternatives)")]
pub(super) struct LiveSelection {
    /// Kind of session, such as admin_shell
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',')]
    session_type: Vec<String>,
    /// Component whose shell it is
    #[arg(long, value_delimiter = ',')]
    component: Vec<String>,
    /// Account name
    #[arg(long, value_delimiter = ',')]
    user: Vec<String>,
}

impl LiveSelection {
    /// Gives the same as a selection of all sessions, of these states.
    pub(super) fn with_status(self, status: Vec<String>) -> Selection {
        Selection {
            whose: self,
            status,
            ..Selection::default()
        }
    }
}

impl Selection {
    /// Tells whether anything is left out.
    pub(super) fn is_everything(&self) -> bool {
        let Self {
            whose:
                LiveSelection {
                    session_type,
                    component,
                    user,
                },
            status,
            after,
            before,
            duration_greater,
            incomplete,
            search,
        } = self;
        let lists = [session_type, component, user, status];
        let single = [after, before, duration_greater, search];
        lists.iter().all(|list| list.is_empty())
            && single.iter().all(|value| value.is_none())
            && !incomplete
    }

    /// Reads the filter, dates in `zone`.
    pub(super) fn filter(
        &self,
        now: Timestamp,
        zone: &jiff::tz::TimeZone,
    ) -> Result<SessionFilter, Failure> {
        let time = |flag: &str, text: &Option<String>| {
            let instant = text
                .as_deref()
                .map(|text| dates::instant(text, now, zone))
                .transpose();
            instant
                .map_err(|problem| Failure::new(ExitStatus::Usage, format!("--{flag}: {problem}")))
        };
        let (after, before) = (time("after", &self.after)?, time("before", &self.before)?);
        let filter = SessionFilter {
            session_type: self.whose.session_type.clone(),
            component: self.whose.component.clone(),
            user: self.whose.user.clone(),
            after,
            before,
            incomplete: self.incomplete,
            ..SessionFilter::default()
        };
        // The rest is spelled and checked as everywhere else.
        let mut pairs = filter.to_pairs();
        pairs.extend(self.status.iter().map(|status| ("status", status.clone())));
        pairs.extend(
            self.duration_greater
                .iter()
                .map(|seconds| ("duration_greater", seconds.clone())),
        );
        pairs.extend(self.search.iter().map(|search| ("search", search.clone())));
        SessionFilter::from_pairs(pairs.iter().map(|(name, value)| (*name, value.as_str())))
            .map_err(|errors| {
                let problems: Vec<_> = errors
                    .as_slice()
                    .iter()
                    .map(|error| format!("--{}: {}", error.field.replace('_', "-"), error.message))
                    .collect();
                Failure::new(ExitStatus::Usage, problems.join("; "))
            })
    }
}
