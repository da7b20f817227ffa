//! `session-buddy token`: what lets somebody in over TCP.

mod create;
mod revoke;
mod show;

use std::io::{self, BufRead, stdin};

use clap::Subcommand;
use session_client::token::{SecretError, Secrets};

use super::{
    ExitStatus, Failure, on_runtime,
    report::{Format, Show, print, print_json},
};
use crate::auth::Keys;

/// Make, look at and revoke tokens
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a token with the secret of this environment, and print it
    #[command(
        after_help = "Example:\n  session-buddy token create --subject ci --scope emit --component crackerjack --ttl 30d"
    )]
    Create(create::Args),
    /// Tell what a token says, and whether a secret of this environment made it
    #[command(after_help = "Example:\n  session-buddy token show - < token.txt")]
    Show(show::Args),
    /// Let a token be good no longer, whatever time it has left
    #[command(
        after_help = "Example:\n  session-buddy token revoke - --reason 'laptop lost' < token.txt"
    )]
    Revoke(revoke::Args),
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    match args.command {
        Command::Create(args) => create::run(&args),
        Command::Show(args) => show::run(&args),
        Command::Revoke(args) => on_runtime(revoke::run(args)),
    }
}

/// Gives the secrets of this environment; none where it has none.
fn keys() -> Result<Option<Keys>, Failure> {
    Keys::from_environment(&|name| std::env::var_os(name))
        .map_err(|error| Failure::of(ExitStatus::Failed, &error))
}

fn secret_failure(error: &SecretError) -> Failure {
    Failure::of(ExitStatus::Failed, error)
}

/// Gives what was named, or the first line of standard input for `-`.
fn named_or_read(named: &str) -> io::Result<String> {
    if named != "-" {
        return Ok(named.to_owned());
    }
    let mut line = String::new();
    stdin().lock().read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

/// Reads a length of time such as `90s`, `15m`, `1h`, `30d`.
fn seconds(text: &str) -> Result<i64, String> {
    const EXPECTED: &str = "expected a number with s, m, h or d, such as 1h";
    let unit = text.chars().last().ok_or(EXPECTED)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(EXPECTED.to_owned()),
    };
    let number: i64 = text[..text.len() - 1].parse().map_err(|_| EXPECTED)?;
    number
        .checked_mul(seconds)
        .ok_or_else(|| EXPECTED.to_owned())
}

/// Gives the secrets that a token is made with.
fn signing(keys: Option<&Keys>) -> Result<&Secrets, Failure> {
    keys.map(Keys::authority).ok_or_else(|| {
        let message = "there is no secret here to make a token with";
        Failure::new(ExitStatus::Failed, message)
            .hint("set SESSION_BUDDY_SECRET to the secret of the server")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_has_a_unit() {
        for (text, expected) in [("90s", 90), ("15m", 900), ("1h", 3_600), ("30d", 2_592_000)] {
            assert_eq!(seconds(text), Ok(expected));
        }
        for wrong in ["", "h", "1", "1y", "1.5h", "é", "99999999999999999d"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
