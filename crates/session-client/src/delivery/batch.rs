//! One pass over the files of a delivery: what is sent next, and what the answers mean to the files.

use std::sync::Mutex;

use super::{
    answer::{Answer, Kind},
    locked,
    transport::Message,
};
use crate::{
    Credential,
    spool::{EventKind, Refused, SpoolError, SpoolFile},
};

/// The most bytes of the events of one request; half of the server's bound for a body.
const BATCH_BYTES_MAX: usize = 512 * 1024;

/// A pass over files. It ends: each answer either settles an event, or sets its file aside until the next pass.
pub(super) struct Pass<'a> {
    files: &'a [&'a Mutex<SpoolFile>],
    /// Files whose start was taken in this pass: where the server then does not know the session, it is not asked again.
    started: Vec<bool>,
    /// Files with an event that was not taken.
    stuck: Vec<bool>,
    /// Why the last such event was not taken.
    cause: Option<String>,
}

/// Events that go in one call.
#[derive(Default)]
pub(super) struct Batch {
    messages: Vec<Message>,
    places: Vec<Place>,
}

/// An event in a batch: which of the files it is from, and where its record ends.
struct Place {
    file: usize,
    end: u64,
    kind: EventKind,
}

impl Batch {
    /// Gives the component of its first event; none where there is nothing in it.
    pub(super) fn component(&self) -> Option<&str> {
        self.messages
            .first()
            .map(|message| message.component.as_str())
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub(super) fn take_messages(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.messages)
    }
}

impl<'a> Pass<'a> {
    pub(super) fn over(files: &'a [&'a Mutex<SpoolFile>]) -> Self {
        Self {
            files,
            started: vec![false; files.len()],
            stuck: vec![false; files.len()],
            cause: None,
        }
    }

    /// Gives why something was not taken, if something was not.
    pub(super) fn cause(self) -> Option<String> {
        self.cause
    }

    /// Takes the first events that wait, at most `events_max`, each file's in order.
    pub(super) fn next(&mut self, events_max: usize, speaker: Option<&Credential>) -> Batch {
        let mut batch = Batch::default();
        let mut bytes = 0;
        for (number, file) in self.files.iter().enumerate() {
            let file = locked(file);
            let contents = file.contents();
            if self.stuck[number] || contents.refused.is_some() {
                continue;
            }
            let component = &contents.header.component;
            if let Some(speaker) = speaker {
                if !speaker.speaks_for(component) && !contents.waiting().is_empty() {
                    self.stuck[number] = true;
                    self.cause = Some(format!(
                        "{speaker:?} does not speak for component {component}"
                    ));
                    continue;
                }
                // A token is made for one component.
                if batch.component().is_some_and(|first| first != component) {
                    continue;
                }
            }
            for event in contents.waiting() {
                bytes += event.json.len();
                let full = batch.messages.len() >= events_max || bytes > BATCH_BYTES_MAX;
                if full && !batch.is_empty() {
                    return batch;
                }
                batch.messages.push(Message {
                    kind: kind(event.kind),
                    json: event.json.clone(),
                    component: component.clone(),
                    session_id: contents.header.session_id.clone(),
                    known_as: contents.acknowledged.session_id.clone(),
                });
                batch.places.push(Place {
                    file: number,
                    end: event.end,
                    kind: event.kind,
                });
            }
        }
        batch
    }

    /// Writes down why a call failed. It is only for people, and shown by the status too.
    pub(super) fn note(&self, batch: &Batch, cause: &str) {
        for place in &batch.places {
            let _ = locked(self.files[place.file]).note_problem(cause);
        }
    }

    /// Writes down what became of each event.
    pub(super) fn settle(&mut self, batch: &Batch, answers: Vec<Answer>) {
        // What follows an event that was not taken was not asked for: it is sent again.
        let mut skipped = vec![false; self.files.len()];
        for (place, answer) in batch.places.iter().zip(answers) {
            if skipped[place.file] {
                continue;
            }
            let mut file = locked(self.files[place.file]);
            if let Err(cause) = settle(&mut file, place, answer, &mut self.started[place.file]) {
                let _ = file.note_problem(&cause);
                self.stuck[place.file] = true;
                self.cause = Some(cause);
            }
            let contents = file.contents();
            skipped[place.file] =
                self.stuck[place.file] || contents.refused.is_some() || !contents.was_delivered();
        }
    }
}

const fn kind(kind: EventKind) -> Kind {
    match kind {
        EventKind::Start => Kind::Start,
        EventKind::End => Kind::End,
    }
}

/// Writes down what became of one event, or says why it still waits.
fn settle(
    file: &mut SpoolFile,
    place: &Place,
    answer: Answer,
    started: &mut bool,
) -> Result<(), String> {
    // What cannot be written down is sent again by whoever reads the file next.
    let noted = |written: Result<(), SpoolError>| drop(written);
    match answer {
        Answer::Taken { session_id } => {
            *started |= place.kind == EventKind::Start;
            let own = session_id == file.contents().header.session_id;
            noted(file.acknowledge(place.end, (!own).then_some(session_id)));
            Ok(())
        }
        Answer::NotFound if *started => {
            Err("it took the start of the session and does not know the session".to_owned())
        }
        Answer::NotFound if file.contents().start().is_some() => {
            noted(file.forget_acknowledgements());
            Ok(())
        }
        Answer::NotFound => {
            noted(
                file.refuse(Refused {
                    error: "the server does not know the session, and its start is damaged here"
                        .to_owned(),
                    error_code: None,
                }),
            );
            Ok(())
        }
        Answer::Refused(refused) => {
            noted(file.refuse(refused));
            Ok(())
        }
        Answer::Closed => Err("it answered an event as if it were a heartbeat".to_owned()),
        Answer::NotTaken { cause } => Err(cause),
    }
}
