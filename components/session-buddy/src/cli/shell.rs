//! `session-buddy shell`

use std::{process::ExitCode, time::Duration};

use admin_shell::{AdminShell, Context, HelperError, Reply, ShellArgs, Table};
use anstream::eprintln;
use session_model::{SessionFilter, words::SessionStatus};

use super::{
    Failure, dates, insights, on_runtime, panel, quality,
    source::SourceArgs,
    table::{Columns, Line},
};
use crate::{
    analytics::request::{DAYS_MAX, bounded},
    lifecycle::{
        Settings,
        background::{self, Ensured},
    },
};

/// How long the shell waits for a server that it starts: 2 seconds.
const START_MAX: Duration = Duration::from_secs(2);

/// Open the admin shell: sessions, live and past
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  session-buddy shell
  session-buddy shell -c 'active()'
  session-buddy shell --format json -c '%session z3ucgb7g'

Exit codes: that of exit(), 1 for an error in a script, 2 for wrong usage or a reason that is missing, 69 where the shell
must be tracked and is not, 77 where its policy does not let you in, 78 where its policy cannot be read, 101 after a bug of
the shell, 128 and the signal's number after a signal.")]
pub(super) struct Args {
    #[command(flatten)]
    shell: ShellArgs,
    /// Do not start a server where none runs
    #[arg(long)]
    no_server: bool,
    #[command(flatten)]
    source: SourceArgs,
}

/// Runs the shell, and gives its exit code.
pub(super) fn run(args: Args) -> Result<ExitCode, Failure> {
    if !args.no_server && !args.source.names_a_server() {
        ensure_server(&args.source.settings()?);
    }
    let shell = shell(args.source);
    Ok(shell.run_with(&args.shell))
}

/// Starts a server where none answers, and says so. A shell opens without one too.
fn ensure_server(settings: &Settings) {
    let ensured = on_runtime(async { Ok(background::ensure(settings, START_MAX).await) });
    match ensured {
        Ok(Ok(Ensured::AlreadyRunning)) => {}
        Ok(Ok(Ensured::Started(server))) => eprintln!(
            "note: started the server, process {}; it stays when this shell is left, until `session-buddy mcp stop`",
            server.pid
        ),
        Ok(Err(error)) => {
            eprintln!("note: no server: {error}; this session is recorded once one runs")
        }
        Err(failure) => drop(failure.report()),
    }
}

fn shell(source: SourceArgs) -> admin_shell::Builder {
    let of_ps = source.clone();
    let of_active = source.clone();
    let of_sessions = source.clone();
    let of_quality = source.clone();
    let of_insights = source.clone();
    AdminShell::builder("session-buddy", env!("CARGO_PKG_VERSION"))
        .title("Session-Buddy")
        .metadata("component_type", "manager")
        .helper(
            "ps(limit=20) - list the newest sessions",
            move |context: &Context, limit: i64| {
                let limit = usize::try_from(limit)
                    .ok()
                    .filter(|limit| (1..=SHOWN_MAX).contains(limit))
                    .ok_or_else(|| {
                        HelperError::new(format!(
                            "limit: 1 to {SHOWN_MAX} is expected, found {limit}"
                        ))
                    })?;
                let all = SessionFilter::default();
                list(context, &of_ps, &all, Columns::All, limit)
            },
        )
        .helper(
            "active() - list open sessions, how long they run and whether they live",
            move |context: &Context| list(context, &of_active, &open(), Columns::Open, SHOWN_MAX),
        )
        .helper(
            "quality(days=90) - tell how good the sessions of each component are and whether that changes, worst first",
            move |context: &Context, days: i64| {
                let days = bounded("days", &days.to_string(), DAYS_MAX).map_err(HelperError::new)?;
                interruptible(context, quality::of_components(&of_quality, days))
            },
        )
        .helper(
            "insights(limit=10, days=90) - find what is unusual and say why, the most surprising first",
            move |context: &Context, limit: i64, days: i64| {
                let read = |name, number: i64, max| {
                    bounded(name, &number.to_string(), max).map_err(HelperError::new)
                };
                let limit = read("limit", limit, insights::LIMIT_MAX)?;
                let days = read("days", days, DAYS_MAX)?;
                interruptible(context, insights::find(&of_insights, limit, days))
            },
        )
        .magic(
            "%sessions [component] - list the newest sessions",
            move |context, component| {
                let mut filter = SessionFilter::default();
                filter
                    .component
                    .extend(component.split_whitespace().map(str::to_owned));
                list(context, &of_sessions, &filter, Columns::All, SESSIONS_SHOWN)
            },
        )
        .magic("%session <id> - show a session", move |context, id| {
            show(context, &source, id)
        })
}

/// The most sessions that a helper lists; `list-sessions` knows no such bound.
const SHOWN_MAX: usize = 10_000;
/// How long a helper waits before it looks whether it is interrupted.
const LOOK: Duration = Duration::from_millis(50);
/// How many sessions `%sessions` shows.
const SESSIONS_SHOWN: usize = 20;

fn open() -> SessionFilter {
    let mut filter = SessionFilter::default();
    filter.status.push(SessionStatus::Active);
    filter
}

fn list(
    context: &Context,
    source: &SourceArgs,
    filter: &SessionFilter,
    columns: Columns,
    limit: usize,
) -> Result<Table, HelperError> {
    let read = async {
        let mut source = source.to_read().await?;
        let mut table = columns.table("no session matches");
        let mut cursor = None;
        while table.len() < limit {
            let left = limit - table.len();
            let page = source.list::<Line>(filter, left, cursor.as_deref()).await?;
            for session in page.sessions {
                table.push(columns.row(session));
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        Ok(table)
    };
    interruptible(context, read)
}

/// Waits for a server as long as the user does.
fn interruptible<T>(
    context: &Context,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, HelperError> {
    let interrupted = async {
        let mut looks = tokio::time::interval(LOOK);
        while !context.is_interrupted() {
            looks.tick().await;
        }
    };
    let done = on_runtime(async {
        tokio::select! {
            done = work => done.map(Some),
            () = interrupted => Ok(None),
        }
    })?;
    done.ok_or_else(|| HelperError::new("interrupted"))
}

fn show(context: &Context, source: &SourceArgs, id: &str) -> Result<Reply, HelperError> {
    if id.is_empty() {
        return Err(HelperError::new(
            "%session takes an id, or a unique beginning of one",
        ));
    }
    let session = interruptible(context, async { source.to_read().await?.show(id).await })?;
    let zone = dates::zone(None).map_err(HelperError::new)?;
    Ok(Reply::Shown {
        text: panel::render(&session, &zone),
        value: serde_json::to_value(session)?,
    })
}
