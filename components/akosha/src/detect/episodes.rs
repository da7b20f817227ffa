//! What goes on for a while is one finding.

use std::collections::HashMap;

/// Unusual moments of the same key that follow each other within a time, gathered.
pub(super) struct Episodes<T> {
    gap: i64,
    open: HashMap<usize, Episode<T>>,
    closed: Vec<Episode<T>>,
}

/// Unusual moments that belong together.
pub(super) struct Episode<T> {
    /// The least probability among them.
    pub(super) probability: f64,
    /// What the words need to know of the moment that has it.
    pub(super) detail: T,
    /// Places of the sessions, each once, in the order of the timeline.
    pub(super) places: Vec<usize>,
    last: i64,
}

impl<T> Episodes<T> {
    /// Makes a collection in which moments belong together that are at most `gap` seconds apart.
    pub(super) fn new(gap: i64) -> Self {
        Self {
            gap,
            open: HashMap::new(),
            closed: Vec::new(),
        }
    }

    pub(super) fn add(
        &mut self,
        key: usize,
        at: i64,
        probability: f64,
        places: impl IntoIterator<Item = usize>,
        detail: T,
    ) {
        let places = places.into_iter();
        if let Some(open) = self
            .open
            .get_mut(&key)
            .filter(|open| (at - open.last).abs() <= self.gap)
        {
            open.last = at.max(open.last);
            open.places.extend(places);
            if probability < open.probability {
                open.probability = probability;
                open.detail = detail;
            }
            return;
        }
        let places = places.collect();
        let begun = Episode {
            probability,
            detail,
            places,
            last: at,
        };
        self.closed.extend(self.open.insert(key, begun));
    }

    /// Gives all of them, those that begin first first.
    pub(super) fn finish(mut self) -> Vec<Episode<T>> {
        self.closed.extend(self.open.into_values());
        for episode in &mut self.closed {
            episode.places.sort_unstable();
            episode.places.dedup();
        }
        self.closed
            .sort_by_key(|episode| episode.places.first().copied());
        self.closed
    }
}
