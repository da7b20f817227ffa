//! Starts at a time of day at which the user does not work.

use super::{
    COLD_START, Finding, Metric,
    episodes::Episodes,
    tail,
    timeline::{Session, Timeline},
    words::{clock, of_before, weekday},
};

/// The day is cut into half hours.
pub(super) const BINS: usize = 48;
pub(super) const BIN_SECONDS: i64 = 24 * 60 * 60 / 48;
const DAY_SECONDS: i64 = 24 * 60 * 60;

/// How far a session speaks for the hours around it, in half hours: work begins an hour sooner or later, and now and then much
/// later, so a part of it falls only by e in this many.
const NEAR_BINS: f64 = 2.0;
const FAR_BINS: f64 = 3.0;
const FAR_PART: f64 = 0.25;
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
    let kernel = Kernel::new();
    let mut everywhere = Hours::default();
    let mut components = vec![Hours::default(); timeline.components.len()];
    let mut users = vec![Days::default(); timeline.users.len()];
    let mut episodes = Episodes::new(NIGHT_SECONDS);
    for (place, session) in timeline.sessions.iter().enumerate() {
        let moment = Moment::of(session.start);
        let (user, component) = (&mut users[session.user], &mut components[session.component]);
        let expected = user.expected(moment, component, &everywhere);
        let probability = rarity(&expected, moment.bin);
        let known = session.before >= COLD_START;
        if known && probability <= bar {
            let detail = user.detail(session, moment);
            episodes.add(session.user, session.start, probability, [place], detail);
        }
        let weight = if known && probability < tail::OUTLIER {
            OUTLIER_WEIGHT
        } else {
            1.0
        };
        user.add(moment, weight, &kernel);
        component.add(moment.bin, weight, &kernel);
        everywhere.add(moment.bin, weight, &kernel);
    }
    let finding = |episode: super::episodes::Episode<Detail>| Finding {
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

/// A time of the week.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    pub(super) bin: usize,
    /// Saturday and Sunday, UTC. In other zones their edges are a little off, and learned as they are.
    pub(super) weekend: bool,
}

impl Moment {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to 47"
    )]
    pub(super) const fn of(seconds: i64) -> Self {
        let bin = seconds.rem_euclid(DAY_SECONDS) / BIN_SECONDS;
        // 1970-01-01 was a Thursday.
        let from_monday = (seconds.div_euclid(DAY_SECONDS) + 3).rem_euclid(7);
        Self {
            bin: bin as usize,
            weekend: from_monday >= 5,
        }
    }
}

/// How much a session at bin 0 says of each bin.
pub(super) struct Kernel([f32; 2 * BINS]);

impl Kernel {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "48 bins, and weights"
    )]
    pub(super) fn new() -> Self {
        let shares = |weight: fn(f64) -> f64| {
            let weights = (0..BINS).map(|bin| weight(bin.min(BINS - bin) as f64));
            let weights: Vec<f64> = weights.collect();
            let sum: f64 = weights.iter().sum();
            weights.into_iter().map(move |weight| weight / sum)
        };
        let near = shares(|apart| (-0.5 * (apart / NEAR_BINS).powi(2)).exp());
        let far = shares(|apart| (-apart / FAR_BINS).exp());
        let mixed: Vec<f32> = near
            .zip(far)
            .map(|(near, far)| (far - near).mul_add(FAR_PART, near) as f32)
            .collect();
        Self(std::array::from_fn(|bin| mixed[bin % BINS]))
    }

    fn around(&self, bin: usize) -> &[f32] {
        &self.0[BINS - bin..2 * BINS - bin]
    }
}

/// Starts by half hours, smoothed, and how many they are.
#[derive(Clone)]
pub(super) struct Hours {
    pub(super) smooth: [f32; BINS],
    pub(super) total: f32,
}

impl Default for Hours {
    fn default() -> Self {
        Self {
            smooth: [0.0; BINS],
            total: 0.0,
        }
    }
}

impl Hours {
    pub(super) fn add(&mut self, bin: usize, weight: f32, kernel: &Kernel) {
        for (bin, around) in self.smooth.iter_mut().zip(kernel.around(bin)) {
            *bin += weight * around;
        }
        self.total += weight;
    }

    pub(super) fn fade(&mut self, factor: f32) {
        for bin in &mut self.smooth {
            *bin *= factor;
        }
        self.total *= factor;
    }

    /// The share of each half hour, mixed with what is usual elsewhere, which weighs as much as `weight` sessions.
    #[expect(clippy::cast_possible_truncation, reason = "a weight")]
    fn mixed(&self, elsewhere: &[f32; BINS], weight: f64) -> [f32; BINS] {
        let weight = weight as f32;
        let sum = self.total + weight;
        std::array::from_fn(|bin| elsewhere[bin].mul_add(weight, self.smooth[bin]) / sum)
    }
}

/// A user's hours on working days and on weekends.
#[derive(Clone)]
struct Days {
    smooth: [Hours; 2],
    /// Not smoothed, for the words.
    counts: [u32; BINS],
}

impl Default for Days {
    fn default() -> Self {
        Self {
            smooth: [Hours::default(), Hours::default()],
            counts: [0; BINS],
        }
    }
}

/// What is told of a start.
struct Detail {
    hour: f64,
    usual: f64,
    from: usize,
    until: usize,
    before: usize,
    near: u32,
}

impl Days {
    fn expected(&self, moment: Moment, component: &Hours, everywhere: &Hours) -> [f32; BINS] {
        #[expect(clippy::cast_precision_loss, reason = "48 bins")]
        let even = [1.0 / BINS as f32; BINS];
        let usual = component.mixed(&everywhere.mixed(&even, 1.0), EVERYWHERE_WEIGHT);
        let mut all = self.smooth[0].clone();
        for (bin, other) in all.smooth.iter_mut().zip(&self.smooth[1].smooth) {
            *bin += other;
        }
        all.total += self.smooth[1].total;
        let own = all.mixed(&usual, COMPONENT_WEIGHT);
        self.smooth[usize::from(moment.weekend)].mixed(&own, DAY_WEIGHT)
    }

    fn add(&mut self, moment: Moment, weight: f32, kernel: &Kernel) {
        self.smooth[usize::from(moment.weekend)].add(moment.bin, weight, kernel);
        self.counts[moment.bin] += 1;
        if self.smooth[0].total + self.smooth[1].total > REMEMBERED {
            self.smooth.iter_mut().for_each(|hours| hours.fade(0.5));
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "48 bins")]
    fn detail(&self, session: &Session<'_>, moment: Moment) -> Detail {
        let (from, until) = self.most();
        let middle = (from + (until + BINS - from) % BINS / 2) % BINS;
        let near = (0..5)
            .map(|apart| self.counts[(moment.bin + BINS - 2 + apart) % BINS])
            .sum();
        Detail {
            hour: session.start.rem_euclid(DAY_SECONDS) as f64 / 3600.0,
            usual: middle as f64 / 2.0,
            from,
            until,
            before: session.before,
            near,
        }
    }

    /// The shortest time of the day, from and until, in which nine of ten sessions begin.
    fn most(&self) -> (usize, usize) {
        let all: u32 = self.counts.iter().sum();
        let enough = all - all / 10;
        let mut best = (0, BINS);
        for from in 0..BINS {
            let mut sum = 0;
            for length in 1..best.1 {
                sum += self.counts[(from + length - 1) % BINS];
                if sum >= enough {
                    best = (from, length);
                    break;
                }
            }
        }
        (best.0, (best.0 + best.1) % BINS)
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
            0 => "none".to_owned(),
            n => n.to_string(),
        };
        format!(
            "{} {began} in {} at {} on a {}; of {} nine of ten began between {} and {}, and {near} within an hour of that time",
            first.visit.user,
            first.visit.component,
            clock(first.start),
            weekday(first.start),
            of_before(self.before),
            of_bin(self.from),
            of_bin(self.until),
        )
    }
}

fn of_bin(bin: usize) -> String {
    format!("{:02}:{:02} UTC", bin / 2, bin % 2 * 30)
}
