//! Spool files: whatever stands in one, or behind what a shell has written, it is read to the last whole record, and once
//! more as the same.

use std::{fs, path::PathBuf};

use session_client::spool::{Adoption, Contents, EventKind, Header, Spool, SpoolFile};
use tempfile::TempDir;

use super::{Door, Harness, kind_of};

pub(super) const DOOR: Door = Door {
    name: "spool",
    open: || Box::new(Spools::new()),
};

struct Spools {
    _home: TempDir,
    path: PathBuf,
    /// A file with a start and an end.
    whole: Vec<u8>,
}

impl Spools {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("there is room for a folder");
        let spool = Spool::open(&home.path().join("state")).expect("the folder is ours");
        let header = Header {
            session_id: "vault-20260206-220458-z3ucgb7g".to_owned(),
            component: "vault".to_owned(),
            destination: "unix:/nowhere".to_owned(),
            boot_id: None,
        };
        let mut file = SpoolFile::create(spool.path(), header, "{\"a\":1}".to_owned())
            .expect("there is room for a file");
        file.append_end("{\"b\":2}".to_owned())
            .expect("there is room for a record");
        let path = file.path().expect("it is on disk").to_owned();
        let whole = fs::read(&path).expect("it is there");
        Self {
            _home: home,
            path,
            whole,
        }
    }

    /// Reads a file of some bytes as its next owner would.
    fn adopted(&self, bytes: &[u8]) -> Result<Contents, String> {
        fs::write(&self.path, bytes).expect("there is room for a file");
        self.adopted_again()
    }

    fn adopted_again(&self) -> Result<Contents, String> {
        match SpoolFile::adopt(&self.path).map_err(|error| error.to_string())? {
            Adoption::Adopted { file, .. } => Ok(file.contents().clone()),
            Adoption::Owned => Err("owned".to_owned()),
            Adoption::Gone => Err("gone".to_owned()),
            Adoption::Foreign(why) => Err(why),
        }
    }
}

/// Writes the lines of an input as records whose checksums hold, for no change of a file comes past one that does not: the
/// first byte of a line is the record's kind.
fn framed(lines: &[&[u8]]) -> Vec<u8> {
    let mut file = b"SBSPOOL1".to_vec();
    for line in lines {
        let length = u32::try_from(line.len())
            .expect("inputs are short")
            .to_le_bytes();
        let checksum = crc32c::crc32c_append(crc32c::crc32c(&length), line);
        file.extend(b"\xa5\x5b");
        file.extend(length);
        file.extend(checksum.to_le_bytes());
        file.extend(*line);
    }
    file
}

/// Gives the events that records hold behind the first header; none where there is no header.
fn events<'a>(lines: &[&'a [u8]]) -> Option<Vec<(EventKind, &'a str)>> {
    let is_header = |line: &&[u8]| {
        let body = line.strip_prefix(b"H");
        body.is_some_and(|body| serde_json::from_slice::<Header>(body).is_ok())
    };
    let header = lines.iter().position(is_header)?;
    let event = |line: &&'a [u8]| {
        let (kind, body) = line.split_first()?;
        let kind = match kind {
            b'S' => EventKind::Start,
            b'E' => EventKind::End,
            _ => return None,
        };
        Some((kind, std::str::from_utf8(body).ok()?))
    };
    Some(lines[header..].iter().filter_map(event).collect())
}

impl Spools {
    /// Takes the lines of the input as records: what they hold is what is read.
    fn of_records(&self, input: &[u8]) -> String {
        let lines = input.split(|byte| *byte == b'\n');
        let lines: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
        let read = self.adopted(&framed(&lines));
        match (events(&lines), read) {
            (Some(expected), Ok(contents)) => {
                let events = contents.events.iter();
                let found: Vec<_> = events.map(|event| (event.kind, &*event.json)).collect();
                assert_eq!(found, expected);
                assert_eq!(contents.damaged_bytes, 0);
                format!("{} {}", found.len().min(4), contents.is_finished())
            }
            // A file that tells of nothing that happened is put aside.
            (Some(expected), Err(why)) if expected.is_empty() && why == "gone" => why,
            (Some(_), Err(why)) => panic!("records are not read: {why}"),
            (None, Ok(contents)) => panic!("there is no header: {contents:?}"),
            (None, Err(why)) => kind_of(&why),
        }
    }
}

impl Harness for Spools {
    fn take(&mut self, input: &[u8]) -> String {
        let records = self.of_records(input);
        let alone = self.adopted(input);
        if let Ok(contents) = &alone {
            match self.adopted_again() {
                Ok(again) => {
                    assert_eq!(
                        again.events, contents.events,
                        "reading mends, and does it once"
                    );
                    assert_eq!(again.header, contents.header);
                    assert_eq!(again.acknowledged, contents.acknowledged);
                }
                // What is left once damage was cut off may tell of nothing that happened.
                Err(why) => assert!(why == "gone" && contents.events.is_empty(), "{why}"),
            }
        }
        let behind = self
            .adopted(&[&self.whole, input].concat())
            .expect("what was written whole is there whatever follows");
        let kinds: Vec<_> = behind
            .events
            .iter()
            .map(|event| event.kind)
            .take(2)
            .collect();
        assert_eq!(kinds, [EventKind::Start, EventKind::End]);
        assert_eq!(
            (&*behind.events[0].json, &*behind.events[1].json),
            ("{\"a\":1}", "{\"b\":2}")
        );
        assert_eq!(behind.header.component, "vault");
        let word = |contents: &Contents| {
            format!(
                "{} {} {} {}",
                contents.events.len().min(4),
                contents.damaged_bytes > 0,
                contents.refused.is_some(),
                contents.waiting().len().min(4)
            )
        };
        match alone {
            Ok(alone) => format!("{records} | {} | {}", word(&alone), word(&behind)),
            Err(why) => format!("{records} | {} | {}", kind_of(&why), word(&behind)),
        }
    }
}
