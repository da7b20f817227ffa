//! `session-buddy watch`

use std::{
    io::{self, IsTerminal, Write, stdout},
    pin::pin,
};

use admin_shell::View;
use anstream::eprintln;
use anstyle::{AnsiColor, Style};
use rustix::event::{PollFd, PollFlags, poll};
use serde_json::value::RawValue;
use session_client::Seen;
use session_model::{SessionRecord, Timestamp, escape};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

use super::{
    ExitStatus, Failure, dates,
    glyphs::Glyphs,
    happening::{KIND, Told},
    selection::LiveSelection,
    source::ServerArgs,
};
use crate::clock::Clock;

/// Follow what happens to sessions, one line an event
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Events are start, end (by the shell's own report), closed (by hand, or lost) and revived (heard of again).
Where the server goes, this says so once, waits for it, and goes on without a gap. Ctrl-C ends it.

Examples:
  session-buddy watch --component mahavishnu
  session-buddy watch --status lost --since 1h
  session-buddy watch --format ndjson | jq -r 'select(.event == \"end\") | .session.session_id'"
)]
pub(super) struct Args {
    #[command(flatten)]
    selection: LiveSelection,
    /// The state that the event led to: active, ended or lost
    #[arg(long, value_delimiter = ',')]
    status: Vec<String>,
    /// Begin with what was recorded then: a date, an RFC 3339 time, or an age such as 1h [default: now]
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// How to write events
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Zone in which times are meant and shown, such as UTC [default: local]
    #[arg(long, value_name = "ZONE")]
    tz: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

/// How events are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// A line each, for people
    #[default]
    Table,
    /// An array of objects, whole once this is ended by Ctrl-C
    Json,
    /// An object a line
    Ndjson,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let clock = Clock::system();
    let usage = |problem| Failure::new(ExitStatus::Usage, problem);
    let zone = dates::zone(args.tz.as_deref()).map_err(usage)?;
    let filter = args
        .selection
        .with_status(args.status)
        .filter(clock.now(), &zone)?;
    let since = args
        .since
        .as_deref()
        .map(|text| dates::instant(text, clock.now(), &zone));
    let since: Option<Timestamp> = since
        .transpose()
        .map_err(|problem| usage(format!("--since: {problem}")))?;
    // Before anything is written: who reads that may interrupt this.
    let mut interrupt =
        signal(SignalKind::interrupt()).map_err(|error| Failure::of(ExitStatus::Failed, &error))?;
    let mut watch = args.server.connect().await?.watch(&filter, since);
    let mut writer = Writer::new(args.format, zone);
    let mut unread = pin!(nobody_reads());
    writer.begin().map_err(Failure::writing)?;
    let mut lost = false;
    loop {
        let seen = tokio::select! {
            seen = watch.next::<Box<RawValue>>() => seen?,
            _ = interrupt.recv() => break,
            () = &mut unread => return Ok(()),
        };
        match seen {
            Seen::Happened { kind, id, session } => {
                let view = writer.view(clock.now());
                writer
                    .write(&kind, &id, &session, &view)
                    .map_err(Failure::writing)?;
            }
            Seen::Connected if std::mem::take(&mut lost) => {
                eprintln!("note: the server is back; nothing was missed");
            }
            Seen::Connected => {}
            Seen::Lost(why) => {
                lost = true;
                eprintln!(
                    "note: {}; waiting for it to come back",
                    escape::for_line(&why)
                );
            }
            Seen::Gap => {
                lost = false;
                eprintln!(
                    "note: the server has another record than before; what happened meanwhile is not shown"
                );
            }
        }
    }
    writer.end().map_err(Failure::writing)
}

/// Waits until nobody reads standard output any more, as `head` does once it has enough.
async fn nobody_reads() {
    let (sender, gone) = oneshot::channel();
    // It blocks in the kernel, and ends with the process.
    std::thread::spawn(move || {
        let output = stdout();
        // No flag is asked for: errors are told all the same.
        let mut watched = [PollFd::new(&output, PollFlags::empty())];
        while poll(&mut watched, None).is_err() {}
        let _ = sender.send(());
    });
    let _ = gone.await;
}

struct Writer {
    format: Format,
    zone: jiff::tz::TimeZone,
    on_terminal: bool,
    glyphs: Glyphs,
    written: bool,
}

impl Writer {
    fn new(format: Format, zone: jiff::tz::TimeZone) -> Self {
        Self {
            format,
            zone,
            on_terminal: stdout().is_terminal(),
            glyphs: Glyphs::of_environment(),
            written: false,
        }
    }

    /// A terminal may have another width for each line.
    fn view(&self, now: Timestamp) -> View {
        let width = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
        View {
            width: width.filter(|_| self.on_terminal),
            now,
            zone: self.zone.clone(),
        }
    }

    fn begin(&self) -> io::Result<()> {
        if self.on_terminal && self.format == Format::Table {
            eprintln!("note: what happens is shown as it happens; Ctrl-C ends it");
        }
        match self.format {
            Format::Json => put("[\n"),
            Format::Table | Format::Ndjson => Ok(()),
        }
    }

    fn write(&mut self, kind: &str, id: &str, session: &RawValue, view: &View) -> io::Result<()> {
        let object = || {
            let (kind, id) = (serde_json::Value::from(kind), serde_json::Value::from(id));
            let object = format!(
                r#"{{"event":{kind},"id":{id},"session":{}}}"#,
                session.get()
            );
            escape::in_json(&object).into_owned()
        };
        let first = !std::mem::replace(&mut self.written, true);
        match self.format {
            Format::Table => self.write_line(kind, session, view),
            Format::Ndjson => put(&format!("{}\n", object())),
            Format::Json if first => put(&format!("{}\n", object())),
            // The comma comes first, so that each line is whole at once.
            Format::Json => put(&format!(",{}\n", object())),
        }
    }

    fn write_line(&self, kind: &str, session: &RawValue, view: &View) -> io::Result<()> {
        let session: SessionRecord = serde_json::from_str(session.get())?;
        // Of what goes into a file or a pipe every character is kept.
        let glyphs = if self.on_terminal {
            self.glyphs
        } else {
            Glyphs { unicode: true }
        };
        let told = Told::of(kind, &session, view, glyphs);
        let (before, after) = told.around_kind(view.width, glyphs);
        let style = style(kind);
        put(&format!(
            "{before}{style}{:<KIND$}{style:#}{after}\n",
            told.kind
        ))
    }

    fn end(&self) -> io::Result<()> {
        match self.format {
            Format::Json => put("]\n"),
            Format::Table | Format::Ndjson => Ok(()),
        }
    }
}

/// Writes at once, without colours where they are not wanted.
fn put(text: &str) -> io::Result<()> {
    let mut output = anstream::stdout();
    output.write_all(text.as_bytes())?;
    output.flush()
}

fn style(kind: &str) -> Style {
    match kind {
        "start" | "revived" => AnsiColor::Green.on_default(),
        "closed" => AnsiColor::Yellow.on_default(),
        _ => Style::new(),
    }
}
