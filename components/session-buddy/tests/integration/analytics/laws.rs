//! Laws, held after random changes to random sessions.

use std::sync::Arc;

use jiff::tz::TimeZone;
use proptest::{prelude::*, sample::select};
use serde_json::{Value, json};
use session_buddy::{
    analytics::{Calendar, Findings, Question, Scope, Unit, Wanted},
    liveness::Liveness,
    store::{
        ListQuery, Note,
        sqlite::{SqliteStore, verify::verify},
    },
    tracker::Tracker,
};
use session_model::{
    Counters, Field, SessionEndEvent, SessionFilter, SessionHeartbeatEvent, SessionRecord,
    SessionStartEvent, Timestamp, fold::Vitals,
};

use super::counted_one_by_one;
use crate::rules::{Desk, delivery, desks, start_json};

const COMPONENTS: [&str; 3] = ["mahavishnu", "crackerjack", "akosha"];
const TYPES: [&str; 2] = ["admin_shell", "batch"];
const USERS: [&str; 3] = ["les", "ana", "bo"];
const ERRORS: [&str; 3] = ["no such order", "disk full", "timed out"];
const ZONES: [&str; 7] = [
    "UTC",
    "Asia/Kathmandu",
    "Europe/Berlin",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Africa/Monrovia",
    "Pacific/Apia",
];
/// Around the edges of quarters, days, weeks, months and years, and where clocks are changed.
const SPOTS: [&str; 14] = [
    "2026-02-06T10:00:00Z",
    "2026-02-06T10:14:59.999999Z",
    "2026-02-06T10:15:00Z",
    "2026-02-06T18:14:59.999999Z",
    "2026-02-06T18:15:00Z",
    "2026-02-07T00:00:00Z",
    "2026-02-28T23:59:59.999999Z",
    "2026-03-29T01:00:00Z",
    "2026-10-25T00:30:00Z",
    "2026-10-25T01:30:00Z",
    "2027-01-01T00:00:00Z",
    "1970-05-01T00:30:00Z",
    "2011-12-30T12:00:00Z",
    "0001-01-01T00:00:00Z",
];

fn instant() -> impl Strategy<Value = Timestamp> {
    let near = prop_oneof![
        Just(0),
        -40_000_000_i64..40_000_000,
        -90_000_000_000_i64..90_000_000_000
    ];
    (select(SPOTS.as_slice()), near).prop_map(|(spot, near)| {
        let spot: Timestamp = spot.parse().unwrap();
        Timestamp::from_micros(spot.as_micros() + near).unwrap_or(spot)
    })
}

/// How much happens before and after a restart.
const STEPS: std::ops::Range<usize> = 0..30;

/// What one session is.
#[derive(Clone, Debug)]
pub(crate) struct Role {
    component: &'static str,
    session_type: &'static str,
    user: &'static str,
    start: Timestamp,
}

pub(crate) fn role() -> impl Strategy<Value = Role> {
    let names = (
        select(COMPONENTS.as_slice()),
        select(TYPES.as_slice()),
        select(USERS.as_slice()),
    );
    (names, instant()).prop_map(|((component, session_type, user), start)| Role {
        component,
        session_type,
        user,
        start,
    })
}

impl Role {
    fn start(&self, number: usize) -> SessionStartEvent {
        let mut event = start_json(u32::try_from(number).unwrap());
        event["component_name"] = json!(self.component);
        event["session_type"] = json!(self.session_type);
        event["user"]["username"] = json!(self.user);
        event["timestamp"] = json!(self.start);
        SessionStartEvent::from_json(&event).unwrap()
    }
}

/// What happens to a session.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Start,
    End {
        seconds: i64,
        errors: i64,
        error: Option<&'static str>,
    },
    Lost,
    Expire,
    Heartbeat {
        errors: i64,
        error: Option<&'static str>,
    },
    Fed {
        errors: i64,
        error: Option<&'static str>,
    },
    ByHand,
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let error = || prop::option::of(select(ERRORS.as_slice()));
    let length = (0u32..20).prop_flat_map(|power| 0..=(1i64 << power));
    prop_oneof![
        3 => Just(Step::Start),
        3 => (length, 0i64..3, error()).prop_map(|(seconds, errors, error)| Step::End { seconds, errors, error }),
        1 => Just(Step::Lost),
        1 => Just(Step::Expire),
        1 => (0i64..3, error()).prop_map(|(errors, error)| Step::Heartbeat { errors, error }),
        1 => (0i64..3, error()).prop_map(|(errors, error)| Step::Fed { errors, error }),
        1 => Just(Step::ByHand),
    ]
}

pub(crate) fn perform(desk: &Desk, number: usize, role: &Role, step: &Step) {
    let start = role.start(number);
    let id = start.session_id();
    let end = |more: Value| {
        let mut event = json!({"session_id": id, "timestamp": "2027-02-06T23:04:58Z"});
        event
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        drop(desk.end(SessionEndEvent::from_json(&event).unwrap()));
    };
    match step {
        Step::Start => drop(desk.start(start)),
        Step::End {
            seconds,
            errors,
            error,
        } => end(json!({
            "duration_seconds": seconds, "command_count": 4, "error_count": errors, "last_error": error,
        })),
        Step::Lost => end(json!({"exit_reason": "lost"})),
        Step::Expire => desk.expire(),
        Step::Heartbeat { errors, error } => {
            let event = json!({
                "session_id": id, "timestamp": "2026-02-06T22:30:00Z",
                "command_count": 3, "error_count": errors, "last_error": error,
            });
            drop(desk.heartbeat(SessionHeartbeatEvent::from_json(&event).unwrap()));
        }
        Step::Fed { errors, error } => {
            let vitals = Vitals {
                last_seen: desk.clock.clock().now(),
                lease_expires_at: None,
                counters: Counters {
                    command_count: Some(3),
                    error_count: Some(*errors),
                    last_error: error.map(str::to_owned),
                },
            };
            let notes = vec![Note::Fed(id, vitals)];
            desk.runtime.block_on(desk.store.note(notes)).unwrap();
        }
        Step::ByHand => {
            let id = id.to_string();
            let close = desk
                .tracker
                .end_by_hand(&id, "ops".to_owned(), None, true, delivery());
            drop(desk.runtime.block_on(close).unwrap());
        }
    }
}

/// Stops the server and starts another on its database. So what was in the journal is in the tables, and what comes is not.
fn reopened(desk: Desk) -> Desk {
    desk.runtime.block_on(desk.store.close()).unwrap();
    let path = desk.folder.path().join("sessions.db");
    let store = Arc::new(SqliteStore::open(&path, &desk.clock.clock()).unwrap());
    let liveness = Liveness::new(desk.clock.monotonic());
    let tracker = Tracker::new(Arc::clone(&store) as _, desk.clock.clock());
    Desk {
        tracker: tracker.with_liveness(liveness),
        store,
        ..desk
    }
}

fn question() -> impl Strategy<Value = Question> {
    let some = |names: &'static [&'static str]| {
        prop::collection::vec(select(names).prop_map(str::to_owned), 0..2)
    };
    let bound = || prop::option::of(instant());
    let scope = (
        some(&TYPES),
        some(&COMPONENTS),
        some(&USERS),
        bound(),
        bound(),
    );
    let scope = scope.prop_map(|(session_types, components, users, after, before)| Scope {
        session_types,
        components,
        users,
        after,
        before,
    });
    let units = [
        Unit::All,
        Unit::Hour,
        Unit::Day,
        Unit::Week,
        Unit::Month,
        Unit::HourOfWeek,
    ];
    let calendar =
        (select(ZONES.as_slice()), select(units.to_vec())).prop_map(|(zone, unit)| Calendar {
            zone: TimeZone::get(zone).unwrap(),
            unit,
        });
    let wanted = prop_oneof![
        Just(Wanted::Totals),
        Just(Wanted::Errors),
        calendar.clone().prop_map(Wanted::Starts),
        calendar.prop_map(Wanted::Users),
    ];
    (scope, wanted).prop_map(|(scope, wanted)| Question { scope, wanted })
}

fn records(desk: &Desk) -> Vec<SessionRecord> {
    let query = ListQuery {
        filter: SessionFilter::default(),
        after: None,
        limit: usize::MAX,
        count: false,
        now: desk.clock.clock().now(),
    };
    let page = desk.runtime.block_on(desk.store.list(query)).unwrap();
    page.sessions
        .into_iter()
        .map(|stored| stored.record)
        .collect()
}

fn ask(desk: &Desk, question: &Question) -> Findings {
    desk.runtime
        .block_on(desk.store.analyze(question.clone()))
        .unwrap()
}

/// All rows of the tables of sums, as text.
fn rows(path: &std::path::Path) -> Vec<String> {
    let connection = rusqlite::Connection::open(path).unwrap();
    let mut rows = Vec::new();
    for table in ["quarters", "days", "users", "presence", "errors", "journal"] {
        let mut statement = connection
            .prepare(&format!("SELECT * FROM rollup_{table}"))
            .unwrap();
        let columns = statement.column_count();
        let row = |row: &rusqlite::Row<'_>| {
            let values = (0..columns).map(|column| row.get::<_, rusqlite::types::Value>(column));
            Ok(format!(
                "{table}: {:?}",
                values.collect::<rusqlite::Result<Vec<_>>>()?
            ))
        };
        let found: Vec<_> = statement
            .query_map([], row)
            .unwrap()
            .map(Result::unwrap)
            .collect();
        rows.extend(found);
    }
    rows
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Starts, ends, losses, revivals, replaced estimates, closures by hand, heartbeats: the sums are those of the sessions.
    #[test]
    fn sums_are_those_of_the_sessions(
        roles in prop::collection::vec(role(), 1..12),
        [before, after] in [STEPS, STEPS].map(|steps| prop::collection::vec((any::<prop::sample::Index>(), step()), steps)),
        questions in prop::collection::vec(question(), 24),
    ) {
        let [mut model, mut sqlite] = desks();
        let perform_all = |model: &Desk, sqlite: &Desk, steps: &[(prop::sample::Index, Step)]| {
            for (which, step) in steps {
                let number = which.index(roles.len());
                perform(model, number, &roles[number], step);
                perform(sqlite, number, &roles[number], step);
            }
        };
        perform_all(&model, &sqlite, &before);
        sqlite = reopened(sqlite);
        model.restart();
        sqlite.restart();
        perform_all(&model, &sqlite, &after);
        let records = records(&sqlite);
        for question in &questions {
            let expected = counted_one_by_one(records.iter().cloned(), question);
            prop_assert_eq!(ask(&sqlite, question), expected.clone(), "{:?}", question);
            prop_assert_eq!(ask(&model, question), expected);
        }
        let path = sqlite.folder.path().join("sessions.db");
        // Tables and journal, and then the tables alone.
        verify(&path).unwrap();
        sqlite.runtime.block_on(sqlite.store.close()).unwrap();
        verify(&path).unwrap();
        let written = rows(&path);
        let counted = SqliteStore::rebuild_rollups(&path).unwrap();
        prop_assert_eq!(counted, records.len() as u64);
        prop_assert_eq!(rows(&path), written);
    }
}
