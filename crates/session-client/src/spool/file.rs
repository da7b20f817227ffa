//! One session's file, under its lock.

use std::{
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
};

use nix::unistd::Uid;
use session_model::Timestamp;

use super::{
    contents::{Acknowledged, Contents, EventKind, Header, Record, Refused, Unreadable},
    disk::{Disk, Drive, Found, OpenFile},
    format::{BODY_BYTES_MAX, MAGIC},
};

/// The longest file that is read: 16 MiB. A file holds two events and what became of them.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// How much of a block stays free for the end of a session, in bytes.
const END_BYTES: u64 = 2048;
/// How long a file may grow by notes of what became of its events: 1 MiB. What is not written down any more is done
/// again by whoever reads the file next, which does no harm.
const NOTES_BYTES_MAX: u64 = 1024 * 1024;
/// The block size of common file systems, in bytes.
const BLOCK_BYTES: u64 = 4096;
/// The folder beside the files for those that are set aside.
pub(super) const REFUSED_FOLDER: &str = "refused";

/// Why a file could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The system refuses.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// An event is too long.
    #[error("an event of {0} bytes is over {BODY_BYTES_MAX} bytes")]
    TooLong(usize),
}

/// A session's events, held by their one owner. They are in a file, or, where no folder can be used, in memory.
#[derive(Debug)]
pub struct SpoolFile {
    contents: Contents,
    place: Option<Place>,
}

/// Where a file is.
#[derive(Debug)]
struct Place {
    disk: Disk,
    file: Box<dyn OpenFile>,
    path: PathBuf,
    /// What a write that failed left behind could not be cut off.
    torn: bool,
}

/// What became of an attempt to adopt a file.
#[derive(Debug)]
pub enum Adoption {
    /// Its shell is dead, and it is ours now.
    Adopted {
        /// The file.
        file: Box<SpoolFile>,
        /// When its shell last touched it: its last proof of life.
        last_seen: Timestamp,
    },
    /// Its shell lives, or somebody else has adopted it.
    Owned,
    /// It is not there any more.
    Gone,
    /// It is no spool file of ours, and left as it is.
    Foreign(String),
}

impl SpoolFile {
    /// Makes the file of a session that begins.
    ///
    /// # Errors
    ///
    /// When the folder cannot be written or the event is too long; nothing is left behind.
    pub fn create(folder: &Path, header: Header, start: String) -> Result<Self, SpoolError> {
        Self::create_on(&Disk::system(), folder, header, start)
    }

    pub(crate) fn create_on(
        disk: &Disk,
        folder: &Path,
        header: Header,
        start: String,
    ) -> Result<Self, SpoolError> {
        let path = folder.join(format!("{}.spool", header.session_id));
        let error = |what| {
            let path = path.clone();
            move |source| SpoolError::Io { what, path, source }
        };
        let (bytes, contents) = beginning(header, start)?;
        let file = made(disk, &path).map_err(error("make"))?;
        let written = write_whole(&*file, &bytes, 0);
        if let Err(error) = written.map_err(|failed| error("write")(failed.source)) {
            // Best effort: an empty file says nothing.
            let _ = disk.remove(&path);
            return Err(error);
        }
        keep_room(&*file, bytes.len() as u64);
        let disk = disk.clone();
        Ok(Self {
            contents,
            place: Some(Place {
                disk,
                file,
                path,
                torn: false,
            }),
        })
    }

    /// Keeps the events of a session in memory, for want of a folder.
    ///
    /// # Errors
    ///
    /// When the event is too long.
    pub fn in_memory(header: Header, start: String) -> Result<Self, SpoolError> {
        let (_, contents) = beginning(header, start)?;
        Ok(Self {
            contents,
            place: None,
        })
    }

    /// Takes a file whose shell is dead.
    ///
    /// # Errors
    ///
    /// When the system refuses to read it, or to cut its torn tail.
    pub fn adopt(path: &Path) -> Result<Adoption, SpoolError> {
        Self::adopt_on(&Disk::system(), path)
    }

    pub(crate) fn adopt_on(disk: &Disk, path: &Path) -> Result<Adoption, SpoolError> {
        let error = |source| SpoolError::Io {
            what: "adopt",
            path: path.to_owned(),
            source,
        };
        let file = match disk.open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Adoption::Gone),
            Err(source) => {
                return match disk.find(path) {
                    Ok(found) if !found.is_file => {
                        Ok(Adoption::Foreign("it is no regular file".to_owned()))
                    }
                    _ => Err(error(source)),
                };
            }
        };
        let found = file.found().map_err(error)?;
        if let Some(why) = foreign(&found) {
            return Ok(Adoption::Foreign(why));
        }
        if !file.try_lock().map_err(error)? {
            return Ok(Adoption::Owned);
        }
        // Whoever had it before may have removed it while we waited for nothing.
        if !disk
            .find(path)
            .is_ok_and(|there| there.inode == found.inode)
        {
            return Ok(Adoption::Gone);
        }
        let bytes = file.read().map_err(error)?;
        let contents = match Contents::read(&bytes) {
            Ok(contents) => contents,
            Err(Unreadable::Empty) if bytes.is_empty() => {
                // Its writer died before its first write, or takes the lock next and then sees that it is gone.
                removed(disk.remove(path)).map_err(error)?;
                return Ok(Adoption::Gone);
            }
            Err(Unreadable::Empty) => {
                // Its writer died in its first write, or all of it is damaged: nobody can tell.
                set_aside(&**disk, path).map_err(error)?;
                return Ok(Adoption::Gone);
            }
            Err(why) => return Ok(Adoption::Foreign(why.to_string())),
        };
        if contents.says_nothing() {
            // Its first write stopped half way: its shell goes on without it, or was never known to anybody.
            set_aside(&**disk, path).map_err(error)?;
            return Ok(Adoption::Gone);
        }
        let last_seen = file.found().map_err(error)?.modified;
        if contents.length < bytes.len() as u64 {
            file.cut(contents.length).map_err(error)?;
        }
        let place = Some(Place {
            disk: disk.clone(),
            file,
            path: path.to_owned(),
            torn: false,
        });
        Ok(Adoption::Adopted {
            file: Box::new(Self { contents, place }),
            last_seen,
        })
    }

    /// Gives what the file says.
    pub const fn contents(&self) -> &Contents {
        &self.contents
    }

    /// Gives the file's path; `None` in memory.
    pub fn path(&self) -> Option<&Path> {
        self.place.as_ref().map(|place| place.path.as_path())
    }

    /// Writes the end of the session. The first end stays.
    ///
    /// # Errors
    ///
    /// When it cannot be written. It is then kept in memory, so that it can still be delivered while this process lives.
    pub fn append_end(&mut self, end: String) -> Result<(), SpoolError> {
        if self.contents.has_ended() {
            return Ok(());
        }
        check_length(&end)?;
        self.append(Record::Event(EventKind::End, end))
    }

    /// Writes down that a server has acknowledged the events up to an offset.
    ///
    /// # Errors
    ///
    /// When it cannot be written; whoever reads the file next sends those events again, which does no harm.
    pub fn acknowledge(
        &mut self,
        through: u64,
        session_id: Option<String>,
    ) -> Result<(), SpoolError> {
        let session_id = session_id.or_else(|| self.contents.acknowledged.session_id.clone());
        let acknowledged = Acknowledged {
            through,
            session_id,
        };
        let last = self.contents.events.last();
        if self.contents.has_ended() && last.is_some_and(|last| last.end <= through) {
            // The file goes next.
            self.contents.acknowledged = acknowledged;
            return Ok(());
        }
        self.append(Record::Acknowledged(acknowledged))
    }

    /// Writes down that no server knows the session any more, so that its start is sent again.
    ///
    /// # Errors
    ///
    /// As [`Self::acknowledge`].
    pub fn forget_acknowledgements(&mut self) -> Result<(), SpoolError> {
        self.append(Record::Acknowledged(Acknowledged::default()))
    }

    /// Forgets that a server refused the session, so that it is sent once more.
    pub fn reconsider(&mut self) {
        self.contents.refused = None;
    }

    /// Writes down that a server refused the session for good.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn refuse(&mut self, refused: Refused) -> Result<(), SpoolError> {
        self.append(Record::Refused(refused))
    }

    /// Writes down why a delivery failed, unless the file says so already.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn note_problem(&mut self, cause: &str) -> Result<(), SpoolError> {
        if self.contents.problem.as_deref() == Some(cause) {
            return Ok(());
        }
        self.append(Record::Problem(cause.to_owned()))
    }

    /// Gives a proof of life.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn touch(&self) -> io::Result<()> {
        self.place
            .as_ref()
            .map_or(Ok(()), |place| place.file.touch())
    }

    /// Removes a file with which nothing is left to do; one that was refused or is damaged moves to `refused/` instead,
    /// and one that is there already stays while it is refused.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn finish(&self) -> Result<(), SpoolError> {
        let Some(Place { disk, path, .. }) = &self.place else {
            return Ok(());
        };
        let error = |what| {
            let path = path.clone();
            move |source| SpoolError::Io { what, path, source }
        };
        let folder = path.parent().and_then(Path::file_name);
        let aside = folder == Some(OsStr::new(REFUSED_FOLDER));
        let keep = self.contents.refused.is_some() || (self.contents.damaged_bytes > 0 && !aside);
        match (keep, aside) {
            (true, true) => Ok(()),
            (true, false) => set_aside(&**disk, path).map_err(error("set aside")),
            (false, _) => removed(disk.remove(path)).map_err(error("remove")),
        }
    }

    /// Removes a file with what waits in it.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn discard(self) -> Result<(), SpoolError> {
        let Some(Place { disk, path, .. }) = self.place else {
            return Ok(());
        };
        disk.remove(&path).map_err(|source| SpoolError::Io {
            what: "remove",
            path,
            source,
        })
    }

    /// Writes a record; in memory it stands in any case.
    fn append(&mut self, record: Record) -> Result<(), SpoolError> {
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        let mended = self.mend();
        let before = self.contents.length;
        let is_note = matches!(record, Record::Acknowledged(_) | Record::Problem(_));
        self.contents.take(record, before + bytes.len() as u64);
        let Some(place) = &mut self.place else {
            return Ok(());
        };
        if is_note && before > NOTES_BYTES_MAX {
            self.contents.length = before;
            return Ok(());
        }
        let written = mended
            .map_err(|source| Unwritten { source, torn: true })
            .and_then(|()| write_whole(&*place.file, &bytes, before));
        written.map_err(|Unwritten { source, torn }| {
            // The file is as it was, and so is the place of its next record.
            self.contents.length = before;
            place.torn = torn;
            SpoolError::Io {
                what: "write",
                path: place.path.clone(),
                source,
            }
        })
    }

    /// Cuts off what a write left behind that failed, or counts it in: else the next one that fails would cut off what
    /// was written whole in between.
    fn mend(&mut self) -> io::Result<()> {
        let Some(place) = self.place.as_mut().filter(|place| place.torn) else {
            return Ok(());
        };
        if place.file.cut(self.contents.length).is_err() {
            self.contents.length = place.file.found()?.length;
        }
        place.torn = false;
        Ok(())
    }
}

/// Makes a file and takes its lock.
fn made(disk: &Disk, path: &Path) -> io::Result<Box<dyn OpenFile>> {
    loop {
        let file = disk.create(path)?;
        // Only an adopter that looks at the empty file in passing can hold the lock, and lets go of it at once.
        let there = file
            .lock()
            .and_then(|()| Ok((disk.find(path), file.found()?)));
        match there {
            Ok((Ok(there), found)) if there.inode == found.inode => return Ok(file),
            // That adopter took it for one whose writer is dead.
            Ok((Err(error), _)) if error.kind() == io::ErrorKind::NotFound => {}
            Ok((Err(error), _)) | Err(error) => {
                let _ = disk.remove(path);
                return Err(error);
            }
            Ok((Ok(_), _)) => return Err(io::ErrorKind::AlreadyExists.into()),
        }
    }
}

/// Gives the bytes with which a file begins, and what they say.
fn beginning(header: Header, start: String) -> Result<(Vec<u8>, Contents), SpoolError> {
    check_length(&start)?;
    let mut contents = Contents::begin(header.clone());
    let mut bytes = MAGIC.to_vec();
    for record in [
        Record::Header(header),
        Record::Event(EventKind::Start, start),
    ] {
        record.encode(&mut bytes);
        contents.take(record, bytes.len() as u64);
    }
    Ok((bytes, contents))
}

const fn check_length(event: &str) -> Result<(), SpoolError> {
    if event.len() < BODY_BYTES_MAX {
        Ok(())
    } else {
        Err(SpoolError::TooLong(event.len()))
    }
}

/// A write that failed.
struct Unwritten {
    source: io::Error,
    /// A part of it may be there still.
    torn: bool,
}

/// Writes bytes behind `before`, or leaves the file as it was.
fn write_whole(file: &dyn OpenFile, bytes: &[u8], before: u64) -> Result<(), Unwritten> {
    file.append(bytes).map_err(|source| Unwritten {
        source,
        // Where this fails too, the torn tail is cut with the next write, or by whoever opens the file next.
        torn: file.cut(before).is_err(),
    })
}

/// Moves a file to `refused/`.
fn set_aside(disk: &dyn Drive, path: &Path) -> io::Result<()> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(());
    };
    let refused = folder.join(REFUSED_FOLDER);
    disk.prepare(&refused).map_err(io::Error::other)?;
    removed(disk.rename(path, &refused.join(name)))
}

/// Somebody may have removed the file, or the folder, before us.
fn removed(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Keeps room for the end of the session. What the last block of the file has room for needs nothing: it is allocated.
fn keep_room(file: &dyn OpenFile, length: u64) {
    if length % BLOCK_BYTES + END_BYTES > BLOCK_BYTES {
        file.keep_room(length + END_BYTES);
    }
}

/// Tells why a file is not ours to adopt.
pub(super) fn foreign(found: &Found) -> Option<String> {
    if !found.is_file {
        Some("it is no regular file".to_owned())
    } else if found.owner != Uid::effective().as_raw() {
        Some(format!("it belongs to user id {}", found.owner))
    } else if found.names > 1 {
        Some("it has a second name".to_owned())
    } else if found.length > FILE_BYTES_MAX {
        Some(format!("it is over {FILE_BYTES_MAX} bytes"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Writes a file up to a length, as a shell does that cannot write more of its first write.
    fn begun(folder: &Path, length: usize) -> (PathBuf, usize) {
        let header = Header {
            session_id: "billing-20260206-220458-aaaaaaaa".to_owned(),
            component: "billing".to_owned(),
            destination: "unix:/s".to_owned(),
            boot_id: None,
        };
        let (bytes, _) = beginning(header, "{}".to_owned()).unwrap();
        let path = folder.join("s.spool");
        fs::write(&path, &bytes[..length.min(bytes.len())]).unwrap();
        (path, bytes.len())
    }

    #[test]
    fn a_first_write_that_stopped_half_way_is_nobodys_death() {
        let folder = tempfile::tempdir().unwrap();
        let (whole, length) = begun(folder.path(), usize::MAX);
        let adopted = SpoolFile::adopt(&whole).unwrap();
        assert!(matches!(adopted, Adoption::Adopted { .. }), "{adopted:?}");
        drop(adopted);
        for length in 0..length {
            let (path, _) = begun(folder.path(), length);
            let adopted = SpoolFile::adopt(&path).unwrap();
            assert!(matches!(adopted, Adoption::Gone), "{length}: {adopted:?}");
            assert!(!path.exists(), "{length}");
            let aside = folder.path().join(REFUSED_FOLDER).join("s.spool");
            assert_eq!(aside.exists(), length > 0, "an empty file is no loss");
            let _ = fs::remove_file(aside);
        }
    }
}
