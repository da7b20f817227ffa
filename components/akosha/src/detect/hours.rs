//! Starts at a time of day at which the user does not work.

use super::{
    COLD_START, Finding, Metric,
    episodes::{Episode, Episodes},
    rhythm::{BINS, DAY_SECONDS, Hours, Kernel, Moment},
    tail,
    timeline::{Session, Timeline},
    words::{clock, of_before, weekday},
};

/// How long that time is taken to be for others, in half hours.
const MOST_OF_OTHERS: usize = 12;
/// Where this part of a user's sessions is near, nothing is unusual, and there is no need to look closer.
const NEAR_PART: f32 = 0.03;
/// How many sessions of a user weigh as much as what is usual in the component. Hours are a person's own, and those of others live
/// elsewhere.
const COMPONENT_WEIGHT: f64 = 0.1;
/// How many sessions on this kind of day weigh as much as those on all days.
const DAY_WEIGHT: f64 = 10.0;
/// How many sessions of a component weigh as much as what is usual everywhere.
const EVERYWHERE_WEIGHT: f64 = 20.0;
/// An outlier counts this much: a new habit is learned in a few sessions, a single night is not.
const OUTLIER_WEIGHT: f32 = 0.05;
/// Beyond so many sessions the old ones fade.
const REMEMBERED: f32 = 400.0;
/// Sessions of one night belong together.
const NIGHT_SECONDS: i64 = 10 * 60 * 60;

pub(super) fn find(timeline: &Timeline<'_>, bar: f64) -> Vec<Finding> {
    let (exact, of_others) = (Kernel::exact(), Kernel::of(MOST_OF_OTHERS));
    let by_most: Vec<Kernel> = (0..=BINS).map(Kernel::of).collect();
    let mut everywhere = Hours::default();
    let mut components = vec![Hours::default(); timeline.components.len()];
    let mut users = vec![Days::default(); timeline.users.len()];
    let mut episodes = Episodes::new(NIGHT_SECONDS);
    for (place, session) in timeline.sessions.iter().enumerate() {
        let moment = Moment::of(session.start);
        let (user, component) = (&mut users[session.user], &mut components[session.component]);
        let mut weight = 1.0;
        if session.before >= COLD_START && !user.is_near(moment.bin) {
            let kernel = &by_most[user.most().1];
            let expected = user.expected(moment, kernel, component, &everywhere);
            let probability = rarity(&expected, moment.bin);
            if probability <= bar {
                let detail = user.detail(session, moment);
                episodes.add(session.user, session.start, probability, [place], detail);
            }
            if probability < tail::OUTLIER {
                weight = OUTLIER_WEIGHT;
            }
        }
        user.add(moment, weight, &exact);
        component.add(moment.bin, weight, &of_others);
        everywhere.add(moment.bin, weight, &of_others);
    }
    let finding = |episode: Episode<Detail>| Finding {
        observed: episode.detail.hour,
        usual: episode.detail.usual,
        reason: episode.detail.words(timeline, &episode.places),
        ..Finding::of(
            Metric::HourOfDay,
            episode.probability,
            &episode.places,
            timeline,
        )
    };
    episodes.finish().into_iter().map(finding).collect()
}

/// A user's hours on working days and on weekends, not smoothed.
#[derive(Clone, Default)]
struct Days([Hours; 2]);

/// What is told of a start.
struct Detail {
    hour: f64,
    usual: f64,
    from: usize,
    length: usize,
    before: usize,
    near: f32,
}

impl Days {
    fn all(&self) -> Hours {
        let mut all = self.0[0].clone();
        for (bin, other) in all.smooth.iter_mut().zip(&self.0[1].smooth) {
            *bin += other;
        }
        all.total += self.0[1].total;
        all
    }

    /// How many sessions began within an hour of this time.
    fn near(&self, bin: usize) -> f32 {
        let near = (0..5).map(|apart| (bin + BINS - 2 + apart) % BINS);
        near.map(|bin| self.0[0].smooth[bin] + self.0[1].smooth[bin])
            .sum()
    }

    fn is_near(&self, bin: usize) -> bool {
        self.near(bin) > NEAR_PART * (self.0[0].total + self.0[1].total)
    }

    fn expected(
        &self,
        moment: Moment,
        kernel: &Kernel,
        component: &Hours,
        everywhere: &Hours,
    ) -> [f32; BINS] {
        #[expect(clippy::cast_precision_loss, reason = "48 bins")]
        let even = [1.0 / BINS as f32; BINS];
        let usual = component.mixed(&everywhere.mixed(&even, 1.0), EVERYWHERE_WEIGHT);
        let own = self.all().smoothed(kernel).mixed(&usual, COMPONENT_WEIGHT);
        let of_kind = self.0[usize::from(moment.weekend)].smoothed(kernel);
        of_kind.mixed(&own, DAY_WEIGHT)
    }

    fn add(&mut self, moment: Moment, weight: f32, exact: &Kernel) {
        self.0[usize::from(moment.weekend)].add(moment.bin, weight, exact);
        if self.0[0].total + self.0[1].total > REMEMBERED {
            self.0.iter_mut().for_each(|hours| hours.fade(0.5));
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "48 bins")]
    fn detail(&self, session: &Session<'_>, moment: Moment) -> Detail {
        let (from, length) = self.most();
        Detail {
            hour: session.start.rem_euclid(DAY_SECONDS) as f64 / 3600.0,
            usual: ((from + length / 2) % BINS) as f64 / 2.0,
            from,
            length,
            before: session.before,
            near: self.near(moment.bin),
        }
    }

    /// The shortest time of the day, its beginning and its length, in which nine of ten sessions begin.
    fn most(&self) -> (usize, usize) {
        let all = self.all();
        let enough = 0.9 * all.total;
        let mut best = (0, BINS);
        for from in 0..BINS {
            let mut sum = 0.0;
            for length in 1..best.1 {
                sum += all.smooth[(from + length - 1) % BINS];
                if sum >= enough {
                    best = (from, length);
                    break;
                }
            }
        }
        best
    }
}

/// The part of the day's sessions that begin at an hour as unusual as this one, or more so.
fn rarity(expected: &[f32; BINS], bin: usize) -> f64 {
    let here = expected[bin] * 1.0001;
    let rare = expected.iter().filter(|share| **share <= here);
    f64::from(rare.sum::<f32>())
}

impl Detail {
    fn words(&self, timeline: &Timeline<'_>, places: &[usize]) -> String {
        let first = &timeline.sessions[places[0]];
        let began = match places.len() {
            1 => "began a session".to_owned(),
            n => format!("began {n} sessions in a row"),
        };
        let near = match self.near {
            // What was unusual itself counts little, and sessions of long ago less.
            0.0..0.5 => "none".to_owned(),
            some => format!("{some:.0}"),
        };
        format!(
            "{} {began} in {} at {} on a {}; of {} nine of ten began between {} and {}, and {near} within an hour of that time",
            first.visit.user,
            first.visit.component,
            clock(first.start),
            weekday(first.start),
            of_before(self.before),
            of_bin(self.from),
            of_bin((self.from + self.length) % BINS),
        )
    }
}

fn of_bin(bin: usize) -> String {
    format!("{:02}:{:02} UTC", bin / 2, bin % 2 * 30)
}
