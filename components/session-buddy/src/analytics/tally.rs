//! Counts by small numbers, few of which are used.

use super::packed;

/// A count for each of some small numbers; what is not in it is zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally(Vec<(u16, i64)>);

impl Tally {
    /// Makes a tally of one.
    pub fn of(number: u16) -> Self {
        Self(vec![(number, 1)])
    }

    /// Adds to the count of a number. A count that comes to zero is gone.
    pub fn add(&mut self, number: u16, count: i64) {
        match self.0.binary_search_by_key(&number, |(number, _)| *number) {
            Ok(place) => {
                let sum = &mut self.0[place].1;
                *sum += count;
                if *sum == 0 {
                    self.0.remove(place);
                }
            }
            Err(place) if count != 0 => self.0.insert(place, (number, count)),
            Err(_) => {}
        }
    }

    /// Adds another tally, or takes it back.
    pub fn add_all(&mut self, other: &Self, sign: i64) {
        for (number, count) in &other.0 {
            self.add(*number, sign * count);
        }
    }

    /// Gives numbers and counts, smallest number first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (u16, i64)> + '_ {
        self.0.iter().copied()
    }

    /// Gives the sum of all counts.
    pub fn total(&self) -> i64 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    /// Writes it as pairs of packed numbers: the distance from the number before, and the count.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(2 * self.0.len());
        let mut before = 0;
        for (number, count) in &self.0 {
            packed::put(&mut bytes, u64::from(number - before));
            packed::put_signed(&mut bytes, *count);
            before = *number;
        }
        bytes
    }

    /// Reads what [`Self::to_bytes`] wrote; `None` of anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut tally = Self(Vec::with_capacity(bytes.len() / 2));
        visit(bytes, |number, count| tally.0.push((number, count)))?;
        Some(tally)
    }
}

/// Visits the numbers and counts of a tally as it is written; `None` where it is no such.
pub(crate) fn visit(mut bytes: &[u8], mut each: impl FnMut(u16, i64)) -> Option<()> {
    let mut number = 0u16;
    let mut first = true;
    while !bytes.is_empty() {
        let distance = u16::try_from(packed::take(&mut bytes)?).ok()?;
        if distance == 0 && !first {
            return None;
        }
        first = false;
        number = number.checked_add(distance)?;
        each(number, packed::take_signed(&mut bytes)?);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(counts in proptest::collection::btree_map(any::<u16>(), i64::MIN >> 1..i64::MAX >> 1, 0..50)) {
            let mut tally = Tally::default();
            for (number, count) in &counts {
                tally.add(*number, *count);
            }
            prop_assert_eq!(Tally::from_bytes(&tally.to_bytes()), Some(tally.clone()));
            let mut nothing = tally.clone();
            nothing.add_all(&tally, -1);
            prop_assert_eq!(nothing, Tally::default());
        }

        #[test]
        fn other_bytes_are_refused_or_a_tally(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Some(tally) = Tally::from_bytes(&bytes) {
                let numbers: Vec<_> = tally.iter().map(|(number, _)| number).collect();
                prop_assert!(numbers.is_sorted_by(|a, b| a < b));
            }
        }
    }
}
