//! The command line.

mod analytics;
mod audit;
mod checkpoint;
mod completions;
pub mod dates;
mod end;
mod event_buffer;
mod export;
mod failure;
mod glyphs;
mod happening;
mod import;
mod insights;
mod list;
mod maintenance;
mod man;
mod mcp;
mod output;
mod panel;
mod progress;
mod quality;
mod report;
mod schema;
mod selection;
mod shell;
mod show;
mod source;
mod table;
mod token;
mod top;
mod verify;
mod violations;
mod watch;

use std::{path::Path, process::ExitCode};

use anstream::eprint;
use clap::{Parser, Subcommand};
use session_client::leaving::Door;
use session_model::{Text, escape::for_line};

pub use failure::{ExitStatus, Failure};

use crate::lifecycle::{Flags, Settings};

/// Who is in which admin shell, since when, from where, what failed there, and whether it still lives
#[derive(Debug, Parser)]
#[command(name = "session-buddy", version, propagate_version = true, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  session-buddy shell
  session-buddy mcp start
  session-buddy list-sessions --type admin_shell --incomplete
  session-buddy show-session z3ucgb7g --format json

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no server and no database.
`mcp`: 1 failed or wrong usage, 2 not running, 3 already running, 4 unhealthy,
5 configuration, 6 permission, 7 timeout, 8 a server ended without clearing up.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Open the admin shell: sessions, live and past
    Shell(shell::Args),
    /// Start, stop and look after the server
    Mcp(mcp::Args),
    /// List sessions, newest first
    ListSessions(list::Args),
    /// Show one session
    ShowSession(show::Args),
    /// Close sessions by hand; their shells go on
    EndSession(end::Args),
    /// Follow what happens to sessions, one line an event
    Watch(watch::Args),
    /// Look at open sessions as they come and go, on the whole screen
    Top(top::Args),
    /// Tell how many sessions there were, how long, by whom, and what failed
    Analytics(analytics::Args),
    /// Write sessions as CSV, JSON or NDJSON, oldest first
    Export(export::Args),
    /// Take over sessions that another server has exported
    Import(import::Args),
    /// Tell how good the sessions of each component are and whether that changes, worst first
    Quality(quality::Args),
    /// Find what is unusual in the sessions of the last days and say why, the most surprising first
    Insights(insights::Args),
    /// Look at, deliver or delete events that no server has acknowledged
    EventBuffer(event_buffer::Args),
    /// List what administrators did and what was refused to whom, newest first
    Audit(audit::Args),
    /// List open sessions that break the policy of their component
    Violations(violations::Args),
    /// Make, look at and revoke tokens
    Token(token::Args),
    /// List, show, write and use the JSON Schemas of events, results and records
    Schema(schema::Args),
    /// Check that the record says what was recorded
    Verify(verify::Args),
    /// Write a signed note of how far the record has come, to keep elsewhere
    Checkpoint(checkpoint::Args),
    /// Look after the database
    Maintenance(maintenance::Args),
    /// Write what a shell needs to complete these commands
    Completions(completions::Args),
    /// Write a page of the manual for each command
    Man(man::Args),
}

/// Where the database is, for commands that may have to open it.
#[derive(Clone, Debug, Default, clap::Args)]
struct DatabaseArgs {
    /// Database file [default: sessions.db in the state folder]
    #[arg(long, value_name = "FILE", help_heading = "Where")]
    db_path: Option<String>,
}

impl DatabaseArgs {
    fn settings(&self) -> Result<Settings, Failure> {
        settings(Flags {
            db_path: self.db_path.clone(),
            ..Flags::default()
        })
    }

    /// Tells whether a database was named that is not the one of this user's server.
    fn is_other_than_own(&self, path: &Path) -> Result<bool, Failure> {
        Ok(self.db_path.is_some() && settings(Flags::default())?.db_path != path)
    }
}

fn settings(flags: Flags) -> Result<Settings, Failure> {
    Settings::load(flags, |name| std::env::var_os(name))
        .map_err(|error| Failure::of(ExitStatus::Failed, &error).hint_for(&error))
}

/// Parses the arguments, does what they say, and tells how it went.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    run(cli.command).unwrap_or_else(|failure| failure.report())
}

/// The most characters of a usage error, which quotes what was typed.
const USAGE_CHARACTERS_MAX: usize = 4_000;

/// Prints help, a version or a usage error. `mcp` keeps 2 for "not running", so its usage errors are 1.
fn usage(error: &clap::Error) -> ExitCode {
    let plain = error.render().to_string();
    let redacted: Text<USAGE_CHARACTERS_MAX> = Door::default().text(&plain);
    let safe: String = redacted.lines().map(|line| for_line(line) + "\n").collect();
    if error.exit_code() == 0 || safe.trim_end() == plain.trim_end() {
        // Nobody is left to tell when the terminal is gone.
        let _ = error.print();
    } else {
        eprint!("{safe}");
    }
    let of_mcp = std::env::args_os()
        .nth(1)
        .is_some_and(|command| command == "mcp");
    match error.exit_code() {
        0 => ExitCode::SUCCESS,
        _ if of_mcp => ExitStatus::Failed.into(),
        _ => ExitStatus::Usage.into(),
    }
}

fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Shell(args) => return shell::run(args),
        Command::Mcp(args) => mcp::run(args),
        Command::ListSessions(args) => on_runtime(list::run(args)),
        Command::ShowSession(args) => on_runtime(show::run(args)),
        Command::EndSession(args) => on_runtime(end::run(args)),
        Command::Watch(args) => on_runtime(watch::run(args)),
        Command::Top(args) => return on_runtime(top::run(args)),
        Command::Analytics(args) => on_runtime(analytics::run(args)),
        Command::Export(args) => on_runtime(export::run(args)),
        Command::Import(args) => on_runtime(import::run(args)),
        Command::Quality(args) => on_runtime(quality::run(args)),
        Command::Insights(args) => on_runtime(insights::run(args)),
        Command::EventBuffer(args) => event_buffer::run(&args),
        Command::Audit(args) => on_runtime(audit::run(args)),
        Command::Violations(args) => on_runtime(violations::run(args)),
        Command::Token(args) => token::run(args),
        Command::Schema(args) => schema::run(args),
        Command::Verify(args) => verify::run(&args),
        Command::Checkpoint(args) => checkpoint::run(&args),
        Command::Maintenance(args) => maintenance::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    }?;
    Ok(ExitCode::SUCCESS)
}

/// Runs a command on this thread.
fn on_runtime<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime
        .map_err(|error| Failure::of(ExitStatus::Failed, &error))?
        .block_on(command)
}
