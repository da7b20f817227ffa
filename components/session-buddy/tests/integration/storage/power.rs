//! A disk whose power can be cut: what was written is there only once a sync that succeeded has covered it.
//!
//! It is made from what `strace` saw. When a sync fails, all that waited is gone, as on a kernel that marks the pages clean
//! all the same; what is written again later counts again.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// The files of the database, as they would be found after the power was cut.
#[derive(Default)]
pub(super) struct Disk {
    files: BTreeMap<PathBuf, Contents>,
    /// Calls that failed.
    pub(super) failures: usize,
}

#[derive(Default)]
struct Contents {
    durable: Vec<u8>,
    waiting: Vec<Step>,
}

/// Something that was done to a file.
enum Step {
    Write(usize, Vec<u8>),
    Cut(usize),
}

impl Disk {
    /// Does what a line of `strace -y -x -ttt` says.
    pub(super) fn take(&mut self, line: &str) {
        let Some((_, call)) = line.split_once(' ') else {
            return;
        };
        let Some((name, arguments)) = call.split_once('(') else {
            return;
        };
        let Some(path) = path(name, arguments).filter(|path| is_database(path)) else {
            return;
        };
        let failed = call.contains(") = -1 ");
        self.failures += usize::from(failed);
        match name {
            "pwrite64" if !failed => {
                let (data, rest) = string(&arguments[arguments.find('"').unwrap()..]);
                let numbers: Vec<usize> = numbers(rest);
                // Length, place, and what was written of it.
                let [_, at, written] = numbers[..] else {
                    panic!("{rest:?}")
                };
                let step = Step::Write(at, data[..written].to_vec());
                self.file(path).waiting.push(step);
            }
            "ftruncate" if !failed => {
                let rest = arguments.split_once('>').unwrap().1;
                self.file(path).waiting.push(Step::Cut(numbers(rest)[0]));
            }
            "fsync" | "fdatasync" => self.file(path).sync(failed),
            "unlink" if !failed => drop(self.files.remove(&path)),
            _ if failed => {}
            _ => panic!("a call that this disk does not know: {call:.200}"),
        }
    }

    fn file(&mut self, path: PathBuf) -> &mut Contents {
        self.files.entry(path).or_default()
    }

    /// Puts what is left into a folder.
    pub(super) fn write_to(&self, folder: &Path) {
        for (path, contents) in &self.files {
            let path = folder.join(path.file_name().unwrap());
            fs::write(path, &contents.durable).unwrap();
        }
    }
}

impl Contents {
    fn sync(&mut self, failed: bool) {
        for step in self.waiting.drain(..).filter(|_| !failed) {
            match step {
                Step::Write(at, data) => {
                    let end = at + data.len();
                    self.durable.resize(self.durable.len().max(end), 0);
                    self.durable[at..end].copy_from_slice(&data);
                }
                Step::Cut(length) => self.durable.resize(length, 0),
            }
        }
    }
}

/// The file that a call is about: its first argument, a descriptor with its path or a name.
fn path(call: &str, arguments: &str) -> Option<PathBuf> {
    let path = if call == "unlink" {
        arguments.split('"').nth(1)?
    } else {
        arguments.split_once('<')?.1.split_once('>')?.0
    };
    Some(path.into())
}

/// Not the index of the WAL, which is made anew.
fn is_database(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    ["sessions.db", "sessions.db-wal", "sessions.db-journal"].contains(&&*name)
}

/// The decimal numbers of a text, in order.
fn numbers(text: &str) -> Vec<usize> {
    text.split(|character: char| !character.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect()
}

/// Reads a string as strace writes it: its bytes, and what comes behind it.
fn string(text: &str) -> (Vec<u8>, &str) {
    let mut bytes = Vec::new();
    let mut rest = text.strip_prefix('"').unwrap();
    loop {
        let first = rest.as_bytes()[0];
        rest = &rest[1..];
        match first {
            b'"' => return (bytes, rest),
            b'\\' => {
                let escaped = rest.as_bytes()[0];
                rest = &rest[1..];
                bytes.push(match escaped {
                    b'x' => {
                        let (digits, behind) = rest.split_at(2);
                        rest = behind;
                        u8::from_str_radix(digits, 16).unwrap()
                    }
                    b'n' => b'\n',
                    b't' => b'\t',
                    b'r' => b'\r',
                    b'v' => 0x0B,
                    b'f' => 0x0C,
                    plain => plain,
                });
            }
            plain => bytes.push(plain),
        }
    }
}
