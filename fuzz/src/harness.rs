//! The doors through which others' bytes come in, and the laws of each.

mod cursor;
mod event;
mod filter;
mod import;
mod router;
mod spool;
mod token;
mod yaml;

use session_model::escape::is_unsafe;

/// Takes input and holds it to the laws of its door; a law that is broken is a panic.
pub trait Harness {
    /// Gives a word for what became of the input, the same for inputs that went the same way.
    fn take(&mut self, input: &[u8]) -> String;
}

/// A door.
#[derive(Clone, Copy)]
pub struct Door {
    /// Its name, which is also that of its folder in the corpus.
    pub name: &'static str,
    /// Makes a harness that nothing has come to yet.
    pub open: fn() -> Box<dyn Harness>,
}

/// All doors.
pub const DOORS: [Door; 9] = [
    event::DOOR,
    filter::DOOR,
    token::DOOR,
    cursor::DOOR,
    yaml::DOOR,
    spool::DOOR,
    router::MCP,
    router::EVENTS,
    import::DOOR,
];

/// Gives a text by which errors of one kind are alike: its words without what they quote, and without numbers.
fn kind_of(error: &str) -> String {
    let mut kind = String::new();
    let mut quoted = false;
    for c in error.chars() {
        quoted ^= c == '"';
        if !quoted && !c.is_ascii_digit() {
            kind.push(c);
        }
    }
    kind.truncate(kind.floor_char_boundary(200));
    kind
}

/// The law of whatever is said of input: it acts on no terminal, and is one line of a log.
#[track_caller]
fn assert_harmless(text: &str) {
    assert!(!text.contains(is_unsafe), "it acts: {text:?}");
}
