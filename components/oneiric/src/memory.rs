//! The last look at a component's settings, kept for the next one: a file per component and project in
//! `$XDG_STATE_HOME/oneiric`, readable by its owner only.

use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
};

use data_encoding::HEXLOWER;
use rustix::rand::{GetRandomFlags, getrandom};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use crate::{
    Component, Stack, Surroundings,
    change::{Change, Snapshot},
};

/// What came of a comparison with the last look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compared {
    /// There was none; so many keys are remembered now.
    First(usize),
    /// What has changed since.
    Since(Vec<Change>),
}

/// Why the last look is not known, or this one cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// There is no place for it.
    #[error(
        "there is no place to remember settings in: neither HOME nor XDG_STATE_HOME is an absolute path"
    )]
    Nowhere,
    /// The system refuses.
    #[error("could not keep what was seen in {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// Compares with the last look, and keeps this one in its place. One that cannot be read counts as none.
///
/// # Errors
///
/// This look cannot be kept.
pub fn compare(
    component: &Component,
    surroundings: &Surroundings,
    stack: &Stack,
) -> Result<Compared, MemoryError> {
    let path = place(component, surroundings).ok_or(MemoryError::Nowhere)?;
    let failed = |source| MemoryError::Io {
        path: path.clone(),
        source,
    };
    let kept = fs::read(&path).ok();
    let last: Option<Snapshot> = kept.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let salt = match &last {
        Some(last) => last.salt().to_owned(),
        None => new_salt().map_err(failed)?,
    };
    let now = Snapshot::of(stack, &salt);
    keep(&path, &now).map_err(failed)?;
    Ok(match last {
        None => Compared::First(now.len()),
        Some(last) => Compared::Since(last.changes(&now)),
    })
}

/// Gives the file: one for each component in each project.
fn place(component: &Component, surroundings: &Surroundings) -> Option<PathBuf> {
    let project =
        fs::canonicalize(&component.project).unwrap_or_else(|_| component.project.clone());
    let hash = Sha256::digest(project.as_os_str().as_encoded_bytes());
    // 48 bits: a person has far fewer than a million projects.
    let hash = HEXLOWER.encode(&hash[..6]);
    let folder = surroundings.state_home()?.join("oneiric");
    Some(folder.join(format!("{}-{hash}.json", component.name)))
}

fn new_salt() -> io::Result<String> {
    let mut salt = [0; 16];
    getrandom(&mut salt, GetRandomFlags::empty())?;
    Ok(HEXLOWER.encode(&salt))
}

/// Puts a file in its place when it is whole; it is the owner's only.
fn keep(path: &PathBuf, snapshot: &Snapshot) -> io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)?;
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(&serde_json::to_vec(snapshot)?)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
