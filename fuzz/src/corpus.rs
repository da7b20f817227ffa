//! Inputs that are kept: a folder for each harness, a file for each input.

use std::{fs, io, path::PathBuf};

/// Gives the folder of a harness's inputs.
pub fn folder(harness: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(harness)
}

/// Reads the inputs of a harness, in the order of their names, so that a seed repeats a run.
///
/// # Errors
///
/// When the folder or a file cannot be read.
pub fn read(harness: &str) -> io::Result<Vec<Vec<u8>>> {
    let entries = fs::read_dir(folder(harness))?;
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    paths.iter().map(fs::read).collect()
}

/// Keeps an input under a name that its bytes give it, and says where.
///
/// # Errors
///
/// When it cannot be written.
pub fn keep(harness: &str, input: &[u8]) -> io::Result<PathBuf> {
    let folder = folder(harness);
    fs::create_dir_all(&folder)?;
    let hash = ring::digest::digest(&ring::digest::SHA256, input);
    let name = data_encoding::HEXLOWER.encode(&hash.as_ref()[..6]);
    let path = folder.join(format!("found-{name}"));
    fs::write(&path, input)?;
    Ok(path)
}
