//! Charts of characters: bars, a line of blocks, a map of hours.

use std::fmt::Write;

use session_model::escape::for_line;

use super::super::glyphs::Glyphs;

/// The width of a chart where there is no terminal.
const WIDTH: usize = 80;
/// The widest label, in characters; longer ones are cut.
const LABEL_MAX: usize = 25;
/// The longest bar.
const BAR_MAX: usize = 60;
const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// How charts are drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chart {
    width: usize,
    /// Whether more than ASCII can be shown.
    blocks: bool,
}

impl Chart {
    /// Draws for a terminal of this width, in the characters of the locale that the environment names.
    pub(super) fn new(width: Option<usize>, variable: impl Fn(&str) -> Option<String>) -> Self {
        Self {
            width: width.unwrap_or(WIDTH),
            blocks: Glyphs::of(variable).unicode,
        }
    }

    /// Draws a bar for each label, in proportion to the largest value.
    pub(super) fn bars(self, values: &[(String, u64)]) -> String {
        let label = |text: &str| for_line(text).chars().take(LABEL_MAX).collect::<String>();
        let longest = values
            .iter()
            .map(|(text, _)| label(text).chars().count())
            .max();
        let label_width = longest.unwrap_or_default();
        let most = values
            .iter()
            .map(|(_, value)| *value)
            .max()
            .unwrap_or_default();
        let value_width = most.to_string().len();
        let room = self.width.saturating_sub(label_width + value_width + 4);
        let mut drawn = String::new();
        for (text, value) in values {
            let bar = self.bar(*value, most, room.min(BAR_MAX));
            let line = format!("{:label_width$}  {value:>value_width$}  {bar}", label(text));
            // Writing to a String cannot fail.
            let _ = writeln!(drawn, "{}", line.trim_end());
        }
        drawn
    }

    /// What is not nothing is seen.
    fn bar(self, value: u64, most: u64, room: usize) -> String {
        let length = scaled(value, most, room);
        let block = if self.blocks { "█" } else { "#" };
        block.repeat(length.max(usize::from(value > 0 && room > 0)))
    }

    /// Draws a line of values, each as high as it is large. The newest that fit are shown.
    pub(super) fn line(self, values: &[u64]) -> String {
        let heights: Vec<char> = if self.blocks {
            "▁▂▃▄▅▆▇█".chars().collect()
        } else {
            "_.-=+*%#".chars().collect()
        };
        let shown = &values[values.len().saturating_sub(self.width)..];
        let most = shown.iter().copied().max().unwrap_or_default();
        let height = |value: &u64| heights[scaled(*value, most, heights.len() - 1)];
        shown.iter().map(height).collect()
    }

    /// Draws the hours of a week, from Monday, each as dark as it is large.
    pub(super) fn week(self, hours: &[u64]) -> String {
        let shades: Vec<char> = if self.blocks {
            " ░▒▓█".chars().collect()
        } else {
            " .:*#".chars().collect()
        };
        let most = hours.iter().copied().max().unwrap_or_default();
        // A day takes 4 columns and 24 hours; two each where there is room.
        let wide = if self.width >= 4 + 24 * 2 { 2 } else { 1 };
        let mut drawn = String::from("    ");
        for hour in (0..24).step_by(6) {
            let _ = write!(drawn, "{hour:<0$}", 6 * wide);
        }
        drawn = drawn.trim_end().to_owned();
        drawn.push('\n');
        for (weekday, day) in WEEKDAYS.iter().zip(hours.chunks(24)) {
            let shade = |value: &u64| {
                let shade = scaled(*value, most, shades.len() - 1);
                shades[shade.max(usize::from(*value > 0))]
                    .to_string()
                    .repeat(wide)
            };
            let line = format!("{weekday} {}", day.iter().map(shade).collect::<String>());
            let _ = writeln!(drawn, "{}", line.trim_end());
        }
        drawn
    }
}

/// Gives the share of the largest value, in steps.
fn scaled(value: u64, most: u64, steps: usize) -> usize {
    if most == 0 {
        return 0;
    }
    let steps = u128::try_from(steps).unwrap_or_default();
    let share = (u128::from(value) * steps + u128::from(most) / 2) / u128::from(most);
    usize::try_from(share).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(width: usize, locale: &str) -> Chart {
        Chart::new(Some(width), |name| {
            (name == "LANG").then(|| locale.to_owned())
        })
    }

    fn values() -> Vec<(String, u64)> {
        [
            ("mahavishnu", 40),
            ("akosha", 20),
            ("billing", 0),
            ("oneiric", 1),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    #[test]
    fn bars_fit_the_width_and_show_what_is_not_nothing() {
        insta::assert_snapshot!(chart(40, "C.UTF-8").bars(&values()), @r"
        mahavishnu  40  ████████████████████████
        akosha      20  ████████████
        billing      0
        oneiric      1  █
        ");
        insta::assert_snapshot!(chart(30, "C").bars(&values()), @r"
        mahavishnu  40  ##############
        akosha      20  #######
        billing      0
        oneiric      1  #
        ");
        for width in 0..200 {
            let drawn = chart(width, "C").bars(&values());
            let longest = drawn.lines().map(str::len).max().unwrap();
            assert!(longest <= width.max(14), "{width}: {drawn}");
        }
    }

    #[test]
    fn a_line_is_as_high_as_its_values() {
        assert_eq!(chart(80, "de_DE.utf8").line(&[0, 1, 2, 4, 7]), "▁▂▃▅█");
        assert_eq!(chart(80, "POSIX").line(&[0, 1, 2, 4, 7]), "_.-+#");
        assert_eq!(chart(3, "C").line(&[0, 1, 2, 4, 7]), "-+#");
    }

    #[test]
    fn a_week_is_darkest_at_its_peak() {
        let mut hours = [0; 168];
        (hours[9], hours[10], hours[24 * 6 + 23]) = (4, 2, 1);
        insta::assert_snapshot!(chart(52, "C").week(&hours), @r"
            0           6           12          18
        Mon                   ##::
        Tue
        Wed
        Thu
        Fri
        Sat
        Sun                                               ..
        ");
        assert!(
            chart(30, "C")
                .week(&hours)
                .lines()
                .all(|line| line.len() <= 28)
        );
    }
}
