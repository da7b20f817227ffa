//! A plain z-score: how many standard deviations from the mean of what was before.
//!
//! It is given what it can use: lengths as logarithms, each user and component apart, nothing that was not known yet, the same 20
//! sessions to learn from, and sessions of a user that follow each other are one claim.

use std::collections::{HashMap, VecDeque};

use akosha::{
    detect::{COLD_START, Metric},
    history::{Name, Visit},
};

/// What is claimed to be unusual, and of which sessions.
type Claimed = (Metric, Vec<Name>);

/// Claims of a user within ten hours are one, as those of a night are for `detect`.
const TOGETHER_MICROS: i64 = 10 * 60 * 60 * 1_000_000;
/// Starts are counted within the same five minutes.
const WINDOW_MICROS: i64 = 5 * 60 * 1_000_000;
const MICROS_OF_HOUR: f64 = 3_600e6;

pub(super) fn claims(visits: &[Visit], bound: f64) -> Vec<Claimed> {
    let mut detector = Detector {
        bound,
        ..Detector::default()
    };
    let mut starts: Vec<&Visit> = visits.iter().collect();
    starts.sort_by_key(|visit| visit.start);
    for visit in &starts {
        detector.start(visit);
    }
    let end = |visit: &&Visit| visit.start.as_micros() + micros(visit.duration_seconds);
    starts.sort_by_key(end);
    for visit in &starts {
        detector.end(visit);
    }
    detector.claimed
}

#[expect(clippy::cast_possible_truncation, reason = "some hours")]
fn micros(seconds: Option<f64>) -> i64 {
    (seconds.unwrap_or(0.0) * 1e6) as i64
}

#[derive(Default)]
struct Detector<'a> {
    bound: f64,
    /// What was before, by the metric and whose it is.
    before: HashMap<(Metric, &'a str, &'a str), Running>,
    /// Starts of a user within the window.
    recent: HashMap<&'a str, VecDeque<i64>>,
    places: HashMap<(Metric, &'a str, &'a str), ()>,
    claimed: Vec<Claimed>,
    /// The newest claim about a user, and when it was.
    newest: HashMap<(Metric, &'a str), (i64, usize)>,
}

impl<'a> Detector<'a> {
    fn start(&mut self, visit: &'a Visit) {
        let at = visit.start.as_micros();
        #[expect(clippy::cast_precision_loss, reason = "a time of day")]
        let hour = at.rem_euclid(24 * 3_600_000_000) as f64 / MICROS_OF_HOUR;
        self.look(Metric::HourOfDay, visit, "", hour, f64::abs);
        let recent = self.recent.entry(&visit.user).or_default();
        while recent
            .front()
            .is_some_and(|start| at - start >= WINDOW_MICROS)
        {
            recent.pop_front();
        }
        recent.push_back(at);
        let count = count(recent.len());
        self.look(Metric::StartFrequency, visit, "", count, |z| z);
        for (metric, place) in [
            (Metric::NewHost, &visit.host),
            (Metric::NewComponent, &visit.component),
        ] {
            let is_new = self
                .places
                .insert((metric, &visit.user, place), ())
                .is_none();
            self.look(metric, visit, "", if is_new { 1.0 } else { 0.0 }, |z| z);
        }
    }

    fn end(&mut self, visit: &'a Visit) {
        if let Some(seconds) = visit.duration_seconds {
            self.look(
                Metric::Duration,
                visit,
                &visit.component,
                seconds.ln_1p(),
                |z| z,
            );
        }
        let share = match (visit.command_count, visit.error_count) {
            (Some(commands), Some(errors)) if commands > 0 => {
                #[expect(clippy::cast_precision_loss, reason = "a share")]
                let share = errors as f64 / commands as f64;
                share
            }
            _ => f64::from(u8::from(visit.error)),
        };
        self.look(Metric::ErrorRate, visit, &visit.component, share, |z| z);
    }

    fn look(
        &mut self,
        metric: Metric,
        visit: &'a Visit,
        component: &'a str,
        value: f64,
        side: impl Fn(f64) -> f64,
    ) {
        let running = self
            .before
            .entry((metric, &visit.user, component))
            .or_default();
        let z = running.z(value);
        running.push(value);
        if z.is_none_or(|z| side(z) <= self.bound) {
            return;
        }
        let at = visit.start.as_micros();
        let next = self.claimed.len();
        let newest = self
            .newest
            .entry((metric, &visit.user))
            .or_insert((at, next));
        if newest.1 == next || at - newest.0 > TOGETHER_MICROS {
            newest.1 = next;
            self.claimed.push((metric, Vec::new()));
        }
        newest.0 = at;
        self.claimed[newest.1].1.push(visit.session_id.clone());
    }
}

/// Mean and deviation of what was before, by Welford's sums.
#[derive(Default)]
struct Running {
    count: usize,
    mean: f64,
    squares: f64,
}

impl Running {
    /// Deviations from the mean; none while there is too little before, or nothing ever differed.
    fn z(&self, value: f64) -> Option<f64> {
        let deviation = (self.squares / count(self.count)).sqrt();
        (self.count >= COLD_START && deviation > 0.0).then(|| (value - self.mean) / deviation)
    }

    fn push(&mut self, value: f64) {
        self.count += 1;
        let off = value - self.mean;
        self.mean += off / count(self.count);
        self.squares = off.mul_add(value - self.mean, self.squares);
    }
}

fn count(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}
