//! Users where they never were: on a new host, in a new component.

use std::collections::HashSet;

use super::{
    COLD_START, Finding, Metric, tail,
    timeline::{Session, Timeline},
    words::of_before,
};

/// What is usual for others counts as this much of one new place where it is rarer than this, and as less where it is not: there
/// some are always somewhere new, and others never.
const PLACES_WEIGHT: f64 = 0.25;
const RARE: f64 = 0.01;
/// How many sessions are remembered, of a user, and of a component or all.
const OF_USER: f64 = 300.0;
const OF_MANY: f64 = 5000.0;
/// How often something is new where nothing is known: once in 200 sessions.
const UNKNOWN: f64 = 0.005;
/// How many new places weigh as much as the belief that each kind is as likely as another.
const KINDS_WEIGHT: f64 = 2.0;
/// How many new places are remembered by kind.
const KINDS: f64 = 60.0;
/// Whoever is somewhere new this often says nothing of how strange new places are for others.
const EXPECTED: f64 = 0.03;
/// A component runs in containers if its sessions are so many times as often on new hosts as others.
const CONTAINERS: f64 = 8.0;
/// A place is common where one in so many users was; what is common makes nobody colleagues.
const COMMON_PART: usize = 4;
/// How many of the first users of a place are asked whether they are colleagues.
const ASKED: usize = 50;
/// The rate is taken to be this many times what was seen: it is that of rare things.
const CAUTION: f64 = 2.5;
/// What was unusual itself counts this much for what is usual.
const OUTLIER_WEIGHT: f64 = 0.05;

pub(super) fn hosts(timeline: &Timeline<'_>, bar: f64) -> Vec<Finding> {
    let place = Place {
        of: |session| session.host,
        names: timeline.hosts.len(),
        metric: Metric::NewHost,
        what: ("on", "host", "hosts"),
        is_news_if_known: false,
    };
    find(timeline, &place, bar)
}

pub(super) fn components(timeline: &Timeline<'_>, bar: f64) -> Vec<Finding> {
    let place = Place {
        of: |session| session.component,
        names: timeline.components.len(),
        metric: Metric::NewComponent,
        what: ("in", "component", "components"),
        is_news_if_known: true,
    };
    find(timeline, &place, bar)
}

/// Where a user can be new.
struct Place {
    of: fn(&Session<'_>) -> usize,
    names: usize,
    metric: Metric,
    /// The preposition, one of them, and several.
    what: (&'static str, &'static str, &'static str),
    /// Whether it is worth a word where colleagues are, or many: no host is, but a component is.
    is_news_if_known: bool,
}

fn find(timeline: &Timeline<'_>, place: &Place, bar: f64) -> Vec<Finding> {
    let mut map = Map::new(timeline, place);
    let mut baseline = Baseline::new(timeline);
    let mut findings = Vec::new();
    for (index, session) in timeline.sessions.iter().enumerate() {
        let here = (place.of)(session);
        let new = map
            .is_new(session.user, here)
            .then(|| (map.kind(session.user, here), map.reason(session, place)));
        map.visit(session.user, here);
        if session.before < COLD_START {
            continue;
        }
        let mut weight = 1.0;
        if let Some((kind, reason)) = &new {
            let rate = baseline.rate(session);
            let probability = CAUTION * rate * baseline.rarity(*kind);
            if probability <= bar
                && (place.is_news_if_known || matches!(kind, Kind::Nobody | Kind::Strangers))
            {
                findings.push(Finding {
                    observed: 1.0,
                    usual: rate,
                    reason: reason.clone(),
                    ..Finding::of(place.metric, probability, &[index], timeline)
                });
            }
            if probability < tail::OUTLIER {
                weight = OUTLIER_WEIGHT;
            }
            if rate < EXPECTED {
                baseline.note(*kind, weight);
            }
        }
        baseline.learn(session, new.is_some(), weight);
    }
    findings
}

/// Who was where.
struct Map {
    places_of: Vec<Vec<usize>>,
    users_of: Vec<Vec<usize>>,
    visited: HashSet<(usize, usize)>,
    users: usize,
}

/// How a new place is known, the strangest first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Nobody was there.
    Nobody,
    /// Only people who were nowhere else where the user was.
    Strangers,
    /// People who were at other places of the user too, beside common ones.
    Colleagues,
    /// A good part of all users.
    Common,
}

impl Map {
    fn new(timeline: &Timeline<'_>, place: &Place) -> Self {
        Self {
            places_of: vec![Vec::new(); timeline.users.len()],
            users_of: vec![Vec::new(); place.names],
            visited: HashSet::new(),
            users: 0,
        }
    }

    fn is_new(&self, user: usize, place: usize) -> bool {
        !self.visited.contains(&(user, place))
    }

    fn visit(&mut self, user: usize, place: usize) {
        if self.visited.insert((user, place)) {
            self.users += usize::from(self.places_of[user].is_empty());
            self.places_of[user].push(place);
            self.users_of[place].push(user);
        }
    }

    fn kind(&self, user: usize, place: usize) -> Kind {
        let users = &self.users_of[place];
        let is_common = |place: usize| self.users_of[place].len() * COMMON_PART > self.users;
        let share = |other: &usize| {
            let mut own = self.places_of[user].iter().take(ASKED);
            own.any(|own| !is_common(*own) && self.visited.contains(&(*other, *own)))
        };
        match users.len() {
            0 => Kind::Nobody,
            _ if is_common(place) => Kind::Common,
            _ if users.iter().take(ASKED).any(share) => Kind::Colleagues,
            _ => Kind::Strangers,
        }
    }

    fn reason(&self, session: &Session<'_>, place: &Place) -> String {
        let visit = session.visit;
        let (preposition, one, several) = place.what;
        let (here, places) = ((place.of)(session), self.places_of[session.user].len());
        let name = if place.metric == Metric::NewHost {
            &visit.host
        } else {
            &visit.component
        };
        let others = match (self.users_of[here].len(), self.kind(session.user, here)) {
            (0, _) => "where nobody had been".to_owned(),
            (1, Kind::Strangers) => {
                "where only one user had been, who shares none of the others".to_owned()
            }
            (1, _) => "where only one user had been".to_owned(),
            (n, Kind::Strangers) => {
                format!("where {n} users had been, who share none of the others")
            }
            (n, _) => format!("where {n} users had been"),
        };
        let places = if places == 1 {
            format!("one {one}")
        } else {
            format!("{places} {several}")
        };
        format!(
            "{} was {preposition} {name} for the first time, {others}; the {} were {preposition} {places}",
            visit.user,
            of_before(session.before),
        )
    }
}

/// How often something is new, as fading sums.
#[derive(Clone, Copy, Default)]
struct Rate {
    sessions: f64,
    new: f64,
}

impl Rate {
    fn add(&mut self, is_new: bool, weight: f64, remembered: f64) {
        let kept = 1.0 - weight / remembered;
        self.sessions = self.sessions.mul_add(kept, weight);
        self.new = self.new.mul_add(kept, if is_new { weight } else { 0.0 });
    }

    fn mixed(self, elsewhere: f64) -> f64 {
        let places = PLACES_WEIGHT * (RARE / elsewhere).sqrt().min(1.0);
        (self.new + places) / (self.sessions + places / elsewhere)
    }
}

struct Baseline {
    everywhere: Rate,
    components: Vec<Rate>,
    users: Vec<Rate>,
    pairs: Vec<Rate>,
    /// How many new places were of each kind.
    kinds: [f64; 4],
}

impl Baseline {
    fn new(timeline: &Timeline<'_>) -> Self {
        Self {
            everywhere: Rate::default(),
            components: vec![Rate::default(); timeline.components.len()],
            users: vec![Rate::default(); timeline.users.len()],
            pairs: vec![Rate::default(); timeline.pairs],
            kinds: [0.0; 4],
        }
    }

    /// How often a session like this is somewhere new: the pair's rate, which begins as the user's, or where the component's is
    /// far above all others as that, since in containers each session has a host of its own.
    fn rate(&self, session: &Session<'_>) -> f64 {
        let everywhere = self.everywhere.mixed(UNKNOWN);
        let component = self.components[session.component].mixed(everywhere);
        let user = self.users[session.user].mixed(everywhere);
        let in_containers = component > CONTAINERS * everywhere;
        self.pairs[session.pair].mixed(if in_containers {
            user.max(component)
        } else {
            user
        })
    }

    /// The part of new places that are as strange as this one, or more.
    fn rarity(&self, kind: Kind) -> f64 {
        let noted: f64 = self.kinds.iter().sum();
        let stranger: f64 = self.kinds[..=kind as usize].iter().sum();
        let even = [0.25, 0.5, 0.75, 1.0][kind as usize];
        KINDS_WEIGHT.mul_add(even, stranger) / (noted + KINDS_WEIGHT)
    }

    /// Notes a new place. One of those to whom all is new says nothing of others.
    fn note(&mut self, kind: Kind, weight: f64) {
        for noted in &mut self.kinds {
            *noted *= 1.0 - weight / KINDS;
        }
        self.kinds[kind as usize] += weight;
    }

    fn learn(&mut self, session: &Session<'_>, is_new: bool, weight: f64) {
        let settled = (1.0 - self.rate(session)).powi(4);
        self.everywhere.add(is_new, weight * settled, OF_MANY);
        self.components[session.component].add(is_new, weight, OF_MANY);
        self.users[session.user].add(is_new, 1.0, OF_USER);
        self.pairs[session.pair].add(is_new, 1.0, OF_USER);
    }
}
