//! `session-buddy schema validate`: documents as others write them, judged by the reader that the server uses.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, stdin},
    path::Path,
};

use session_model::{escape::for_line, schema::Model};

use crate::cli::{ExitStatus, Failure, report::print};

pub(super) const AFTER_HELP: &str = "\
Exit codes: 0 all are valid, 1 one is not or cannot be read, 2 wrong usage.

Examples:
  session-buddy schema validate SessionStartEvent start.json
  session-buddy show-session z3ucgb7g --format json | session-buddy schema validate SessionRecord -
  session-buddy schema validate SessionEndEvent ends.ndjson";

/// The most bytes of a document: 16 MiB, which is what a report of hours over a century has. An event has at most 128 KiB.
const DOCUMENT_BYTES_MAX: u64 = 16 * 1024 * 1024;

pub(super) fn run(model: Model, file: &Path, lines: bool) -> Result<(), Failure> {
    let from_input = file == Path::new("-");
    let shown = if from_input {
        "standard input".into()
    } else {
        file.display().to_string()
    };
    let failed = |error: &io::Error| {
        Failure::new(ExitStatus::Failed, format!("cannot read {shown}")).because(error)
    };
    let ending = file.extension().and_then(|ending| ending.to_str());
    let judge = if lines || matches!(ending, Some("ndjson" | "jsonl")) {
        judge_lines
    } else {
        judge_whole
    };
    let from: Box<dyn BufRead> = if from_input {
        Box::new(stdin().lock())
    } else {
        Box::new(BufReader::new(
            File::open(file).map_err(|error| failed(&error))?,
        ))
    };
    let verdict = judge(model, &shown, from);
    let Verdict { documents, wrong } = match verdict {
        Ok(verdict) => verdict?,
        Err(error) => return Err(failed(&error)),
    };
    let name = model.name;
    match (documents, wrong) {
        (1, 0) => print(&format!("{}: a valid {name}\n", for_line(&shown))),
        (documents, 0) => print(&format!("{}: {documents} valid {name}\n", for_line(&shown))),
        (1, _) => Err(invalid(format!("{shown} is no valid {name}"))),
        (documents, wrong) => Err(invalid(format!(
            "{wrong} of the {documents} documents in {shown} are no valid {name}"
        ))),
    }
}

fn invalid(message: String) -> Failure {
    Failure::new(ExitStatus::Failed, message)
}

/// How many documents there were, and how many of them are wrong.
#[derive(Default)]
struct Verdict {
    documents: usize,
    wrong: usize,
}

/// What cannot be read, else what cannot be told.
type Judged = io::Result<Result<Verdict, Failure>>;

fn judge_whole(model: Model, shown: &str, mut from: Box<dyn BufRead>) -> Judged {
    let document = bounded(&mut from, |from, bytes| from.read_to_end(bytes))?;
    let mut verdict = Verdict::default();
    Ok(verdict.add(model, shown, &document).map(|()| verdict))
}

fn judge_lines(model: Model, shown: &str, mut from: Box<dyn BufRead>) -> Judged {
    let mut verdict = Verdict::default();
    for number in 1_usize.. {
        let line = bounded(&mut from, |from, bytes| from.read_until(b'\n', bytes))?;
        if line.is_empty() {
            break;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        if let Err(failure) = verdict.add(model, &format!("{shown}:{number}"), &line) {
            return Ok(Err(failure));
        }
    }
    Ok(Ok(verdict))
}

/// Reads a document, and refuses one that is too large without holding more of it.
fn bounded<R: BufRead>(
    from: &mut R,
    read: impl FnOnce(&mut io::Take<&mut R>, &mut Vec<u8>) -> io::Result<usize>,
) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    read(&mut from.take(DOCUMENT_BYTES_MAX + 1), &mut bytes)?;
    if bytes.len() as u64 > DOCUMENT_BYTES_MAX {
        let message = format!("a document of it is over {DOCUMENT_BYTES_MAX} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

impl Verdict {
    /// Judges a document, and says what is wrong with it.
    fn add(&mut self, model: Model, place: &str, document: &[u8]) -> Result<(), Failure> {
        self.documents += 1;
        let problems: Vec<String> = match serde_json::from_slice(document) {
            Err(error) => vec![format!("not JSON: {error}")],
            Ok(document) => match model.validate(&document) {
                Ok(()) => Vec::new(),
                Err(errors) => errors.as_slice().iter().map(ToString::to_string).collect(),
            },
        };
        if problems.is_empty() {
            return Ok(());
        }
        self.wrong += 1;
        let lines = problems
            .iter()
            .map(|problem| format!("{}: {}\n", for_line(place), for_line(problem)));
        print(&lines.collect::<String>())
    }
}
