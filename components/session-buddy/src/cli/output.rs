//! Writing sessions as JSON and CSV, to standard output or to a file that is put in its place when it is whole.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, StdoutLock, Write},
    path::{Path, PathBuf},
};

use admin_shell::output::csv_cell;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, value::RawValue};
use session_model::{Keyed, SessionRecord, escape};
use tempfile::NamedTempFile;

/// How sessions are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// For people
    Table,
    /// An array of objects
    Json,
    /// A header and a line each
    Csv,
}

impl Format {
    /// Takes the format from a file's ending; `None` where it says nothing.
    pub(super) fn of_file(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "json" => Some(Self::Json),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }
}

/// Where output goes.
pub(super) enum Output {
    /// To standard output.
    Standard(BufWriter<StdoutLock<'static>>),
    /// To what is no regular file, such as a pipe: nothing can be put in its place.
    Other(BufWriter<File>),
    /// To a file beside its place.
    File {
        unfinished: BufWriter<NamedTempFile>,
        place: PathBuf,
    },
}

impl Output {
    pub(super) fn to(path: Option<PathBuf>) -> io::Result<Self> {
        let Some(place) = path else {
            return Ok(Self::Standard(BufWriter::new(io::stdout().lock())));
        };
        match fs::metadata(&place) {
            Ok(found) if !found.is_file() => OpenOptions::new()
                .write(true)
                .open(place)
                .map(BufWriter::new)
                .map(Self::Other),
            // Through a link to the file that it means.
            Ok(_) => Self::beside(fs::canonicalize(place)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::beside(place),
            Err(error) => Err(error),
        }
    }

    fn beside(place: PathBuf) -> io::Result<Self> {
        let folder = match place.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        Ok(Self::File {
            unfinished: BufWriter::new(NamedTempFile::new_in(folder)?),
            place,
        })
    }

    /// Makes what was written whole: flushed, and in its place.
    pub(super) fn finish(self) -> io::Result<()> {
        match self {
            Self::Standard(mut output) => output.flush(),
            Self::Other(mut output) => output.flush(),
            Self::File { unfinished, place } => {
                let file = unfinished
                    .into_inner()
                    .map_err(io::IntoInnerError::into_error)?;
                file.as_file().sync_all()?;
                file.persist(place).map_err(|error| error.error)?;
                Ok(())
            }
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Standard(output) => output.write(bytes),
            Self::Other(output) => output.write(bytes),
            Self::File { unfinished, .. } => unfinished.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Standard(output) => output.flush(),
            Self::Other(output) => output.flush(),
            Self::File { unfinished, .. } => unfinished.flush(),
        }
    }
}

/// Writes sessions one page after the other.
pub(super) trait SessionWriter {
    /// What it wants of a session.
    type Session: DeserializeOwned;

    fn begin(&mut self, output: &mut Output) -> io::Result<()>;
    fn page(&mut self, output: &mut Output, sessions: Vec<Self::Session>) -> io::Result<()>;
    fn end(&mut self, output: &mut Output) -> io::Result<()>;
}

/// A JSON array, one session a line, each as the server wrote it.
#[derive(Default)]
pub(super) struct JsonWriter {
    written: bool,
}

impl SessionWriter for JsonWriter {
    type Session = Box<RawValue>;

    fn begin(&mut self, output: &mut Output) -> io::Result<()> {
        output.write_all(b"[")
    }

    fn page(&mut self, output: &mut Output, sessions: Vec<Box<RawValue>>) -> io::Result<()> {
        for session in sessions {
            output.write_all(if self.written { b",\n" } else { b"\n" })?;
            output.write_all(escape::in_json(session.get()).as_bytes())?;
            self.written = true;
        }
        Ok(())
    }

    fn end(&mut self, output: &mut Output) -> io::Result<()> {
        output.write_all(if self.written { b"\n]\n" } else { b"]\n" })
    }
}

/// A header and a line for each session, the columns in the order of the record's keys.
pub(super) struct CsvWriter;

impl SessionWriter for CsvWriter {
    type Session = Map<String, Value>;

    fn begin(&mut self, output: &mut Output) -> io::Result<()> {
        csv_lines(output, [SessionRecord::KEYS])
    }

    fn page(&mut self, output: &mut Output, sessions: Vec<Map<String, Value>>) -> io::Result<()> {
        let cell = |session: &Map<String, Value>, key: &str| {
            session.get(key).map(csv_cell).unwrap_or_default()
        };
        csv_lines(
            output,
            sessions.iter().map(|session| {
                SessionRecord::KEYS
                    .iter()
                    .map(move |key| cell(session, key))
            }),
        )
    }

    fn end(&mut self, _: &mut Output) -> io::Result<()> {
        Ok(())
    }
}

fn csv_lines<Cells>(output: &mut Output, lines: impl IntoIterator<Item = Cells>) -> io::Result<()>
where
    Cells: IntoIterator<Item: AsRef<[u8]>>,
{
    let mut csv = csv::Writer::from_writer(Vec::new());
    for cells in lines {
        csv.write_record(cells)?;
    }
    // Only here can the reader be gone, and that is no error of CSV.
    output.write_all(&csv.into_inner().map_err(io::Error::other)?)
}

/// Writes one session as JSON for people and programs: indented, and no character in it acts.
pub(super) fn pretty_json(session: &SessionRecord) -> io::Result<String> {
    let json = serde_json::to_string_pretty(session)?;
    Ok(json
        .lines()
        .map(escape::in_json)
        .collect::<Vec<_>>()
        .join("\n"))
}
