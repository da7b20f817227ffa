//! `session-buddy analytics sql`

use std::io::{Write, stdout};

use clap::ValueEnum;

use super::Days;
use crate::cli::Failure;

/// Print the SQL that answers a question in sqlite3
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  session-buddy analytics sql error_rate --days 30 | sqlite3 -box ~/.session-buddy/sessions.db")]
pub(super) struct Args {
    /// Which question
    #[arg(value_enum)]
    name: Name,
    #[command(flatten)]
    days: Days,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Name {
    /// What is active, newest first
    ActiveSessions,
    /// Sums by component
    SessionStats,
    /// Mean length of closed sessions by component
    AverageDuration,
    /// The components that are used most
    MostActive,
    /// Shares of errors by component
    ErrorRate,
}

const ACTIVE_SESSIONS: &str = "\
SELECT session_id, component_name, start_time,
       CAST((julianday('now') - julianday(start_time)) * 86400 AS INTEGER) AS duration_seconds, project
  FROM sessions
 WHERE status = 'active'
 ORDER BY start_time DESC, session_id DESC;
";

const SESSION_STATS: &str = "\
SELECT component_name, count(*) AS total_sessions, coalesce(avg(duration_seconds), 0) AS avg_duration,
       sum(status = 'active') AS active_sessions, 100.0 * sum(error_occurred) / count(*) AS error_rate
  FROM sessions
 WHERE start_time >= {since}
 GROUP BY component_name
 ORDER BY total_sessions DESC, component_name;
";

const AVERAGE_DURATION: &str = "\
SELECT component_name, avg(duration_seconds) AS avg_duration
  FROM sessions
 WHERE start_time >= {since} AND status <> 'active'
 GROUP BY component_name
 ORDER BY avg_duration DESC, component_name;
";

const MOST_ACTIVE: &str = "\
SELECT component_name, count(*) AS session_count, coalesce(sum(duration_seconds), 0) AS total_duration,
       avg(quality_score) AS avg_quality_score, max(start_time) AS last_active
  FROM sessions
 WHERE start_time >= {since}
 GROUP BY component_name
 ORDER BY session_count DESC, component_name
 LIMIT 10;
";

const ERROR_RATE: &str = "\
SELECT component_name, 100.0 * sum(error_occurred) / count(*) AS error_rate, count(*) AS total_sessions,
       sum(error_occurred) AS failed_sessions,
       (SELECT error_message FROM sessions AS other
         WHERE other.component_name = sessions.component_name AND error_message IS NOT NULL
           AND start_time >= {since}
         GROUP BY error_message ORDER BY count(*) DESC, error_message LIMIT 1) AS most_common_error
  FROM sessions
 WHERE start_time >= {since}
 GROUP BY component_name
 ORDER BY error_rate DESC, component_name;
";

impl Name {
    fn sql(self, days: u32) -> String {
        let sql = match self {
            Self::ActiveSessions => ACTIVE_SESSIONS,
            Self::SessionStats => SESSION_STATS,
            Self::AverageDuration => AVERAGE_DURATION,
            Self::MostActive => MOST_ACTIVE,
            Self::ErrorRate => ERROR_RATE,
        };
        let since = format!("strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '-{days} days')");
        sql.replace("{since}", &since)
    }
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let sql = args.name.sql(args.days.days);
    stdout().write_all(sql.as_bytes()).map_err(Failure::writing)
}
