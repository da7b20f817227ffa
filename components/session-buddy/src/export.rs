//! Sessions as text: CSV for spreadsheets, JSON for programs, NDJSON for another store.
//!
//! What is written is a function of the sessions as they are stored, and of nothing else: not of the time, nor of what
//! lives. So the same sessions give the same bytes wherever they are.

use std::{fmt, str::FromStr};

use admin_shell::output::csv_text;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;
use session_model::{Keyed, SessionRecord, escape};
use tokio::task::spawn_blocking;

use crate::{store::StoreError, tracker::Export};

/// How sessions are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A header and a line each
    Csv,
    /// An array of objects
    Json,
    /// An object a line, which `import` takes
    Ndjson,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 3] = [Self::Csv, Self::Json, Self::Ndjson];

    /// Gives its name, which is also the ending of files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Ndjson => "ndjson",
        }
    }

    /// Gives the media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Json => "application/json",
            Self::Ndjson => "application/x-ndjson",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|format| format.as_str() == text);
        found.ok_or_else(|| format!("expected csv, json or ndjson, found {text:?}"))
    }
}

/// Writes sessions one page after the other.
#[derive(Debug)]
pub struct Writer {
    format: Format,
    written: u64,
}

impl Writer {
    /// Begins.
    pub const fn new(format: Format) -> Self {
        Self { format, written: 0 }
    }

    /// Counts the sessions that were written.
    pub const fn written(&self) -> u64 {
        self.written
    }

    /// Gives what comes first.
    pub fn begin(&self) -> Vec<u8> {
        match self.format {
            Format::Csv => csv(|csv| csv.write_record(SessionRecord::KEYS)),
            Format::Json => b"[".to_vec(),
            Format::Ndjson => Vec::new(),
        }
    }

    /// Writes sessions.
    pub fn page(&mut self, sessions: &[SessionRecord]) -> Vec<u8> {
        let objects = sessions.iter().map(json);
        let bytes = match self.format {
            Format::Csv => csv(|csv| objects.into_iter().try_for_each(|json| row(csv, &json))),
            Format::Json => objects
                .enumerate()
                .fold(Vec::new(), |mut bytes, (n, json)| {
                    let first = self.written == 0 && n == 0;
                    bytes.extend_from_slice(if first { b"\n" } else { b",\n" });
                    bytes.extend_from_slice(escape::in_json(&json).as_bytes());
                    bytes
                }),
            Format::Ndjson => objects.fold(Vec::new(), |mut bytes, json| {
                bytes.extend_from_slice(escape::in_json(&json).as_bytes());
                bytes.push(b'\n');
                bytes
            }),
        };
        self.written += sessions.len() as u64;
        bytes
    }

    /// Gives what comes last.
    pub fn end(&self) -> Vec<u8> {
        match self.format {
            Format::Csv | Format::Ndjson => Vec::new(),
            Format::Json if self.written == 0 => b"]\n".to_vec(),
            Format::Json => b"\n]\n".to_vec(),
        }
    }
}

/// An export as text. While some sessions are written the next ones are read.
pub struct Text {
    export: Export,
    format: Format,
    written: u64,
    next: Next,
}

/// What comes next of an export.
enum Next {
    Beginning,
    /// These sessions; `None` where there are no more.
    Page(Option<Vec<SessionRecord>>),
    Nothing,
}

impl Text {
    /// Writes an export as `format`.
    pub const fn new(export: Export, format: Format) -> Self {
        Self {
            export,
            format,
            written: 0,
            next: Next::Beginning,
        }
    }

    /// Counts the sessions that were written.
    pub const fn written(&self) -> u64 {
        self.written
    }

    /// Tells whether all was given.
    pub const fn is_whole(&self) -> bool {
        matches!(self.next, Next::Nothing)
    }

    /// Gives the next bytes, `None` once all were given. The first ones come once the first sessions were found.
    ///
    /// # Errors
    ///
    /// As [`Export::next`]; what was given is not whole then.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        let mut writer = Writer {
            format: self.format,
            written: self.written,
        };
        let page = match &mut self.next {
            Next::Nothing => return Ok(None),
            Next::Beginning => {
                self.next = Next::Page(self.export.next().await?);
                return Ok(Some(writer.begin()));
            }
            Next::Page(page) => page.take(),
        };
        let Some(sessions) = page else {
            self.next = Next::Nothing;
            return Ok(Some(writer.end()));
        };
        self.written += sessions.len() as u64;
        // Writing some hundred sessions takes milliseconds, in which nobody else should wait for this thread.
        let writing = spawn_blocking(move || writer.page(&sessions));
        let (bytes, ahead) = tokio::join!(writing, self.export.next());
        self.next = Next::Page(ahead?);
        let bytes = bytes.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Some(bytes))
    }
}

fn json(session: &SessionRecord) -> String {
    serde_json::to_string(session).expect("models have text keys and finite numbers")
}

fn csv(write: impl FnOnce(&mut csv::Writer<Vec<u8>>) -> csv::Result<()>) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    write(&mut writer).expect("writing to memory cannot fail");
    writer.into_inner().expect("writing to memory cannot fail")
}

/// Writes an object as a row: its values as cells, in their order.
fn row(csv: &mut csv::Writer<Vec<u8>>, object: &str) -> csv::Result<()> {
    let values: Values<'_> = serde_json::from_str(object).expect("it was written as an object");
    for value in values.0 {
        let value = value.get();
        match value.as_bytes().first() {
            Some(b'"') => {
                let plain = &value[1..value.len() - 1];
                if plain.contains('\\') {
                    let text: String =
                        serde_json::from_str(value).expect("it was written as a string");
                    csv.write_field(csv_text(&text).as_bytes())?;
                } else {
                    csv.write_field(csv_text(plain).as_bytes())?;
                }
            }
            Some(b'n') => csv.write_field(b"")?,
            Some(b'{' | b'[') => csv.write_field(escape::in_json(value).as_bytes())?,
            _ => csv.write_field(value)?,
        }
    }
    csv.write_record(None::<&[u8]>)
}

/// The values of an object, each as it is written.
struct Values<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Values<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Vec<&'de RawValue>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut values = Vec::with_capacity(SessionRecord::KEYS.len());
                while let Some((IgnoredAny, value)) = map.next_entry()? {
                    values.push(value);
                }
                Ok(values)
            }
        }

        deserializer.deserialize_map(Members).map(Self)
    }
}
