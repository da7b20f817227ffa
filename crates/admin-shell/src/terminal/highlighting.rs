//! Colours of what is being typed.

use std::sync::Arc;

use nu_ansi_term::{Color, Style};
use reedline::{Highlighter, StyledText};

use crate::{
    catalogue::Catalogue,
    language::{Kind, is_keyword, tokens},
};

/// Colours names that the shell knows, texts, numbers, words of the language, remarks, and what is not for the script.
pub(super) struct Colours(pub(super) Arc<Catalogue>);

impl Highlighter for Colours {
    fn highlight(&self, line: &str, _cursor: usize) -> StyledText {
        let mut styled = StyledText::new();
        if line.trim_start().starts_with(['%', '!']) {
            let end = line.find(char::is_whitespace).unwrap_or(line.len());
            styled.push((Color::Magenta.normal(), line[..end].to_owned()));
            styled.push((Style::new(), line[end..].to_owned()));
            return styled;
        }
        for token in tokens(line) {
            let text = token.text(line);
            styled.push((self.style(token.kind, text), text.to_owned()));
        }
        styled
    }
}

impl Colours {
    fn style(&self, kind: Kind, text: &str) -> Style {
        match kind {
            Kind::Text { whole: true } => Color::Green.normal(),
            Kind::Text { whole: false } => Color::Red.normal(),
            Kind::Number => Color::Yellow.normal(),
            Kind::Comment { .. } => Color::DarkGray.normal(),
            Kind::Name if is_keyword(text) => Color::Magenta.normal(),
            Kind::Name if matches!(text, "None" | "True" | "False" | "true" | "false") => {
                Color::Yellow.normal()
            }
            Kind::Name if self.is_known(text) => Color::Cyan.normal(),
            Kind::Name | Kind::Space | Kind::Sign => Style::new(),
        }
    }

    fn is_known(&self, name: &str) -> bool {
        let mut functions = self.0.functions();
        functions.any(|function| function.name == name) || self.0.object(name).is_some()
    }
}
