//! What is known of the sessions, from the server.
//!
//! What happens comes as events; each is a reason to ask for the list anew, which alone is shown. So there is one truth, and
//! what was missed mends itself.

use std::time::Duration;

use session_client::{PAGE_MAX, Reader, ReaderError, Seen, Watch};
use session_model::{SessionFilter, SessionRecord, Timestamp};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::super::{Failure, source::ServerArgs};
use crate::clock::Clock;

/// How often the list is asked for while nothing happens: what heartbeats said is no event.
const REFRESH: Duration = Duration::from_secs(5);
/// How long after one list the next is asked for at the earliest, however much happens.
const REFRESH_MIN: Duration = Duration::from_millis(400);
/// How often a server that is away is asked.
const RETRY: Duration = Duration::from_secs(1);
/// The most sessions that are shown.
const ROWS_MAX: usize = 5 * PAGE_MAX;

/// What is shown of an open session.
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
pub(super) struct Row {
    pub(super) session_id: String,
    pub(super) component_name: String,
    pub(super) username: String,
    pub(super) hostname: String,
    pub(super) pid: i64,
    pub(super) liveness: Option<String>,
    pub(super) duration_seconds: Option<i64>,
    pub(super) last_seen: Timestamp,
    pub(super) command_count: Option<i64>,
    pub(super) error_count: Option<i64>,
    pub(super) working_directory: String,
    pub(super) reason: Option<String>,
}

/// Sums over all sessions; none where the caller may not see them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) active: Option<u64>,
    pub(super) starts_last_hour: Option<u64>,
    pub(super) errors_today: Option<u64>,
    pub(super) lost_today: Option<u64>,
}

/// What the server says.
pub(super) enum News {
    /// The sessions that are open, whether these are all, and when that was.
    Sessions {
        rows: Vec<Row>,
        complete: bool,
        at: Timestamp,
    },
    Totals(Totals),
    /// Something happened.
    Happened(String, Box<SessionRecord>),
    /// It does not answer, and why.
    Lost(String),
    /// What was asked for, or why there is none.
    Shown(Result<Box<SessionRecord>, String>),
    /// What came of closing a session.
    Closed(Closed),
    /// It will not answer any more.
    Over(Failure),
}

/// What came of closing a session.
pub(super) enum Closed {
    Done(String),
    /// It is proved alive, and closing it takes force.
    Alive(String),
    Refused(String),
}

/// What somebody at the screen wants.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Show(String),
    Close { id: String, force: bool },
}

/// Asks the server, and tells the screen.
pub(super) struct Feed {
    reader: Option<Reader>,
    server: ServerArgs,
    filter: SessionFilter,
    zone: jiff::tz::TimeZone,
    clock: Clock,
    news: mpsc::Sender<News>,
    next: Instant,
    last: Instant,
}

impl Feed {
    pub(super) fn new(
        reader: Reader,
        server: ServerArgs,
        filter: SessionFilter,
        zone: jiff::tz::TimeZone,
        clock: Clock,
        news: mpsc::Sender<News>,
    ) -> Self {
        Self {
            reader: Some(reader),
            server,
            filter,
            zone,
            clock,
            news,
            next: Instant::now(),
            last: Instant::now(),
        }
    }

    /// Goes on until nobody looks any more.
    pub(super) async fn run(mut self, mut wishes: mpsc::Receiver<Wish>) {
        let reader = self.reader.as_ref();
        let watch = reader.map(|reader| reader.watch(&self.filter, None));
        let (sender, mut seen) = mpsc::channel(64);
        // Ends with this: making a connection takes its time, whatever else is asked for meanwhile.
        let mut watching = JoinSet::new();
        watching.spawn(follow(watch.expect("it begins with a reader"), sender));
        loop {
            tokio::select! {
                Some(seen) = seen.recv() => match seen {
                    Ok(seen) => self.see(seen).await,
                    Err(error) => return self.tell(News::Over(error.into())).await,
                },
                wish = wishes.recv() => match wish {
                    Some(wish) => self.grant(wish).await,
                    None => return,
                },
                () = sleep_until(self.next) => {
                    if let Err(failure) = self.refresh().await {
                        return self.tell(News::Over(failure)).await;
                    }
                }
            }
            if self.news.is_closed() {
                return;
            }
        }
    }

    async fn tell(&self, news: News) {
        // Nobody looks any more; the loop sees that.
        let _ = self.news.send(news).await;
    }

    async fn see(&mut self, seen: Seen<SessionRecord>) {
        match seen {
            Seen::Happened { kind, session, .. } => {
                self.soon();
                self.tell(News::Happened(kind, Box::new(session))).await;
            }
            Seen::Connected | Seen::Gap => self.soon(),
            Seen::Lost(why) => {
                self.reader = None;
                self.tell(News::Lost(why)).await;
            }
        }
    }

    fn soon(&mut self) {
        self.next = self.next.min(self.last + REFRESH_MIN).max(Instant::now());
    }

    /// Asks for all that is shown.
    async fn refresh(&mut self) -> Result<(), Failure> {
        self.last = Instant::now();
        match self.ask().await {
            Ok(()) => self.next = self.last + REFRESH,
            Err(Unanswered::Away(why)) => {
                self.reader = None;
                self.next = self.last + RETRY;
                self.tell(News::Lost(why)).await;
            }
            Err(Unanswered::Refused(failure)) => return Err(failure),
        }
        Ok(())
    }

    async fn ask(&mut self) -> Result<(), Unanswered> {
        let mut reader = self.reader().await?;
        let (rows, complete) = rows(&mut reader, &self.filter).await?;
        let at = self.clock.now();
        self.tell(News::Sessions { rows, complete, at }).await;
        let totals = self.totals(&mut reader, at).await;
        self.reader = Some(reader);
        self.tell(News::Totals(totals?)).await;
        Ok(())
    }

    async fn reader(&mut self) -> Result<Reader, Unanswered> {
        match self.reader.take() {
            Some(reader) => Ok(reader),
            None => {
                let connected = self.server.connect().await;
                connected.map_err(|failure| Unanswered::Away(failure.in_a_line()))
            }
        }
    }

    async fn totals(&self, reader: &mut Reader, now: Timestamp) -> Result<Totals, Unanswered> {
        let today = now.as_jiff().to_zoned(self.zone.clone()).start_of_day();
        let today = today.map_or(now, |today| Timestamp::saturating_from(today.timestamp()));
        let hour_ago = now.as_micros().saturating_sub(3_600_000_000);
        let hour_ago = Timestamp::from_micros(hour_ago).unwrap_or(now);
        let mut sum = async |metric: &str, after: Option<Timestamp>, key: &str| {
            let mut pairs = self.filter.to_pairs();
            pairs.push(("metric", metric.to_owned()));
            pairs.extend(after.map(|after| ("after", after.to_string())));
            let pairs = pairs
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value));
            let pairs: Vec<_> = pairs.collect();
            match reader.analytics(None, &pairs).await {
                Ok(report) => Ok(Some(sum_of(&report, key))),
                // Who may read one component only may not have sums over all.
                Err(ReaderError::Refused(_)) => Ok(None),
                Err(error) => Err(Unanswered::from(error)),
            }
        };
        Ok(Totals {
            active: sum("lost", None, "active").await?,
            starts_last_hour: sum("count", Some(hour_ago), "sessions").await?,
            errors_today: sum("error_rate", Some(today), "failed").await?,
            lost_today: sum("lost", Some(today), "lost").await?,
        })
    }

    async fn grant(&mut self, wish: Wish) {
        let reader = self.reader().await;
        let mut reader = match reader {
            Ok(reader) => reader,
            Err(error) => return self.tell(News::Lost(error.to_string())).await,
        };
        let news = match wish {
            Wish::Show(id) => {
                let shown = reader.show(&id).await;
                News::Shown(shown.map(Box::new).map_err(|error| error.to_string()))
            }
            Wish::Close { id, force } => {
                let closed = reader.end(&id, Some("closed in top"), force).await;
                self.soon();
                News::Closed(match closed {
                    Ok(_) => Closed::Done(id),
                    Err(ReaderError::Refused(problem)) if problem.code == "SESSION_ALIVE" => {
                        Closed::Alive(id)
                    }
                    Err(error) => Closed::Refused(error.to_string()),
                })
            }
        };
        self.tell(news).await;
    }
}

/// Hands on what a server says, until it will say nothing more or nobody listens.
async fn follow(mut watch: Watch, sender: mpsc::Sender<Result<Seen<SessionRecord>, ReaderError>>) {
    loop {
        let seen = watch.next().await;
        let over = seen.is_err();
        if sender.send(seen).await.is_err() || over {
            return;
        }
    }
}

async fn rows(reader: &mut Reader, filter: &SessionFilter) -> Result<(Vec<Row>, bool), Unanswered> {
    let open = SessionFilter {
        incomplete: true,
        ..filter.clone()
    };
    let (mut rows, mut cursor) = (Vec::new(), None);
    loop {
        let page = reader
            .list::<Row>(&open, PAGE_MAX, cursor.as_deref())
            .await?;
        rows.extend(page.sessions);
        cursor = page.next;
        if cursor.is_none() || rows.len() >= ROWS_MAX {
            return Ok((rows, cursor.is_none()));
        }
    }
}

fn sum_of(report: &serde_json::Value, key: &str) -> u64 {
    let rows = report["rows"].as_array().into_iter().flatten();
    rows.filter_map(|row| row[key].as_u64()).sum()
}

/// Why there is no answer.
enum Unanswered {
    /// The server is away, and may come back.
    Away(String),
    /// It does not answer whoever asks.
    Refused(Failure),
}

impl std::fmt::Display for Unanswered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Away(why) => f.write_str(why),
            Self::Refused(failure) => f.write_str(&failure.in_a_line()),
        }
    }
}

impl From<ReaderError> for Unanswered {
    fn from(error: ReaderError) -> Self {
        match &error {
            ReaderError::Connection(_) => Self::Away(error.to_string()),
            ReaderError::Refused(problem) if !(400..404).contains(&problem.status) => {
                Self::Away(error.to_string())
            }
            ReaderError::Refused(_) | ReaderError::Foreign { .. } | ReaderError::Credential(_) => {
                Self::Refused(error.into())
            }
        }
    }
}
