use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::yaml::{self, Entry, Fault};

/// The largest configuration file that is read: 1 MiB.
pub const FILE_SIZE_MAX_BYTES: usize = 1024 * 1024;

/// Refuses a configuration file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file exists, but the system would not let us read it.
    #[error("could not read {}", path.display())]
    Read {
        /// The path as it was given.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file is larger than [`FILE_SIZE_MAX_BYTES`].
    #[error("{} is larger than {FILE_SIZE_MAX_BYTES} bytes", path.display())]
    TooLarge {
        /// The path as it was given.
        path: PathBuf,
    },
    /// The file says something that is not accepted.
    #[error("{}:{line}: {}{reason}", path.display(), label(key))]
    Content {
        /// The path as it was given.
        path: PathBuf,
        /// The line at fault, from 1.
        line: usize,
        /// The key at fault, or the one around it; `None` at the top level.
        key: Option<String>,
        /// What is wrong; never quotes a value.
        reason: String,
    },
}

fn label(key: &Option<String>) -> String {
    key.as_ref()
        .map(|key| format!("{key}: "))
        .unwrap_or_default()
}

/// Reads the file at `path`, or `None` if there is none. The only I/O of this crate.
///
/// Stops one byte past the bound, which [`parse`] then refuses. What is no file is not opened: a pipe would wait for a
/// writer for ever, and with it whoever reads its settings.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    let mut bytes = Vec::new();
    let bound = FILE_SIZE_MAX_BYTES as u64 + 1;
    let outcome = fs::metadata(path)
        .and_then(|found| match found.is_file() {
            true => File::open(path),
            false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file")),
        })
        .and_then(|file| file.take(bound).read_to_end(&mut bytes));
    match outcome {
        Ok(_) => Ok(Some(bytes)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(FileError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Parses what the file at `path` holds.
pub(crate) fn parse(path: &Path, bytes: &[u8]) -> Result<Vec<Entry>, FileError> {
    if bytes.len() > FILE_SIZE_MAX_BYTES {
        return Err(FileError::TooLarge {
            path: path.to_owned(),
        });
    }
    let refuse = |Fault { line, key, reason }| FileError::Content {
        path: path.to_owned(),
        line,
        key: (!key.is_empty()).then_some(key),
        reason,
    };
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let valid = &bytes[..e.valid_up_to()];
        let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count();
        refuse(Fault {
            line,
            key: String::new(),
            reason: "not UTF-8".to_owned(),
        })
    })?;
    yaml::parse(text).map_err(refuse)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refusal(bytes: &[u8]) -> String {
        parse(Path::new("config.yaml"), bytes)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn refusals_name_file_line_and_key() {
        assert_eq!(
            refusal(b"a: 1\na: 2\n"),
            "config.yaml:2: a: already set on line 1"
        );
        assert_eq!(
            refusal(b"\n- a\n"),
            "config.yaml:2: the top level is not a mapping"
        );
        assert_eq!(refusal(b"a: 1\nb: \xff\n"), "config.yaml:2: not UTF-8");
        assert_eq!(refusal(b"\xff\xfea\0:\0"), "config.yaml:1: not UTF-8");
    }

    #[test]
    fn a_file_may_hold_one_mebibyte_and_no_more() {
        let mut bytes = b"a: 1\n#".to_vec();
        bytes.resize(FILE_SIZE_MAX_BYTES, b'x');
        assert_eq!(parse(Path::new("config.yaml"), &bytes).unwrap().len(), 1);
        bytes.push(b'x');
        assert_eq!(refusal(&bytes), "config.yaml is larger than 1048576 bytes");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(Path::new("config.yaml"), &bytes);
        }
    }
}
