//! The kinds of a line.

use super::tokens::{Kind, Token, tokens};

/// A line, by what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command<'a> {
    /// Nothing: it is empty, or a comment.
    Nothing,
    /// `%name rest`.
    Magic {
        /// The name, without `%`.
        name: &'a str,
        /// What follows it.
        rest: &'a str,
    },
    /// `!command`: for the system's shell.
    System(&'a str),
    /// `name?` or `?name`: what is it?
    Explain(&'a str),
    /// A script.
    Script(&'a str),
}

impl<'a> Command<'a> {
    /// Reads a line.
    pub(crate) fn of(line: &'a str) -> Self {
        let text = line.trim();
        let name = |text: &'a str| {
            let text = text.trim().trim_end_matches("()");
            let bare = text.trim_start_matches('%');
            let is_name = bare.chars().all(|c| c.is_alphanumeric() || c == '_');
            (is_name && !bare.is_empty()).then_some(text)
        };
        if text.is_empty() {
            return Self::Nothing;
        }
        // As IPython has it: who types only the word wants to leave.
        if matches!(text, "exit" | "quit") {
            return Self::Script("exit()");
        }
        if let Some(command) = text.strip_prefix('!') {
            return Self::System(command.trim());
        }
        let asked = text.strip_suffix('?').or_else(|| text.strip_prefix('?'));
        if let Some(name) = asked.and_then(name) {
            return Self::Explain(name);
        }
        if let Some(magic) = text.strip_prefix('%') {
            let (name, rest) = magic.split_once(char::is_whitespace).unwrap_or((magic, ""));
            return Self::Magic {
                name,
                rest: rest.trim(),
            };
        }
        let is_remark = |token: &Token| matches!(token.kind, Kind::Space | Kind::Comment { .. });
        if tokens(text).iter().all(is_remark) {
            return Self::Nothing;
        }
        Self::Script(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_what_it_asks_for() {
        let magic = |name, rest| Command::Magic { name, rest };
        for (line, command) in [
            ("  ", Command::Nothing),
            ("# a remark", Command::Nothing),
            ("// one\n# two", Command::Nothing),
            ("#{a: 1}", Command::Script("#{a: 1}")),
            ("#\"a\"#", Command::Script("#\"a\"#")),
            ("%status", magic("status", "")),
            ("%repos  web api ", magic("repos", "web api")),
            ("! ls -l", Command::System("ls -l")),
            ("refund?", Command::Explain("refund")),
            ("?refund()", Command::Explain("refund")),
            ("%status?", Command::Explain("%status")),
            ("a ?? b", Command::Script("a ?? b")),
            ("ps()", Command::Script("ps()")),
            ("exit", Command::Script("exit()")),
            (" quit ", Command::Script("exit()")),
            ("exit(3)", Command::Script("exit(3)")),
        ] {
            assert_eq!(Command::of(line), command, "{line}");
        }
    }
}
