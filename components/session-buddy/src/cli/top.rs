//! `session-buddy top`
//!
//! - [`feed`]: what is known of the sessions, from the server.
//! - [`state`]: what is seen, and what keys do to it. It knows neither server nor terminal.
//! - [`draw`]: how that looks.
//! - [`screen`]: the terminal, which is as it was when this is left in any way.

mod columns;
mod draw;
mod feed;
mod screen;
mod state;

use std::{
    io::{self, IsTerminal, stdin, stdout},
    process::ExitCode,
    time::Duration,
};

use ratatui::crossterm::event::{self, Event, KeyEventKind};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};

use self::{
    feed::News,
    screen::Screen,
    state::{Press, Top},
};
use super::{
    ExitStatus, Failure, dates, glyphs::Glyphs, selection::LiveSelection, source::ServerArgs,
};
use crate::clock::Clock;

/// How often what counts time is drawn anew.
const TICK: Duration = Duration::from_secs(1);

/// Look at open sessions as they come and go, on the whole screen
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Keys: arrows move, / filters as you type, s sorts, r turns the order, Enter shows a session, e closes it after
a question, ? tells of all keys, q leaves.

Examples:
  session-buddy top
  session-buddy top --component mahavishnu,billing
  session-buddy top --server https://buddy.example.org"
)]
pub(super) struct Args {
    #[command(flatten)]
    selection: LiveSelection,
    /// Zone in which times are shown, such as UTC [default: local]
    #[arg(long, value_name = "ZONE")]
    tz: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn run(args: Args) -> Result<ExitCode, Failure> {
    check_terminal()?;
    let clock = Clock::system();
    let zone = dates::zone(args.tz.as_deref())
        .map_err(|problem| Failure::new(ExitStatus::Usage, problem))?;
    let filter = args
        .selection
        .with_status(Vec::new())
        .filter(clock.now(), &zone)?;
    let reader = args.server.connect().await?;
    let glyphs = Glyphs::of_environment();
    let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let top = Top::new(zone.clone(), glyphs, colours, clock.now());

    let (news_sender, news) = mpsc::channel(64);
    let (wishes, wished) = mpsc::channel(16);
    let feed = feed::Feed::new(
        reader,
        args.server,
        filter,
        zone,
        clock.clone(),
        news_sender,
    );
    let feed = tokio::spawn(feed.run(wished));
    let failed = |error| Failure::of(ExitStatus::Failed, &error);
    let screen = Screen::enter().map_err(failed)?;
    let left = show(screen, top, &clock, news, wishes).await;
    feed.abort();
    left
}

fn check_terminal() -> Result<(), Failure> {
    let dumb = std::env::var("TERM").is_ok_and(|terminal| terminal == "dumb");
    if stdin().is_terminal() && stdout().is_terminal() && !dumb {
        return Ok(());
    }
    let what = "top needs a terminal that it can draw on";
    Err(Failure::new(ExitStatus::Usage, what).hint(
        "`session-buddy watch` tells what happens line by line, `session-buddy list-sessions --incomplete` what is open",
    ))
}

/// Draws, until it is left.
async fn show(
    mut screen: Screen,
    mut top: Top,
    clock: &Clock,
    mut news: mpsc::Receiver<News>,
    wishes: mpsc::Sender<feed::Wish>,
) -> Result<ExitCode, Failure> {
    let failed = |error: io::Error| Failure::of(ExitStatus::Failed, &error);
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut events = events();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        top.now = clock.now();
        screen.draw(&mut top).map_err(failed)?;
        tokio::select! {
            event = events.recv() => match event {
                Some(Event::Key(key)) if key.kind != KeyEventKind::Release => {
                    match top.press(key) {
                        Press::Nothing => {}
                        Press::Redraw => screen.clear().map_err(failed)?,
                        // What is asked for while much is asked for is not there; the key can be pressed again.
                        Press::Wish(wish) => drop(wishes.try_send(wish)),
                        Press::Leave => return Ok(ExitCode::SUCCESS),
                    }
                }
                Some(_) => {}
                // The terminal is gone.
                None => return Ok(ExitCode::SUCCESS),
            },
            told = news.recv() => match told {
                Some(News::Over(failure)) => {
                    drop(screen);
                    return Err(failure);
                }
                Some(told) => {
                    top.hear(told);
                    // All that came at once is one picture.
                    while let Ok(told) = news.try_recv() {
                        if let News::Over(failure) = told {
                            drop(screen);
                            return Err(failure);
                        }
                        top.hear(told);
                    }
                }
                None => return Err(Failure::new(ExitStatus::Failed, "what is known of sessions came to a bug")),
            },
            _ = ticks.tick() => {}
            _ = interrupt.recv() => return Ok(ExitCode::SUCCESS),
            _ = terminate.recv() => return Ok(after_signal(15)),
            _ = hangup.recv() => return Ok(after_signal(1)),
        }
    }
}

/// Gives the exit code after a signal, as shells tell it.
fn after_signal(number: u8) -> ExitCode {
    ExitCode::from(128 + number)
}

/// Reads what is typed, on a thread that ends with the process: it waits in the kernel.
fn events() -> mpsc::Receiver<Event> {
    let (sender, events) = mpsc::channel(64);
    std::thread::spawn(move || {
        while let Ok(event) = event::read() {
            if sender.blocking_send(event).is_err() {
                break;
            }
        }
    });
    events
}
