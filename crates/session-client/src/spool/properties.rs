//! The spool held against a simple model under random use, crashes, torn writes and flipped bits.

use std::{collections::BTreeSet, fs, io::Write, path::PathBuf};

use proptest::prelude::*;
use tempfile::TempDir;

use super::{Adoption, EventKind, Header, Spool, SpoolFile, contents::Record};

/// What may happen to one of a few sessions.
#[derive(Clone, Debug)]
enum Step {
    Begin(usize),
    End(usize),
    /// A server takes the next event, and that is written down.
    Deliver(usize),
    /// A server takes the next event, and whoever delivered it dies before that is written down.
    DeliverAndDie(usize),
    Die(usize),
    /// Its holder dies in the middle of a write of so many bytes.
    Tear(usize, usize),
    Flip(usize, usize, u8),
    Adopt(usize),
    Finish(usize),
}

const SESSIONS: usize = 4;

fn step() -> impl Strategy<Value = Step> {
    let session = 0..SESSIONS;
    prop_oneof![
        2 => session.clone().prop_map(Step::Begin),
        3 => session.clone().prop_map(Step::End),
        4 => session.clone().prop_map(Step::Deliver),
        1 => session.clone().prop_map(Step::DeliverAndDie),
        2 => session.clone().prop_map(Step::Die),
        1 => (session.clone(), 1..60_usize).prop_map(|(session, bytes)| Step::Tear(session, bytes)),
        1 => (session.clone(), any::<usize>(), 0..8_u8).prop_map(|(session, at, bit)| Step::Flip(session, at, bit)),
        4 => session.clone().prop_map(Step::Adopt),
        3 => session.prop_map(Step::Finish),
    ]
}

/// What a session should hold.
#[derive(Default)]
struct Expected {
    begun: bool,
    removed: bool,
    /// A flip took its header, or its magic.
    unusable: bool,
    events: Vec<String>,
    acknowledged: usize,
    flips: usize,
}

struct World {
    _folder: TempDir,
    spool: Spool,
    expected: [Expected; SESSIONS],
    held: [Option<SpoolFile>; SESSIONS],
    /// What the server has.
    server: BTreeSet<String>,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(&folder.path().join("state")).unwrap();
        Self {
            _folder: folder,
            spool,
            expected: Default::default(),
            held: [const { None }; SESSIONS],
            server: BTreeSet::new(),
        }
    }

    fn path(&self, session: usize) -> PathBuf {
        self.spool.path().join(format!("s-{session}.spool"))
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Begin(session) => self.begin(session),
            Step::End(session) => self.end(session, "reported"),
            Step::Deliver(session) => self.deliver(session, true),
            Step::DeliverAndDie(session) => {
                self.deliver(session, false);
                self.held[session] = None;
            }
            Step::Die(session) => self.held[session] = None,
            Step::Tear(session, bytes) => self.tear(session, bytes),
            Step::Flip(session, at, bit) => self.flip(session, at, bit),
            Step::Adopt(session) => self.adopt(session),
            Step::Finish(session) => self.finish(session),
        }
    }

    fn begin(&mut self, session: usize) {
        if self.expected[session].begun {
            return;
        }
        let header = Header {
            session_id: format!("s-{session}"),
            component: "test".to_owned(),
            destination: "unix:/nowhere".to_owned(),
            boot_id: None,
        };
        let start = format!("{{\"start\":{session}}}");
        let file = SpoolFile::create(self.spool.path(), header, start.clone()).unwrap();
        self.held[session] = Some(file);
        self.expected[session].begun = true;
        self.expected[session].events.push(start);
    }

    fn end(&mut self, session: usize, how: &str) {
        let Some(file) = &mut self.held[session] else {
            return;
        };
        let end = format!("{{\"end\":{session},\"how\":\"{how}\"}}");
        if !file.contents().has_ended() {
            self.expected[session].events.push(end.clone());
        }
        file.append_end(end).unwrap();
    }

    fn deliver(&mut self, session: usize, written_down: bool) {
        let Some(file) = &mut self.held[session] else {
            return;
        };
        let Some(next) = file.contents().waiting().first().cloned() else {
            return;
        };
        self.server.insert(next.json);
        if written_down {
            let finished_by_it =
                file.contents().has_ended() && file.contents().waiting().len() == 1;
            file.acknowledge(next.end, None).unwrap();
            // An acknowledgement that ends the file is not written: the file goes instead.
            if finished_by_it {
                self.finish(session);
            } else {
                self.expected[session].acknowledged += 1;
            }
        }
    }

    fn tear(&mut self, session: usize, bytes: usize) {
        if self.held[session].take().is_none() {
            return;
        }
        let mut record = Vec::new();
        Record::Event(EventKind::End, "{\"torn\":true}".repeat(5)).encode(&mut record);
        let mut file = fs::OpenOptions::new()
            .append(true)
            .open(self.path(session))
            .unwrap();
        file.write_all(&record[..bytes.min(record.len() - 1)])
            .unwrap();
    }

    fn flip(&mut self, session: usize, at: usize, bit: u8) {
        if self.held[session].is_some() {
            return;
        }
        let path = self.path(session);
        let Ok(mut bytes) = fs::read(&path) else {
            return;
        };
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        fs::write(path, bytes).unwrap();
        self.expected[session].flips += 1;
    }

    fn adopt(&mut self, session: usize) {
        let path = self.path(session);
        let expected = &mut self.expected[session];
        match SpoolFile::adopt(&path).unwrap() {
            Adoption::Owned => assert!(self.held[session].is_some()),
            Adoption::Gone if expected.begun && !expected.removed => {
                // No record is whole, or none but the header, and the length of the start says that it was cut short.
                assert!(expected.flips > 0);
                let aside = path
                    .with_file_name("refused")
                    .join(path.file_name().unwrap());
                assert!(aside.exists(), "what cannot be read is set aside");
                expected.unusable = true;
                expected.removed = true;
            }
            Adoption::Gone => {}
            Adoption::Foreign(why) => {
                assert!(expected.flips > 0, "{why}");
                assert!(
                    self.path(session).exists(),
                    "what cannot be read is left as it is"
                );
                self.expected[session].unusable = true;
            }
            Adoption::Adopted { file, .. } => {
                assert!(self.held[session].is_none() && !expected.removed);
                let contents = file.contents();
                let events: Vec<_> = contents
                    .events
                    .iter()
                    .map(|event| event.json.clone())
                    .collect();
                let waiting: Vec<_> = contents
                    .waiting()
                    .iter()
                    .map(|event| event.json.clone())
                    .collect();
                if expected.flips == 0 {
                    assert_eq!(events, expected.events);
                    assert_eq!(waiting, expected.events[expected.acknowledged..]);
                } else {
                    let lost: Vec<_> = expected
                        .events
                        .iter()
                        .filter(|event| !events.contains(event))
                        .collect();
                    assert!(
                        lost.len() <= expected.flips,
                        "one flip costs one record at most: {lost:?}"
                    );
                    assert!(
                        expected.events[expected.acknowledged..]
                            .iter()
                            .all(|event| waiting.contains(event) || lost.contains(&event))
                    );
                    expected.events = events;
                    expected.acknowledged = expected.events.len() - waiting.len();
                }
                self.held[session] = Some(*file);
                self.end(session, "lost");
            }
        }
    }

    fn finish(&mut self, session: usize) {
        let Some(file) = self.held[session].take() else {
            return;
        };
        if !file.contents().is_finished() {
            self.held[session] = Some(file);
            return;
        }
        file.finish().unwrap();
        self.expected[session].removed = true;
        assert!(!self.path(session).exists());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens on the way, in the end the server has every event that was reported as written, but for those
    /// that a flipped bit took, at most one each.
    #[test]
    fn nothing_that_was_written_is_lost(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        for session in 0..SESSIONS {
            let before: Vec<_> = world.expected[session].events.clone();
            world.held[session] = None;
            world.adopt(session);
            while world.held[session].as_ref().is_some_and(|file| !file.contents().waiting().is_empty()) {
                world.deliver(session, true);
            }
            let expected = &world.expected[session];
            prop_assert!(!expected.begun || expected.removed || expected.unusable);
            if !expected.unusable {
                let missing = before.iter().filter(|event| !world.server.contains(*event)).count();
                prop_assert!(missing <= expected.flips);
            }
        }
    }
}
