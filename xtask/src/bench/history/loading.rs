//! A store that is filled in bulk, through the store's own door for that, and kept for the next run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use jiff::SignedDuration;
use serde_json::{Value, json};
use session_buddy::auth::Voice;
use session_buddy::liveness::Sender;
use session_buddy::store::{Past, sqlite::Loader};
use session_buddy::tracker::{Delivery, past};
use session_model::fold::Origin;
use session_model::{Field, SessionEndEvent, SessionStartEvent, Timestamp, Transport};

use super::Setting;
use crate::event::{Events, Random};
use crate::{clock, workspace};

/// The past over which the sessions are spread.
const SPREAD: SignedDuration = SignedDuration::from_hours(24 * 365);
/// The newest of them that get no end.
const ACTIVE: u64 = 1_000;
/// Sessions of one transaction.
const TOGETHER: u64 = 8_192;
const SEED: u64 = 0x4157_0127;
/// From a sender's clock to the receipt.
const LATENCY: SignedDuration = SignedDuration::from_millis(40);

/// Finds the store that the setting names, or fills it.
pub(super) fn prepare(setting: &Setting) -> Result<PathBuf> {
    let kept = workspace::target().join(format!("bench-history-{}.db", setting.sessions));
    let path = setting.store.clone().unwrap_or(kept);
    if path.exists() {
        println!("\nthe store is {}", path.display());
        return Ok(path);
    }
    // Under another name first: a store that exists is a store that is whole.
    let partial = path.with_extension("partial");
    for rest in ["partial", "partial-wal", "partial-shm", "partial.lock"] {
        let _ = fs::remove_file(path.with_extension(rest));
    }
    let begin = Instant::now();
    let mut loader = Loader::open(&partial, Timestamp::saturating_from(clock::now()))?;
    std::thread::scope(|scope| -> Result<()> {
        let (sender, made) = sync_channel(2);
        scope.spawn(move || make(setting.sessions, &sender));
        for sessions in made {
            loader.load(sessions?)?;
        }
        Ok(())
    })?;
    let loaded = begin.elapsed();
    loader.finish()?;
    fs::rename(&partial, &path)?;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let per_second = setting.sessions as f64 / begin.elapsed().as_secs_f64();
    println!(
        "\nloaded {} sessions in {:.0} s, of which {:.0} s for the index of words: {per_second:.0} sessions/s, {}",
        setting.sessions,
        begin.elapsed().as_secs_f64(),
        (begin.elapsed() - loaded).as_secs_f64(),
        path.display()
    );
    Ok(path)
}

/// Counts the sessions of a store.
pub(super) fn count(database: &Path) -> Result<u64> {
    let mut sqlite = Command::new("sqlite3");
    let counted = sqlite
        .arg(database)
        .arg("SELECT count(*) FROM sessions")
        .output()
        .context("sqlite3 is needed")?;
    ensure!(counted.status.success(), "{sqlite:?} failed");
    Ok(String::from_utf8(counted.stdout)?.trim().parse()?)
}

/// Makes sessions, oldest first but for a few that come days late, and hands them over until nobody takes them.
fn make(sessions: u64, sender: &SyncSender<Result<Vec<Past>>>) {
    let origin = clock::now() - SPREAD;
    let mut maker = Maker {
        events: Events::new(&[SEED, sessions]),
        random: Random::new(&[SEED, sessions, 1]),
        text: Vec::new(),
    };
    let mut next = 0;
    while next < sessions {
        let numbers = next..sessions.min(next + TOGETHER);
        next = numbers.end;
        let made = numbers.map(|number| {
            let share = SPREAD.as_micros() * i128::from(number) / i128::from(sessions);
            let start = origin + SignedDuration::from_micros(i64::try_from(share)?);
            maker.session(start, number + ACTIVE >= sessions)
        });
        if sender.send(made.collect()).is_err() {
            return;
        }
    }
}

struct Maker {
    events: Events,
    random: Random,
    text: Vec<u8>,
}

impl Maker {
    fn session(&mut self, at: jiff::Timestamp, active: bool) -> Result<Past> {
        let late = self.one_in(50) && !active;
        let hours = i64::try_from(self.random.below(48))?;
        let begun = if late {
            at - SignedDuration::from_hours(hours)
        } else {
            at
        };
        self.text.clear();
        self.events.start(begun, &mut self.text);
        let mut start: Value = serde_json::from_slice(&self.text)?;
        if self.one_in(8) {
            start["reason"] = json!(format!("ticket OPS-{}", self.random.below(100_000)));
        }
        let start = SessionStartEvent::from_json(&start)?;
        let received = Timestamp::saturating_from(at + LATENCY);
        let end = if active {
            None
        } else {
            Some(self.end(&start, at)?)
        };
        let end = end.map(|(end, at)| (end, delivery(), at));
        Ok(past((start, delivery(), received), end))
    }

    /// One in a hundred is lost, one in twenty has failed.
    fn end(
        &mut self,
        start: &SessionStartEvent,
        at: jiff::Timestamp,
    ) -> Result<(SessionEndEvent, Timestamp)> {
        let seconds = i64::try_from(1 + self.random.below(60) * self.random.below(120))?;
        let ended = start
            .timestamp
            .saturating_add(SignedDuration::from_secs(seconds));
        self.text.clear();
        self.events
            .end(start.session_id().as_str(), ended.as_jiff(), &mut self.text);
        let mut end: Value = serde_json::from_slice(&self.text)?;
        end["duration_seconds"] = json!(seconds);
        if self.one_in(20) {
            end["error_count"] = json!(1 + self.random.below(4));
            end["command_count"] = json!(60);
            end["last_error"] = json!(format!("no such order: {}", self.random.below(40)));
        }
        if self.one_in(100) {
            end["exit_reason"] = json!("lost");
            end["exit_code"].take();
        }
        let received = at + SignedDuration::from_secs(seconds) + LATENCY;
        Ok((
            SessionEndEvent::from_json(&end)?,
            Timestamp::saturating_from(received),
        ))
    }

    fn one_in(&mut self, many: u64) -> bool {
        self.random.below(many) == 0
    }
}

fn delivery() -> Delivery {
    Delivery {
        origin: Origin {
            transport: Transport::Unix,
            address: None,
            uid: Some(1000),
        },
        sender: Sender::Unknown,
        subject: None,
        sent_at: None,
        voice: Voice::of_all(None),
    }
}
