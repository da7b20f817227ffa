//! Medians with their range, and a plain table.

use std::fmt::Write;

/// One figure, measured several times.
#[derive(Clone, Default)]
pub(super) struct Sample(Vec<f64>);

impl Sample {
    pub(super) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    pub(super) fn median(&self) -> f64 {
        let sorted = self.sorted();
        match sorted.len() {
            0 => f64::NAN,
            odd if odd % 2 == 1 => sorted[odd / 2],
            even => f64::midpoint(sorted[even / 2 - 1], sorted[even / 2]),
        }
    }

    /// The value that this part of the values stays within.
    pub(super) fn quantile(&self, part: f64) -> f64 {
        let sorted = self.sorted();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index of a vector"
        )]
        let index = (sorted.len().saturating_sub(1) as f64 * part).round() as usize;
        sorted.get(index).copied().unwrap_or(f64::NAN)
    }

    /// `median (lowest-highest)`, each written by `format`.
    pub(super) fn show(&self, format: impl Fn(f64) -> String) -> String {
        let sorted = self.sorted();
        match (sorted.first(), sorted.last()) {
            (Some(_), Some(_)) if sorted.len() == 1 => format(self.median()),
            (Some(low), Some(high)) => format!(
                "{} ({}-{})",
                format(self.median()),
                format(*low),
                format(*high)
            ),
            _ => "-".to_owned(),
        }
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

impl FromIterator<f64> for Sample {
    fn from_iter<T: IntoIterator<Item = f64>>(values: T) -> Self {
        Self(values.into_iter().collect())
    }
}

/// Whether a figure reaches its target, as the table says it.
pub(super) fn verdict(reached: bool) -> String {
    if reached { "reached" } else { "MISSED" }.to_owned()
}

pub(super) fn whole(value: f64) -> String {
    format!("{value:.0}")
}

pub(super) fn ratio(value: f64) -> String {
    format!("{value:.2}")
}

pub(super) fn tenths(value: f64) -> String {
    format!("{value:.1}")
}

/// Rows under a heading, columns as wide as their widest cell.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(heading: &[&str]) -> Self {
        Self {
            rows: vec![heading.iter().map(|cell| (*cell).to_owned()).collect()],
        }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    pub(super) fn print(&self, title: &str) {
        print!("\n## {title}\n{}", self.render());
    }

    fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
        };
        let widths: Vec<usize> = (0..columns)
            .map(|column| width(column).unwrap_or(0))
            .collect();
        let mut text = String::new();
        for (number, row) in self.rows.iter().enumerate() {
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            writeln!(text, "{}", cells.join("  ").trim_end()).expect("a string takes every text");
            if number == 0 {
                let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
                writeln!(text, "{}", rule.join("  ")).expect("a string takes every text");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_of_an_even_count_lies_between_the_middle_two() {
        assert_eq!(
            [4.0, 1.0, 3.0, 2.0]
                .into_iter()
                .collect::<Sample>()
                .show(tenths),
            "2.5 (1.0-4.0)"
        );
        assert_eq!([3.0].into_iter().collect::<Sample>().show(whole), "3");
        assert_eq!(Sample::default().show(whole), "-");
    }

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let sample: Sample = (0..=100).rev().map(f64::from).collect();
        assert_eq!(
            [0.0, 0.5, 0.99, 1.0].map(|part| sample.quantile(part)),
            [0.0, 50.0, 99.0, 100.0]
        );
        assert!(Sample::default().quantile(0.5).is_nan());
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["a", "long heading"]);
        table.row(["wide cell".to_owned(), "b".to_owned()]);
        assert_eq!(
            table.render(),
            "a          long heading\n---------  ------------\nwide cell  b\n"
        );
    }
}
