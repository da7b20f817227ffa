//! Sessions that lasted far longer than usual.

use super::{
    COLD_START, Finding, Metric,
    recent::Recent,
    tail,
    timeline::{Session, Timeline},
    words::{of_before, span},
};

/// What is shorter is never called long: nobody looks into a shell that was open for less than ten minutes.
const LONG_SECONDS_MIN: f64 = 600.0;
/// How many newest lengths make a baseline of a user in a component, of a user, and of a component: some weeks of work.
const OF_PAIR: usize = 200;
const OF_MANY: usize = 400;
/// How many sessions of one's own weigh as much as what is usual for others.
const LOCATION_WEIGHT: f64 = 5.0;
const SPREAD_WEIGHT: f64 = 10.0;
const PAIR_SPREAD_WEIGHT: f64 = 100.0;
/// The spread of log lengths where nothing is known: one in six sessions is longer than e times the median.
const SPREAD_UNKNOWN: f64 = 1.0;
/// What is this many spreads longer than usual is remembered as long, wherever it was.
const LONG_SPREADS: f64 = 3.5;
/// Degrees of freedom of Student's t: nobody knows that lengths are log-normal that far out, so tails are heavier.
const FREEDOM: f64 = 7.0;
/// Half as long again is as long, where it is asked whether somebody does this now and then.
const ALIKE: f64 = 0.4;
/// Sessions of a pair that begin within two minutes say one thing together: a script that opens many teaches no length.
const TOGETHER_SECONDS: i64 = 120;
/// Lengths within 20 % of each other are the same, as those of a timer are.
const SPREAD_MIN: f64 = 0.2;

pub(super) fn find(timeline: &Timeline<'_>, bar: f64) -> Vec<Finding> {
    let mut baseline = Baseline::new(timeline);
    let mut findings = Vec::new();
    let mut learned = vec![i64::MIN / 2; timeline.pairs];
    let mut ended = vec![0_usize; timeline.users.len()];
    for place in &timeline.ends {
        let session = &timeline.sessions[*place];
        let Some(seconds) = session.seconds else {
            continue;
        };
        let x = seconds.ln_1p();
        let usual = baseline.usual(session);
        if seconds >= LONG_SECONDS_MIN && ended[session.user] >= COLD_START {
            let probability = baseline.probability(session, x, usual);
            if probability <= bar {
                findings.push(Finding {
                    observed: seconds,
                    usual: usual.location.exp_m1(),
                    reason: baseline.reason(session, seconds, usual.location.exp_m1()),
                    ..Finding::of(Metric::Duration, probability, &[*place], timeline)
                });
            }
        }
        // The length so far of what is open is no length yet.
        if session.is_open() {
            continue;
        }
        ended[session.user] += 1;
        if x - usual.location > LONG_SPREADS * usual.spread {
            baseline.longest[session.user].push(x);
        }
        let apart = (session.start - learned[session.pair]).abs();
        if apart >= TOGETHER_SECONDS {
            learned[session.pair] = session.start;
            baseline.learn(session, x, usual);
        }
    }
    findings
}

/// Lengths as ln(1 + seconds).
struct Baseline {
    everywhere: Recent,
    components: Vec<Recent>,
    pairs: Vec<Recent>,
    /// How far the lengths of a user are from the median of the component.
    habits: Vec<Recent>,
    /// How far lengths were from what was usual then: of each user, and of all.
    misses: Vec<Recent>,
    all_misses: Recent,
    /// Lengths that were far beyond what was usual then, of each user.
    longest: Vec<Recent>,
}

#[derive(Clone, Copy)]
struct Usual {
    component: f64,
    location: f64,
    spread: f64,
}

impl Baseline {
    fn new(timeline: &Timeline<'_>) -> Self {
        let lists =
            |count: usize, max: usize| (0..count).map(|_| Recent::new(max)).collect::<Vec<_>>();
        Self {
            everywhere: Recent::new(OF_MANY),
            components: lists(timeline.components.len(), OF_MANY),
            pairs: lists(timeline.pairs, OF_PAIR),
            habits: lists(timeline.users.len(), OF_PAIR),
            misses: lists(timeline.users.len(), OF_PAIR),
            all_misses: Recent::new(OF_MANY),
            longest: lists(timeline.users.len(), OF_PAIR),
        }
    }

    /// What is usual for the pair: its own median and quartiles, the fewer it has the nearer to the component's median, moved
    /// by the user's habit, and to the spread of the user's lengths.
    fn usual(&self, session: &Session<'_>) -> Usual {
        let component = mixed(
            &self.components[session.component],
            self.everywhere.median(),
            Recent::median,
            LOCATION_WEIGHT,
        );
        let pair = &self.pairs[session.pair];
        let habit = mixed(
            &self.habits[session.user],
            0.0,
            Recent::median,
            LOCATION_WEIGHT,
        );
        let location = mixed(pair, component + habit, Recent::median, LOCATION_WEIGHT);
        let square = |recent: &Recent| recent.spread().powi(2);
        let of_all = mixed(&self.all_misses, SPREAD_UNKNOWN, square, SPREAD_WEIGHT);
        let of_user = mixed(&self.misses[session.user], of_all, square, SPREAD_WEIGHT);
        let variance = mixed(pair, of_user, square, PAIR_SPREAD_WEIGHT).max(SPREAD_MIN.powi(2));
        // A median of n values is itself off by pi/2n of the variance.
        let n = count(pair);
        let unsure = 1.0 + std::f64::consts::FRAC_PI_2 / (n + LOCATION_WEIGHT);
        Usual {
            component,
            location,
            spread: (variance * unsure).sqrt(),
        }
    }

    fn probability(&self, session: &Session<'_>, x: f64, usual: Usual) -> f64 {
        let probability = tail::student((x - usual.location) / usual.spread, FREEDOM);
        // What somebody did before, there or elsewhere, is no more unusual than that.
        let known = count(&self.misses[session.user]) + 1.0;
        let habit = |recent: &Recent, x: f64| {
            let times = u32::try_from(recent.at_least(x - ALIKE)).unwrap_or(u32::MAX);
            f64::from(times) / known
        };
        let here = habit(&self.pairs[session.pair], x);
        let anywhere = habit(&self.longest[session.user], x);
        probability.max(here).max(anywhere)
    }

    fn learn(&mut self, session: &Session<'_>, x: f64, usual: Usual) {
        self.everywhere.push(x);
        self.components[session.component].push(x);
        self.pairs[session.pair].push(x);
        self.habits[session.user].push(x - usual.component);
        self.misses[session.user].push(x - usual.location);
        self.all_misses.push(x - usual.location);
    }

    fn reason(&self, session: &Session<'_>, seconds: f64, usual: f64) -> String {
        let visit = session.visit;
        let so_far = if session.is_open() {
            "has lasted"
        } else {
            "lasted"
        };
        let what = format!(
            "{}'s session in {} {so_far} {}",
            visit.user,
            visit.component,
            span(seconds)
        );
        let pair = &self.pairs[session.pair];
        let long = |part: f64| span(pair.quantile(part).exp_m1());
        match pair.len() {
            0..4 => format!("{what}; {} is usual there", span(usual)),
            n => format!(
                "{what}; of {} half were between {} and {}, the longest {}",
                of_before(n),
                long(0.25),
                long(0.75),
                long(1.0)
            ),
        }
    }
}

/// Mixes what a list says with what is usual elsewhere, which weighs as much as `weight` values.
fn mixed(recent: &Recent, elsewhere: f64, what: impl Fn(&Recent) -> f64, weight: f64) -> f64 {
    let n = count(recent);
    what(recent).mul_add(n, elsewhere * weight) / (n + weight)
}

fn count(recent: &Recent) -> f64 {
    u32::try_from(recent.len()).map_or(f64::MAX, f64::from)
}
