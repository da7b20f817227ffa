//! This user's store, read by the program `session-buddy`: how it is read without a server is a matter of that program alone.

use std::{
    env,
    io::{self, BufRead, BufReader, Read},
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
};

use serde::de::DeserializeOwned;
use session_client::PAGE_MAX;
use tokio::sync::oneshot;

use super::{Question, SourceError, Whole};

const PROGRAM: &str = "session-buddy";
/// The most of what the program says of an error that is repeated, in bytes.
const ERROR_BYTES_MAX: u64 = 4_096;
/// The exit code with which it says that there is neither a server nor a store.
const NOTHING_THERE: i32 = 3;

/// Reads the store until its end, or until nobody wants it.
pub(super) fn read<T: DeserializeOwned>(
    question: &Question,
    unwanted: &mut oneshot::Receiver<()>,
    hand_over: &mut impl FnMut(Vec<T>) -> bool,
) -> Result<Whole, SourceError> {
    let mut child = start(question)?;
    let output = child.stdout.take().expect("it was asked for");
    let read = lines(output, unwanted, hand_over);
    if !matches!(
        read,
        Ok(Taken {
            is_wanted: true,
            ..
        })
    ) {
        // It may have ended by itself; in any case nobody listens any more.
        let _ = child.kill();
    }
    let mut said = String::new();
    if let Some(errors) = child.stderr.take() {
        // What cannot be read is not repeated.
        let _ = errors.take(ERROR_BYTES_MAX).read_to_string(&mut said);
    }
    let status = child.wait().map_err(|error| SourceError::of(&error))?;
    let taken = read?;
    if taken.is_wanted && !status.success() {
        return Err(failed(&said, status.code()));
    }
    Ok(if taken.sessions < question.sessions_max {
        Whole::Yes
    } else {
        Whole::Cut
    })
}

fn start(question: &Question) -> Result<Child, SourceError> {
    let mut command = Command::new(program());
    command
        .args(["list-sessions", "--format", "json", "--limit"])
        .arg(question.sessions_max.to_string());
    for (name, value) in question.filter.to_pairs() {
        let flag = format!("--{}", name.replace('_', "-"));
        command.arg(match name {
            "incomplete" => flag,
            _ => format!("{flag}={value}"),
        });
    }
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    child.map_err(|error| {
        let problem = if error.kind() == io::ErrorKind::NotFound {
            format!(
                "no server runs, and the program {PROGRAM}, which reads the store, is not there"
            )
        } else {
            format!("no server runs, and {PROGRAM}, which reads the store, does not start: {error}")
        };
        SourceError {
            is_unreachable: true,
            ..SourceError::new(problem)
                .hint("name a server with --server, or put session-buddy on the PATH")
        }
    })
}

/// Gives the program: what `SESSION_BUDDY_PATH` names, a file or a folder with it; else the one beside this one, which came with
/// it; else the one on the path.
fn program() -> PathBuf {
    let named = env::var_os("SESSION_BUDDY_PATH").filter(|path| !path.is_empty());
    let named = named.map(PathBuf::from).map(|path| {
        let inside = [
            path.join(PROGRAM),
            path.join("target/release").join(PROGRAM),
        ];
        let found = inside.into_iter().find(|program| program.is_file());
        found.unwrap_or(path)
    });
    let beside = || {
        let beside = env::current_exe().ok()?.with_file_name(PROGRAM);
        beside.is_file().then_some(beside)
    };
    named.or_else(beside).unwrap_or_else(|| PROGRAM.into())
}

/// What was read.
struct Taken {
    sessions: usize,
    /// Somebody still listens.
    is_wanted: bool,
}

/// Takes sessions from an array with a session on each line.
fn lines<T: DeserializeOwned>(
    output: ChildStdout,
    unwanted: &mut oneshot::Receiver<()>,
    hand_over: &mut impl FnMut(Vec<T>) -> bool,
) -> Result<Taken, SourceError> {
    let mut taken = Taken {
        sessions: 0,
        is_wanted: true,
    };
    let mut page = Vec::with_capacity(PAGE_MAX);
    for line in BufReader::new(output).lines() {
        let line = line.map_err(|error| SourceError::of(&error))?;
        let session = line.trim_end_matches(',');
        // The brackets of the array.
        if !session.starts_with('{') {
            continue;
        }
        let session = serde_json::from_str(session)
            .map_err(|error| SourceError::new(format!("{PROGRAM} gives no sessions: {error}")))?;
        page.push(session);
        if page.len() == PAGE_MAX {
            taken.sessions += page.len();
            let full = std::mem::replace(&mut page, Vec::with_capacity(PAGE_MAX));
            let is_unwanted = unwanted.try_recv() == Err(oneshot::error::TryRecvError::Closed);
            if is_unwanted || !hand_over(full) {
                taken.is_wanted = false;
                return Ok(taken);
            }
        }
    }
    taken.sessions += page.len();
    taken.is_wanted = hand_over(page);
    Ok(taken)
}

/// Repeats what the program said.
fn failed(said: &str, code: Option<i32>) -> SourceError {
    let part = |prefix: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(prefix));
        line.map(str::to_owned)
    };
    let problem = part("error: ").unwrap_or_else(|| match code {
        Some(code) => format!("{PROGRAM} ended with code {code}"),
        None => format!("{PROGRAM} was ended by a signal"),
    });
    SourceError {
        problem,
        hint: part("hint: "),
        is_unreachable: code == Some(NOTHING_THERE),
    }
}
