//! A report as text, and as Markdown.

use std::fmt::Write;

use admin_shell::output::length;
use session_model::escape::for_line;

use super::{ERROR_RATE_HIGH, Summary};
use crate::cli::analytics::{chart::Chart, views::shortened};

pub(in crate::cli::analytics) fn text(summary: &Summary, chart: Chart) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail, here and below.
    let _ = writeln!(text, "SESSION REPORT: last {} days", summary.days);
    let _ = writeln!(text, "written {} {}\n", summary.written, summary.tz);
    for (name, figure) in summary.figures() {
        let _ = writeln!(text, "{name:30} {figure}");
    }
    if summary.stats.is_empty() {
        text.push_str("\nNo session data found.\n");
        return text;
    }
    text.push_str("\nTOP COMPONENTS\n");
    text.push_str(&chart.bars(&summary.bars()));
    text.push_str("\nLENGTH (mean, median, 95 %)\n");
    for row in &summary.lengths {
        let [mean, median, p95] = lengths(row);
        let _ = writeln!(
            text,
            "{:25} {mean:>9} {median:>9} {p95:>9}",
            row.component_name
        );
    }
    let _ = writeln!(
        text,
        "\nCOMPONENTS WITH MORE THAN {ERROR_RATE_HIGH}% ERRORS"
    );
    let mut none = true;
    for (name, rate) in summary.failing() {
        none = false;
        let common = rate.most_common_error.as_deref().map(shortened);
        let common = common.unwrap_or_default();
        let line = format!("{:25} {:6.2}%  {common}", for_line(name), rate.error_rate);
        let _ = writeln!(text, "{}", line.trim_end());
    }
    if none {
        text.push_str("none\n");
    }
    text.push_str("\nHOURS OF THE WEEK\n");
    text.push_str(&chart.week(&summary.hours()));
    text
}

fn lengths(row: &session_model::report::DurationRow) -> [String; 3] {
    [row.mean_seconds, row.median_seconds, row.p95_seconds].map(|seconds| {
        #[expect(clippy::cast_possible_truncation, reason = "a float cast saturates")]
        let seconds = seconds.get().round() as i64;
        length(seconds)
    })
}

pub(in crate::cli::analytics) fn markdown(summary: &Summary) -> String {
    let mut text = format!(
        "# Session report: last {} days\n\nWritten {} {}.\n\n",
        summary.days, summary.written, summary.tz
    );
    table(&mut text, &["Figure", ""], summary.figure_rows());
    text.push_str("\n## Components\n\n");
    table(
        &mut text,
        &["Component", "Sessions", "Total Duration", "Avg Quality"],
        summary.component_rows(),
    );
    text.push_str("\n## Length\n\n");
    let rows = summary.lengths.iter().map(|row| {
        let [mean, median, p95] = lengths(row);
        vec![
            row.component_name.clone(),
            row.sessions.get().to_string(),
            mean,
            median,
            p95,
        ]
    });
    table(
        &mut text,
        &["Component", "Closed", "Mean", "Median", "95 %"],
        rows,
    );
    text.push_str("\n## Errors\n\n");
    table(
        &mut text,
        &["Component", "Error Rate", "Failed", "Most Common"],
        summary.error_rows(),
    );
    text.push_str("\n## Sessions by day\n\n");
    let days = summary
        .by_day
        .iter()
        .map(|row| vec![row.bucket.clone(), row.sessions.get().to_string()]);
    table(&mut text, &["Day", "Sessions"], days);
    text
}

fn table(text: &mut String, head: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let _ = writeln!(text, "| {} |", head.join(" | "));
    let _ = writeln!(text, "|{}", " --- |".repeat(head.len()));
    for row in rows {
        let cells: Vec<_> = row.iter().map(|cell| literal(cell)).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
}

/// Writes a text so that nothing in it is Markdown or HTML.
fn literal(text: &str) -> String {
    let line = for_line(text);
    let mut literal = String::with_capacity(line.len());
    for character in line.chars() {
        match character {
            '<' => literal.push_str("&lt;"),
            '&' => literal.push_str("&amp;"),
            character
                if character.is_ascii_punctuation()
                    && !matches!(character, '.' | ',' | '%' | '-' | ':') =>
            {
                literal.push('\\');
                literal.push(character);
            }
            character => literal.push(character),
        }
    }
    literal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_cell_is_markdown() {
        assert_eq!(
            literal("a|b [x](http://y) <script> `c`\n"),
            r"a\|b \[x\]\(http:\/\/y\) &lt;script\> \`c\`\\n"
        );
    }
}
