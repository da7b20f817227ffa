//! Who runs workflows: this program, and Prefect where a server is configured and answers.

use std::{sync::mpsc, thread, time::Duration};

use crate::prefect::Prefect;

/// This program.
pub const LOCAL: &str = "local";
/// A Prefect server.
pub const PREFECT: &str = "prefect";

/// How long a shell waits for an adapter before its prompt: half of the 20 ms that a prompt may take. A server on the same
/// machine answers in 3 to 5 ms, and with one that never answers the prompt is there after 19 ms instead of 8 (measured).
const START_PATIENCE: Duration = Duration::from_millis(10);
/// How long an adapter may take to answer who was asked for it.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// An adapter as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adapter {
    /// Its name.
    pub name: &'static str,
    /// Where it is.
    pub place: String,
    /// Its version, or why it does not answer.
    pub answer: Result<String, String>,
}

/// Asks each adapter that is configured.
pub fn ask() -> Vec<Adapter> {
    let local = Adapter {
        name: LOCAL,
        place: "this program".to_owned(),
        answer: Ok(env!("CARGO_PKG_VERSION").to_owned()),
    };
    let prefect = Prefect::of_this_process().map(|prefect| match prefect {
        Ok(prefect) => Adapter {
            name: PREFECT,
            place: prefect.place(),
            answer: prefect.version(PATIENCE).map_err(|error| error.to_string()),
        },
        Err(error) => Adapter {
            name: PREFECT,
            place: String::new(),
            answer: Err(error.to_string()),
        },
    });
    std::iter::once(local).chain(prefect).collect()
}

/// Gives the adapters of this process that answer at once, for a shell that begins; its prompt waits for no other.
pub fn at_start() -> Vec<String> {
    let prefect = Prefect::of_this_process().and_then(Result::ok);
    those_that_answer(prefect, START_PATIENCE)
}

/// Gives the adapters that answer within `patience`.
pub fn those_that_answer(prefect: Option<Prefect>, patience: Duration) -> Vec<String> {
    let mut names = vec![LOCAL.to_owned()];
    let Some(prefect) = prefect else {
        return names;
    };
    let (sender, answers) = mpsc::channel();
    // A name that takes long to look up must not hold the shell either, so the wait is here and not there.
    let asked = thread::Builder::new()
        .name("prefect".to_owned())
        .spawn(move || {
            // Who has waited long enough does not listen any more.
            let _ = sender.send(prefect.is_healthy_at_once(patience));
        });
    let answer = asked.ok().and_then(|_| answers.recv_timeout(patience).ok());
    if answer == Some(true) {
        names.push(PREFECT.to_owned());
    }
    names
}
