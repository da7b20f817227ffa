//! What is remembered of the sessions of a group.

use std::collections::HashSet;

use session_model::SessionStatus;

use super::{Amount, Measure};
use crate::history::{Name, Visit};

#[derive(Debug, Default)]
pub(super) struct Tally {
    sessions: usize,
    active: usize,
    lost: usize,
    failed: usize,
    users: HashSet<Name>,
    hosts: HashSet<Name>,
    /// Lengths of those that have ended.
    seconds: Vec<f64>,
    is_sorted: bool,
}

impl Tally {
    pub(super) fn add(&mut self, visit: &Visit) {
        self.sessions += 1;
        self.active += usize::from(visit.status == SessionStatus::Active);
        self.lost += usize::from(visit.is_lost());
        self.failed += usize::from(visit.error);
        if !self.users.contains(&visit.user) {
            self.users.insert(Name::clone(&visit.user));
        }
        if !self.hosts.contains(&visit.host) {
            self.hosts.insert(Name::clone(&visit.host));
        }
        self.seconds.extend(visit.full_seconds());
        self.is_sorted = false;
    }

    pub(super) fn amount(&mut self, measure: Measure) -> Amount {
        match measure {
            Measure::Sessions => Amount::Count(self.sessions),
            Measure::Users => Amount::Count(self.users.len()),
            Measure::Hosts => Amount::Count(self.hosts.len()),
            Measure::Active => Amount::Count(self.active),
            Measure::Failed => Amount::Count(self.failed),
            Measure::Lost => Amount::Count(self.lost),
            Measure::ErrorRate => Amount::Share(self.share(self.failed)),
            Measure::LostRate => Amount::Share(self.share(self.lost)),
            Measure::Mean => Amount::Seconds(mean(&self.seconds)),
            Measure::Median => Amount::Seconds(median(self.sorted())),
            Measure::P95 => Amount::Seconds(p95(self.sorted())),
            Measure::Longest => Amount::Seconds(self.sorted().last().copied()),
            Measure::Total => {
                let total = self.seconds.iter().sum();
                Amount::Seconds((!self.seconds.is_empty()).then_some(total))
            }
        }
    }

    fn share(&self, part: usize) -> Option<f64> {
        share(part, self.sessions)
    }

    fn sorted(&mut self) -> &[f64] {
        if !self.is_sorted {
            self.seconds.sort_unstable_by(f64::total_cmp);
            self.is_sorted = true;
        }
        &self.seconds
    }
}

#[expect(clippy::cast_precision_loss, reason = "fewer than 2^52 sessions")]
pub(crate) fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 * 100.0 / whole as f64)
}

#[expect(clippy::cast_precision_loss, reason = "fewer than 2^52 sessions")]
pub(crate) fn mean(numbers: &[f64]) -> Option<f64> {
    (!numbers.is_empty()).then(|| numbers.iter().sum::<f64>() / numbers.len() as f64)
}

/// Gives the median of sorted numbers: of an even number the mean of the two in the middle.
pub(crate) fn median(sorted: &[f64]) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    Some(f64::midpoint(sorted[last / 2], sorted[sorted.len() / 2]))
}

/// Gives the number that 95 of 100 do not exceed, by nearest rank.
fn p95(sorted: &[f64]) -> Option<f64> {
    let rank = (sorted.len() * 95).div_ceil(100);
    Some(sorted[rank.checked_sub(1)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_members_and_a_median_of_two_their_mean() {
        let to = |last: u32| (1..=last).map(f64::from).collect::<Vec<_>>();
        assert_eq!(median(&to(4)), Some(2.5));
        assert_eq!(median(&to(5)), Some(3.0));
        assert_eq!(median(&[]), None);
        assert_eq!(p95(&to(20)), Some(19.0));
        assert_eq!(p95(&to(21)), Some(20.0));
        assert_eq!(p95(&[7.0]), Some(7.0));
        assert_eq!(p95(&[]), None);
    }
}
