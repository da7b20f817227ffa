use session_model::{SessionStatus, Timestamp};

use super::*;
use crate::synthetic::{Claim, Size, Tally, World, judge};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
/// 2026-01-05T09:00:00Z, a Monday.
const MORNING: i64 = 1_767_603_600;

fn visit(user: &str, number: i64, start: i64, seconds: i64) -> Visit {
    let at = Timestamp::from_micros(start * 1_000_000).unwrap();
    Visit {
        #[expect(clippy::cast_precision_loss, reason = "some hours")]
        duration_seconds: Some(seconds as f64),
        command_count: Some(20),
        error_count: Some(0),
        ..Visit::new(
            format!("{user}-{number}"),
            "mahavishnu",
            user,
            "build-7",
            at,
        )
    }
}

/// Two sessions on each day, in the morning and at noon, of 12 to 31 minutes.
fn ordinary(user: &str, sessions: i64) -> Vec<Visit> {
    let session = |number: i64| {
        let start = MORNING + number / 2 * DAY + number % 2 * 3 * HOUR + number * 7 % 40 * 60;
        visit(user, number, start, (12 + number * 11 % 20) * 60)
    };
    (0..sessions).map(session).collect()
}

/// What is found about `visits` after `sessions` ordinary ones.
fn found(sessions: i64, visits: impl IntoIterator<Item = Visit>) -> Vec<Finding> {
    let mut history = ordinary("ana", sessions);
    history.extend(visits);
    detect(&history, &Settings::default())
}

#[track_caller]
fn only(found: Vec<Finding>, metric: Metric) -> Finding {
    let [finding] = <[Finding; 1]>::try_from(found).unwrap_or_else(|found| panic!("{found:#?}"));
    assert_eq!(finding.metric, metric);
    assert!((0.8..=1.0).contains(&finding.score), "{finding:?}");
    finding
}

/// The first second after so many ordinary sessions at which one would begin.
const fn next(sessions: i64) -> i64 {
    MORNING + (sessions + 1) / 2 * DAY
}

#[test]
fn a_long_session_is_found() {
    let long = visit("ana", 143, next(143), 9 * HOUR + 12 * 60);
    let finding = only(found(143, [long]), Metric::Duration);
    assert_eq!(
        finding.reason,
        "ana's session in mahavishnu lasted 9 h 12 min; of 143 before it half were between 16 min and 26 min, the longest 31 min"
    );
    assert_eq!(finding.sessions, [Name::from("ana-143")]);
    assert_eq!(finding.user.as_deref(), Some("ana"));
    assert_eq!(finding.observed, 33_120.0);
    assert_eq!(found(143, [visit("ana", 143, next(143), 40 * 60)]), []);
}

#[test]
fn of_an_open_session_the_length_so_far_counts() {
    let open = Visit {
        status: SessionStatus::Active,
        ..visit("ana", 143, next(143), 9 * HOUR)
    };
    let finding = only(found(143, [open]), Metric::Duration);
    assert!(finding.reason.contains("has lasted 9 h;"), "{finding:?}");
}

#[test]
fn the_third_long_session_is_a_habit() {
    let long = |number: i64| visit("ana", number, next(number + 20), 9 * HOUR);
    let of_lengths = |found: Vec<Finding>| {
        found
            .iter()
            .map(|finding| finding.sessions[0].to_string())
            .collect::<Vec<_>>()
    };
    let once = of_lengths(found(143, [long(143)]));
    let often = of_lengths(found(143, (0..4).map(|more| long(143 + 2 * more))));
    assert_eq!((once.clone(), often), (vec!["ana-143".to_owned()], once));
}

#[test]
fn failures_of_several_people_at_once_are_one_outage() {
    let mut history = [ordinary("ana", 60), ordinary("bo", 60), ordinary("cid", 60)].concat();
    for (number, user) in ["ana", "bo", "cid"].into_iter().enumerate() {
        let minutes = i64::try_from(number).unwrap() * 600;
        history.push(Visit {
            error: true,
            error_count: Some(14),
            ..visit(user, 60, next(60) + minutes, 900)
        });
    }
    let finding = only(detect(&history, &Settings::default()), Metric::ErrorRate);
    assert_eq!(
        finding.reason,
        "42 of 60 commands failed in 3 sessions of 3 people in mahavishnu within hours; 0.0 % is usual there"
    );
    assert_eq!((finding.user, finding.sessions.len()), (None, 3));
}

#[test]
fn sessions_whose_commands_nobody_counts_can_fail_together() {
    let uncounted = |visit: Visit| Visit {
        command_count: None,
        error_count: None,
        ..visit
    };
    let mut history: Vec<_> = ordinary("ana", 100).into_iter().map(uncounted).collect();
    history.extend((0..6).map(|number| Visit {
        error: true,
        ..uncounted(visit("ana", 100 + number, next(100) + number * 1200, 900))
    }));
    let finding = only(detect(&history, &Settings::default()), Metric::ErrorRate);
    assert!(
        finding
            .reason
            .starts_with("6 sessions failed in 6 of ana's sessions in mahavishnu"),
        "{finding:?}"
    );
}

#[test]
fn many_starts_at_once_are_one_burst() {
    let burst = (0..14).map(|number| visit("ana", 143 + number, next(143) + number * 15, 600));
    let finding = only(found(143, burst), Metric::StartFrequency);
    assert_eq!(
        finding.reason,
        "ana began 14 sessions within 5 min from 09:00 UTC; of 156 before it never more than 1 began at once, and 1.1 are usual at that time"
    );
    assert_eq!(finding.sessions.len(), 14);
}

#[test]
fn a_night_is_found_and_its_sessions_are_one_finding() {
    let night = (0..2).map(|number| {
        visit(
            "ana",
            143 + number,
            next(143) + 17 * HOUR + number * HOUR,
            900,
        )
    });
    let finding = only(found(143, night), Metric::HourOfDay);
    assert_eq!(
        finding.reason,
        "ana began 2 sessions in a row in mahavishnu at 02:00 UTC on a Thursday; of 143 before it nine of ten began between 09:00 UTC and 13:00 UTC, and none within an hour of that time"
    );
    assert_eq!(finding.sessions.len(), 2);
}

#[test]
fn a_host_that_nobody_knew_is_news_and_that_of_colleagues_is_not() {
    let mut history = [
        ordinary("ana", 200),
        ordinary("bo", 200),
        ordinary("cid", 200),
    ]
    .concat();
    for (visit, number) in history
        .iter_mut()
        .filter(|visit| &*visit.user == "bo")
        .zip(0..)
    {
        if number % 2 == 0 {
            visit.host = "build-8".into();
        }
    }
    let on = |host: &str| {
        let mut history = history.clone();
        history.push(Visit {
            host: host.into(),
            ..visit("ana", 200, next(200), 900)
        });
        detect(&history, &Settings::default())
    };
    let finding = only(on("attic"), Metric::NewHost);
    assert_eq!(
        finding.reason,
        "ana was on attic for the first time, where nobody had been; the 200 before it were on one host"
    );
    assert_eq!(on("build-8"), []);
}

#[test]
fn containers_are_always_new_hosts_and_no_news() {
    let in_containers = ordinary("ana", 150)
        .into_iter()
        .zip(0..)
        .map(|(visit, number)| Visit {
            host: format!("pod-{number}").into(),
            ..visit
        });
    let history: Vec<_> = in_containers.collect();
    let found = detect(&history, &Settings::default());
    assert!(found.len() <= 1, "{found:#?}");
}

#[test]
fn nothing_is_said_of_first_sessions() {
    let cold = i64::try_from(COLD_START).unwrap();
    let strange = |number: i64| Visit {
        host: "attic".into(),
        component: "akosha".into(),
        error: true,
        error_count: Some(20),
        ..visit("ana", number, next(number) + 18 * HOUR, 20 * HOUR)
    };
    assert_eq!(found(cold - 1, [strange(cold - 1)]), []);
    assert_ne!(found(cold + 40, [strange(cold + 40)]), []);
}

#[test]
fn the_threshold_and_the_metrics_choose() {
    let mut history = ordinary("ana", 143);
    history.push(visit("ana", 143, next(143) + 18 * HOUR, 9 * HOUR));
    let with = |metrics: &[Metric], threshold: f64| {
        let settings = Settings {
            metrics: metrics.to_vec(),
            threshold,
            ..Settings::default()
        };
        let found = detect(&history, &settings);
        found
            .iter()
            .map(|finding| finding.metric)
            .collect::<Vec<_>>()
    };
    assert_eq!(with(&[Metric::HourOfDay], 0.8), [Metric::HourOfDay]);
    assert_eq!(
        with(&Metric::ALL, 0.8),
        [Metric::Duration, Metric::HourOfDay]
    );
    assert_eq!(with(&Metric::ALL, 0.999), []);
    assert_eq!("new_host".parse(), Ok(Metric::NewHost));
    assert!("hosts".parse::<Metric>().is_err());
}

/// A world small enough for a debug build.
fn small(seed: u64) -> World {
    World::new(
        seed,
        Size {
            users: 16,
            days: 60,
        },
    )
}

#[test]
fn the_order_of_the_history_does_not_matter() {
    let world = small(7);
    let mut shuffled = world.visits.clone();
    fastrand::Rng::with_seed(7).shuffle(&mut shuffled);
    let found = detect(&world.visits, &Settings::default());
    assert!(!found.is_empty());
    assert_eq!(detect(&shuffled, &Settings::default()), found);
}

/// What is found about sessions that are over is the same, whatever comes later.
#[test]
fn nothing_looks_ahead() {
    let world = small(8);
    let end = |visit: &Visit| {
        #[expect(clippy::cast_possible_truncation, reason = "some hours")]
        let seconds = visit.duration_seconds.unwrap() as i64;
        visit.start.as_micros() / 1_000_000 + seconds
    };
    let now = MORNING + 45 * DAY;
    let known: Vec<_> = world
        .visits
        .iter()
        .filter(|visit| visit.start.as_micros() / 1_000_000 <= now)
        .map(|visit| Visit {
            duration_seconds: visit.duration_seconds.filter(|_| end(visit) <= now),
            ..visit.clone()
        })
        .collect();
    // What went on within half a day before may still grow.
    let over = |finding: &Finding| {
        let ids = &finding.sessions;
        let last = world
            .visits
            .iter()
            .filter(|visit| ids.contains(&visit.session_id))
            .map(end)
            .max();
        last.unwrap() < now - DAY / 2
    };
    let about_what_is_over = |visits: &[Visit]| {
        let mut found = detect(visits, &Settings::default());
        found.retain(over);
        found
    };
    let found = about_what_is_over(&known);
    assert!(found.len() > 5, "{found:#?}");
    assert_eq!(found, about_what_is_over(&world.visits));
}

/// The floor below which no change may fall; `cargo xtask bench detect` measures how far above it is.
#[test]
fn what_was_planted_is_found_and_little_else() {
    let worlds = [small(2000), small(2001), small(2002)];
    let tally: Tally = worlds
        .iter()
        .flat_map(|world| {
            let found = detect(&world.visits, &Settings::default());
            let claims: Vec<_> = found.iter().map(Claim::from).collect();
            Metric::ALL.map(|metric| judge(metric, &world.planted, &claims))
        })
        .sum();
    let (precision, recall) = (tally.precision(), tally.recall());
    assert!(
        precision >= 0.8 && recall >= 0.75,
        "{precision} {recall} {tally:?}"
    );
}
