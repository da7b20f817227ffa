//! What is true of each session, and whether the record says so.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use session_buddy::store::Standing;
use session_model::{Fact, LossCause, Session, SessionId, SessionState, fold::Accepted};
use tokio::time::Instant;

use super::{
    server::{HOST_OF_SERVER, Running},
    stage::{ProcessId, World},
};

/// The lease of these shells, which promise a heartbeat every 30 seconds.
const LEASE_SECONDS: u64 = 90;

/// What happened to a session.
pub(super) struct Truth {
    id: SessionId,
    number: u32,
    host: usize,
    process: ProcessId,
    path: PathBuf,
    lives: bool,
    /// Its start and its end as they are whole on the disk; none where they never were.
    start: Option<Value>,
    end: Option<Value>,
    /// It was told to end.
    ended: bool,
    /// A bit of its file was flipped.
    flipped: bool,
    /// A backup was put back from before it, and nobody who could say it again is left.
    forgotten: bool,
}

impl Truth {
    pub(super) fn new(
        id: SessionId,
        number: u32,
        host: usize,
        process: ProcessId,
        path: PathBuf,
    ) -> Self {
        Self {
            id,
            number,
            host,
            process,
            path,
            lives: false,
            start: None,
            end: None,
            ended: false,
            flipped: false,
            forgotten: false,
        }
    }
}

/// What is known beside the record.
#[derive(Default)]
pub(super) struct Book {
    truths: BTreeMap<SessionId, Truth>,
    /// When a session was last answered that it lives.
    alive_at: BTreeMap<SessionId, Instant>,
    /// Sessions of which somebody heard that their end is on record.
    end_heard: BTreeSet<SessionId>,
    /// The first thing that must not be.
    pub(super) complaint: Option<String>,
}

impl Book {
    /// Notes that a process is gone, and lets the server of its host hear of it.
    pub(super) fn died(&mut self, process: ProcessId, server: &Option<Running>) {
        let dead = self
            .truths
            .values_mut()
            .filter(|truth| truth.process == process);
        for truth in dead {
            truth.lives = false;
            if let Some(server) = server.as_ref().filter(|_| truth.host == HOST_OF_SERVER) {
                let _ = server.gone.send(truth.id.clone());
            }
        }
    }

    /// Notes an answer that somebody has heard.
    pub(super) fn heard(&mut self, answer: &[u8]) {
        for (id, status) in statuses(answer) {
            if status == "ended" {
                self.end_heard.insert(id);
            }
        }
    }

    pub(super) fn flipped(&mut self, path: &Path) {
        let file = path.file_name();
        for truth in self.truths.values_mut() {
            truth.flipped |= truth.path.file_name() == file;
        }
    }
}

/// Reads the answers to a batch.
fn statuses(answer: &[u8]) -> Vec<(SessionId, String)> {
    let answers: Vec<Value> = serde_json::from_slice(answer).unwrap_or_default();
    let of = |answer: &Value| {
        let id = answer["session_id"].as_str()?.parse().ok()?;
        Some((id, answer["status"].as_str()?.to_owned()))
    };
    answers.iter().filter_map(of).collect()
}

impl World {
    pub(super) fn begun(&mut self, mut truth: Truth) {
        truth.lives = self.is_alive(truth.process);
        let bytes = self.hosts[truth.host].platter.bytes(&truth.path);
        truth.start = bytes.and_then(|bytes| whole_record(bytes, b'S'));
        let on_disk = truth.start.is_some();
        self.tell(format_args!(
            "session {} of shell {} begins, on disk: {on_disk}",
            truth.id, truth.number
        ));
        if !truth.lives {
            // It died of its first steps.
            let process = truth.process;
            self.book.truths.insert(truth.id.clone(), truth);
            self.book.died(process, &self.server);
        } else {
            self.book.truths.insert(truth.id.clone(), truth);
        }
    }

    pub(super) fn ends(&mut self, id: &SessionId) {
        self.book.truths.get_mut(id).unwrap().ended = true;
    }

    pub(super) fn has_ended(&mut self, id: &SessionId) {
        let truth = self.book.truths.get_mut(id).unwrap();
        let bytes = self.hosts[truth.host].platter.bytes(&truth.path);
        truth.end = bytes.and_then(|bytes| whole_record(bytes, b'E'));
        let on_disk = truth.end.is_some();
        self.tell(format_args!("session {id} ends, on disk: {on_disk}"));
    }

    /// Puts a backup back: whoever has nothing left to say is forgotten if it does not know them.
    pub(super) fn put_back(&mut self) {
        for truth in self.book.truths.values_mut() {
            let file = self.hosts[truth.host].platter.bytes(&truth.path);
            truth.forgotten |= file.is_none() || self.book.end_heard.contains(&truth.id);
        }
    }

    /// Checks a record that the store has just accepted.
    pub(super) fn accepted(&mut self, id: &SessionId, record: &Accepted) {
        let Some(truth) = self.book.truths.get(id) else {
            return self.complain(format!("{id} is nobody's session"));
        };
        let lives = truth.lives;
        let wrong = match &record.fact {
            Fact::Start(_) | Fact::Revived(_) | Fact::Imported(_) => None,
            Fact::Ended(_) => (!truth.ended).then_some("was never ended"),
            Fact::ClosedByHand(_) => Some("was closed by nobody"),
            Fact::Lost(loss) => match loss.cause {
                LossCause::HostRestarted => Some("has a host that never restarted"),
                LossCause::ProcessGone => lives.then_some("has a process that lives"),
                LossCause::LeaseExpired => {
                    let heard = self.book.alive_at.get(id).map(|at| at.elapsed().as_secs());
                    heard
                        .is_some_and(|seconds| lives && seconds < LEASE_SECONDS)
                        .then_some("was heard within its lease")
                }
            },
        };
        self.tell(format_args!("{id} on record: {}", kind(&record.fact)));
        if let Some(wrong) = wrong {
            self.complain(format!(
                "{} is on record of {id}, which {wrong}",
                kind(&record.fact)
            ));
        }
    }

    /// Checks that what the server says is on record is.
    pub(super) fn acknowledged(&mut self, answer: &[u8]) {
        for (id, status) in statuses(answer) {
            let standing = self.database.model.standing(&id);
            let on_record = match status.as_str() {
                "tracked" => standing.is_some(),
                "alive" => {
                    self.book.alive_at.insert(id.clone(), Instant::now());
                    standing.is_some()
                }
                "ended" => standing.is_some_and(|it| *it.session.state() != SessionState::Active),
                _ => true,
            };
            if !on_record {
                self.complain(format!("{id} was told {status}, and that is not on record"));
            }
        }
    }

    pub(super) fn complain(&mut self, what: String) {
        let told = format!("{what}\n\nthe last steps before:\n{}", self.steps(&[]));
        self.book.complaint.get_or_insert(told);
    }

    /// Tells what is not yet as it must be in the end, and the words by which the steps that led there are found.
    pub(super) fn difference(&mut self) -> Option<(String, Vec<String>)> {
        let sessions = self.database.model.sessions();
        let book = std::mem::take(&mut self.book.truths);
        let of_sessions = book.values().find_map(|truth| {
            let wrong = self.wrong_with(truth, sessions.get(&truth.id))?;
            let (id, shell) = (truth.id.to_string(), format!("shell {} of", truth.number));
            Some((
                format!("{id} of {shell} host {}: {wrong}", truth.host),
                vec![id, shell],
            ))
        });
        let of_files = self.file_too_many(&book);
        self.book.truths = book;
        of_sessions.or(of_files).or_else(|| self.doubled(&sessions))
    }

    fn wrong_with(&mut self, truth: &Truth, stored: Option<&Standing>) -> Option<String> {
        let Some(stored) = stored else {
            let excused = truth.start.is_none() || truth.flipped || truth.forgotten;
            return (!excused).then(|| "is not on record".to_owned());
        };
        let session = &stored.session;
        if let Some(start) = &truth.start
            && !same(&json!(session.started().event), start, "session_start")
        {
            return Some(format!("started otherwise: {start}"));
        }
        if let Some(wrong) = self.wrong_with_fold(truth, stored) {
            return Some(wrong);
        }
        if truth.start.is_none() || truth.flipped || truth.forgotten {
            return None;
        }
        match (session.state(), &truth.end) {
            (SessionState::Ended(report), Some(end)) => {
                let same = same(&json!(report.event), end, "session_end");
                (!same).then(|| format!("ended otherwise: {end}"))
            }
            (_, Some(_)) => Some("has ended, and its record does not say so".to_owned()),
            (SessionState::Active, None) if truth.lives => None,
            (SessionState::Ended(_), None) if truth.ended => None,
            (SessionState::Lost { loss, .. }, None)
                if !truth.lives && loss.cause == LossCause::ProcessGone =>
            {
                None
            }
            (state, None) => Some(format!(
                "lives: {}, and is on record as {state:?}",
                truth.lives
            )),
        }
    }

    /// Tells whether the row is no fold of the set of its records.
    fn wrong_with_fold(&mut self, truth: &Truth, stored: &Standing) -> Option<String> {
        let mut records = self
            .database
            .ledger
            .get(&truth.id)
            .cloned()
            .unwrap_or_default();
        self.dice.shuffle(&mut records);
        let count = |fact: fn(&Fact) -> bool| records.iter().filter(|it| fact(&it.fact)).count();
        let (starts, ends) = (
            count(|fact| matches!(fact, Fact::Start(_))),
            count(|fact| matches!(fact, Fact::Ended(_))),
        );
        if starts != 1 || ends > 1 {
            return Some(format!("has {starts} starts and {ends} ends"));
        }
        let folded = Session::fold(records);
        let folded = folded.map(|session| session.record(&stored.vitals));
        let row = stored.session.record(&stored.vitals);
        (folded.as_ref() != Some(&row)).then(|| format!("is folded to {folded:?}, and not {row:?}"))
    }

    /// Finds a file that is left over.
    fn file_too_many(&self, book: &BTreeMap<SessionId, Truth>) -> Option<(String, Vec<String>)> {
        for host in &self.hosts {
            for (path, bytes, scarred) in host.platter.files() {
                let stem = path.file_stem().unwrap_or_default().to_string_lossy();
                let truth = stem.parse::<SessionId>().ok().and_then(|id| book.get(&id));
                let set_aside = path
                    .parent()
                    .is_some_and(|folder| folder.ends_with("refused"));
                let flipped = truth.is_some_and(|truth| truth.flipped);
                let lives = truth.is_some_and(|truth| truth.lives && !truth.ended);
                let unusable = scarred || whole_record(bytes, b'S').is_none();
                if !(lives && !set_aside || unusable && set_aside || flipped) {
                    let wrong = format!("{} of {} bytes is left", path.display(), bytes.len());
                    return Some((wrong, vec![stem.into_owned()]));
                }
            }
        }
        None
    }

    fn doubled(&self, sessions: &BTreeMap<SessionId, Standing>) -> Option<(String, Vec<String>)> {
        let mut numbers = BTreeSet::new();
        sessions.values().find_map(|standing| {
            let start = &standing.session.started().event;
            let number = start.metadata.as_map()["number"].to_string();
            let shell = format!("shell {number} of");
            (!numbers.insert(number)).then(|| (format!("{shell} is doubled"), vec![shell]))
        })
    }
}

const fn kind(fact: &Fact) -> &'static str {
    match fact {
        Fact::Start(_) => "start",
        Fact::Imported(_) => "imported",
        Fact::Ended(_) => "end",
        Fact::ClosedByHand(_) => "closure by hand",
        Fact::Revived(_) => "revival",
        Fact::Lost(loss) => match loss.cause {
            LossCause::LeaseExpired => "loss by lease",
            LossCause::ProcessGone => "loss of the process",
            LossCause::HostRestarted => "loss of the host",
        },
    }
}

/// Tells whether a stored event is the one that was spooled, which leaves out what is the same for all.
fn same(stored: &Value, spooled: &Value, event_type: &str) -> bool {
    let mut spooled = spooled.clone();
    spooled["event_type"] = json!(event_type);
    if spooled.get("metadata").is_none() {
        spooled["metadata"] = json!({});
    }
    *stored == spooled
}

/// Finds the first whole record of a kind in a file, by the description of the format alone.
fn whole_record(file: &[u8], kind: u8) -> Option<Value> {
    let mut at = 8;
    while let Some(head) = file.get(at..at + 11) {
        let length = u32::from_le_bytes(head[2..6].try_into().unwrap()) as usize;
        let body = file.get(at + 11..at + 10 + length);
        if head[..2] == [0xA5, 0x5B] && head[10] == kind {
            return serde_json::from_slice(body?).ok();
        }
        // What is torn is passed over byte by byte.
        at += if head[..2] == [0xA5, 0x5B] && body.is_some() {
            10 + length
        } else {
            1
        };
    }
    None
}
