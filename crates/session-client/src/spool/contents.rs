//! What a spool file says.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::format::{MAGIC, Piece, Pieces, encode, is_cut_short};

/// What a file says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The session.
    pub session_id: String,
    /// The component whose shell it is.
    pub component: String,
    /// Where its events are to go, as [`crate::Destination`] writes it.
    pub destination: String,
    /// The kernel's boot id when the shell began; null where it is unknown.
    pub boot_id: Option<String>,
}

/// What kind of event it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// The session began.
    Start,
    /// The session ended.
    End,
}

/// An event as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What kind it is.
    pub kind: EventKind,
    /// A JSON object, without `event_type` and what travels beside it.
    pub json: String,
    /// Offset of the end of its record, which names it in its file.
    pub end: u64,
}

/// Up to where a server has acknowledged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// Events whose records end at or before this offset are acknowledged.
    pub through: u64,
    /// The id under which a foreign server knows the session; null where it is the session's own.
    pub session_id: Option<String>,
}

/// Why a server refused the session for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// What is wrong, in the server's words.
    pub error: String,
    /// Its code.
    pub error_code: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Problem {
    cause: String,
}

/// A record of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    Header(Header),
    Event(EventKind, String),
    Acknowledged(Acknowledged),
    Refused(Refused),
    Problem(String),
}

impl Record {
    /// Writes the record behind `bytes`.
    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        let json = |body: serde_json::Result<Vec<u8>>| body.expect("these bodies are plain data");
        match self {
            Self::Header(header) => encode(b'H', &json(serde_json::to_vec(header)), bytes),
            Self::Event(EventKind::Start, event) => encode(b'S', event.as_bytes(), bytes),
            Self::Event(EventKind::End, event) => encode(b'E', event.as_bytes(), bytes),
            Self::Acknowledged(up_to) => encode(b'A', &json(serde_json::to_vec(up_to)), bytes),
            Self::Refused(refused) => encode(b'R', &json(serde_json::to_vec(refused)), bytes),
            Self::Problem(cause) => {
                let problem = Problem {
                    cause: cause.clone(),
                };
                encode(b'P', &json(serde_json::to_vec(&problem)), bytes);
            }
        }
    }

    /// Reads a record whose checksum holds; `None` for one of a later version, or not of ours.
    fn decode(kind: u8, body: &[u8]) -> Option<Self> {
        fn json<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
            serde_json::from_slice(body).ok()
        }
        let event = |kind| Some(Self::Event(kind, String::from_utf8(body.to_vec()).ok()?));
        match kind {
            b'H' => json(body).map(Self::Header),
            b'S' => event(EventKind::Start),
            b'E' => event(EventKind::End),
            b'A' => json(body).map(Self::Acknowledged),
            b'R' => json(body).map(Self::Refused),
            b'P' => json(body).map(|Problem { cause }| Self::Problem(cause)),
            _ => None,
        }
    }
}

/// Everything that a file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// What it says of itself.
    pub header: Header,
    /// Its events, in order.
    pub events: Vec<Event>,
    /// Up to where they are acknowledged.
    pub acknowledged: Acknowledged,
    /// Why it was refused for good.
    pub refused: Option<Refused>,
    /// Why the last delivery failed.
    pub problem: Option<String>,
    /// How many bytes are no record.
    pub damaged_bytes: usize,
    /// Length of the file up to its last whole record, in bytes.
    pub(super) length: u64,
    /// Its last record is shorter than it says: a write stopped half way. A flipped bit leaves the length as it is.
    pub(super) cut_short: bool,
}

/// Why bytes are no spool file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It does not begin like one.
    #[error("it does not begin like a spool file")]
    Foreign,
    /// Its writer died before the first write was complete.
    #[error("it holds no whole record")]
    Empty,
    /// Its header is damaged.
    #[error("its header is damaged")]
    NoHeader,
}

impl Contents {
    /// Begins a file.
    pub(super) fn begin(header: Header) -> Self {
        let mut contents = Self::nothing(header);
        contents.length = MAGIC.len() as u64;
        contents
    }

    fn nothing(header: Header) -> Self {
        Self {
            header,
            events: Vec::new(),
            acknowledged: Acknowledged::default(),
            refused: None,
            problem: None,
            damaged_bytes: 0,
            length: 0,
            cut_short: false,
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    ///
    /// When it is no spool file, or no header can be read.
    pub fn read(file: &[u8]) -> Result<Self, Unreadable> {
        let Some(pieces) = Pieces::of(file) else {
            let begun = MAGIC.starts_with(file);
            return Err(if begun {
                Unreadable::Empty
            } else {
                Unreadable::Foreign
            });
        };
        let mut contents: Option<Self> = None;
        let (mut damaged_bytes, mut length) = (0, MAGIC.len());
        let mut cut_short = true;
        let mut records = 0;
        for piece in pieces {
            match piece {
                Piece::Record { kind, body, end } => {
                    (length, records) = (end, records + 1);
                    cut_short = end == file.len();
                    match (Record::decode(kind, body), &mut contents) {
                        (Some(Record::Header(header)), contents @ None) => {
                            *contents = Some(Self::nothing(header));
                        }
                        (Some(record), Some(contents)) => contents.take(record, end as u64),
                        // Of a later version, or before the header: kept in the file, not understood.
                        (None, _) | (Some(_), None) => {}
                    }
                }
                Piece::Damage { bytes } => damaged_bytes += bytes,
                Piece::Torn { from } => {
                    length = from;
                    cut_short = is_cut_short(&file[from..]);
                }
            }
        }
        let mut contents = contents.ok_or(if records == 0 && damaged_bytes == 0 {
            Unreadable::Empty
        } else {
            Unreadable::NoHeader
        })?;
        contents.damaged_bytes = damaged_bytes;
        contents.length = length as u64;
        contents.cut_short = cut_short;
        Ok(contents)
    }

    /// Takes a record that ends at an offset.
    pub(super) fn take(&mut self, record: Record, end: u64) {
        match record {
            // There is one, and it is the first.
            Record::Header(_) => {}
            Record::Event(kind, json) => self.events.push(Event { kind, json, end }),
            Record::Acknowledged(acknowledged) => self.acknowledged = acknowledged,
            Record::Refused(refused) => self.refused = Some(refused),
            Record::Problem(cause) => self.problem = Some(cause),
        }
        self.length = end;
    }

    /// Gives the events that no server has acknowledged, in order.
    pub fn waiting(&self) -> &[Event] {
        let acknowledged = self
            .events
            .iter()
            .take_while(|event| event.end <= self.acknowledged.through)
            .count();
        &self.events[acknowledged..]
    }

    /// Gives the start event, unless it is damaged.
    pub fn start(&self) -> Option<&Event> {
        self.events
            .first()
            .filter(|event| event.kind == EventKind::Start)
    }

    /// Tells whether there is no event in it, and never was one that a server has taken.
    pub(super) fn says_nothing(&self) -> bool {
        self.cut_short && self.events.is_empty() && !self.was_delivered() && self.refused.is_none()
    }

    /// Tells whether the session has ended, or was found dead.
    pub fn has_ended(&self) -> bool {
        self.events
            .last()
            .is_some_and(|event| event.kind == EventKind::End)
    }

    /// Tells whether a server has acknowledged something of it.
    pub const fn was_delivered(&self) -> bool {
        self.acknowledged.through > 0
    }

    /// Tells whether nothing is left to do: it has ended, and all of it is acknowledged.
    pub fn is_finished(&self) -> bool {
        self.has_ended() && self.waiting().is_empty()
    }
}
