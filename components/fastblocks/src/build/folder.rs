//! A folder that is written beside its place and takes it at once.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::{
    App,
    app::{BLOCKS, STATIC},
    site::{Page, asset::Asset},
};

/// The file that says that a build made a folder, and what it put there.
pub const MANIFEST: &str = "fastblocks-manifest.json";
/// How many strangers among files are named.
const NAMED_MAX: usize = 3;

/// Why a folder is not written.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It cannot be.
    #[error("{}", path.display())]
    Io {
        /// What cannot be written.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It holds what no build put there.
    #[error("{} is not only a site that was built: it holds {found}", path.display())]
    NotOurs {
        /// The folder.
        path: PathBuf,
        /// Some of what is in it.
        found: String,
    },
    /// It is a part of the app.
    #[error("{} is where the app itself is", .0.display())]
    InApp(PathBuf),
}

/// What a build made, for the next one and for whoever serves it.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    format: u32,
    app: String,
    /// For whom it is.
    role: Option<String>,
    /// The pages, each with its file.
    pages: BTreeMap<String, String>,
    /// The static files, each with the name that it got.
    assets: BTreeMap<String, String>,
    /// All files but this one, with the SHA-256 of what is in them.
    files: BTreeMap<String, String>,
}

/// A folder in the making. It is removed unless it is finished.
pub(super) struct Folder {
    new: TempDir,
    place: PathBuf,
    files: BTreeMap<String, String>,
    bytes: u64,
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    move |source| FolderError::Io {
        path: path.to_owned(),
        source,
    }
}

impl Folder {
    /// Begins a folder beside its place.
    pub(super) fn beside(place: &Path, app: &App) -> Result<Self, FolderError> {
        let parent = match place.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(parent).map_err(io_error(parent))?;
        let parent = fs::canonicalize(parent).map_err(io_error(parent))?;
        let name = place
            .file_name()
            .ok_or_else(|| FolderError::InApp(place.to_owned()))?;
        let place = parent.join(name);
        let inside = |folder: &str| place.starts_with(app.folder.join(folder));
        if app.folder.starts_with(&place) || inside(BLOCKS) || inside(STATIC) {
            return Err(FolderError::InApp(place));
        }
        check_ours(&place)?;
        let new = tempfile::Builder::new()
            .prefix(".fastblocks-")
            // As any other folder, so that a web server may read it; the mask of the user still counts.
            .permissions(fs::Permissions::from_mode(0o777))
            .tempdir_in(&parent)
            .map_err(io_error(&parent))?;
        Ok(Self {
            new,
            place,
            files: BTreeMap::new(),
            bytes: 0,
        })
    }

    /// Writes a file of it.
    pub(super) fn write(&mut self, file: &str, bytes: &[u8]) -> Result<(), FolderError> {
        let path = self.new.path().join(file);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(io_error(parent))?;
        }
        fs::write(&path, bytes).map_err(io_error(&path))?;
        self.bytes += bytes.len() as u64;
        let hash = HEXLOWER.encode(&Sha256::digest(bytes));
        self.files.insert(file.to_owned(), hash);
        Ok(())
    }

    /// Puts it into its place, and gives its size.
    pub(super) fn finish(
        mut self,
        app: &App,
        role: Option<&str>,
        pages: &[&Page<'_>],
        assets: &BTreeMap<String, Asset>,
    ) -> Result<u64, FolderError> {
        let manifest = Manifest {
            format: 1,
            app: app.name.clone(),
            role: role.map(str::to_owned),
            pages: pages
                .iter()
                .map(|page| (page.path.clone(), crate::app::file_of(&page.path)))
                .collect(),
            assets: assets
                .iter()
                .map(|(path, asset)| (path.clone(), asset.file.clone()))
                .collect(),
            files: self.files.clone(),
        };
        let text = serde_json::to_string_pretty(&manifest).map_err(io::Error::from);
        let text = text.map_err(io_error(&self.place))?;
        self.write(MANIFEST, format!("{text}\n").as_bytes())?;
        // Somebody may have put something there meanwhile.
        check_ours(&self.place)?;
        let new = self.new.path();
        if !self.place.exists() {
            fs::rename(new, &self.place).map_err(io_error(&self.place))?;
            // What it was is elsewhere now.
            let _ = self.new.keep();
            return Ok(self.bytes);
        }
        exchange(new, &self.place).map_err(io_error(&self.place))?;
        // The old site stands where the new one was, and goes with it.
        self.new.close().map_err(io_error(&self.place))?;
        Ok(self.bytes)
    }
}

/// Exchanges two folders: at once where the system can, else with a moment in which there is none.
fn exchange(new: &Path, place: &Path) -> io::Result<()> {
    match renameat_with(CWD, new, CWD, place, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
            let aside = new.with_extension("old");
            fs::rename(place, &aside)?;
            fs::rename(new, place)?;
            fs::rename(&aside, new)
        }
        Err(error) => Err(error.into()),
    }
}

/// Checks that a folder is not there, is empty, or holds only what a build put there.
fn check_ours(place: &Path) -> Result<(), FolderError> {
    let not_ours = |found: String| FolderError::NotOurs {
        path: place.to_owned(),
        found,
    };
    match fs::symlink_metadata(place) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io_error(place)(error)),
        Ok(metadata) if !metadata.is_dir() => return Err(not_ours("no folder".to_owned())),
        Ok(_) => {}
    }
    let manifest = fs::read(place.join(MANIFEST)).ok();
    let manifest = manifest.and_then(|bytes| serde_json::from_slice::<Manifest>(&bytes).ok());
    let ours = manifest.map(|manifest| manifest.files).unwrap_or_default();
    let mut strangers = Vec::new();
    find_strangers(place, "", &ours, &mut strangers).map_err(io_error(place))?;
    if strangers.is_empty() {
        return Ok(());
    }
    Err(not_ours(strangers.join(", ")))
}

fn find_strangers(
    folder: &Path,
    prefix: &str,
    ours: &BTreeMap<String, String>,
    strangers: &mut Vec<String>,
) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if strangers.len() == NAMED_MAX {
            return Ok(());
        }
        if entry.file_type()?.is_dir() {
            find_strangers(&entry.path(), &format!("{name}/"), ours, strangers)?;
        } else if !ours.contains_key(&name) && (name != MANIFEST || ours.is_empty()) {
            strangers.push(name);
        }
    }
    Ok(())
}
