//! What is unusual in a world.

use super::{
    Chance, Draft, Drafts, Size,
    people::{COMPONENTS, DAY, FIRST_DAY, Person, seconds},
};
use crate::detect::Metric;

/// How many of each are planted in a world of 50 users.
const OF_EACH: [(Metric, usize); 6] = [
    (Metric::HourOfDay, 12),
    (Metric::Duration, 12),
    (Metric::StartFrequency, 12),
    (Metric::ErrorRate, 10),
    (Metric::NewHost, 12),
    (Metric::NewComponent, 6),
];
/// From this session of a user on: before, nobody knows what is usual.
const FIRST_SESSION: usize = 30;

/// Plants anomalies, and gives their kinds by their numbers.
pub(super) fn plant(
    drafts: &mut Drafts,
    people: &[Person],
    chance: &mut Chance,
    size: Size,
) -> Vec<Metric> {
    let mut counts = vec![0; people.len()];
    let mut places = Vec::new();
    for (place, draft) in drafts.sessions.iter().enumerate() {
        if counts[draft.user] >= FIRST_SESSION {
            places.push(place);
        }
        counts[draft.user] += 1;
    }
    let mut field = Field {
        drafts,
        people,
        places,
        metrics: Vec::new(),
    };
    for (metric, count) in OF_EACH {
        // Smaller worlds have fewer, but some.
        for _ in 0..(count * size.users).div_ceil(50) {
            field.plant(metric, chance);
        }
    }
    let metrics = field.metrics;
    drafts.sessions.sort_by_key(|session| session.start);
    metrics
}

struct Field<'a> {
    drafts: &'a mut Drafts,
    people: &'a [Person],
    /// Places of sessions beside which something may be planted.
    places: Vec<usize>,
    metrics: Vec<Metric>,
}

impl Field<'_> {
    fn plant(&mut self, metric: Metric, chance: &mut Chance) {
        let anomaly = Some(self.metrics.len());
        let base = loop {
            let place = self.places[chance.below(self.places.len())];
            let free = self.drafts.sessions[place].anomaly.is_none();
            if free && (metric != Metric::ErrorRate || self.outage(place).len() >= 4) {
                break place;
            }
        };
        self.metrics.push(metric);
        let mut like = self.drafts.sessions[base].clone();
        like.anomaly = anomaly;
        let person = &self.people[like.user];
        match metric {
            Metric::Duration => {
                let median = person
                    .components
                    .iter()
                    .find(|(component, ..)| *component == like.component);
                let median = median.map_or(20.0 * 60.0, |(_, _, median)| *median);
                self.drafts.sessions[base].seconds = median * chance.uniform(8.0, 12.0);
                self.drafts.sessions[base].anomaly = anomaly;
            }
            Metric::ErrorRate => {
                for place in self.outage(base) {
                    let draft = &mut self.drafts.sessions[place];
                    let share = chance.uniform(0.5, 0.9);
                    self.people[draft.user].run(draft, share, chance);
                    draft.anomaly = anomaly;
                }
            }
            Metric::HourOfDay => {
                let opposite = (person.hour + 12.0 + chance.uniform(-1.5, 1.5)).rem_euclid(24.0);
                let day = (like.start - FIRST_DAY).div_euclid(DAY);
                let start = FIRST_DAY + day * DAY + seconds(opposite * 3600.0);
                self.row(&like, start, chance.whole(1, 3), 20.0 * 60.0, chance);
            }
            Metric::StartFrequency => {
                let count = chance.whole(12, 30);
                let apart = chance.uniform(5.0, 240.0 / 12.0);
                like.seconds = 30.0;
                self.row(&like, like.start, count, apart, chance);
            }
            Metric::NewHost => {
                like.host = person.strange_host(self.people, self.metrics.len(), chance);
                self.row(
                    &like,
                    like.start + 600,
                    chance.whole(1, 3),
                    20.0 * 60.0,
                    chance,
                );
            }
            Metric::NewComponent => {
                let used =
                    |component: &usize| person.components.iter().any(|(own, ..)| own == component);
                let others: Vec<usize> = (0..COMPONENTS.len())
                    .filter(|component| !used(component))
                    .collect();
                like.component = others[chance.below(others.len())];
                self.row(
                    &like,
                    like.start + 600,
                    chance.whole(1, 2),
                    20.0 * 60.0,
                    chance,
                );
            }
        }
    }

    /// The sessions of its component that begin within three hours from it on.
    fn outage(&self, base: usize) -> Vec<usize> {
        let first = &self.drafts.sessions[base];
        let within = |place: &usize| self.drafts.sessions[*place].start - first.start <= 3 * 3600;
        let like = |place: &usize| {
            let draft = &self.drafts.sessions[*place];
            draft.component == first.component && draft.anomaly.is_none()
        };
        let from = self.places.partition_point(|place| *place < base);
        self.places[from..]
            .iter()
            .copied()
            .take_while(within)
            .filter(like)
            .collect()
    }

    /// Adds sessions, one after the other.
    fn row(&mut self, like: &Draft, mut start: i64, count: usize, apart: f64, chance: &mut Chance) {
        for _ in 0..count {
            let mut draft = Draft {
                start,
                seconds: like.seconds * chance.factor(0.3),
                ..like.clone()
            };
            let share = chance.share(0.05, 20.0);
            self.people[draft.user].run(&mut draft, share, chance);
            self.drafts.sessions.push(draft);
            start += seconds(chance.exponential(apart)).max(1);
        }
    }
}
