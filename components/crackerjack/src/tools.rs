//! The tools of each kind of project and what they are for, as data.
//!
//! For each kind and role there are alternatives; the first one that a project wants is its tool, whether it is installed or
//! not: a missing tool is told, never passed over.

mod cargo;
mod go;
mod node;
mod python;

use crate::{
    project::{Kind, Part},
    settings::Settings,
};

/// What a tool is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Finds what is written badly.
    Lint,
    /// Finds, and changes, what is not laid out as agreed.
    Format,
    /// Finds types that do not fit.
    Typecheck,
    /// Finds what is known to be unsafe.
    Scan,
    /// Runs the tests.
    Test,
}

impl Role {
    /// Gives its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Lint => "lint",
            Self::Format => "format",
            Self::Typecheck => "typecheck",
            Self::Scan => "scan",
            Self::Test => "test",
        }
    }
}

/// How a tool says that it has found something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// By an exit code that is not 0.
    Code,
    /// By writing something to standard output, too.
    Output,
}

/// A tool.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub role: Role,
    /// The program that must be there. `{npm}` is the package manager of a Node project.
    pub program: &'static str,
    /// How it is called.
    pub command: &'static str,
    /// How it is asked for its version.
    pub version: &'static str,
    /// How it is installed.
    pub install: &'static str,
    /// How it says that it has found something.
    pub says: Says,
    /// How a formatter shows what it would change, and changes it.
    pub changes: Option<Changes>,
    /// Whether a project wants it.
    pub wanted: fn(&Part) -> bool,
}

/// How a formatter works.
#[derive(Clone, Copy, Debug)]
pub struct Changes {
    /// Writes to standard output what it would change: a difference, or the names of files.
    pub show: &'static str,
    /// Whether that is a list of names, whose new text the tool gives for each.
    pub lists_files: bool,
    /// Changes the files.
    pub apply: &'static str,
}

/// A tool for a part of a project, with the command that it is called with.
#[derive(Clone, Debug)]
pub struct Chosen<'a> {
    /// The part.
    pub part: &'a Part,
    /// The tool.
    pub tool: &'static Tool,
    /// The program that must be there.
    pub program: String,
    /// How it is called: words.
    pub command: Vec<String>,
    /// How it is installed.
    pub install: String,
    /// Whether the project switches it off.
    pub disabled: bool,
}

/// Tools of which a project has at most one.
type Slot = &'static [Tool];

const fn slots(kind: Kind) -> &'static [Slot] {
    match kind {
        Kind::Cargo => cargo::SLOTS,
        Kind::Python => python::SLOTS,
        Kind::Node => node::SLOTS,
        Kind::Go => go::SLOTS,
    }
}

/// Gives the names of all tools.
pub fn names() -> impl Iterator<Item = &'static str> {
    let slots = Kind::ALL.into_iter().flat_map(slots);
    slots.flat_map(|slot| slot.iter()).map(|tool| tool.name)
}

/// Chooses the tools of a part, as its project wants them.
pub fn choose<'a>(part: &'a Part, settings: &Settings) -> Vec<Chosen<'a>> {
    let slots = slots(part.kind).iter();
    let wanted = slots.filter_map(|slot| slot.iter().find(|tool| (tool.wanted)(part)));
    wanted
        .map(|tool| Chosen::of(part, tool, settings))
        .collect()
}

impl<'a> Chosen<'a> {
    fn of(part: &'a Part, tool: &'static Tool, settings: &Settings) -> Self {
        let own = settings.command(tool.name);
        let program = match own.as_ref().and_then(|command| command.first()) {
            Some(program) => program.clone(),
            None => filled(tool.program, part),
        };
        Self {
            part,
            tool,
            program,
            command: own.unwrap_or_else(|| words(&filled(tool.command, part))),
            install: filled(tool.install, part),
            disabled: settings.is_disabled(tool.name),
        }
    }

    /// Gives the words of another of its commands.
    pub fn other_command(&self, command: &str) -> Vec<String> {
        words(&filled(command, self.part))
    }
}

/// Splits a command at its blanks; quotes keep them.
pub(crate) fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in command.chars() {
        match (c, quote) {
            (c, Some(end)) if c == end => quote = None,
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

fn filled(text: &str, part: &Part) -> String {
    text.replace("{npm}", node::manager(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_split_at_blanks_that_are_in_no_quotes() {
        assert_eq!(words("pytest  -q"), ["pytest", "-q"]);
        assert_eq!(words("a 'b c' \"d'\" ''"), ["a", "b c", "d'", ""]);
        assert!(words(" ").is_empty());
    }

    #[test]
    fn a_name_means_one_tool() {
        let mut all: Vec<_> = names().collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
