//! Commands, or sessions, that failed far more often than usual.

use std::collections::VecDeque;

use super::{
    COLD_START, Finding, Metric,
    episodes::{Episode, Episodes},
    tail,
    timeline::{Session, Timeline},
    words::{counted, of_before, percent},
};

/// What fails in a component within three hours has one cause: one finding.
const OUTAGE_SECONDS: i64 = 3 * 60 * 60;
/// A session counts as this many commands at most, in what is learned and in what is judged: one that repeats a
/// command a million times says no more.
const COMMANDS_LEARNED: f64 = 20.0;
const COMMANDS_JUDGED: u64 = 1000;
/// How many sessions are remembered, of a pair of user and component, of a component, and of all.
const OF_PAIR: f64 = 200.0;
const OF_COMPONENT: f64 = 2000.0;
/// How many trials weigh as much as what is usual for others.
const WEIGHT: f64 = 40.0;
/// What is usual where nothing is known: one in twenty fails.
const UNKNOWN: f64 = 0.05;
/// How much sessions differ, as the correlation of two commands of one, where nothing is known, and its bounds.
const ALIKE_UNKNOWN: f64 = 0.08;
const ALIKE_RANGE: (f64, f64) = (0.02, 0.3);
/// One session says at most so much of that.
const EXCESS_MAX: f64 = 4.0;
const ALIKE_WEIGHT: f64 = 200.0;
/// An outlier counts this much, so that what stays broken becomes usual.
/// How much hours differ, as the sum of the parameters of a beta distribution: between two hours in which nothing is out of
/// order, rates differ by their own size.
const CONCENTRATION: f64 = 20.0;
/// More than this many times what is usual is bad.
const BAD: f64 = 2.0;
const OUTLIER_WEIGHT: f64 = 0.05;

pub(super) fn find(timeline: &Timeline<'_>, bar: f64) -> Vec<Finding> {
    let mut baseline = Baseline::new(timeline);
    let mut of_pair = vec![Window::default(); timeline.pairs];
    let mut of_component = vec![Window::default(); timeline.components.len()];
    let mut ended = vec![0_usize; timeline.users.len()];
    let mut episodes = Episodes::new(2 * OUTAGE_SECONDS);
    for place in &timeline.ends {
        let session = &timeline.sessions[*place];
        let trials = Trials::of(session);
        let before = ended[session.user];
        ended[session.user] += 1;
        let usual = baseline.usual(session, trials.counted);
        let mut weight = 1.0;
        if before >= COLD_START {
            let seen = Seen::of(
                *place,
                session.end(),
                trials,
                usual,
                baseline.alike(session),
            );
            let (pair, component) = (
                &mut of_pair[session.pair],
                &mut of_component[session.component],
            );
            pair.push(seen);
            component.push(seen);
            let (window, probability) = if seen.is_bad {
                let judged = (pair.probability(), component.probability());
                if judged.0 < judged.1 {
                    (pair, judged.0)
                } else {
                    (component, judged.1)
                }
            } else {
                (component, 1.0)
            };
            if probability <= bar {
                let detail = Detail { usual, before };
                episodes.add(
                    session.component,
                    session.start,
                    probability,
                    window.bad(),
                    detail,
                );
            }
            if probability < tail::OUTLIER {
                weight = OUTLIER_WEIGHT;
            }
        }
        baseline.learn(session, trials, usual, weight);
    }
    let finding = |episode: Episode<Detail>| {
        let sum = Sum::of(timeline, &episode.places);
        Finding {
            observed: sum.share(),
            usual: episode.detail.usual,
            reason: episode.detail.words(timeline, &episode.places, &sum),
            ..Finding::of(
                Metric::ErrorRate,
                episode.probability,
                &episode.places,
                timeline,
            )
        }
    };
    episodes.finish().into_iter().map(finding).collect()
}

/// What ended within three hours, of a pair or a component.
#[derive(Clone, Default)]
struct Window {
    seen: VecDeque<Seen>,
    trials: f64,
    failed: f64,
    expected: f64,
}

/// A session in a window, as so many trials that do not depend on each other.
#[derive(Clone, Copy)]
struct Seen {
    place: usize,
    end: i64,
    trials: f64,
    failed: f64,
    expected: f64,
    /// More failed than usual.
    is_bad: bool,
}

impl Seen {
    fn of(place: usize, end: i64, trials: Trials, usual: f64, alike: f64) -> Self {
        let n = f64::from(trials.trials);
        // The design effect of a cluster sample (Kish 1965).
        let independent = n / (n - 1.0).mul_add(alike, 1.0);
        Self {
            place,
            end,
            trials: independent,
            failed: independent * trials.share(),
            expected: independent * usual,
            is_bad: trials.share() > BAD * usual,
        }
    }
}

impl Window {
    fn push(&mut self, seen: Seen) {
        while let Some(oldest) = self
            .seen
            .front()
            .filter(|oldest| seen.end - oldest.end > OUTAGE_SECONDS)
        {
            self.trials -= oldest.trials;
            self.failed -= oldest.failed;
            self.expected -= oldest.expected;
            self.seen.pop_front();
        }
        if self.seen.is_empty() {
            // What is left then is an error of rounding.
            *self = Self::default();
        }
        self.trials += seen.trials;
        self.failed += seen.failed;
        self.expected += seen.expected;
        self.seen.push_back(seen);
    }

    /// How probable it is that so many fail.
    fn probability(&self) -> f64 {
        let mean = self.expected / self.trials;
        tail::beta_binomial(
            whole(self.failed),
            whole(self.trials.ceil()),
            mean,
            CONCENTRATION,
        )
    }

    /// The sessions in which more failed than usual.
    fn bad(&self) -> impl Iterator<Item = usize> {
        self.seen
            .iter()
            .filter(|seen| seen.is_bad)
            .map(|seen| seen.place)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates, and is not negative"
)]
const fn whole(value: f64) -> u32 {
    value as u32
}

/// What could fail in a session, and what did: its commands where they are counted, else the session itself.
#[derive(Clone, Copy)]
struct Trials {
    counted: bool,
    trials: u32,
    failed: u32,
}

impl Trials {
    fn of(session: &Session<'_>) -> Self {
        let visit = session.visit;
        let whole = Self {
            counted: false,
            trials: 1,
            failed: u32::from(visit.error),
        };
        match (visit.command_count, visit.error_count) {
            (Some(commands), Some(errors)) if commands > 0 => {
                let failed = errors.min(commands);
                // Of very many the share is kept.
                let judged = commands.min(COMMANDS_JUDGED);
                let scaled = u128::from(failed) * u128::from(judged) / u128::from(commands);
                let small = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
                Self {
                    counted: true,
                    trials: small(judged),
                    failed: small(u64::try_from(scaled).unwrap_or(judged)),
                }
            }
            _ => whole,
        }
    }

    fn share(self) -> f64 {
        f64::from(self.failed) / f64::from(self.trials)
    }
}

/// Fading sums of trials and of what failed of them.
#[derive(Clone, Copy, Default)]
struct Rate {
    trials: f64,
    failed: f64,
}

impl Rate {
    fn add(&mut self, trials: Trials, weight: f64, remembered: f64) {
        let counted = f64::from(trials.trials).min(COMMANDS_LEARNED) * weight;
        let kept = 1.0 - weight / remembered;
        self.trials = self.trials.mul_add(kept, counted);
        self.failed = self.failed.mul_add(kept, counted * trials.share());
    }

    fn mixed(self, elsewhere: f64) -> f64 {
        elsewhere.mul_add(WEIGHT, self.failed) / (self.trials + WEIGHT)
    }
}

/// Rates of commands and, apart from them, of sessions whose commands nobody counts: `[sessions, commands]`.
struct Baseline {
    everywhere: [Rate; 2],
    components: Vec<[Rate; 2]>,
    pairs: Vec<[Rate; 2]>,
    /// Sums for the correlation of commands in a session, by component: what the variance is too large, and what it
    /// would be if all commands of a session failed together.
    excess: Vec<(f64, f64)>,
}

impl Baseline {
    fn new(timeline: &Timeline<'_>) -> Self {
        Self {
            everywhere: Default::default(),
            components: vec![Default::default(); timeline.components.len()],
            pairs: vec![Default::default(); timeline.pairs],
            excess: vec![(0.0, 0.0); timeline.components.len()],
        }
    }

    fn usual(&self, session: &Session<'_>, counted: bool) -> f64 {
        let kind = usize::from(counted);
        let everywhere = self.everywhere[kind].mixed(UNKNOWN);
        let component = self.components[session.component][kind].mixed(everywhere);
        self.pairs[session.pair][kind].mixed(component)
    }

    /// How alike the commands of a session of this component are: 0 where they fail each for itself, 1 where all fail or none.
    fn alike(&self, session: &Session<'_>) -> f64 {
        let (excess, whole) = self.excess[session.component];
        let alike = ALIKE_UNKNOWN.mul_add(ALIKE_WEIGHT, excess) / (whole + ALIKE_WEIGHT);
        alike.clamp(ALIKE_RANGE.0, ALIKE_RANGE.1)
    }

    fn learn(&mut self, session: &Session<'_>, trials: Trials, usual: f64, weight: f64) {
        let kind = usize::from(trials.counted);
        if trials.trials > 1 {
            let n = f64::from(trials.trials);
            let alone = n * usual * (1.0 - usual);
            let square = (f64::from(trials.failed) - n * usual).powi(2);
            let excess = ((square - alone) / (alone * (n - 1.0))).min(EXCESS_MAX);
            let kept = 1.0 - weight / OF_COMPONENT;
            let sums = &mut self.excess[session.component];
            *sums = (
                sums.0.mul_add(kept, weight * excess),
                sums.1.mul_add(kept, weight),
            );
        }
        self.everywhere[kind].add(trials, weight, OF_COMPONENT);
        self.components[session.component][kind].add(trials, weight, OF_COMPONENT);
        self.pairs[session.pair][kind].add(trials, weight, OF_PAIR);
    }
}

/// What is told of an outage.
struct Detail {
    usual: f64,
    before: usize,
}

/// All sessions of a finding together.
struct Sum {
    commands: u64,
    failed_commands: u64,
    sessions: u64,
    failed_sessions: u64,
    people: u64,
}

impl Sum {
    fn of(timeline: &Timeline<'_>, places: &[usize]) -> Self {
        let sessions = || places.iter().map(|place| &timeline.sessions[*place]);
        let mut users: Vec<usize> = sessions().map(|session| session.user).collect();
        users.sort_unstable();
        users.dedup();
        let visits = || sessions().map(|session| session.visit);
        let counted = || {
            visits().filter(|visit| {
                visit.command_count.is_some_and(|count| count > 0) && visit.error_count.is_some()
            })
        };
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        Self {
            commands: counted().filter_map(|visit| visit.command_count).sum(),
            failed_commands: counted().filter_map(|visit| visit.error_count).sum(),
            sessions: count(places.len()),
            failed_sessions: count(visits().filter(|visit| visit.error).count()),
            people: count(users.len()),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a share")]
    fn share(&self) -> f64 {
        match self.commands {
            0 => self.failed_sessions as f64 / self.sessions.max(1) as f64,
            commands => self.failed_commands.min(commands) as f64 / commands as f64,
        }
    }
}

impl Detail {
    fn words(&self, timeline: &Timeline<'_>, places: &[usize], sum: &Sum) -> String {
        let visit = timeline.sessions[places[0]].visit;
        let what = match sum.commands {
            0 => counted(sum.failed_sessions, "session"),
            commands => format!(
                "{} of {}",
                sum.failed_commands,
                counted(commands, "command")
            ),
        };
        let usual = percent(self.usual);
        match (sum.sessions, sum.people) {
            (1, _) => format!(
                "{what} failed in {}'s session in {}; of {} {usual} failed",
                visit.user,
                visit.component,
                of_before(self.before)
            ),
            (sessions, 1) => format!(
                "{what} failed in {sessions} of {}'s sessions in {}, one after the other; {usual} is usual there",
                visit.user, visit.component
            ),
            (sessions, people) => format!(
                "{what} failed in {sessions} sessions of {people} people in {} within hours; {usual} is usual there",
                visit.component
            ),
        }
    }
}
