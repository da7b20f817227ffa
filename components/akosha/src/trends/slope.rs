//! The slope of a series.

/// Gives the median of the slopes between all pairs of numbers, by bucket; none where there are fewer than two numbers.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    reason = "a window has at most 2,000 buckets"
)]
pub fn theil_sen(series: &[Option<f64>]) -> Option<f64> {
    let known: Vec<(f64, f64)> = series
        .iter()
        .enumerate()
        .filter_map(|(bucket, number)| Some((bucket as f64, (*number)?)))
        .collect();
    let mut slopes = Vec::with_capacity(known.len() * known.len().saturating_sub(1) / 2);
    for (place, (earlier, before)) in known.iter().enumerate() {
        let later = known[place + 1..].iter();
        slopes.extend(later.map(|(later, after)| (after - before) / (later - earlier)));
    }
    slopes.sort_unstable_by(f64::total_cmp);
    crate::aggregate::median(&slopes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slope(series: &[f64]) -> Option<f64> {
        let series: Vec<_> = series.iter().copied().map(Some).collect();
        theil_sen(&series)
    }

    #[test]
    fn a_wild_day_moves_nothing() {
        assert_eq!(slope(&[1.0, 3.0, 5.0, 7.0]), Some(2.0));
        assert_eq!(slope(&[1.0, 3.0, 5.0, 1_000.0, 9.0]), Some(2.0));
        assert_eq!(slope(&[4.0, 4.0]), Some(0.0));
    }

    #[test]
    fn buckets_without_a_number_are_passed_over() {
        assert_eq!(theil_sen(&[Some(1.0), None, Some(5.0)]), Some(2.0));
        assert_eq!(theil_sen(&[None, Some(1.0)]), None);
        assert_eq!(theil_sen(&[]), None);
    }
}
