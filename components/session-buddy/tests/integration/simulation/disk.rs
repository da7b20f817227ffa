//! A disk of plain memory, which fails when it is told to: writes that stop half way, and whoever writes with them.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
};

use rustix::io::Errno;
use session_client::{
    spool::disk::{Drive, Found, OpenFile, Paths},
    state_folder::StateFolderError,
};
use session_model::Timestamp;
use tokio::time::Instant;

use super::stage::{At, Fate, ProcessId, Stage, World};

/// What is on the disk of a host.
#[derive(Default)]
pub(super) struct Platter {
    folders: BTreeSet<PathBuf>,
    names: BTreeMap<PathBuf, usize>,
    files: Vec<Content>,
}

/// A file, whatever it is called.
struct Content {
    bytes: Vec<u8>,
    modified: Timestamp,
    /// Who holds its lock, and by which opening of it.
    lock: Option<(ProcessId, u64)>,
    /// Whose write stopped half way, and where it began, while nobody has cut off what was written of it.
    torn_by: Option<(ProcessId, usize)>,
    /// Something in it is no record, and stays: whoever tore it could not cut it, or a bit was flipped.
    scarred: bool,
}

impl Platter {
    /// Visits the files, by path, each with what it holds and whether it was harmed.
    pub(super) fn files(&self) -> impl Iterator<Item = (&Path, &[u8], bool)> {
        self.names.iter().map(|(path, file)| {
            let file = &self.files[*file];
            (path.as_path(), file.bytes.as_slice(), file.scarred)
        })
    }

    pub(super) fn bytes(&self, path: &Path) -> Option<&[u8]> {
        Some(self.files[*self.names.get(path)?].bytes.as_slice())
    }
}

impl World {
    /// Flips a bit of a file that nobody holds, and gives the path of it.
    pub(super) fn flip(&mut self, host: usize) -> Option<PathBuf> {
        let free: Vec<_> = self.hosts[host]
            .platter
            .names
            .iter()
            .filter(|(_, file)| !self.is_held(host, **file))
            .map(|(path, file)| (path.clone(), *file))
            .collect();
        let (path, file) = self.dice.choice(free)?;
        let (at, bit) = (self.dice.usize(..), self.dice.u8(..8));
        let file = &mut self.hosts[host].platter.files[file];
        if file.bytes.is_empty() {
            return None;
        }
        let at = at % file.bytes.len();
        file.bytes[at] ^= 1 << bit;
        file.scarred = true;
        Some(path)
    }

    /// Tells whether a write fails because the whole disk does: most do then, one after the other.
    fn disk_fails(&mut self, host: usize) -> bool {
        let bad = !self.calm && self.hosts[host].disk_fails_until > Instant::now();
        bad && self.chance(0.7)
    }

    fn is_held(&self, host: usize, file: usize) -> bool {
        let lock = self.hosts[host].platter.files[file].lock;
        lock.is_some_and(|(process, _)| self.is_alive(process))
    }
}

/// The disk of a host, as a process of it has it.
#[derive(Clone)]
pub(super) struct Reach {
    pub(super) stage: Stage,
    pub(super) host: usize,
    pub(super) process: ProcessId,
}

impl std::fmt::Debug for Reach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "disk of host {} for process {}", self.host, self.process)
    }
}

impl Reach {
    /// Does something to the disk, or what chance has in mind instead.
    fn operate<T>(
        &self,
        at: At,
        what: &str,
        path: &Path,
        operation: impl FnOnce(&mut World) -> io::Result<T>,
    ) -> io::Result<T> {
        let name = path.file_name().unwrap_or_default().display();
        let fate = self
            .stage
            .point(self.process, at, &format!("{what} {name}"));
        let fails = at == At::Write && self.stage.world().disk_fails(self.host);
        match fate {
            Some(Fate::Passes) if fails => Err(Errno::IO.into()),
            None | Some(Fate::Dies) => Err(io::ErrorKind::Interrupted.into()),
            Some(Fate::Fails) if at == At::Read => Err(Errno::IO.into()),
            Some(Fate::Fails) => Err(Errno::NOSPC.into()),
            Some(Fate::Passes) => operation(&mut self.stage.world()),
            Some(Fate::DiesAfter) => {
                let done = operation(&mut self.stage.world());
                self.stage.kill(self.process, "dies after it");
                done
            }
        }
    }

    fn file(&self, world: &mut World, file: usize) -> Box<dyn OpenFile> {
        Box::new(Opened {
            reach: self.clone(),
            file,
            opening: world.dice.u64(..),
        })
    }
}

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Drive for Reach {
    fn prepare(&self, folder: &Path) -> Result<(), StateFolderError> {
        let made = self.operate(At::Write, "make folder", folder, |world| {
            let folders = &mut world.hosts[self.host].platter.folders;
            folders.insert(folder.to_owned());
            Ok(())
        });
        made.map_err(|source| StateFolderError::Io {
            path: folder.to_owned(),
            source,
        })
    }

    fn check(&self, folder: &Path) -> Result<bool, StateFolderError> {
        let is_there = self.operate(At::Read, "look for folder", folder, |world| {
            Ok(world.hosts[self.host].platter.folders.contains(folder))
        });
        is_there.map_err(|source| StateFolderError::Io {
            path: folder.to_owned(),
            source,
        })
    }

    fn list(&self, folder: &Path) -> io::Result<Paths> {
        self.operate(At::Read, "list", folder, |world| {
            let platter = &world.hosts[self.host].platter;
            if !platter.folders.contains(folder) {
                return Err(missing());
            }
            let inside = platter.names.keys();
            let mut inside: Vec<_> = inside
                .filter(|path| path.parent() == Some(folder))
                .cloned()
                .collect();
            world.dice.shuffle(&mut inside);
            Ok(Box::new(inside.into_iter()) as Paths)
        })
    }

    fn find(&self, path: &Path) -> io::Result<Found> {
        self.operate(At::Read, "look at", path, |world| {
            let platter = &world.hosts[self.host].platter;
            let file = *platter.names.get(path).ok_or_else(missing)?;
            Ok(found(world, self.host, file))
        })
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn OpenFile>> {
        self.operate(At::Write, "make", path, |world| {
            let modified = world.wall(self.host);
            let platter = &mut world.hosts[self.host].platter;
            if platter.names.contains_key(path) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            let file = platter.files.len();
            platter.files.push(Content {
                bytes: Vec::new(),
                modified,
                lock: None,
                torn_by: None,
                scarred: false,
            });
            platter.names.insert(path.to_owned(), file);
            Ok(self.file(world, file))
        })
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn OpenFile>> {
        self.operate(At::Read, "open", path, |world| {
            let platter = &world.hosts[self.host].platter;
            let file = *platter.names.get(path).ok_or_else(missing)?;
            Ok(self.file(world, file))
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.operate(At::Write, "set aside", from, |world| {
            let names = &mut world.hosts[self.host].platter.names;
            let file = names.remove(from).ok_or_else(missing)?;
            names.insert(to.to_owned(), file);
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.operate(At::Write, "remove", path, |world| {
            let names = &mut world.hosts[self.host].platter.names;
            names.remove(path).map(drop).ok_or_else(missing)
        })
    }

    fn read(&self, path: &Path, _: u64) -> io::Result<Vec<u8>> {
        self.operate(At::Read, "read", path, |world| {
            let bytes = world.hosts[self.host].platter.bytes(path);
            bytes.map(<[u8]>::to_vec).ok_or_else(missing)
        })
    }

    fn change(
        &self,
        path: &Path,
        _: u64,
        change: &mut dyn FnMut(&[u8]) -> Vec<u8>,
    ) -> io::Result<()> {
        let found = self.read(path, u64::MAX).unwrap_or_default();
        // Nothing in a run is old enough, or much enough, to be dropped.
        panic!("{} becomes {:?}", path.display(), change(&found));
    }
}

fn found(world: &World, host: usize, file: usize) -> Found {
    let content = &world.hosts[host].platter.files[file];
    Found {
        is_file: true,
        owner: rustix::process::geteuid().as_raw(),
        names: 1,
        length: content.bytes.len() as u64,
        inode: file as u64,
        modified: content.modified,
    }
}

struct Opened {
    reach: Reach,
    file: usize,
    opening: u64,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "file {} of {:?}", self.file, self.reach)
    }
}

impl Opened {
    fn operate<T>(
        &self,
        at: At,
        what: &str,
        operation: impl FnOnce(&mut World) -> io::Result<T>,
    ) -> io::Result<T> {
        let name = format!("file {}", self.file);
        self.reach.operate(at, what, Path::new(&name), operation)
    }

    fn content<'a>(&self, world: &'a mut World) -> &'a mut Content {
        let now = world.wall(self.reach.host);
        let content = &mut world.hosts[self.reach.host].platter.files[self.file];
        content.modified = now;
        content
    }

    /// Writes a part of some bytes.
    fn tear(&self, bytes: &[u8]) {
        let mut world = self.reach.stage.world();
        let written = world.dice.usize(..bytes.len());
        let content = self.content(&mut world);
        let from = content.bytes.len();
        content.bytes.extend(&bytes[..written]);
        content.torn_by = content
            .torn_by
            .or((written > 0).then_some((self.reach.process, from)));
    }
}

impl OpenFile for Opened {
    fn lock(&self) -> io::Result<()> {
        // It is new, and nobody else runs meanwhile.
        self.try_lock()
            .map(|taken| assert!(taken, "who made it gets its lock"))
    }

    fn try_lock(&self) -> io::Result<bool> {
        let mut world = self.reach.stage.world();
        if !world.is_alive(self.reach.process) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let held = world.is_held(self.reach.host, self.file);
        if !held {
            let lock = Some((self.reach.process, self.opening));
            world.hosts[self.reach.host].platter.files[self.file].lock = lock;
        }
        Ok(!held)
    }

    fn found(&self) -> io::Result<Found> {
        let (host, file) = (self.reach.host, self.file);
        self.operate(At::Read, "look at", |world| Ok(found(world, host, file)))
    }

    fn read(&self) -> io::Result<Vec<u8>> {
        let (host, file) = (self.reach.host, self.file);
        self.operate(At::Read, "read", |world| {
            Ok(world.hosts[host].platter.files[file].bytes.clone())
        })
    }

    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let was_alive = self.reach.stage.is_alive(self.reach.process);
        let written = self.operate(At::Write, "write", |world| {
            let content = self.content(world);
            content.bytes.extend(bytes);
            match content.torn_by.take() {
                None => {}
                Some((process, _)) if process == self.reach.process => content.scarred = true,
                Some(_) => world.complain(format!("{self:?} is written behind a torn tail")),
            }
            Ok(())
        });
        if was_alive && written.is_err() {
            self.tear(bytes);
        }
        written
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        self.operate(At::Write, "cut", |world| {
            let length = usize::try_from(length).unwrap();
            let content = self.content(world);
            content.bytes.truncate(length);
            // What was torn before a later write that was torn too stays.
            content.scarred |= content.torn_by.is_some_and(|(_, from)| from < length);
            content.torn_by = None;
            Ok(())
        })
    }

    fn keep_room(&self, _: u64) {}

    fn touch(&self) -> io::Result<()> {
        self.operate(At::Read, "touch", |world| {
            self.content(world);
            Ok(())
        })
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        let mut world = self.reach.stage.world();
        let content = &mut world.hosts[self.reach.host].platter.files[self.file];
        if content.lock == Some((self.reach.process, self.opening)) {
            content.lock = None;
        }
    }
}
