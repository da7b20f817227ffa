//! Laws of export and import, held after random changes to random sessions.

use proptest::prelude::*;
use serde_json::{Value, json};
use session_buddy::{
    export::{Format, Writer},
    import::{Importer, Staging},
    store::{ImportCount, sqlite::verify::verify},
    tracker::Delivery,
};
use session_model::{
    Field, Imported, SessionEndEvent, SessionFilter, SessionStartEvent, Timestamp, Transport,
    fold::Origin,
};

use crate::{
    analytics::laws::{Role, Step, perform, role, step},
    rules::{Desk, delivery, desks, start_json},
};

fn exported(desk: &Desk, format: Format) -> Vec<u8> {
    let mut writer = Writer::new(format);
    let mut bytes = writer.begin();
    let mut export = desk.tracker.export(SessionFilter::default());
    while let Some(sessions) = desk.runtime.block_on(export.next()).unwrap() {
        bytes.extend(writer.page(&sessions));
    }
    bytes.extend(writer.end());
    bytes
}

/// Imports a file that comes in parts of any size.
fn import(desk: &Desk, file: &[u8], part: usize) -> ImportCount {
    let who = Importer {
        received_at: desk.clock.clock().now(),
        origin: Origin {
            transport: Transport::Stdio,
            address: None,
            uid: Some(0),
        },
        subject: Some("ops".to_owned()),
    };
    let mut staging = Staging::begin(desk.folder.path(), who).unwrap();
    for part in file.chunks(part) {
        staging.take(part).unwrap();
    }
    let staged = staging.finish().unwrap_or_else(|error| panic!("{error:?}"));
    let import = desk.tracker.import(staged);
    desk.runtime.block_on(import).unwrap().unwrap()
}

/// Texts of every kind, also such that act where they are shown.
fn text(characters: usize) -> impl Strategy<Value = String> {
    let any = prop::collection::vec(any::<char>(), 0..characters);
    prop_oneof![
        "[ -~]{0,20}",
        any.prop_map(|chars| chars.into_iter().filter(|c| *c != '\0').collect()),
    ]
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>()
            .prop_filter("no JSON", |number| number.is_finite())
            .prop_map(Value::from),
        text(20).prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(text(8), inner, 0..4).prop_map(|members| json!(members)),
        ]
    })
}

/// The optional parts of a start.
fn more() -> impl Strategy<Value = Value> {
    let optional = || prop::option::of(text(30));
    let metadata = prop::collection::btree_map(
        prop_oneof![
            Just("project".to_owned()),
            Just("project_root".to_owned()),
            text(8)
        ],
        json_value(),
        0..4,
    );
    let actor = prop::option::of((any::<bool>(), optional()).prop_map(|(agent, name)| {
        let kind = if agent { "agent" } else { "human" };
        json!({"kind": kind, "name": name})
    }));
    let texts = (
        optional(),
        optional(),
        optional(),
        optional(),
        text(30),
        text(30),
    );
    (texts, metadata, actor).prop_map(|(texts, metadata, actor)| {
        let (reason, tty, remote_address, runtime, hostname, cwd) = texts;
        json!({
            "reason": reason, "tty": tty, "remote_address": remote_address, "runtime": runtime,
            "hostname": hostname, "metadata": metadata, "actor": actor,
            "environment": {"python_version": "", "platform": cwd, "cwd": cwd},
        })
    })
}

/// What becomes of a session with everything in it.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Lives,
    Ends,
    LosesProcess,
    LosesHost,
}

/// A session with everything in it.
#[derive(Clone, Debug)]
struct Full {
    more: Value,
    sent_at: i64,
    subject: Option<String>,
    fate: Fate,
}

fn full() -> impl Strategy<Value = Full> {
    let fates = [Fate::Lives, Fate::Ends, Fate::LosesProcess, Fate::LosesHost];
    let fate = prop::sample::select(fates.to_vec());
    (more(), moment(), prop::option::of(text(30)), fate).prop_map(
        |(more, sent_at, subject, fate)| Full {
            more,
            sent_at,
            subject,
            fate,
        },
    )
}

impl Full {
    fn perform(&self, desk: &Desk, number: u32) {
        let mut event = start_json(1_000 + number);
        let members = event.as_object_mut().unwrap();
        members.extend(self.more.as_object().unwrap().clone());
        members.retain(|_, value| !value.is_null());
        let event = SessionStartEvent::from_json(&event).unwrap();
        let delivery = || Delivery {
            sent_at: Some(Timestamp::from_micros(self.sent_at).unwrap()),
            subject: self.subject.clone(),
            ..delivery()
        };
        let mut end = json!({
            "session_id": event.session_id(), "timestamp": "2026-02-06T23:00:00.5Z", "exit_code": -9,
            "command_count": 3, "error_count": 1, "last_error": "no such order\u{7}",
            "metadata": self.more["metadata"],
        });
        let began = desk.tracker.start(event, delivery());
        desk.runtime.block_on(began).unwrap();
        let lost = |cause: &str| {
            json!({
                "exit_reason": "lost", "lost_cause": cause, "last_seen": "2026-02-06T22:59:00Z",
                "reported_by": "another shell", "duration_seconds": 12.75,
            })
        };
        let more = match self.fate {
            Fate::Lives => return,
            Fate::Ends => json!({"exit_reason": "panic", "duration_seconds": 3.25}),
            Fate::LosesProcess => lost("process_gone"),
            Fate::LosesHost => lost("host_restarted"),
        };
        end.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let event = SessionEndEvent::from_json(&end).unwrap();
        let ended = desk.tracker.end(event, delivery());
        desk.runtime.block_on(ended).unwrap();
    }
}

/// Every moment that there is.
fn moment() -> impl Strategy<Value = i64> {
    let (first, last) = ("0001-01-01T00:00:00Z", "9999-12-30T22:00:00Z");
    let micros = |text: &str| text.parse::<Timestamp>().unwrap().as_micros();
    micros(first)..=micros(last)
}

fn history() -> impl Strategy<Value = (Vec<Role>, Vec<(prop::sample::Index, Step)>)> {
    (
        prop::collection::vec(role(), 1..8),
        prop::collection::vec((any::<prop::sample::Index>(), step()), 0..50),
    )
}

fn run(desk: &Desk, (roles, steps): &(Vec<Role>, Vec<(prop::sample::Index, Step)>)) {
    for (which, step) in steps {
        let number = which.index(roles.len());
        perform(desk, number, &roles[number], step);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// Active, ended, closed by hand, lost by each cause, revived, estimates replaced: what was exported and imported is
    /// exported as the same bytes, verifies, and can go on.
    #[test]
    fn an_import_of_an_export_is_exported_as_the_same_bytes(
        history in history(),
        later in history(),
        fulls in prop::collection::vec(full(), 0..4),
        part in 1usize..5_000,
    ) {
        let [_, from] = desks();
        let [model, to] = desks();
        run(&from, &history);
        for (number, full) in (0..).zip(&fulls) {
            full.perform(&from, number);
        }
        let ndjson = exported(&from, Format::Ndjson);
        let sessions = ndjson.split(|byte| *byte == b'\n').count() as u64 - 1;
        for desk in [&model, &to] {
            let count = import(desk, &ndjson, part);
            prop_assert_eq!(count, ImportCount { imported: sessions, known: 0 });
            let again = import(desk, &ndjson, part);
            prop_assert_eq!(again, ImportCount { imported: 0, known: sessions });
            for format in Format::ALL {
                let (before, after) = (exported(&from, format), exported(desk, format));
                prop_assert_eq!(String::from_utf8(before), String::from_utf8(after));
            }
        }
        // What happens to imported sessions is as with any others, in the real store as in the model.
        let later = (history.0, later.1);
        run(&to, &later);
        run(&model, &later);
        prop_assert_eq!(
            String::from_utf8(exported(&to, Format::Ndjson)),
            String::from_utf8(exported(&model, Format::Ndjson))
        );
        to.runtime.block_on(to.store.close()).unwrap();
        verify(&to.folder.path().join("sessions.db")).unwrap();
    }

    /// Whatever a line says, it is refused, or it is what a session can be: then its record is the one that it tells.
    #[test]
    fn a_line_is_refused_or_tells_what_a_session_can_be(
        history in history(),
        key in any::<prop::sample::Index>(),
        value in prop_oneof![
            json_value(),
            prop::sample::select(vec![
                json!("active"), json!("ended"), json!("lost"), json!("by_hand"), json!("reported"),
                json!("lease_expired"), json!("process_gone"), json!("2026-02-06T22:04:58.123456Z"), json!(0),
            ]),
        ],
    ) {
        let [_, from] = desks();
        run(&from, &history);
        let ndjson = exported(&from, Format::Ndjson);
        for line in ndjson.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let mut record: Value = serde_json::from_slice(line).unwrap();
            let keys: Vec<_> = record.as_object().unwrap().keys().cloned().collect();
            record[&keys[key.index(keys.len())]] = value.clone();
            if let Ok(imported) = Imported::from_json(&record) {
                let told = imported.record();
                let again = Imported::of(&told).unwrap();
                prop_assert_eq!(again.record(), told);
            }
        }
    }
}
