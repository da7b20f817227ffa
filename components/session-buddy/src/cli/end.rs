//! `session-buddy end-session`

use std::io::{self, BufRead, Write, stdin, stdout};

use session_model::{Text, escape::for_line};

use super::{ExitStatus, Failure, source::SourceArgs};

/// Close sessions by hand; their shells go on
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  session-buddy end-session z3ucgb7g --reason 'left open over the weekend'
  session-buddy list-sessions --incomplete --format json | jq -r '.[].session_id' | session-buddy end-session -")]
pub(super) struct Args {
    /// Ids, or unique beginnings of them or of their last parts; - reads them from standard input, one a line
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// Close also what is proved alive
    #[arg(long)]
    force: bool,
    /// Why, at most 500 characters
    #[arg(long, value_parser = |text: &str| Text::<500>::new(text))]
    reason: Option<Text<500>>,
    #[command(flatten)]
    source: SourceArgs,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let ids = ids(args.ids).map_err(|error| Failure::of(ExitStatus::Failed, &error))?;
    if ids.is_empty() {
        return Ok(());
    }
    let mut source = args.source.to_write().await?;
    let (mut failed, mut written) = (0, Ok(()));
    for id in &ids {
        match source.end(id, args.reason.as_ref(), args.force).await {
            // Who no longer reads still wants the others closed.
            Ok(session) => {
                let line = format!("{}: {}", for_line(&session.session_id), session.status);
                written = written.and_then(|()| writeln!(stdout(), "{line}"));
            }
            Err(failure) => {
                failure.report();
                failed += 1;
            }
        }
    }
    source.close().await?;
    match failed {
        0 => written.map_err(Failure::writing),
        _ => Err(Failure::new(
            ExitStatus::Failed,
            format!("{failed} of {} sessions were not closed", ids.len()),
        )),
    }
}

/// Gives the ids that were named, `-` replaced by the lines of standard input.
fn ids(named: Vec<String>) -> io::Result<Vec<String>> {
    let mut ids = Vec::new();
    for id in named {
        if id == "-" {
            for line in stdin().lock().lines() {
                ids.push(line?.trim().to_owned());
            }
        } else {
            ids.push(id);
        }
    }
    ids.retain(|id| !id.is_empty());
    Ok(ids)
}
