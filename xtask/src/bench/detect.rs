//! What akosha's `detect` finds of what was planted in synthetic histories, beside a z-score, and how long a million sessions
//! take.
//!
//! Both were tuned on the seeds of [`TUNED`]: `detect` by hand, the z-score's bound here, to its best F1. What is printed is of
//! [`JUDGED`], which no tuning has seen.

mod z_score;

use std::{ops::Range, time::Instant};

use akosha::{
    detect::{Metric, Settings, detect},
    synthetic::{Claim, Size, Tally, World, judge},
};
use anyhow::{Result, ensure};

use super::table::{Sample, Table, ratio, tenths, verdict};

const TUNED: Range<u64> = 0..40;
const JUDGED: Range<u64> = 1000..1030;
/// What both medians have to reach.
const PRECISION: f64 = 0.9;
const RECALL: f64 = 0.8;
/// 90 days of so many users are a little over a million sessions.
const USERS_OF_A_MILLION: usize = 4000;
/// How long these may take.
const SECONDS_MAX: f64 = 10.0;

pub(super) fn measure() -> Result<()> {
    let z = best_z();
    let (ours, theirs): (Vec<Verdict>, Vec<Verdict>) = JUDGED
        .map(|seed| {
            let world = World::new(seed, Size::default());
            (by_detect(&world), by_z_score(&world, z))
        })
        .unzip();
    let mut table = Table::new(&[
        "anomaly",
        "detect: precision",
        "recall",
        &format!("z-score over {z}: precision"),
        "recall",
    ]);
    for metric in Metric::ALL {
        let of = |verdict: &Verdict| verdict.of(metric);
        table.row(row(metric.as_str(), &ours, &theirs, of));
    }
    table.row(row("all", &ours, &theirs, Verdict::all));
    table.print(&format!(
        "detect: median (worst) of {} histories of 50 users and 90 days, seeds {} to {}",
        JUDGED.end - JUDGED.start,
        JUDGED.start,
        JUDGED.end - 1
    ));
    let precision = sample(&ours, |verdict| verdict.all().precision()).median();
    let recall = sample(&ours, |verdict| verdict.all().recall()).median();
    let reached = precision >= PRECISION && recall >= RECALL;
    println!(
        "target: precision {PRECISION} and recall {RECALL} over all: {}",
        verdict(reached)
    );
    million()?;
    ensure!(reached, "detect misses its target");
    Ok(())
}

/// What was found in one history, by metric.
struct Verdict(Vec<(Metric, Tally)>);

impl Verdict {
    fn of_claims(world: &World, claims: &[Claim<'_>]) -> Self {
        let tally = |metric| (metric, judge(metric, &world.planted, claims));
        Self(Metric::ALL.map(tally).to_vec())
    }

    fn of(&self, metric: Metric) -> Tally {
        let tallies = self.0.iter().filter(|(of, _)| *of == metric);
        tallies.map(|(_, tally)| *tally).sum()
    }

    fn all(&self) -> Tally {
        self.0.iter().map(|(_, tally)| *tally).sum()
    }
}

fn by_detect(world: &World) -> Verdict {
    let findings = detect(&world.visits, &Settings::default());
    let claims: Vec<_> = findings.iter().map(Claim::from).collect();
    Verdict::of_claims(world, &claims)
}

fn by_z_score(world: &World, z: f64) -> Verdict {
    let claims = z_score::claims(&world.visits, z);
    let claims: Vec<_> = claims
        .iter()
        .map(|(metric, sessions)| Claim {
            metric: *metric,
            sessions,
        })
        .collect();
    Verdict::of_claims(world, &claims)
}

/// The bound with which the z-score has its best F1 over the seeds for tuning.
fn best_z() -> f64 {
    let worlds: Vec<_> = TUNED
        .map(|seed| World::new(seed, Size::default()))
        .collect();
    let f1 = |z: f64| {
        let tally: Tally = worlds.iter().map(|world| by_z_score(world, z).all()).sum();
        let (precision, recall) = (tally.precision(), tally.recall());
        2.0 * precision * recall / (precision + recall).max(f64::MIN_POSITIVE)
    };
    let bounds = [2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0, 8.0, 10.0];
    let judged = bounds.map(|z| (f1(z), z));
    let best = judged.into_iter().max_by(|a, b| a.0.total_cmp(&b.0));
    best.map_or(3.0, |(_, z)| z)
}

fn sample(verdicts: &[Verdict], of: impl Fn(&Verdict) -> f64) -> Sample {
    verdicts.iter().map(of).collect()
}

fn row(
    name: &str,
    ours: &[Verdict],
    theirs: &[Verdict],
    of: impl Fn(&Verdict) -> Tally,
) -> Vec<String> {
    let cell = |verdicts: &[Verdict], share: fn(Tally) -> f64| {
        let sample = sample(verdicts, |verdict| share(of(verdict)));
        format!(
            "{} ({})",
            ratio(sample.median()),
            ratio(sample.quantile(0.0))
        )
    };
    vec![
        name.to_owned(),
        cell(ours, Tally::precision),
        cell(ours, Tally::recall),
        cell(theirs, Tally::precision),
        cell(theirs, Tally::recall),
    ]
}

fn million() -> Result<()> {
    let size = Size {
        users: USERS_OF_A_MILLION,
        ..Size::default()
    };
    let world = World::new(JUDGED.start, size);
    let begun = Instant::now();
    let findings = detect(&world.visits, &Settings::default()).len();
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{} sessions of {USERS_OF_A_MILLION} users: {} s, {findings} findings; target {SECONDS_MAX} s: {}",
        world.visits.len(),
        tenths(seconds),
        verdict(seconds <= SECONDS_MAX)
    );
    Ok(())
}
