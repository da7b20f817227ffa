//! Sessions from a file. Each line is looked at as it comes and put aside, and only when all of the file was found good is
//! anything written: so a file of any size takes little memory, and nobody waits for the network.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read, Seek, Write},
    mem,
    path::Path,
    sync::mpsc::sync_channel,
    thread,
};

use data_encoding::HEXLOWER;
use serde_json::Value;
use session_model::{
    Fact, FieldErrors, Imported, Timestamp,
    field::Place,
    fold::{Accepted, Kind, Origin},
};
use sha2::{Digest, Sha256};

use crate::store::ImportedLine;

/// The most sessions of a file. All of them are one commit, which others wait for: 1 million take a few minutes.
pub const SESSIONS_MAX: u64 = 1_000_000;
/// The most bytes of a file: 4 GiB.
pub const BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// The most bytes of a line: 4 MiB. A record at all its bounds has 100 KiB, and 75 bytes for each gap.
const LINE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How many bad lines are told; the others are counted.
const LINES_TOLD: usize = 20;

/// Who imports, and when.
#[derive(Clone, Debug)]
pub struct Importer {
    /// When the file came.
    pub received_at: Timestamp,
    /// From where, as verified.
    pub origin: Origin,
    /// The subject of the token that came with it.
    pub subject: Option<String>,
}

/// Why a file is not imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It is something else.
    #[error(
        "it is {0}; import takes what `session-buddy export --format ndjson` writes, one session a line"
    )]
    Foreign(&'static str),
    /// Some of its lines are wrong.
    #[error("{} of its lines are wrong", .told.len() as u64 + .others)]
    Lines {
        /// The first ones.
        told: Vec<LineError>,
        /// How many more there are.
        others: u64,
    },
    /// It is too large.
    #[error("{0}; split it by lines, and each part is all or nothing")]
    TooLarge(String),
    /// It cannot be put aside.
    #[error("it cannot be put aside")]
    Staging(#[from] io::Error),
}

/// A line and what is wrong with it.
#[derive(Debug)]
pub struct LineError {
    /// The line, from 1.
    pub number: u64,
    /// What is wrong.
    pub errors: FieldErrors,
}

impl LineError {
    /// Gives the problems with the line before each field.
    pub fn fields(&self) -> FieldErrors {
        let mut errors = FieldErrors::default();
        for error in self.errors.as_slice() {
            let field = match error.field.as_str() {
                "" => format!("line {}", self.number),
                field => format!("line {}, {field}", self.number),
            };
            errors.add(Place::root().member(&field), &error.message);
        }
        errors
    }
}

/// A file that comes.
pub struct Staging {
    who: Importer,
    aside: BufWriter<File>,
    hasher: Sha256,
    bytes: u64,
    sessions: u64,
    /// The number of the line that comes.
    number: u64,
    /// What has come of it.
    line: Vec<u8>,
    told: Vec<LineError>,
    others: u64,
}

impl Staging {
    /// Begins. What is put aside has no name in `folder`, and is gone with the process.
    ///
    /// # Errors
    ///
    /// When no file can be made there.
    pub fn begin(folder: &Path, who: Importer) -> Result<Self, ImportError> {
        Ok(Self {
            who,
            aside: BufWriter::new(tempfile::tempfile_in(folder)?),
            hasher: Sha256::new(),
            bytes: 0,
            sessions: 0,
            number: 1,
            line: Vec::new(),
            told: Vec::new(),
            others: 0,
        })
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    ///
    /// What makes all that comes after them worthless; of wrong lines [`Self::finish`] tells.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), ImportError> {
        self.bytes += bytes.len() as u64;
        if self.bytes > BYTES_MAX {
            return Err(ImportError::TooLarge(format!(
                "it has over {BYTES_MAX} bytes"
            )));
        }
        self.hasher.update(bytes);
        let mut parts = bytes.split(|byte| *byte == b'\n').peekable();
        while let Some(part) = parts.next() {
            // One byte more than it may have tells that there were too many.
            let room = (LINE_BYTES_MAX + 1).saturating_sub(self.line.len());
            self.line.extend_from_slice(&part[..part.len().min(room)]);
            if parts.peek().is_some() {
                self.end_line(true)?;
            }
        }
        Ok(())
    }

    /// Says that there are no more bytes.
    ///
    /// # Errors
    ///
    /// What is wrong with the file; nothing of it is imported then.
    pub fn finish(mut self) -> Result<Staged, ImportError> {
        self.end_line(false)?;
        if !self.told.is_empty() {
            return Err(ImportError::Lines {
                told: self.told,
                others: self.others,
            });
        }
        let mut file = self
            .aside
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        Ok(Staged {
            who: self.who,
            file,
            digest: HEXLOWER.encode(&self.hasher.finalize()),
        })
    }

    fn end_line(&mut self, ended: bool) -> Result<(), ImportError> {
        let line = mem::take(&mut self.line);
        let told = line.strip_suffix(b"\r").unwrap_or(&line);
        if !told.trim_ascii().is_empty() {
            match read(told, ended) {
                Ok(imported) => self.put_aside(imported)?,
                Err(errors) => {
                    let foreign = (self.number == 1).then(|| what_it_is(told)).flatten();
                    if let Some(foreign) = foreign {
                        return Err(ImportError::Foreign(foreign));
                    }
                    self.refuse(errors);
                }
            }
        }
        self.number += 1;
        // So that not each line needs memory anew.
        self.line = line;
        self.line.clear();
        Ok(())
    }

    fn refuse(&mut self, errors: FieldErrors) {
        if self.told.len() < LINES_TOLD {
            let number = self.number;
            self.told.push(LineError { number, errors });
        } else {
            self.others += 1;
        }
    }

    fn put_aside(&mut self, imported: Imported) -> Result<(), ImportError> {
        self.sessions += 1;
        if self.sessions > SESSIONS_MAX {
            return Err(ImportError::TooLarge(format!(
                "it has over {SESSIONS_MAX} sessions"
            )));
        }
        if !self.told.is_empty() {
            return Ok(());
        }
        let record = Accepted {
            received_at: self.who.received_at,
            origin: Some(self.who.origin.clone()),
            subject: self.who.subject.clone(),
            fact: Fact::Imported(Box::new(imported)),
        };
        let payload = record.payload();
        let length = u32::try_from(payload.len()).expect("a line has at most 4 MiB");
        self.aside.write_all(&self.number.to_le_bytes())?;
        self.aside.write_all(&length.to_le_bytes())?;
        self.aside.write_all(&payload)?;
        Ok(())
    }
}

/// Reads a line. One that nothing ended may have been cut off.
fn read(line: &[u8], ended: bool) -> Result<Imported, FieldErrors> {
    let problem = |message: String| {
        let mut errors = FieldErrors::default();
        errors.add(Place::root(), message);
        errors
    };
    if line.len() > LINE_BYTES_MAX {
        return Err(problem(format!("at most {LINE_BYTES_MAX} bytes")));
    }
    let text = std::str::from_utf8(line).map_err(|error| {
        let at = error.valid_up_to();
        problem(format!(
            "it is not UTF-8: byte {} is 0x{:02x}",
            at + 1,
            line[at]
        ))
    })?;
    let value: Value = serde_json::from_str(text).map_err(|error| {
        if error.is_eof() && !ended {
            problem("the file ends within it: it was cut off".to_owned())
        } else {
            // Its line is always 1.
            let what = error.to_string();
            let what = what.split(" at line ").next().unwrap_or_default();
            problem(format!(
                "it is not JSON: {what}, at byte {}",
                error.column()
            ))
        }
    })?;
    Imported::from_json(&value)
}

/// Tells what a file is that begins with this line.
fn what_it_is(line: &[u8]) -> Option<&'static str> {
    let begins = |with: &[u8]| line.starts_with(with);
    if begins(b"[") {
        Some("a JSON array")
    } else if begins(b"session_id,") {
        Some("CSV")
    } else if begins(&[0x1f, 0x8b]) || begins(b"PK") || begins(&[0x28, 0xb5, 0x2f, 0xfd]) {
        Some("compressed")
    } else if begins(b"SQLite format 3") {
        Some("a database")
    } else if begins(&[0xff, 0xfe]) || begins(&[0xfe, 0xff]) {
        Some("text in UTF-16")
    } else if begins(&[0xef, 0xbb, 0xbf]) {
        Some("text with a byte order mark")
    } else {
        None
    }
}

/// A file that was found good.
#[derive(Debug)]
pub struct Staged {
    who: Importer,
    file: File,
    digest: String,
}

/// How many sessions are handed to the writer at a time, and how many such lots wait for it.
const LOT: usize = 256;
const LOTS: usize = 4;

impl Staged {
    /// Gives the SHA-256 of the file, in digits.
    pub fn digest(&self) -> String {
        self.digest.clone()
    }

    /// Gives who imports.
    pub const fn who(&self) -> &Importer {
        &self.who
    }

    /// Gives its sessions, read on a thread of their own, so that whoever writes them does not wait for that.
    ///
    /// # Errors
    ///
    /// When there can be no thread.
    pub fn into_lines(
        self,
    ) -> io::Result<impl Iterator<Item = io::Result<ImportedLine>> + Send + 'static> {
        let Self { who, file, .. } = self;
        let (sender, lots) = sync_channel(LOTS);
        let thread = thread::Builder::new().name("import-reader".to_owned());
        thread.spawn(move || {
            let mut file = BufReader::new(file);
            loop {
                let lot: Vec<_> = std::iter::from_fn(|| next_line(&mut file, who.received_at))
                    .take(LOT)
                    .collect();
                // An import that was given up takes no more.
                if lot.is_empty() || sender.send(lot).is_err() {
                    return;
                }
            }
        })?;
        Ok(lots.into_iter().flatten())
    }
}

fn next_line(file: &mut impl Read, received_at: Timestamp) -> Option<io::Result<ImportedLine>> {
    let mut number = [0; 8];
    match file.read(&mut number[..1]) {
        Ok(0) => return None,
        Ok(_) => {}
        Err(error) => return Some(Err(error)),
    }
    Some(rest_of_line(file, number, received_at))
}

fn rest_of_line(
    file: &mut impl Read,
    mut number: [u8; 8],
    received_at: Timestamp,
) -> io::Result<ImportedLine> {
    file.read_exact(&mut number[1..])?;
    let mut length = [0; 4];
    file.read_exact(&mut length)?;
    let length = usize::try_from(u32::from_le_bytes(length)).map_err(io::Error::other)?;
    let mut payload = vec![0; length];
    file.read_exact(&mut payload)?;
    let record = Accepted::from_payload(Kind::Imported, received_at, &payload);
    match record.map_err(io::Error::other)?.fact {
        Fact::Imported(imported) => Ok(ImportedLine {
            number: u64::from_le_bytes(number),
            received_at,
            imported: *imported,
            payload,
        }),
        _ => Err(io::Error::other("it is no import")),
    }
}
