use ratatui::{
    Terminal,
    backend::TestBackend,
    crossterm::event::{KeyCode, KeyEvent, KeyModifiers},
};
use serde_json::json;

use super::{
    super::{
        feed::{Closed, News, Totals, Wish},
        state::Press,
    },
    *,
};

fn at(text: &str) -> Timestamp {
    format!("2026-02-06T{text}Z").parse().unwrap()
}

fn row(number: i64, component: &str, user: &str, errors: i64) -> Row {
    let liveness = ["live", "unknown", "stale"][usize::try_from(number).unwrap() % 3];
    serde_json::from_value(json!({
        "session_id": format!("{component}-20260206-10000{number}-z3ucgb7{number}"),
        "component_name": component,
        "username": user,
        "hostname": "build-7",
        "pid": 4240 + number,
        "liveness": liveness,
        "duration_seconds": 100 * number * number,
        "last_seen": at("10:59:30"),
        "command_count": 3 * number,
        "error_count": errors,
        "working_directory": "/srv/app",
        "reason": null,
    }))
    .unwrap()
}

fn top(unicode: bool) -> Top {
    let mut top = Top::new(
        jiff::tz::TimeZone::UTC,
        Glyphs { unicode },
        false,
        at("11:00:00"),
    );
    top.hear(News::Sessions {
        rows: vec![
            row(1, "billing", "les", 0),
            row(2, "mahavishnu", "ana", 2),
            row(3, "crackerjack", "日本語\u{1b}[2J", 0),
        ],
        complete: true,
        at: at("10:59:58"),
    });
    top.hear(News::Totals(Totals {
        active: Some(3),
        starts_last_hour: Some(12),
        errors_today: Some(2),
        lost_today: Some(1),
    }));
    top
}

fn shown(top: &mut Top, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(top, frame)).unwrap();
    let buffer = terminal.backend().buffer();
    let line = |row: u16| -> String {
        let cells = (0..width).map(|column| buffer[(column, row)].symbol());
        cells.collect::<String>().trim_end().to_owned()
    };
    (0..height).map(line).collect::<Vec<_>>().join("\n")
}

fn press(top: &mut Top, keys: &str) -> Vec<Press> {
    let code = |c: char| match c {
        '\n' => KeyCode::Enter,
        '\u{1b}' => KeyCode::Esc,
        '\u{8}' => KeyCode::Backspace,
        c => KeyCode::Char(c),
    };
    keys.chars()
        .map(|c| top.press(KeyEvent::new(code(c), KeyModifiers::NONE)))
        .collect()
}

#[test]
fn it_fits_a_small_screen_without_more_than_ascii() {
    insta::assert_snapshot!(shown(&mut top(false), 40, 10), @r"
    3 active  12/h  2 err  1 lost

      Component     User        Agev Life
    > billing       les       1m 42s unknown
      mahavishnu    ana       6m 42s stale
      crackerjack   ???\u{1~  15m 2s live



    q leave  / filter  s sort  ? help
    ");
}

#[test]
fn a_large_screen_shows_more_of_each() {
    insta::assert_snapshot!(shown(&mut top(true), 160, 8), @r"
    session-buddy top  3 active   12 started in the last hour   today 2 with errors, 1 lost   11:00:00

      Component        User           Host                     PID    Age▼ Life     Silent    Cmds  Errs ID                                             Folder
    > billing          les            build-7                 4241  1m 42s unknown     30s       3     0 billing-20260206-100001-z3ucgb71               /srv/app
      mahavishnu       ana            build-7                 4242  6m 42s stale       30s       6     2 mahavishnu-20260206-100002-z3ucgb72            /srv/app
      crackerjack      日 本 語 \u{1b}[… build-7                 4243  15m 2s live        30s       9     0 crackerjack-20260206-100003-z3ucgb73           /srv/app

    q leave  / filter  s sort  ? help  e close  Enter show  r turn  Esc no filter
    ");
}

#[test]
fn no_screen_is_too_small() {
    for (width, height) in [(1, 1), (3, 2), (12, 4), (40, 3)] {
        shown(&mut top(true), width, height);
        let mut help = top(true);
        press(&mut help, "?");
        shown(&mut help, width, height);
    }
}

#[test]
fn what_is_typed_filters_and_escape_ends_that() {
    let mut top = top(true);
    press(&mut top, "/ANAx\u{8}");
    let seen = shown(&mut top, 60, 6);
    assert!(
        seen.contains("/ANA_") && seen.contains("mahavishnu"),
        "{seen}"
    );
    assert!(!seen.contains("billing"), "{seen}");
    press(&mut top, "\n");
    assert!(shown(&mut top, 60, 6).contains("/ANA  (Esc: no filter)"));
    press(&mut top, "\u{1b}");
    assert!(shown(&mut top, 60, 6).contains("billing"));
    press(&mut top, "/nobody");
    assert!(shown(&mut top, 60, 6).contains("no open session matches"));
}

fn order(top: &mut Top) -> Vec<i64> {
    top.shown().iter().map(|row| row.pid - 4240).collect()
}

#[test]
fn it_is_sorted_by_one_column_after_the_other_both_ways() {
    let mut top = top(true);
    assert_eq!(order(&mut top), [1, 2, 3], "the newest first");
    let expected = [
        [1, 3, 2], // component
        [2, 1, 3], // user
        [1, 2, 3], // host, which are equal
        [3, 2, 1], // commands
        [2, 1, 3], // errors
    ];
    for expected in expected {
        press(&mut top, "s");
        assert_eq!(order(&mut top), expected, "{:?}", top.sort);
    }
    press(&mut top, "r");
    assert_eq!(order(&mut top), [3, 1, 2]);
}

#[test]
fn the_chosen_session_stays_chosen_and_when_it_goes_the_next_one_is() {
    let mut top = top(true);
    press(&mut top, "j");
    let chosen = top.chosen.clone().unwrap();
    press(&mut top, "s");
    assert_eq!(top.chosen_place(), 2, "it moved with the order");
    let rows = vec![row(1, "billing", "les", 0), row(3, "crackerjack", "bo", 0)];
    top.hear(News::Sessions {
        rows,
        complete: true,
        at: at("11:00:01"),
    });
    assert_eq!(top.chosen_place(), 1);
    assert_ne!(top.chosen.clone().unwrap(), chosen);
    top.hear(News::Sessions {
        rows: Vec::new(),
        complete: true,
        at: at("11:00:02"),
    });
    assert!(shown(&mut top, 60, 6).contains("no session is open"));
    assert_eq!(top.chosen, None);
    assert_eq!(press(&mut top, "\ne"), [Press::Nothing, Press::Nothing]);
}

#[test]
fn a_long_list_is_scrolled_to_what_is_chosen() {
    let mut top = top(true);
    let rows = (1..=9).map(|number| row(number, "billing", &format!("u{number}"), 0));
    top.hear(News::Sessions {
        rows: rows.collect(),
        complete: true,
        at: at("11:00:00"),
    });
    shown(&mut top, 60, 7);
    press(&mut top, "G");
    let seen = shown(&mut top, 60, 7);
    assert!(
        seen.contains("> billing") && seen.contains("u9") && !seen.contains("u6"),
        "{seen}"
    );
    press(&mut top, "g");
    let seen = shown(&mut top, 60, 7);
    assert!(seen.contains("u1") && !seen.contains("u4"), "{seen}");
}

#[test]
fn a_session_is_closed_after_a_question_and_after_another_if_it_is_alive() {
    let mut top = top(true);
    let id = "billing-20260206-100001-z3ucgb71";
    press(&mut top, "e");
    assert!(shown(&mut top, 80, 6).contains(&format!("close {id}? Its shell goes on. y/n")));
    assert_eq!(press(&mut top, "n"), [Press::Nothing]);
    assert!(shown(&mut top, 80, 6).contains("left as it is"));
    let close = |force| {
        Press::Wish(Wish::Close {
            id: id.to_owned(),
            force,
        })
    };
    assert_eq!(press(&mut top, "ey"), [Press::Nothing, close(false)]);
    top.hear(News::Closed(Closed::Alive(id.to_owned())));
    assert!(shown(&mut top, 40, 6).contains("z3ucgb71 is alive. Close it on paper?"));
    assert_eq!(press(&mut top, "y"), [close(true)]);
    top.hear(News::Closed(Closed::Done(id.to_owned())));
    assert!(shown(&mut top, 80, 6).contains(&format!("closed {id}")));
    top.hear(News::Closed(Closed::Refused(
        "the token does not allow it".to_owned(),
    )));
    assert!(shown(&mut top, 80, 6).contains("the token does not allow it"));
}

#[test]
fn a_server_that_is_away_is_said_with_what_was_known_until_it_is_back() {
    let mut top = top(true);
    top.hear(News::Lost("no server answers at unix:/x".to_owned()));
    top.now = at("11:05:00");
    top.hear(News::Lost("something else".to_owned()));
    let seen = shown(&mut top, 80, 7);
    let said = "server unreachable since 11:00:00: no server answers at unix:/x";
    assert!(seen.contains(said) && seen.contains("billing"), "{seen}");
    // What was known does not grow older by itself.
    assert!(seen.contains("1m 40s"), "{seen}");
    let rows = vec![row(1, "billing", "les", 0)];
    top.hear(News::Sessions {
        rows,
        complete: true,
        at: at("11:05:00"),
    });
    assert!(!shown(&mut top, 80, 7).contains("unreachable"));
}

#[test]
fn keys_that_leave_do_and_others_do_not() {
    let mut top = top(true);
    assert_eq!(
        press(&mut top, "x?q"),
        [Press::Nothing, Press::Nothing, Press::Nothing]
    );
    assert_eq!(press(&mut top, "q"), [Press::Leave]);
    press(&mut top, "/");
    assert_eq!(press(&mut top, "q"), [Press::Nothing], "it is typed");
    let control = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL);
    assert_eq!(top.press(control('c')), Press::Leave);
    assert_eq!(top.press(control('l')), Press::Redraw);
}

#[test]
fn a_line_that_is_too_long_goes_on_below() {
    assert_eq!(wrapped("Session: abcdef", 10), ["Session: a", "  bcdef"]);
    assert_eq!(wrapped("", 10), [""]);
}
