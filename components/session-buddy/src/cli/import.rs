//! `session-buddy import`

use std::{
    fs::File,
    io::{self, Read, stdin},
    path::{Path, PathBuf},
};

use axum::body::Bytes;

use super::{ExitStatus, Failure, progress::Progress, report::print, source::SourceArgs};

/// How much is read at a time.
const PART_BYTES: usize = 256 * 1024;

/// Take over sessions that another server has exported
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  session-buddy import sessions.ndjson
  zcat sessions.ndjson.gz | session-buddy import -

Takes what `session-buddy export --format ndjson` writes: all of a file, or nothing. A session that is on record with the same
content is passed over, one with other content refuses the file. Wrong lines are told by number, field and bound. Who
imported what stands in the record: `session-buddy audit`. While it is written down nothing else is, about a minute for a million.")]
pub(super) struct Args {
    /// File with a session on each line; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    source: SourceArgs,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let (file, size) = open(&args.file)?;
    let mut source = args.source.to_write().await?;
    let progress = Progress::of_bytes(size);
    let settings = args.source.settings()?;
    // On the disk of the database, which has to have room for it too.
    let aside = settings.db_path.parent().unwrap_or(&settings.state_folder);
    let imported = source.import(aside, parts(file, progress.counter())).await;
    drop(progress);
    let closed = source.close().await;
    let imported = imported?;
    closed?;
    print(&format!(
        "{} sessions imported, {} known already\n",
        imported.imported, imported.known
    ))
}

/// Opens what is imported, and gives its size where that is known.
fn open(path: &Path) -> Result<(Box<dyn Read + Send>, Option<u64>), Failure> {
    if path == Path::new("-") {
        return Ok((Box::new(stdin()), None));
    }
    let cannot_read = |error: io::Error| {
        let message = format!("cannot read {}", path.display());
        Failure::new(ExitStatus::Failed, message).because(&error)
    };
    let file = File::open(path).map_err(cannot_read)?;
    let found = file.metadata().map_err(cannot_read)?;
    if found.is_dir() {
        return Err(cannot_read(io::ErrorKind::IsADirectory.into()));
    }
    let size = found.is_file().then_some(found.len());
    Ok((Box::new(file), size))
}

fn parts(mut file: impl Read, count: impl Fn(u64)) -> impl FnMut() -> io::Result<Option<Bytes>> {
    let mut buffer = vec![0; PART_BYTES];
    move || {
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return Ok(None),
                Ok(read) => {
                    count(read as u64);
                    return Ok(Some(Bytes::copy_from_slice(&buffer[..read])));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
