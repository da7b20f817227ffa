//! A file that makes way for a new one when it is full; the oldest goes. `NAME` is written, `NAME.1` was before it.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// The most bytes of a file. A line that is longer stands in a file of its own.
    bytes_max: u64,
    /// The most files, the one that is written included.
    files_max: u32,
}

impl Default for Bounds {
    /// 10 MiB in each of 5 files: weeks at `info`, and under a minute at `trace`.
    fn default() -> Self {
        Self {
            bytes_max: 10 * 1024 * 1024,
            files_max: 5,
        }
    }
}

/// The file that is written now.
pub(super) struct RotatingFile<F> {
    path: PathBuf,
    bounds: Bounds,
    file: File,
    /// The last line is not whole.
    torn: bool,
    /// Is shown each file that is opened.
    opened: F,
}

impl<F: Fn(&File) -> io::Result<()>> RotatingFile<F> {
    /// Opens the file for its owner alone (mode 0600), and makes its folder if it is missing (0700).
    pub(super) fn open(path: PathBuf, bounds: Bounds, opened: F) -> io::Result<Self> {
        let file = open(&path)?;
        opened(&file)?;
        Ok(Self {
            path,
            bounds,
            file,
            torn: false,
            opened,
        })
    }

    /// Writes a line, with its end.
    ///
    /// # Errors
    ///
    /// When it is not written, or not all of it; the next one begins on a line of its own all the same.
    pub(super) fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        self.make_room(line.len())?;
        if self.torn {
            self.file.write_all(b"\n")?;
            self.torn = false;
        }
        let mut rest = line;
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => rest = &rest[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.torn |= rest.len() < line.len();
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Begins a new file when this one is full, or when somebody has moved or removed it.
    fn make_room(&mut self, bytes: usize) -> io::Result<()> {
        let ours = self.file.metadata()?;
        let is_there = fs::metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == (ours.dev(), ours.ino()));
        let full = ours.len() > 0 && ours.len() + bytes as u64 > self.bounds.bytes_max;
        if is_there && !full {
            return Ok(());
        }
        if is_there {
            for number in (1..self.bounds.files_max).rev() {
                let (from, to) = (self.numbered(number - 1), self.numbered(number));
                match fs::rename(from, to) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    Ok(()) | Err(_) => {}
                }
            }
        }
        self.file = open(&self.path)?;
        self.torn = false;
        (self.opened)(&self.file)
    }

    fn numbered(&self, number: u32) -> PathBuf {
        match number {
            0 => self.path.clone(),
            _ => {
                let mut path = self.path.clone().into_os_string();
                path.push(format!(".{number}"));
                path.into()
            }
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        match DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    let found = file.metadata()?;
    // A person may have put a link to something else there.
    if found.is_file() && found.mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    const SMALL: Bounds = Bounds {
        bytes_max: 10,
        files_max: 3,
    };

    fn log() -> (TempDir, RotatingFile<impl Fn(&File) -> io::Result<()>>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs/x.log");
        let log = RotatingFile::open(path, SMALL, |_| Ok(())).unwrap();
        (folder, log)
    }

    fn contents(folder: &TempDir) -> Vec<(String, String)> {
        let mut files: Vec<_> = fs::read_dir(folder.path().join("logs"))
            .unwrap()
            .map(|entry| {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                (name, fs::read_to_string(path).unwrap())
            })
            .collect();
        files.sort();
        files
    }

    fn named(files: &[(&str, &str)]) -> Vec<(String, String)> {
        files
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect()
    }

    #[test]
    fn a_full_file_makes_way_and_the_oldest_goes() {
        let (folder, mut log) = log();
        for line in [
            "one\n",
            "two\n",
            "three\n",
            "a long line\n",
            "five\n",
            "six\n",
        ] {
            log.write_line(line.as_bytes()).unwrap();
        }
        let expected = [
            ("x.log", "five\nsix\n"),
            ("x.log.1", "a long line\n"),
            ("x.log.2", "three\n"),
        ];
        assert_eq!(contents(&folder), named(&expected));
        // A restart goes on where it was.
        let path = folder.path().join("logs/x.log");
        let mut log = RotatingFile::open(path, SMALL, |_| Ok(())).unwrap();
        log.write_line(b"7\n").unwrap();
        log.write_line(b"8\n").unwrap();
        assert_eq!(contents(&folder)[0].1, "7\n8\n");
        assert_eq!(contents(&folder)[1].1, "five\nsix\n");
    }

    #[test]
    fn it_is_its_owners_alone() {
        let (folder, _) = log();
        let mode = |path: &str| fs::metadata(folder.path().join(path)).unwrap().mode() & 0o777;
        assert_eq!((mode("logs"), mode("logs/x.log")), (0o700, 0o600));
    }

    #[test]
    fn a_file_that_was_moved_or_removed_is_made_anew() {
        let (folder, mut log) = log();
        log.write_line(b"one\n").unwrap();
        let path = folder.path().join("logs/x.log");
        fs::rename(&path, folder.path().join("logs/moved")).unwrap();
        log.write_line(b"two\n").unwrap();
        fs::remove_dir_all(folder.path().join("logs")).unwrap();
        log.write_line(b"three\n").unwrap();
        assert_eq!(contents(&folder), named(&[("x.log", "three\n")]));
    }

    #[test]
    fn a_line_that_cannot_be_written_is_an_error_and_the_next_one_is_whole() {
        let (folder, mut log) = log();
        let path = folder.path().join("logs/x.log");
        fs::remove_file(&path).unwrap();
        symlink("/dev/full", &path).unwrap();
        let refused = log.write_line(b"one\n").unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
        fs::remove_file(&path).unwrap();
        log.write_line(b"two\n").unwrap();
        assert_eq!(contents(&folder), named(&[("x.log", "two\n")]));
    }
}
