//! How it looks: a line of sums, one of what happens, the list, and the keys.
//!
//! Nothing is in a box, so it fits a screen of 40 by 10, and needs neither colours nor more than ASCII.

use admin_shell::output::width as width_of;
use jiff::tz::TimeZone;
use ratatui::{
    Frame,
    buffer::Buffer,
    style::{Color, Modifier, Style},
};
use session_model::{SessionRecord, Timestamp};

use super::{
    super::{glyphs::Glyphs, panel},
    columns::{Column, fitting},
    feed::Row,
    state::{Face, Top},
};

/// What each key does.
const HELP: [&str; 15] = [
    "up down j k     move",
    "PgUp PgDn       move by a page",
    "Home End g G    first, last",
    "Enter           show all of a session",
    "/               filter as you type:",
    "                id, component, user,",
    "                host, folder, reason",
    "Esc             no filter",
    "s               sort by the next column",
    "r               turn the order round",
    "e               close a session by hand,",
    "                after a question; its",
    "                shell goes on",
    "Ctrl-L          draw anew",
    "q Ctrl-C        leave",
];

/// Draws all of it.
pub(super) fn draw(top: &mut Top, frame: &mut Frame<'_>) {
    let area = frame.area();
    let mut paper = Paper {
        buffer: frame.buffer_mut(),
        width: usize::from(area.width),
        height: usize::from(area.height),
        glyphs: top.glyphs,
        colours: top.colours,
    };
    paper.line(0, &sums(top, paper.width), paper.bold());
    paper.status(top);
    // Above the list: sums, status. Below it: keys.
    let room = paper.height.saturating_sub(3);
    match &mut top.face {
        Face::Help(first) => top.page = paper.text(&HELP.map(str::to_owned), first, room),
        Face::Session(session, first) => {
            let lines = paper.session(session, &top.zone);
            top.page = paper.text(&lines, first, room);
        }
        Face::List | Face::Filtering | Face::Closing { .. } => paper.list(top, room),
    }
    let keys = keys(top, paper.width);
    paper.line(paper.height.saturating_sub(1), &keys, paper.reversed());
}

/// What is drawn on.
struct Paper<'a> {
    buffer: &'a mut Buffer,
    width: usize,
    height: usize,
    glyphs: Glyphs,
    colours: bool,
}

impl Paper<'_> {
    fn bold(&self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    fn reversed(&self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    fn colour(&self, colour: Color) -> Style {
        if self.colours {
            Style::new().fg(colour)
        } else {
            Style::new()
        }
    }

    /// Writes a line, filled to the end so that its style is seen.
    fn line(&mut self, row: usize, text: &str, style: Style) {
        let text = self.glyphs.column(text, self.width);
        self.put(0, row, &text, style);
    }

    fn put(&mut self, column: usize, row: usize, text: &str, style: Style) {
        if row >= self.height {
            return;
        }
        let place = |number: usize| u16::try_from(number).unwrap_or(u16::MAX);
        self.buffer.set_stringn(
            place(column),
            place(row),
            text,
            self.width.saturating_sub(column),
            style,
        );
    }

    /// Writes what is asked, what came of a key, that the server is away, what is filtered, or what happened last.
    fn status(&mut self, top: &Top) {
        let time = |at: Timestamp| {
            at.as_jiff()
                .to_zoned(top.zone.clone())
                .strftime("%H:%M:%S")
                .to_string()
        };
        let alarm = self.colour(Color::Red).add_modifier(Modifier::BOLD);
        match (&top.face, &top.lost) {
            (Face::Closing { id, force }, _) => {
                let id = self.glyphs.text(id);
                let last = id.rsplit('-').next().unwrap_or_default();
                let shown = if width_of(&id) + 40 > self.width {
                    last
                } else {
                    &id
                };
                let question = match force {
                    true => format!("{shown} is alive. Close it on paper? y/n"),
                    false => format!("close {shown}? Its shell goes on. y/n"),
                };
                self.line(1, &question, self.bold());
            }
            (Face::Filtering, _) => {
                self.line(
                    1,
                    &format!("/{}_", self.glyphs.text(&top.filter)),
                    self.bold(),
                );
            }
            (_, Some((since, why))) => {
                let why = self.glyphs.text(why);
                self.line(
                    1,
                    &format!("server unreachable since {}: {why}", time(*since)),
                    alarm,
                );
            }
            _ => {
                let said = top.said.as_ref().map(|said| self.glyphs.text(said));
                let happened = || Some(top.happened.as_ref()?.line(self.width, self.glyphs));
                let filter = || {
                    let filter = self.glyphs.text(&top.filter);
                    (!filter.is_empty()).then(|| format!("/{filter}  (Esc: no filter)"))
                };
                let text = said.or_else(filter).or_else(happened).unwrap_or_default();
                self.line(1, &text, Style::new());
            }
        }
    }

    /// Writes as many lines as there is room for, from one on that leaves no room empty; gives how many that are.
    fn text(&mut self, lines: &[String], first: &mut usize, room: usize) -> usize {
        *first = (*first).min(lines.len().saturating_sub(room));
        for (row, line) in lines.iter().skip(*first).take(room).enumerate() {
            self.line(row + 2, line, Style::new());
        }
        room.max(1)
    }

    fn session(&self, session: &SessionRecord, zone: &TimeZone) -> Vec<String> {
        let mut lines = vec![format!("{:<14}{}", "Session:", session.session_id)];
        lines.extend(panel::lines(session, zone));
        let lines = lines.iter();
        lines
            .flat_map(|line| wrapped(&self.glyphs.text(line), self.width))
            .collect()
    }

    fn list(&mut self, top: &mut Top, room: usize) {
        // One of them is for the titles.
        let rows = room.saturating_sub(1);
        let chosen = top.chosen_place();
        top.page = rows.max(1);
        top.first = top.first.min(chosen).max((chosen + 1).saturating_sub(rows));
        let columns = fitting(self.width.saturating_sub(2));
        self.titles(top, &columns);
        let shown = top.shown();
        if shown.is_empty() {
            self.line(3, nothing(top), Style::new().add_modifier(Modifier::DIM));
        }
        // What the server said last is true no longer.
        let now = if top.lost.is_some() {
            top.as_of
        } else {
            top.now
        };
        for (place, row) in shown.into_iter().enumerate().skip(top.first).take(rows) {
            let at = 3 + place - top.first;
            let is_chosen = place == chosen;
            self.row(
                at,
                row,
                &columns,
                (top.as_of, now),
                is_chosen,
                top.lost.is_some(),
            );
        }
    }

    fn titles(&mut self, top: &Top, columns: &[(Column, usize)]) {
        self.line(2, "", self.reversed());
        let mut at = 2;
        for (column, width) in columns {
            let mut title = column.title().to_owned();
            if column.is_sorted_by(top.sort) {
                title.push_str(match (top.glyphs.unicode, top.reversed) {
                    (true, false) => "▼",
                    (true, true) => "▲",
                    (false, false) => "v",
                    (false, true) => "^",
                });
            }
            let title = self.aligned(*column, &title, *width);
            self.put(at, 2, &title, self.reversed().add_modifier(Modifier::BOLD));
            at += width + 1;
        }
    }

    fn row(
        &mut self,
        at: usize,
        row: &Row,
        columns: &[(Column, usize)],
        (as_of, now): (Timestamp, Timestamp),
        is_chosen: bool,
        is_old: bool,
    ) {
        let mut base = if is_chosen { self.bold() } else { Style::new() };
        if is_old {
            base = base.add_modifier(Modifier::DIM);
        }
        self.put(0, at, if is_chosen { "> " } else { "  " }, base);
        let mut place = 2;
        for (column, width) in columns {
            let text = self.glyphs.text(&column.cell(row, as_of, now, *width));
            let text = self.aligned(*column, &text, *width);
            let style = base.patch(self.style(*column, row));
            self.put(place, at, &text, style);
            place += width + 1;
        }
    }

    fn aligned(&self, column: Column, text: &str, width: usize) -> String {
        let text = self.glyphs.cut(text, width);
        let missing = " ".repeat(width.saturating_sub(width_of(&text)));
        match column.is_number() {
            true => format!("{missing}{text}"),
            false => format!("{text}{missing}"),
        }
    }

    fn style(&self, column: Column, row: &Row) -> Style {
        match (column, row.liveness.as_deref()) {
            (Column::Life, Some("live")) => self.colour(Color::Green),
            (Column::Life, Some("stale")) => self.colour(Color::Red),
            (Column::Life, _) => self.colour(Color::Yellow),
            (Column::Errors, _) if row.error_count > Some(0) => self.colour(Color::Red),
            _ => Style::new(),
        }
    }
}

fn nothing(top: &Top) -> &'static str {
    match (top.complete, top.filter.is_empty()) {
        (None, _) => "  asking ...",
        (Some(_), true) => "  no session is open",
        (Some(_), false) => "  no open session matches",
    }
}

/// Writes the sums, in as many words as fit.
fn sums(top: &Top, width: usize) -> String {
    let listed = u64::try_from(top.rows.len()).unwrap_or(u64::MAX);
    let active = match top.complete {
        Some(true) => Some(listed),
        Some(false) => top.totals.active.or(Some(listed)),
        None => None,
    };
    let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |it| it.to_string());
    let active = number(active);
    let starts = number(top.totals.starts_last_hour);
    let errors = number(top.totals.errors_today);
    let lost = number(top.totals.lost_today);
    let clock = top.now.as_jiff().to_zoned(top.zone.clone());
    let clock = clock.strftime("%H:%M:%S").to_string();
    let forms = [
        format!(
            "session-buddy top  {active} active   {starts} started in the last hour   today {errors} with errors, {lost} lost   {clock}"
        ),
        format!(
            "{active} active   {starts} started/h   today {errors} with errors, {lost} lost   {clock}"
        ),
        format!("{active} active  {starts}/h  {errors} err  {lost} lost"),
        format!("{active} {starts}/h {errors}E {lost}L"),
    ];
    let fits = forms.iter().find(|form| width_of(form) <= width);
    fits.unwrap_or(&forms[3]).clone()
}

/// Names the keys, as many as fit.
fn keys(top: &Top, width: usize) -> String {
    let keys: &[&str] = match top.face {
        Face::List => &[
            "q leave",
            "/ filter",
            "s sort",
            "? help",
            "e close",
            "Enter show",
            "r turn",
            "Esc no filter",
        ],
        Face::Filtering => &["type to filter", "Enter done", "Esc no filter"],
        Face::Session(..) => &["any key back", "up down scroll", "e close"],
        Face::Closing { .. } => &["y close it", "n leave it as it is"],
        Face::Help(_) => &["any key back", "up down scroll"],
    };
    let mut line = String::new();
    for key in keys {
        let gap = if line.is_empty() { "" } else { "  " };
        if width_of(&line) + gap.len() + key.len() > width {
            break;
        }
        line.push_str(gap);
        line.push_str(key);
    }
    line
}

/// Breaks a line where it is too long; what follows is indented.
fn wrapped(line: &str, width: usize) -> Vec<String> {
    const INDENT: &str = "  ";
    let mut lines = vec![String::new()];
    for c in line.chars() {
        let last = lines.last_mut().expect("there is one");
        let mut with = last.clone();
        with.push(c);
        if width_of(&with) > width && width > INDENT.len() {
            lines.push(format!("{INDENT}{c}"));
        } else {
            *last = with;
        }
    }
    lines
}

#[cfg(test)]
mod tests;
