//! Who works in a world, and what their days are like.

use super::{Chance, Draft, Drafts, Size};

pub(super) const COMPONENTS: [&str; 6] = [
    "oneiric",
    "session-buddy",
    "mahavishnu",
    "crackerjack",
    "akosha",
    "fastblocks",
];
/// Its shells run in containers for some, and each has a host name of its own.
const CONTAINERS: usize = 5;
/// 2026-01-05T00:00:00Z, a Monday.
pub(super) const FIRST_DAY: i64 = 1_767_571_200;
pub(super) const DAY: i64 = 24 * 60 * 60;
/// Where offices are: hours from UTC.
const ZONES: [f64; 3] = [-8.0, 1.0, 5.5];
/// Each office has so many teams, and each team so many hosts, of which everybody uses some.
const TEAMS: usize = 2;
const TEAM_HOSTS: usize = 4;

pub(super) struct Person {
    /// When they usually start, in hours of UTC's day, and how much that varies.
    pub(super) hour: f64,
    hour_varies: f64,
    office: usize,
    sessions_per_day: f64,
    /// The rate at weekends, as a part of the others.
    weekends: f64,
    /// From which day on they work, when they are away, from and until.
    hired: usize,
    away: (usize, usize),
    /// Components with their weights, and the median length of a session there in seconds.
    pub(super) components: Vec<(usize, f64, f64)>,
    length_varies: f64,
    /// Hosts with their weights. The first is their own.
    pub(super) hosts: Vec<(String, f64)>,
    in_containers: bool,
    leaves_open: f64,
    opens_together: f64,
    fails: f64,
    pub(super) is_counted: bool,
    /// On that day they get a new laptop, or a new project in another component.
    new_laptop: Option<usize>,
    new_project: Option<usize>,
}

pub(super) fn hire(chance: &mut Chance, size: Size) -> Vec<Person> {
    let lengths: Vec<f64> = COMPONENTS
        .iter()
        .map(|_| 20.0 * 60.0 * chance.factor(0.5))
        .collect();
    (0..size.users)
        .map(|number| person(number, &lengths, chance, size))
        .collect()
}

fn person(number: usize, lengths: &[f64], chance: &mut Chance, size: Size) -> Person {
    let office = chance.below(ZONES.len());
    let works_at_night = chance.happens(0.06);
    let local = if works_at_night {
        chance.normal(1.0, 1.0)
    } else {
        chance.normal(13.0, 1.0)
    };
    let mut components: Vec<(usize, f64, f64)> = Vec::new();
    for weight in [1.0, 0.5, 0.25].into_iter().take(chance.whole(1, 3)) {
        let component = chance.below(COMPONENTS.len());
        if components.iter().all(|(other, ..)| *other != component) {
            components.push((component, weight, lengths[component] * chance.factor(0.4)));
        }
    }
    let team = chance.below(TEAMS);
    let mut hosts = vec![(format!("laptop-{number:03}"), 1.0)];
    for weight in [0.6, 0.3, 0.02].into_iter().take(chance.whole(1, 3)) {
        let host = host_of(office, team, chance);
        if hosts.iter().all(|(other, _)| *other != host) {
            hosts.push((host, weight));
        }
    }
    hosts.push((
        "bastion".to_owned(),
        if chance.happens(0.5) { 0.1 } else { 0.01 },
    ));
    let away = if chance.happens(0.4) {
        chance.below(size.days)
    } else {
        size.days
    };
    let middle = |chance: &mut Chance| chance.whole(size.days * 4 / 10, size.days * 9 / 10);
    Person {
        hour: (local - ZONES[office]).rem_euclid(24.0),
        hour_varies: chance.uniform(1.2, 2.2),
        office,
        sessions_per_day: (2.5 * chance.factor(0.6)).clamp(0.6, 8.0),
        weekends: if chance.happens(0.1) {
            0.6
        } else {
            chance.uniform(0.0, 0.15)
        },
        hired: if chance.happens(0.12) {
            chance.whole(size.days / 5, size.days / 2)
        } else {
            0
        },
        away: (away, away + chance.whole(4, 14)),
        components,
        length_varies: chance.uniform(0.3, 0.5),
        hosts,
        in_containers: chance.happens(0.4),
        leaves_open: if chance.happens(0.05) { 0.1 } else { 0.0 },
        opens_together: if chance.happens(0.3) { 0.3 } else { 0.08 },
        fails: (0.06 * chance.factor(0.4)).clamp(0.01, 0.25),
        is_counted: chance.happens(0.8),
        new_laptop: chance.happens(0.03).then(|| middle(chance)),
        new_project: chance.happens(0.02).then(|| middle(chance)),
    }
}

fn host_of(office: usize, team: usize, chance: &mut Chance) -> String {
    format!("host-{office}{team}{}", chance.below(TEAM_HOSTS))
}

pub(super) fn work(people: &mut [Person], chance: &mut Chance, size: Size) -> Drafts {
    let mut sessions = Vec::new();
    for day in 0..size.days {
        for (user, person) in people.iter_mut().enumerate() {
            person.change(user, day, chance);
            if day < person.hired || (person.away.0..person.away.1).contains(&day) {
                continue;
            }
            let rate = if day % 7 >= 5 { person.weekends } else { 1.0 } * person.sessions_per_day;
            let busy = chance.factor(0.35);
            for _ in 0..chance.count(rate * busy) {
                let start = person.time(day, chance);
                sessions.push(person.session(user, start, chance));
                if chance.happens(person.opens_together) {
                    for _ in 0..chance.whole(1, 3) {
                        let start = start + seconds(chance.exponential(30.0));
                        sessions.push(person.session(user, start, chance));
                    }
                }
            }
        }
    }
    sessions.sort_by_key(|session| session.start);
    Drafts { sessions }
}

/// Whole seconds.
#[expect(clippy::cast_possible_truncation, reason = "some days")]
pub(super) const fn seconds(exact: f64) -> i64 {
    exact as i64
}

fn first_second(day: usize) -> i64 {
    FIRST_DAY + i64::try_from(day).expect("some days") * DAY
}

impl Person {
    fn change(&mut self, user: usize, day: usize, chance: &mut Chance) {
        if self.new_laptop == Some(day) {
            self.hosts[0].0 = format!("laptop-{user:03}-new");
        }
        if self.new_project == Some(day) {
            let component = chance.below(COMPONENTS.len());
            self.components.push((component, 1.0, 20.0 * 60.0));
        }
    }

    /// When a session of this day begins.
    pub(super) fn time(&self, day: usize, chance: &mut Chance) -> i64 {
        let overtime = if chance.happens(0.02) {
            chance.uniform(2.0, 5.0)
        } else {
            0.0
        };
        let hour = chance.normal(self.hour, self.hour_varies) + overtime;
        first_second(day) + seconds(hour * 3600.0)
    }

    pub(super) fn session(&self, user: usize, start: i64, chance: &mut Chance) -> Draft {
        let (component, _, median) =
            self.components[heaviest(self.components.iter().map(|(_, weight, _)| *weight), chance)];
        let host = match self.in_containers && component == CONTAINERS {
            true => format!("fastblocks-{:08x}", chance.below(1 << 32)),
            false => self.hosts[heaviest(self.hosts.iter().map(|(_, weight)| *weight), chance)]
                .0
                .clone(),
        };
        let length = match chance.happens(self.leaves_open) {
            true => chance.uniform(9.0, 15.0) * 3600.0,
            false => median * chance.factor(self.length_varies),
        };
        let mut draft = Draft {
            user,
            component,
            host,
            start,
            seconds: length,
            commands: None,
            error: false,
            anomaly: None,
        };
        let share = chance.share(self.fails, 20.0);
        self.run(&mut draft, share, chance);
        draft
    }

    /// Runs commands in it, of which this share fails.
    pub(super) fn run(&self, draft: &mut Draft, share: f64, chance: &mut Chance) {
        if self.is_counted {
            let commands = seconds((12.0 * chance.factor(0.8)).min(400.0)).unsigned_abs();
            let failed = chance.binomial(commands, share);
            draft.commands = Some((commands, failed));
            draft.error = failed > 0;
        } else {
            draft.error = chance.happens(share);
        }
    }

    /// A host that they never use: one that nobody knows, or one of others.
    pub(super) fn strange_host(
        &self,
        people: &[Self],
        number: usize,
        chance: &mut Chance,
    ) -> String {
        loop {
            let host = match chance.below(4) {
                0 | 1 => format!("unknown-{number}"),
                2 => people[chance.below(people.len())].hosts[0].0.clone(),
                _ => {
                    let team = chance.below(TEAMS);
                    host_of((self.office + 1) % ZONES.len(), team, chance)
                }
            };
            if self.hosts.iter().all(|(own, _)| *own != host) {
                return host;
            }
        }
    }
}

/// Draws one of some weights.
fn heaviest(weights: impl Iterator<Item = f64> + Clone, chance: &mut Chance) -> usize {
    let mut left = chance.uniform(0.0, weights.clone().sum());
    for (number, weight) in weights.enumerate() {
        left -= weight;
        if left <= 0.0 {
            return number;
        }
    }
    0
}
