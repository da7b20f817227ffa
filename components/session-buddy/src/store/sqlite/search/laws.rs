//! What holds of the index whatever happens, in whatever order.

use std::ops::ControlFlow;

use proptest::prelude::*;
use rusqlite::{Connection, params};
use session_model::{Searched, SessionFilter, SessionId, Timestamp};

use super::{
    CROWD, Finder, Moment, Texts, changed, common::without_common, compare, index, indexed, waiting,
};
use crate::store::{
    Cursor, ListQuery,
    sqlite::{schema, verify::VerifyError},
};

/// A step in the life of a database.
#[derive(Clone, Debug)]
enum Step {
    /// As many sessions begin, in one of few milliseconds.
    Begin {
        moment: i64,
        text: usize,
        sessions: usize,
    },
    /// One begins in each of so many moments that their words are common.
    Spread { text: usize },
    /// The error of one of them becomes another.
    Fail { session: usize, text: Option<usize> },
    /// A slice is indexed.
    Index { slice: u64 },
}

/// Few words, so that sessions share them.
const TEXTS_OF_SESSIONS: [&str; 6] = [
    "les",
    "Ana les",
    "host-1",
    "host 12",
    "no such order",
    "order 1 timeout",
];
const SEARCHES: [&str; 8] = [
    "les",
    "le",
    "host-1",
    "\"such order\"",
    "order les",
    "1",
    "nowhere",
    "no such ord",
];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..4_i64, 0..6_usize, 1..4_usize)
            .prop_map(|(moment, text, sessions)| Step::Begin { moment, text, sessions }),
        1 => (0..6_usize).prop_map(|text| Step::Spread { text }),
        1 => (0..6_usize).prop_map(|text| Step::Begin { moment: 2, text, sessions: CROWD }),
        3 => (0..64_usize, prop::option::of(0..6_usize))
            .prop_map(|(session, text)| Step::Fail { session, text }),
        3 => (1..40_u64).prop_map(|slice| Step::Index { slice }),
    ];
    prop::collection::vec(step, 1..40)
}

struct Database {
    connection: Connection,
    sessions: usize,
}

impl Database {
    fn new() -> Self {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::migrate(&mut connection).unwrap();
        connection
            .pragma_update(None, "foreign_keys", "OFF")
            .unwrap();
        Self {
            connection,
            sessions: 0,
        }
    }

    fn id(number: usize) -> SessionId {
        format!("oneiric-20260206-220458-{number:08}")
            .parse()
            .unwrap()
    }

    /// One of three is lost.
    fn is_lost(id: &str) -> bool {
        let (_, number) = id.rsplit_once('-').unwrap();
        number.parse::<usize>().unwrap().is_multiple_of(3)
    }

    /// Later ones begin earlier within their millisecond.
    fn begin(&mut self, moment: i64, text: &str) {
        let (number, id) = (self.sessions, Self::id(self.sessions));
        self.sessions += 1;
        let start: Timestamp = "2026-02-06T22:04:58Z".parse().unwrap();
        let micros = 1_000 * moment + 999 - i64::try_from(number % 7).unwrap();
        let start = Timestamp::from_micros(start.as_micros() + micros)
            .unwrap()
            .to_string();
        self.connection
            .execute(
                "INSERT INTO sessions (session_id, session_type, component_name, shell_type, status, username, hostname, pid,
                     platform, python_version, working_directory, start_time, end_estimated, error_occurred,
                     origin_transport, event_id, created_at, last_seen, gaps, metadata, end_metadata, start_record, reason,
                     end_time, end_known_by)
                 VALUES (?1, 'admin_shell', 'oneiric', 'S', iif(?4, 'lost', 'active'), 'les', 'h', 1, '', '', '/', ?2, 0, 0,
                     'unix', '', ?2, ?2, '[]', '{}', '{}', 1, ?3, iif(?4, ?2, NULL), iif(?4, 'process_gone', NULL))",
                params![id.as_str(), start, text, Self::is_lost(id.as_str())],
            )
            .unwrap();
    }

    fn fail(&self, number: usize, error: Option<&str>) {
        let id = Self::id(number);
        let of_session = "SELECT error_message FROM sessions WHERE session_id = ?1";
        let before: Option<String> = self
            .connection
            .query_row(of_session, [id.as_str()], |row| row.get(0))
            .unwrap();
        if before.as_deref() != error {
            changed(&self.connection, &id, before.as_deref()).unwrap();
            let change = "UPDATE sessions SET error_message = ?2 WHERE session_id = ?1";
            self.connection
                .execute(change, params![id.as_str(), error])
                .unwrap();
        }
    }

    fn perform(&mut self, step: &Step) {
        match *step {
            Step::Begin {
                moment,
                text,
                sessions,
            } => {
                (0..sessions).for_each(|_| self.begin(moment, TEXTS_OF_SESSIONS[text]));
            }
            Step::Spread { text } => {
                (10..80).for_each(|moment| self.begin(moment, TEXTS_OF_SESSIONS[text]));
            }
            Step::Fail { session, text } if self.sessions > 0 => {
                self.fail(
                    session % self.sessions,
                    text.map(|text| TEXTS_OF_SESSIONS[text]),
                );
            }
            Step::Fail { .. } => {}
            Step::Index { slice } => drop(index(&self.connection, slice).unwrap()),
        }
    }

    fn found(&self, pairs: &[(&str, &str)], after: Option<Cursor>) -> Vec<Cursor> {
        let query = ListQuery {
            filter: SessionFilter::from_pairs(pairs.iter().copied()).unwrap(),
            after,
            limit: 1,
            count: false,
            now: "2026-02-07T00:00:00Z".parse().unwrap(),
        };
        let finder = Finder::of(&self.connection, &query)
            .unwrap()
            .expect("words are asked for");
        let mut found = Vec::new();
        let mut each = |key: super::read::Key| {
            found.push(self.place(key.row));
            ControlFlow::Continue(())
        };
        finder.walk(query.after.as_ref(), &mut each).unwrap();
        found
    }

    fn place(&self, row: i64) -> Cursor {
        let one = "SELECT start_time, session_id FROM sessions WHERE rowid = ?1";
        let read = |row: &rusqlite::Row<'_>| {
            Ok(Cursor {
                start_time: row.get::<_, String>(0)?.parse().unwrap(),
                session_id: row.get(1)?,
            })
        };
        self.connection.query_row(one, [row], read).unwrap()
    }

    /// Looks at each session.
    fn expected(&self, search: &str, after: Option<&Cursor>) -> Vec<Cursor> {
        let search: session_model::Search = search.parse().unwrap();
        let sql = format!(
            "SELECT rowid, {} FROM sessions ORDER BY start_time DESC, session_id DESC",
            super::TEXTS
        );
        let mut statement = self.connection.prepare(&sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, Texts::read(row, 1)?)));
        let rows = rows.unwrap().map(Result::unwrap);
        let fits = rows.filter(|(_, texts)| search.finds(&texts.searched() as &Searched<'_>));
        let places = fits.map(|(row, _)| self.place(row));
        places
            .filter(|place| {
                after.is_none_or(|after| {
                    (place.start_time, &place.session_id) < (after.start_time, &after.session_id)
                })
            })
            .collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// Whatever is indexed, waits, changed since, or stands in a crowded moment: what is found is what has the words, newest
    /// first, from any place on; and the index has the words of the sessions and no other.
    #[test]
    fn what_is_found_is_what_has_the_words(steps in steps()) {
        let mut database = Database::new();
        for step in &steps {
            database.perform(step);
        }
        for search in SEARCHES {
            let expected = database.expected(search, None);
            prop_assert_eq!(&database.found(&[("search", search)], None), &expected, "{}", search);
            let of_lost: Vec<_> = expected.iter().filter(|place| Database::is_lost(&place.session_id)).cloned().collect();
            let lost = [("search", search), ("status", "lost"), ("component", "oneiric")];
            prop_assert_eq!(&database.found(&lost, None), &of_lost, "lost, {}", search);
            let Some(middle) = expected.get(expected.len() / 2) else { continue };
            prop_assert_eq!(
                database.found(&[("search", search), ("component", "oneiric"), ("user", "les,ana")], Some(middle.clone())),
                database.expected(search, Some(middle)),
                "{} from {:?} on", search, middle
            );
            let moment = middle.start_time.to_string();
            for (bound, newer) in [("after", true), ("before", false)] {
                let within = |place: &&Cursor| (place.start_time >= middle.start_time) == newer;
                let pairs = [("search", search), (bound, moment.as_str())];
                prop_assert_eq!(
                    database.found(&pairs, None),
                    expected.iter().filter(within).cloned().collect::<Vec<_>>(),
                    "{} {} {}", search, bound, moment
                );
                let of_lost: Vec<_> = of_lost.iter().filter(within).cloned().collect();
                prop_assert_eq!(database.found(&[pairs[0], pairs[1], lost[1]], None), of_lost);
            }
        }
        compare(&database.connection).unwrap();
        while index(&database.connection, 7).unwrap() > 0 {}
        prop_assert_eq!(waiting(&database.connection).unwrap(), 0);
        compare(&database.connection).unwrap();
        let check = "PRAGMA integrity_check";
        let sound: String = database.connection.query_row(check, [], |row| row.get(0)).unwrap();
        prop_assert_eq!(sound, "ok");
    }
}

/// A beginning of more words than are put in its place, in sessions among which few have one.
#[test]
fn the_beginning_of_very_many_words_finds_all_that_have_one() {
    let mut database = Database::new();
    for number in 0..900 {
        let text = if number % 9 == 0 {
            format!("ticket{number:04}")
        } else {
            "other".to_owned()
        };
        database.begin(i64::from(number), &text);
    }
    while index(&database.connection, 128).unwrap() > 0 {}
    for search in ["ticket", "t", "tickets", "oneiric ticket", "oth"] {
        assert_eq!(
            database.found(&[("search", search)], None),
            database.expected(search, None),
            "{search}"
        );
    }
}

/// Of words that stand together the index is not asked for those of everybody, and what is found is the same.
#[test]
fn a_word_of_everybody_is_not_looked_up_beside_another() {
    let mut database = Database::new();
    for number in 0..300 {
        let text = match number % 75 {
            0 => "host-017",
            rest if rest % 4 == 0 => "host-12",
            _ => "host",
        };
        database.begin(number, text);
    }
    while index(&database.connection, 128).unwrap() > 0 {}
    let indexed = indexed(&database.connection).unwrap();
    let telling =
        |words: &[&'static str]| without_common(&database.connection, indexed, words).unwrap();
    assert_eq!(telling(&["host", "017", "12"]), ["017", "12"]);
    assert_eq!(telling(&["host", "oneiric"]), [""; 0]);
    for search in ["host-017", "host oneiric", "host nowhere", "les host 12"] {
        assert_eq!(
            database.found(&[("search", search)], None),
            database.expected(search, None),
            "{search}"
        );
    }
}

#[test]
fn what_no_session_says_any_more_is_taken_out_and_what_is_wrong_is_named() {
    let mut database = Database::new();
    database.begin(0, "les");
    database.fail(0, Some("password hunter2 refused"));
    index(&database.connection, 1).unwrap();
    // A page leaves out of a word what it begins with as the one before.
    let there = |database: &Database| {
        let sql = "SELECT count(*) FROM session_words_data WHERE instr(block, 'unter2') > 0";
        database
            .connection
            .query_row(sql, [], |row| row.get::<_, i64>(0))
            .unwrap()
    };
    assert_eq!(there(&database), 1);
    database.fail(0, Some("refused"));
    index(&database.connection, 1).unwrap();
    assert_eq!(there(&database), 0, "secure-delete leaves nothing of it");
    compare(&database.connection).unwrap();

    database
        .connection
        .execute("UPDATE sessions SET reason = 'another'", [])
        .unwrap();
    let Err(VerifyError::Difference { place, .. }) = compare(&database.connection) else {
        panic!("another text was not seen")
    };
    assert_eq!(place, "search index, 2026-02-06");
}

#[test]
fn a_moment_is_a_millisecond_before_1970_too() {
    let time: Timestamp = "1969-12-31T23:59:59.999500Z".parse().unwrap();
    let moment = Moment::of(time);
    assert_eq!(moment, Moment(-1));
    assert_eq!(
        moment.span(),
        ["1969-12-31T23:59:59.999000Z", "1969-12-31T23:59:59.999999Z"]
    );
}
