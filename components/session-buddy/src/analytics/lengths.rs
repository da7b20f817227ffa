//! Lengths of time in fixed buckets, and the percentiles that come of them.
//!
//! Up to 127 seconds each has a bucket of its own. Above, every power of two is cut into 64 buckets of one width, and a
//! length stands for the middle of its bucket.

use super::Tally;

/// The share by which a percentile may be off: half the width of a bucket over its lower end, 1/128.
pub const ERROR_MAX: f64 = 1.0 / 128.0;

/// Buckets of a power of two, as a power of two.
const FINENESS: u32 = 6;

/// Gives the bucket of a length in seconds.
pub fn bucket(seconds: i64) -> u16 {
    let seconds = seconds.max(0).unsigned_abs();
    let shift = (u64::BITS - seconds.leading_zeros()).saturating_sub(FINENESS + 1);
    let place = (u64::from(shift) << FINENESS) + (seconds >> shift);
    u16::try_from(place).expect("63 powers of two have 64 buckets each")
}

/// Gives the middle of a bucket, in seconds.
#[expect(
    clippy::cast_precision_loss,
    reason = "far below the error of a bucket"
)]
fn middle(bucket: u16) -> f64 {
    let place = u64::from(bucket);
    let shift = (place >> FINENESS).saturating_sub(1);
    let lower = (place - (shift << FINENESS)) << shift;
    lower as f64 + ((1u64 << shift) - 1) as f64 / 2.0
}

/// Gives the median: of an even number of lengths the mean of the two in the middle. 0 of none.
pub fn median(lengths: &Tally) -> f64 {
    let total = lengths.total();
    let low = nth(lengths, (total + 1) / 2);
    let high = nth(lengths, total / 2 + 1);
    f64::midpoint(low, high)
}

/// Gives the smallest length that 95 of 100 do not exceed (nearest rank). 0 of none.
pub fn p95(lengths: &Tally) -> f64 {
    let rank = (i128::from(lengths.total()) * 95 + 99) / 100;
    nth(lengths, i64::try_from(rank).unwrap_or(i64::MAX))
}

/// Gives the n-th length, counted from 1.
fn nth(lengths: &Tally, n: i64) -> f64 {
    let mut seen = 0;
    for (bucket, count) in lengths.iter() {
        seen += count;
        if seen >= n {
            return middle(bucket);
        }
    }
    0.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn buckets_follow_each_other() {
        assert_eq!(bucket(0), 0);
        assert_eq!(bucket(127), 127);
        assert_eq!((bucket(128), bucket(129), bucket(130)), (128, 128, 129));
        assert_eq!(bucket(-5), 0);
        assert!((middle(bucket(i64::MAX)) / i64::MAX as f64 - 1.0).abs() < ERROR_MAX);
        for seconds in 0..100_000 {
            let step = bucket(seconds + 1) - bucket(seconds);
            assert!(step <= 1, "{seconds}");
        }
    }

    fn length() -> impl Strategy<Value = i64> {
        (0u32..40).prop_flat_map(|power| 0..=(1i64 << power))
    }

    proptest! {
        #[test]
        fn percentiles_are_within_the_stated_error(mut lengths in proptest::collection::vec(length(), 1..300)) {
            let mut tally = Tally::default();
            for length in &lengths {
                tally.add(bucket(*length), 1);
            }
            lengths.sort_unstable();
            let count = lengths.len();
            let exact_median = (lengths[(count - 1) / 2] as f64 + lengths[count / 2] as f64) / 2.0;
            let exact_p95 = lengths[(count * 95).div_ceil(100) - 1] as f64;
            for (found, exact) in [(median(&tally), exact_median), (p95(&tally), exact_p95)] {
                prop_assert!((found - exact).abs() <= exact * ERROR_MAX, "{found} for {exact}");
            }
        }
    }
}
