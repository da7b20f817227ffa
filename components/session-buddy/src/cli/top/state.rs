//! What is seen, and what keys do to it.

use admin_shell::View;
use jiff::tz::TimeZone;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use session_model::{SessionRecord, Timestamp};

use super::{
    super::{glyphs::Glyphs, happening::Told},
    columns::Sort,
    feed::{Closed, News, Row, Totals, Wish},
};

/// Everything that is seen.
pub(super) struct Top {
    pub(super) zone: TimeZone,
    pub(super) glyphs: Glyphs,
    pub(super) colours: bool,
    pub(super) now: Timestamp,
    /// All that are open, in no order.
    pub(super) rows: Vec<Row>,
    /// Whether these are all; none before they came.
    pub(super) complete: Option<bool>,
    /// When the server said so.
    pub(super) as_of: Timestamp,
    pub(super) totals: Totals,
    /// Since when the server is away, and why.
    pub(super) lost: Option<(Timestamp, String)>,
    pub(super) happened: Option<Told>,
    pub(super) sort: Sort,
    pub(super) reversed: bool,
    pub(super) filter: String,
    /// The session that is chosen, and where it stood.
    pub(super) chosen: Option<String>,
    pub(super) place: usize,
    /// The first row that is seen.
    pub(super) first: usize,
    /// How many rows are seen at once, as it was drawn last.
    pub(super) page: usize,
    pub(super) face: Face,
    /// What came of the last key.
    pub(super) said: Option<String>,
}

/// What the screen is for just now.
pub(super) enum Face {
    List,
    /// What is typed filters.
    Filtering,
    /// A session, and its first line that is seen.
    Session(Box<SessionRecord>, usize),
    /// A question whether this session is to be closed, though it is proved alive.
    Closing {
        id: String,
        force: bool,
    },
    /// What each key does, and the first line that is seen.
    Help(usize),
}

/// What a key comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Press {
    Nothing,
    Redraw,
    Wish(Wish),
    Leave,
}

impl Top {
    pub(super) fn new(zone: TimeZone, glyphs: Glyphs, colours: bool, now: Timestamp) -> Self {
        Self {
            zone,
            glyphs,
            colours,
            now,
            rows: Vec::new(),
            complete: None,
            as_of: now,
            totals: Totals::default(),
            lost: None,
            happened: None,
            sort: Sort::Age,
            reversed: false,
            filter: String::new(),
            chosen: None,
            place: 0,
            first: 0,
            page: 1,
            face: Face::List,
            said: None,
        }
    }

    /// Takes in what the server says.
    pub(super) fn hear(&mut self, news: News) {
        match news {
            News::Sessions { rows, complete, at } => {
                self.rows = rows;
                self.complete = Some(complete);
                self.as_of = at;
                self.lost = None;
                self.sort_rows();
            }
            News::Totals(totals) => self.totals = totals,
            News::Happened(kind, session) => {
                let view = View {
                    width: None,
                    now: self.now,
                    zone: self.zone.clone(),
                };
                self.happened = Some(Told::of(&kind, &session, &view, self.glyphs));
            }
            News::Lost(why) => {
                self.lost.get_or_insert((self.now, why));
            }
            News::Shown(Ok(session)) => self.face = Face::Session(session, 0),
            News::Shown(Err(why)) => self.said = Some(why),
            News::Closed(Closed::Done(id)) => self.said = Some(format!("closed {id}")),
            News::Closed(Closed::Alive(id)) => self.face = Face::Closing { id, force: true },
            News::Closed(Closed::Refused(why)) => self.said = Some(why),
            // Whoever draws leaves before it comes to this.
            News::Over(_) => {}
        }
    }

    /// Gives the sessions that are seen, in their order.
    pub(super) fn shown(&self) -> Vec<&Row> {
        let wanted = self.filter.to_lowercase();
        let fits = |row: &&Row| {
            let texts = [
                &row.session_id,
                &row.component_name,
                &row.username,
                &row.hostname,
                &row.working_directory,
            ];
            let texts = texts.into_iter().chain(&row.reason);
            wanted.is_empty()
                || texts
                    .into_iter()
                    .any(|text| text.to_lowercase().contains(&wanted))
        };
        self.rows.iter().filter(fits).collect()
    }

    fn sort_rows(&mut self) {
        self.sort.sort(&mut self.rows);
        if self.reversed {
            self.rows.reverse();
        }
    }

    /// Gives where the chosen session stands among those that are seen: where it stood if it is gone.
    pub(super) fn chosen_place(&mut self) -> usize {
        let shown = self.shown();
        let found = shown
            .iter()
            .position(|row| Some(&row.session_id) == self.chosen.as_ref());
        let place = found
            .unwrap_or(self.place)
            .min(shown.len().saturating_sub(1));
        let chosen = shown.get(place).map(|row| row.session_id.clone());
        (self.place, self.chosen) = (place, chosen);
        place
    }

    fn choose(&mut self, place: usize) -> Press {
        self.chosen = None;
        self.place = place;
        self.chosen_place();
        Press::Nothing
    }

    /// Does what a key is for.
    pub(super) fn press(&mut self, key: KeyEvent) -> Press {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if control => return Press::Leave,
            KeyCode::Char('l') if control => return Press::Redraw,
            _ => {}
        }
        self.said = None;
        match &mut self.face {
            Face::List => self.press_in_list(key.code),
            Face::Filtering => self.press_in_filter(key.code),
            Face::Session(_, first) | Face::Help(first) => {
                match scrolled(key.code, *first, self.page) {
                    Some(place) => {
                        *first = place;
                        Press::Nothing
                    }
                    None => self.back(key.code),
                }
            }
            Face::Closing { id, force } => {
                let wish = Wish::Close {
                    id: id.clone(),
                    force: *force,
                };
                self.face = Face::List;
                match key.code {
                    KeyCode::Char('y' | 'Y') => Press::Wish(wish),
                    _ => {
                        self.said = Some("left as it is".to_owned());
                        Press::Nothing
                    }
                }
            }
        }
    }

    /// Any key leads back to the list, `q` too, and `e` closes what is shown.
    fn back(&mut self, code: KeyCode) -> Press {
        if let (Face::Session(session, _), KeyCode::Char('e')) = (&self.face, code) {
            let id = session.session_id.clone();
            self.face = Face::Closing { id, force: false };
        } else {
            self.face = Face::List;
        }
        Press::Nothing
    }

    fn press_in_list(&mut self, code: KeyCode) -> Press {
        let place = self.chosen_place();
        if let Some(place) = scrolled(code, place, self.page) {
            return self.choose(place);
        }
        match code {
            KeyCode::Char('q') => return Press::Leave,
            KeyCode::Char('/') => self.face = Face::Filtering,
            KeyCode::Esc => self.filter.clear(),
            KeyCode::Char('?' | 'h') => self.face = Face::Help(0),
            KeyCode::Char('s') => {
                self.sort = self.sort.next();
                self.sort_rows();
            }
            KeyCode::Char('r') => {
                self.reversed = !self.reversed;
                self.sort_rows();
            }
            KeyCode::Enter => {
                if let Some(id) = self.chosen.clone() {
                    return Press::Wish(Wish::Show(id));
                }
            }
            KeyCode::Char('e') => {
                if let Some(id) = self.chosen.clone() {
                    self.face = Face::Closing { id, force: false };
                }
            }
            _ => {}
        }
        Press::Nothing
    }

    fn press_in_filter(&mut self, code: KeyCode) -> Press {
        match code {
            KeyCode::Esc => {
                self.filter.clear();
                self.face = Face::List;
            }
            KeyCode::Enter => self.face = Face::List,
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Char(c) => self.filter.push(c),
            KeyCode::Up | KeyCode::Down | KeyCode::PageUp | KeyCode::PageDown => {
                self.face = Face::List;
                return self.press_in_list(code);
            }
            _ => {}
        }
        Press::Nothing
    }
}

/// Gives where a key leads from a place; `None` where it leads nowhere.
fn scrolled(code: KeyCode, place: usize, page: usize) -> Option<usize> {
    match code {
        KeyCode::Up | KeyCode::Char('k') => Some(place.saturating_sub(1)),
        KeyCode::Down | KeyCode::Char('j') => Some(place + 1),
        KeyCode::PageUp => Some(place.saturating_sub(page)),
        KeyCode::PageDown | KeyCode::Char(' ') => Some(place + page),
        KeyCode::Home | KeyCode::Char('g') => Some(0),
        // As far as there is; whoever draws knows how far that is.
        KeyCode::End | KeyCode::Char('G') => Some(usize::MAX / 2),
        _ => None,
    }
}
