//! The characters that a terminal can show.

use admin_shell::output::{cut, width};
use session_model::escape::for_line;

/// The characters that a terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Glyphs {
    /// Whether more than ASCII can be shown.
    pub(super) unicode: bool,
}

impl Glyphs {
    /// Those of the locale that the environment names.
    pub(super) fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set);
        let locale = locale.unwrap_or_default().to_ascii_lowercase();
        let dumb = set("TERM").is_some_and(|terminal| terminal == "dumb");
        Self {
            unicode: !dumb && (locale.contains("utf-8") || locale.contains("utf8")),
        }
    }

    /// Those of this process.
    pub(super) fn of_environment() -> Self {
        Self::of(|name| std::env::var(name).ok())
    }

    /// Writes a text of somebody else on one line, so that nothing in it acts and all of it can be shown.
    pub(super) fn text(self, text: &str) -> String {
        let escaped = for_line(text);
        if self.unicode {
            return escaped.into_owned();
        }
        let shown = |c: char| if c.is_ascii() { c } else { '?' };
        escaped.chars().map(shown).collect()
    }

    /// Cuts a text to a number of columns.
    pub(super) fn cut(self, text: &str, columns: usize) -> String {
        cut(text, columns, if self.unicode { '…' } else { '~' })
    }

    /// Cuts or fills a text to a number of columns.
    pub(super) fn column(self, text: &str, columns: usize) -> String {
        let mut text = self.cut(text, columns);
        let missing = columns.saturating_sub(width(&text));
        text.push_str(&" ".repeat(missing));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_fits_its_column_in_what_can_be_shown() {
        let (unicode, ascii) = (Glyphs { unicode: true }, Glyphs { unicode: false });
        assert_eq!(unicode.column(&unicode.text("日本語"), 5), "日本…");
        assert_eq!(ascii.column(&ascii.text("日本語"), 5), "???  ");
        assert_eq!(ascii.column("billing", 4), "bil~");
        assert_eq!(unicode.text("a\u{1b}[2J"), "a\\u{1b}[2J");
    }
}
