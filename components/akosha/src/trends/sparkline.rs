//! A series in a line.

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// The most characters; a longer series is shown in as many steps.
const WIDTH_MAX: usize = 48;

/// Writes a series as bars from the least to the largest number; a blank where there is none.
#[must_use]
pub fn sparkline(series: &[Option<f64>]) -> String {
    let steps = steps(series);
    let known = || steps.iter().flatten().copied();
    let least = known().fold(f64::INFINITY, f64::min).min(0.0);
    let most = known().fold(f64::NEG_INFINITY, f64::max);
    let bar = |number: &Option<f64>| number.map_or(' ', |number| BARS[height(number, least, most)]);
    steps.iter().map(bar).collect()
}

/// Puts neighbours together until there are few enough, each with its mean.
fn steps(series: &[Option<f64>]) -> Vec<Option<f64>> {
    let length = series.len().div_ceil(WIDTH_MAX).max(1);
    let of_step = |step: &[Option<f64>]| {
        let known: Vec<_> = step.iter().flatten().copied().collect();
        crate::aggregate::mean(&known)
    };
    series.chunks(length).map(of_step).collect()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of 0 to 1 of 7"
)]
fn height(number: f64, least: f64, most: f64) -> usize {
    if most <= least {
        return 0;
    }
    let share = (number - least) / (most - least);
    ((share * 7.0).round() as usize).min(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_go_from_nothing_to_the_largest() {
        let numbers = [0.0, 1.0, 3.5, 7.0].map(Some);
        assert_eq!(sparkline(&numbers), "▁▂▅█");
        assert_eq!(sparkline(&[Some(2.0), None, Some(2.0)]), "█ █");
        assert_eq!(sparkline(&[Some(0.0), Some(0.0)]), "▁▁");
        assert_eq!(sparkline(&[None]), " ");
        assert_eq!(sparkline(&[]), "");
    }

    #[test]
    fn a_long_series_is_shown_in_steps() {
        let long = vec![Some(1.0); 100];
        assert_eq!(sparkline(&long).chars().count(), 34);
    }
}
