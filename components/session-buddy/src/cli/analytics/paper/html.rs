//! A report as one HTML page, with its charts as SVG. It loads nothing and runs nothing.

use std::fmt::Write;

use session_model::escape::for_line;

use super::Summary;

const HEAD: &str = "<!DOCTYPE html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">
<title>Session report</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; background: #fff }
table { border-collapse: collapse } th, td { padding: .2rem 1rem .2rem 0; text-align: left } td.n, th.n { text-align: right }
svg { width: 100%; height: auto } svg text { font: 12px system-ui, sans-serif; fill: currentColor } .bar { fill: #3567a8 }
@media (prefers-color-scheme: dark) { body { color: #e6e6e6; background: #161616 } .bar { fill: #6d9edb } }
</style>
</head>
<body>
";
const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

pub(in crate::cli::analytics) fn html(summary: &Summary) -> String {
    let mut page = HEAD.to_owned();
    // Writing to a String cannot fail, here and below.
    let _ = writeln!(
        page,
        "<h1>Session report: last {} days</h1>\n<p>Written {} {}.</p>",
        summary.days,
        escaped(&summary.written),
        escaped(&summary.tz)
    );
    table(&mut page, &["Figure", ""], summary.figure_rows());
    page.push_str("<h2>Sessions by component</h2>\n");
    bars(&mut page, &summary.bars());
    table(
        &mut page,
        &["Component", "Sessions", "Total duration", "Quality"],
        summary.component_rows(),
    );
    page.push_str("<h2>Sessions by day</h2>\n");
    let by_day = summary.by_day.iter();
    let by_day: Vec<_> = by_day
        .map(|row| (row.bucket.clone(), row.sessions.get().unsigned_abs()))
        .collect();
    columns(&mut page, &by_day);
    page.push_str("<h2>Hours of the week</h2>\n");
    week(&mut page, &summary.hours());
    page.push_str("<h2>Errors</h2>\n");
    table(
        &mut page,
        &["Component", "Error rate", "Failed", "Most common"],
        summary.error_rows(),
    );
    page.push_str("</body>\n</html>\n");
    page
}

fn table(page: &mut String, head: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    page.push_str("<table>\n<tr>");
    for title in head {
        let _ = write!(page, "<th>{title}</th>");
    }
    page.push_str("</tr>\n");
    for row in rows {
        page.push_str("<tr>");
        for cell in row {
            let number = cell.starts_with(|c: char| c.is_ascii_digit());
            let class = if number { " class=\"n\"" } else { "" };
            let _ = write!(page, "<td{class}>{}</td>", escaped(&cell));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table>\n");
}

/// Draws a bar from left to right for each value.
fn bars(page: &mut String, values: &[(String, u64)]) {
    let most = most(values);
    let _ = writeln!(
        page,
        "<svg viewBox=\"0 0 800 {}\" role=\"img\">",
        24 * values.len()
    );
    for (line, (name, value)) in values.iter().enumerate() {
        let (y, width) = (24 * line, value * 480 / most);
        let _ = writeln!(
            page,
            "<text x=\"0\" y=\"{}\">{}</text><rect class=\"bar\" x=\"220\" y=\"{}\" width=\"{width}\" height=\"18\"/>\
             <text x=\"{}\" y=\"{}\">{value}</text>",
            y + 16,
            escaped(name),
            y + 2,
            228 + width,
            y + 16
        );
    }
    page.push_str("</svg>\n");
}

/// Draws a column for each value, with its name and number where the pointer rests.
fn columns(page: &mut String, values: &[(String, u64)]) {
    let most = most(values);
    page.push_str("<svg viewBox=\"0 0 800 220\" role=\"img\">\n");
    let count = values.len().max(1) as u64;
    for (place, (name, value)) in (0u64..).zip(values) {
        let (x, next) = (place * 800 / count, (place + 1) * 800 / count);
        let (width, height) = (
            (next - x).saturating_sub(1).clamp(1, 60),
            value * 180 / most,
        );
        let _ = writeln!(
            page,
            "<rect class=\"bar\" x=\"{x}\" y=\"{}\" width=\"{width}\" height=\"{height}\"><title>{}: {value}</title></rect>",
            190 - height,
            escaped(name)
        );
    }
    if let (Some((first, _)), Some((last, _))) = (values.first(), values.last()) {
        let _ = writeln!(
            page,
            "<text x=\"0\" y=\"210\">{}</text><text x=\"800\" y=\"210\" text-anchor=\"end\">{}</text>",
            escaped(first),
            escaped(last)
        );
    }
    page.push_str("</svg>\n");
}

fn most(values: &[(String, u64)]) -> u64 {
    values
        .iter()
        .map(|(_, value)| *value)
        .max()
        .unwrap_or_default()
        .max(1)
}

/// Draws a field for each hour of the week, from Monday.
fn week(page: &mut String, hours: &[u64]) {
    let most = hours.iter().copied().max().unwrap_or_default().max(1);
    page.push_str("<svg viewBox=\"0 0 800 200\" role=\"img\">\n");
    for (row, (weekday, day)) in WEEKDAYS.iter().zip(hours.chunks(24)).enumerate() {
        let y = row * 25;
        let _ = writeln!(page, "<text x=\"0\" y=\"{}\">{weekday}</text>", y + 17);
        for (hour, value) in day.iter().enumerate() {
            let shade = value * 100 / most;
            let _ = writeln!(
                page,
                "<rect class=\"bar\" fill-opacity=\"{shade}%\" x=\"{}\" y=\"{y}\" width=\"29\" height=\"23\">\
                 <title>{weekday} {hour:02}: {value}</title></rect>",
                50 + hour * 31
            );
        }
    }
    for hour in (0..24).step_by(6) {
        let _ = writeln!(
            page,
            "<text x=\"{}\" y=\"192\">{hour:02}</text>",
            50 + hour * 31
        );
    }
    page.push_str("</svg>\n");
}

/// Writes a text so that nothing in it is HTML, and no character acts.
fn escaped(text: &str) -> String {
    let line = for_line(text);
    let mut escaped = String::with_capacity(line.len());
    for character in line.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            character => escaped.push(character),
        }
    }
    escaped
}
