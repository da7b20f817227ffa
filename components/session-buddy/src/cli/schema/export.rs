//! `session-buddy schema export`: all of the files are written before the first is put in its place.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use session_model::schema::MODELS;
use tempfile::NamedTempFile;

use super::Notation;
use crate::cli::{ExitStatus, Failure, report::print};

pub(super) const AFTER_HELP: &str = "\
A file that is there with other content is left alone, and nothing is written; --force replaces it. Every file is written
whole before the first one is put in its place, so a full disk changes nothing.

Examples:
  session-buddy schema export schemas
  session-buddy schema export schemas --format yaml --force";

/// Write the schemas of all models into a folder, a file each
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Folder for the files; made if it is missing
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// How to write them
    #[arg(long, value_enum, default_value = "json")]
    format: Notation,
    /// Replace files that are there with other content
    #[arg(long)]
    force: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let folder = &args.folder;
    let failed = |error: &io::Error| {
        let message = format!("cannot write the schemas to {}", folder.display());
        Failure::new(ExitStatus::Failed, message)
            .because(error)
            .hint_for(error)
    };
    fs::create_dir_all(folder).map_err(|error| failed(&error))?;
    let ending = args.format.ending();
    let files = MODELS.iter().map(|model| {
        let place = folder.join(format!("{}.{ending}", model.name));
        (place, args.format.write(&model.schema()))
    });
    let files: Vec<_> = files.collect();
    let mut waiting = Vec::new();
    for (place, text) in &files {
        match found(place, text).map_err(|error| failed(&error))? {
            Found::Same => {}
            Found::Other if !args.force => return Err(in_the_way(place)),
            Found::Other | Found::Nothing => {
                let unfinished = write_beside(folder, text).map_err(|error| failed(&error))?;
                waiting.push((unfinished, place));
            }
        }
    }
    for (unfinished, place) in waiting {
        let placed = unfinished.persist(place);
        placed.map_err(|error| failed(&error.error))?;
    }
    print(&format!(
        "{} schemas are in {}\n",
        files.len(),
        folder.display()
    ))
}

/// What stands where a file belongs.
enum Found {
    Nothing,
    Same,
    Other,
}

fn found(place: &Path, text: &str) -> io::Result<Found> {
    match fs::symlink_metadata(place) {
        Ok(found) if found.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        // A pipe would be waited for, and what a link means is somebody else's.
        Ok(found) if !found.is_file() => Ok(Found::Other),
        Ok(_) if fs::read(place)? == text.as_bytes() => Ok(Found::Same),
        Ok(_) => Ok(Found::Other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Nothing),
        Err(error) => Err(error),
    }
}

fn in_the_way(place: &Path) -> Failure {
    let message = format!(
        "{} is there with other content; nothing was written",
        place.display()
    );
    Failure::new(ExitStatus::Failed, message)
        .hint("name another folder, or replace what is there with --force")
}

fn write_beside(folder: &Path, text: &str) -> io::Result<NamedTempFile> {
    // Schemas are no secrets: others may read them, as far as the user's umask lets them.
    let permissions = fs::Permissions::from_mode(0o666);
    let mut file = tempfile::Builder::new()
        .permissions(permissions)
        .tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    Ok(file)
}
