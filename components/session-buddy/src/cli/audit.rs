//! `session-buddy audit`

use anstream::eprintln;
use comfy_table::{Table, presets};
use session_model::{ActRecord, escape::for_line};

use super::{
    Failure,
    report::{Format, Show, print, print_json},
    source::SourceArgs,
};

/// List what administrators did and what was refused to whom, newest first
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  session-buddy audit
  session-buddy audit --format json | jq '.[] | select(.act == \"session_closed\")'")]
pub(super) struct Args {
    /// The most to list
    #[arg(long, value_name = "N", default_value = "50", value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    show: Show,
    #[command(flatten)]
    source: SourceArgs,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let acts = args.source.to_read().await?.acts(limit).await?;
    if args.show.format == Format::Json {
        return print_json(&acts);
    }
    if acts.is_empty() {
        eprintln!("nothing was done or refused yet");
        return Ok(());
    }
    print(&table(&acts))
}

fn table(acts: &[ActRecord]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["Time", "Act", "By", "From", "On", "Reason"]);
    for act in acts {
        let from = match &act.origin_address {
            Some(address) => format!("{} {address}", act.origin_transport),
            None => act.origin_transport.to_string(),
        };
        let token = act.token_id.as_ref().map(|id| format!("token {id}"));
        let on = act
            .session_id
            .clone()
            .or(token)
            .or_else(|| act.what.clone());
        let reason = act.reason.clone().or_else(|| act.code.clone());
        // To the second, as people read it.
        let time = act.at.to_string()[..19].replace('T', " ");
        let cells = [
            time,
            act.act.to_string(),
            act.by.clone(),
            from,
            on.unwrap_or_default(),
            reason.unwrap_or_default(),
        ];
        table.add_row(cells.iter().map(|cell| for_line(cell)));
    }
    for (n, column) in table.column_iter_mut().enumerate() {
        column.set_padding((if n == 0 { 0 } else { 1 }, 1));
    }
    let lines = table.lines().map(|line| format!("{}\n", line.trim_end()));
    lines.collect()
}
