//! Many starts of a user at once.

use std::{collections::VecDeque, time::Duration};

use super::{
    COLD_START, Finding, Metric,
    episodes::{Episode, Episodes},
    recent::Recent,
    rhythm::{BIN_SECONDS, BINS, Hours, Kernel, Moment},
    tail,
    timeline::Timeline,
    words::{clock, of_before, span},
};

/// Fewer starts are no burst, however rare: four panes of a terminal are opened at once.
const BURST_MIN: u32 = 5;
/// After this time a day counts half: rhythms change with seasons and projects.
const HALF_LIFE_DAYS: f64 = 30.0;
/// How many days of one's own weigh as much as what is usual for others.
const DAYS_WEIGHT: f64 = 2.0;
/// How many starts of one's own weigh as much as the habits of others in opening several shells at once.
const STARTS_WEIGHT: f64 = 20.0;
/// How many starts are remembered for that habit, of a user and of all.
const OF_USER: f64 = 200.0;
const OF_ALL: f64 = 5000.0;
/// More than three companions of a start say no more of a habit than three.
const COMPANIONS_MAX: f64 = 3.0;
/// Companions are expected to be this many times what they were: some days are busier than the mean says.
const CAUTION: f64 = 1.5;
/// How much busy days differ from others: a standard deviation of 70 % of the mean.
const BUSY_VARIANCE: f64 = 0.5;
/// A start speaks for the hours around it as if nine of ten began within six hours.
const MOST: usize = 12;
/// How many runs of starts are remembered, and how many windows a run is long at most.
const RUNS: usize = 200;
const RUN_WINDOWS: i64 = 10;
const DAY_SECONDS: f64 = 24.0 * 60.0 * 60.0;
/// How much of a week is working days, and weekend.
const DAYS_OF_WEEK: [f64; 2] = [5.0 / 7.0, 2.0 / 7.0];

pub(super) fn find(timeline: &Timeline<'_>, window: Duration, bar: f64) -> Vec<Finding> {
    let window = i64::try_from(window.as_secs()).unwrap_or(i64::MAX);
    let kernel = Kernel::of(MOST);
    let mut users: Vec<Pace> = timeline.users.iter().map(|_| Pace::new()).collect();
    let mut all = All::default();
    let mut episodes = Episodes::new(window);
    for (place, session) in timeline.sessions.iter().enumerate() {
        let user = &mut users[session.user];
        let count = user.begin(session.start, place, window);
        user.pass(session.start, &mut all);
        let expected = user.expected(session.start, window, &all);
        let companions = user.companions(&all);
        let known = session.before >= COLD_START;
        let mut probability = 1.0;
        if known && count >= BURST_MIN {
            let variance =
                BUSY_VARIANCE.mul_add(expected.powi(2), expected + companions + companions.powi(2));
            probability = tail::negative_binomial(count - 1, expected + companions, variance);
            probability = probability.max(user.habit(count));
        }
        if probability <= bar {
            let detail = Detail {
                count,
                most: user.runs.quantile(1.0),
                usual: 1.0 + expected + companions,
                before: session.before,
            };
            episodes.add(
                session.user,
                session.start,
                probability,
                user.places(),
                detail,
            );
        }
        user.learn(session.start, &kernel, &mut all);
        if probability >= tail::OUTLIER {
            user.learn_companions(f64::from(count - 1) - expected, &mut all);
        }
    }
    let finding = |episode: Episode<Detail>| Finding {
        observed: f64::from(episode.detail.count),
        usual: episode.detail.usual,
        reason: episode.detail.words(timeline, &episode.places, window),
        ..Finding::of(
            Metric::StartFrequency,
            episode.probability,
            &episode.places,
            timeline,
        )
    };
    episodes.finish().into_iter().map(finding).collect()
}

/// What is told of a burst.
struct Detail {
    count: u32,
    most: f64,
    usual: f64,
    before: usize,
}

/// A user's rhythm: starts by half hours on working days and on weekends, and for how many such days; and how many more begin
/// with a start.
struct Pace {
    rhythm: [Hours; 2],
    days: [f64; 2],
    last: Option<i64>,
    companions: f64,
    starts: f64,
    /// Starts within the window, with their places.
    window: VecDeque<(i64, usize)>,
    /// The most starts at once in each run of them, and of the run that goes on its beginning and the most so far.
    runs: Recent,
    run: Option<(i64, u32)>,
}

/// What is usual for all users.
#[derive(Default)]
struct All {
    starts_by_day: [f64; 2],
    days: [f64; 2],
    companions: f64,
    starts: f64,
}

impl Pace {
    fn new() -> Self {
        Self {
            rhythm: [Hours::default(), Hours::default()],
            days: [0.0; 2],
            last: None,
            companions: 0.0,
            starts: 0.0,
            window: VecDeque::new(),
            runs: Recent::new(RUNS),
            run: None,
        }
    }

    /// Counts a start, and gives how many began within the window.
    fn begin(&mut self, at: i64, place: usize, window: i64) -> u32 {
        while self
            .window
            .front()
            .is_some_and(|(start, _)| at - start >= window)
        {
            self.window.pop_front();
        }
        self.window.push_back((at, place));
        let count = u32::try_from(self.window.len()).unwrap_or(u32::MAX);
        let is_over = |begun: i64| count == 1 || at - begun > RUN_WINDOWS * window;
        match &mut self.run {
            Some((begun, most)) if !is_over(*begun) => *most = count.max(*most),
            run => {
                if let Some((_, most)) = run.replace((at, count)) {
                    self.runs.push(f64::from(most));
                }
            }
        }
        count
    }

    fn places(&self) -> impl Iterator<Item = usize> {
        self.window.iter().map(|(_, place)| *place)
    }

    /// Lets the time pass since the start before.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "days, and a weight"
    )]
    fn pass(&mut self, at: i64, all: &mut All) {
        let days = self
            .last
            .replace(at)
            .map_or(0.0, |last| (at - last) as f64 / DAY_SECONDS);
        let faded = (-days / HALF_LIFE_DAYS).exp2();
        let counted = (1.0 - faded) * HALF_LIFE_DAYS / std::f64::consts::LN_2;
        for (kind, part) in DAYS_OF_WEEK.into_iter().enumerate() {
            self.rhythm[kind].fade(faded as f32);
            self.days[kind] = self.days[kind].mul_add(faded, counted * part);
            all.days[kind] += days * part;
        }
    }

    /// The starts that the rhythm lets expect within the window before this moment.
    #[expect(clippy::cast_precision_loss, reason = "seconds of a week")]
    fn expected(&self, at: i64, window: i64, all: &All) -> f64 {
        let by_day = [0, 1].map(|kind| {
            let usual = (1.0 + all.starts_by_day[kind]) / (1.0 + all.days[kind]);
            usual.mul_add(DAYS_WEIGHT, f64::from(self.rhythm[kind].total))
                / (self.days[kind] + DAYS_WEIGHT)
        });
        let mut expected = 0.0;
        let mut left = window;
        let mut until = at;
        while left > 0 {
            let step = left.min(BIN_SECONDS);
            let moment = Moment::of(until);
            let kind = usize::from(moment.weekend);
            let rhythm = &self.rhythm[kind];
            let even = f64::from(rhythm.smooth[moment.bin]) + 1.0 / BINS as f64;
            let share = even / (f64::from(rhythm.total) + 1.0);
            expected += by_day[kind] * share * step as f64 / BIN_SECONDS as f64;
            left -= step;
            until -= step;
        }
        expected
    }

    /// How many more starts come with one, beside those that the rhythm lets expect.
    fn companions(&self, all: &All) -> f64 {
        let usual = (all.companions + 1.0) / (all.starts + STARTS_WEIGHT);
        CAUTION * usual.mul_add(STARTS_WEIGHT, self.companions) / (self.starts + STARTS_WEIGHT)
    }

    /// How often so many starts at once came before, but for one time, which may have been unusual too.
    fn habit(&self, count: u32) -> f64 {
        let times = self.runs.at_least(f64::from(count)).saturating_sub(1);
        let part = |count: usize| u32::try_from(count).map_or(f64::MAX, f64::from);
        part(times) / (part(self.runs.len()) + 1.0)
    }

    fn learn(&mut self, at: i64, kernel: &Kernel, all: &mut All) {
        let moment = Moment::of(at);
        self.rhythm[usize::from(moment.weekend)].add(moment.bin, 1.0, kernel);
        all.starts_by_day[usize::from(moment.weekend)] += 1.0;
    }

    fn learn_companions(&mut self, companions: f64, all: &mut All) {
        let companions = companions.clamp(0.0, COMPANIONS_MAX);
        for (sum, starts, remembered) in [
            (&mut self.companions, &mut self.starts, OF_USER),
            (&mut all.companions, &mut all.starts, OF_ALL),
        ] {
            let kept = 1.0 - 1.0 / remembered;
            *sum = sum.mul_add(kept, companions);
            *starts = starts.mul_add(kept, 1.0);
        }
    }
}

impl Detail {
    fn words(&self, timeline: &Timeline<'_>, places: &[usize], window: i64) -> String {
        let first = &timeline.sessions[places[0]];
        let more = match places.len() {
            n if n > self.count as usize => format!(", {n} in all while that went on"),
            _ => String::new(),
        };
        format!(
            "{} began {} sessions within {} from {}{more}; of {} never more than {:.0} began at once, and {:.1} are usual at that time",
            first.visit.user,
            self.count,
            span(window as f64),
            clock(first.start),
            of_before(self.before),
            self.most,
            self.usual,
        )
    }
}
