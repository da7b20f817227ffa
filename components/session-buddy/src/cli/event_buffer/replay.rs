//! `session-buddy event-buffer replay`

use std::io::{Write, stdout};

use anstream::eprintln;
use serde_json::json;
use session_client::{
    Clock, Credential, credential,
    delivery::{
        Courier,
        adoption::{Adopter, Report, speaks_for},
        target::Target,
    },
    spool::Disk,
};
use session_model::escape::for_line;

use super::{ExitStatus, Failure, Format, Show, cannot_read, contents::Listing, print_json};
use crate::cli::{DatabaseArgs, failure::START_A_SERVER};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Send once more also what servers refused for good
    #[arg(long)]
    include_refused: bool,
    #[command(flatten)]
    show: Show,
}

pub(super) async fn run(args: &Args) -> Result<(), Failure> {
    let settings = DatabaseArgs::default().settings()?;
    let variable = |name: &str| std::env::var_os(name);
    let (target, notices) = Target::from_environment(&settings.state_folder, &variable);
    for notice in notices {
        eprintln!("note: {}", for_line(&notice));
    }
    let destination = target.to_string();
    let credential = Credential::from_environment(&variable)
        .map_err(|error| Failure::of(ExitStatus::Failed, &error))?;
    let may = (credential.clone(), target.clone());
    let mut courier = Courier::new(target, Clock::system()).with_credential(credential);
    let report = match super::spool()? {
        Some(spool) => {
            let waiting = spool.files().map_err(|error| cannot_read(&error))?;
            let refused = match args.include_refused {
                true => spool.refused().map_err(|error| cannot_read(&error))?,
                false => Vec::new(),
            };
            let accepted = destination.clone();
            let adopter = Adopter {
                reported_by: "session-buddy event-buffer replay".to_owned(),
                accepts: Box::new(move |header| {
                    header.destination == accepted && speaks_for(&may.0, &may.1, header)
                }),
                include_refused: args.include_refused,
                clock: Clock::system(),
                disk: Disk::system(),
            };
            let mut report = adopter.run(waiting.chain(refused), &mut courier).await;
            if report.waiting > 0 {
                // It stopped at the first call that failed.
                let left = Listing::of(&spool, false).map_err(|error| cannot_read(&error))?;
                report.waiting = left.files.iter().filter(|file| !file.owner_alive).count();
            }
            report
        }
        None => Report::default(),
    };
    tell(args, &report, &destination)?;
    match courier.last_error() {
        Some(cause) if report.waiting > 0 => Err(failure(cause, &destination)),
        _ => Ok(()),
    }
}

fn tell(args: &Args, report: &Report, destination: &str) -> Result<(), Failure> {
    for (path, why) in &report.unusable {
        eprintln!("note: {} is left alone: {}", path.display(), for_line(why));
    }
    if args.show.format == Format::Json {
        return print_json(&json!({
            "delivered": report.delivered,
            "refused": report.refused,
            "waiting": report.waiting,
            "owned": report.owned,
            "elsewhere": report.elsewhere,
            "destination": destination,
        }));
    }
    let mut text = format!("{} sessions delivered to {destination}", report.delivered);
    for (count, what) in [
        (report.refused, "refused for good and set aside"),
        (report.waiting, "still waiting"),
        (report.owned, "left to their live shells"),
        (
            report.elsewhere,
            "meant for another destination or component",
        ),
    ] {
        if count > 0 {
            text.push_str(&format!(", {count} {what}"));
        }
    }
    writeln!(stdout(), "{}", for_line(&text)).map_err(Failure::writing)
}

fn failure(cause: &str, destination: &str) -> Failure {
    let unreachable = cause.starts_with("no server answers");
    let status = if unreachable {
        ExitStatus::Unreachable
    } else {
        ExitStatus::Failed
    };
    let failure = Failure::new(
        status,
        format!("{destination} takes no events now: {cause}"),
    );
    if unreachable {
        failure.hint(START_A_SERVER)
    } else {
        let hint = credential::advice(cause);
        failure.hint(hint.unwrap_or("what waits is kept, and `event-buffer list` shows it"))
    }
}
