//! `session-buddy violations`

use anstream::eprintln;
use comfy_table::{Table, presets};
use session_model::escape::for_line;

use super::{
    Failure,
    report::{Format, Show, print, print_json},
    source::SourceArgs,
};
use crate::tracker::Violating;

/// List open sessions that break the policy of their component, newest first
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Policies are what `components:` in config.yaml asks of shells. What was begun against one is in
`session-buddy audit` too, also once it is over.

Examples:
  session-buddy violations
  session-buddy violations --format json | jq -r '.[].session_id'"
)]
pub(super) struct Args {
    #[command(flatten)]
    show: Show,
    #[command(flatten)]
    source: SourceArgs,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let violating = args.source.to_read().await?.violations().await?;
    if args.show.format == Format::Json {
        return print_json(&violating);
    }
    if violating.is_empty() {
        eprintln!("no open session breaks a policy");
        return Ok(());
    }
    print(&table(&violating))
}

fn table(violating: &[Violating]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["Session ID", "Component", "User", "Rules", "How"]);
    for session in violating {
        let cells = [
            session.session_id.clone(),
            session.component_name.clone(),
            session.username.clone(),
            session.rules.join(", "),
            session.messages.join("; "),
        ];
        table.add_row(cells.iter().map(|cell| for_line(cell)));
    }
    for (n, column) in table.column_iter_mut().enumerate() {
        column.set_padding((if n == 0 { 0 } else { 1 }, 1));
    }
    let lines = table.lines().map(|line| format!("{}\n", line.trim_end()));
    lines.collect()
}
