//! A block: a template, and what it is given.

use std::collections::BTreeMap;

use layered_config::{FileError, Layer, Layers, Origin};

use super::{Names, declared::Declared};
use crate::Problem;

/// What encloses the declarations at the head of a block.
const FENCE: &str = "---";

/// A template with its declarations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its name: its path below `blocks` without `.html`.
    pub name: String,
    /// Its file, as seen from the app's folder.
    pub file: String,
    /// What it is for.
    pub about: String,
    /// What it is given.
    pub context: Names,
    /// Of lists of maps, and of maps: the fields.
    pub fields: BTreeMap<String, Names>,
    /// The template.
    pub source: String,
    /// How many lines of the file stand before it.
    pub lines_before: usize,
}

impl Block {
    /// Reads a block. What cannot be read of its declarations is left out, and told.
    pub(crate) fn read(name: &str, file: &str, text: &str, problems: &mut Vec<Problem>) -> Self {
        let (head, source, lines_before) = split(text);
        let mut block = Self {
            name: name.to_owned(),
            file: file.to_owned(),
            about: String::new(),
            context: Names::new(),
            fields: BTreeMap::new(),
            source: source.to_owned(),
            lines_before,
        };
        match Layer::from_yaml(file, head.as_bytes()) {
            Ok(layer) => block.declare(&Layers::new().with(layer), problems),
            Err(FileError::Content {
                line, key, reason, ..
            }) => {
                let key = key.map(|key| format!("{key}: ")).unwrap_or_default();
                problems.push(Problem::at(file, line + 1, format!("{key}{reason}")));
            }
            Err(error) => problems.push(Problem::of(file, error.to_string())),
        }
        block
    }

    /// Gives the line of the file that is a line of the template.
    pub(crate) const fn line(&self, of_template: usize) -> usize {
        self.lines_before + of_template
    }

    fn declare(&mut self, layers: &Layers, problems: &mut Vec<Problem>) {
        for key in layers.keys() {
            let said = layers.explain(key);
            let Some(said) = said.first() else { continue };
            // The fence is the first line.
            let line = said.origin.line().map_or(0, |line| line + 1);
            let parts: Vec<_> = key.split('.').collect();
            let names = match parts.as_slice() {
                ["about"] => {
                    self.about.clone_from(&said.text);
                    continue;
                }
                ["context", _] => &mut self.context,
                ["fields", of, _] => self.fields.entry((*of).to_owned()).or_default(),
                [first, ..] => {
                    let problem = Problem::at(&self.file, line, format!("unknown key {key}"));
                    problems.push(problem.meant(first, ["about", "context", "fields"]));
                    continue;
                }
                [] => continue,
            };
            let name = parts.last().copied().unwrap_or_default();
            let declared = Declared::read(&said.text, line);
            if declared.is_none() {
                problems.push(unknown_type(&self.file, line, key, &said.text));
            }
            // That it is declared is known all the same.
            let declared = declared.unwrap_or(Declared::anything(line));
            names.insert(name.to_owned(), declared);
        }
        self.check_fields(layers, problems);
    }

    /// Finds fields of what is not declared.
    fn check_fields(&self, layers: &Layers, problems: &mut Vec<Problem>) {
        for of in self
            .fields
            .keys()
            .filter(|of| !self.context.contains_key(*of))
        {
            let prefix = format!("fields.{of}.");
            let first = layers
                .keys()
                .into_iter()
                .find(|key| key.starts_with(&prefix));
            let said = first.and_then(|key| layers.explain(key).into_iter().next());
            let line = said
                .and_then(|said| Origin::line(&said.origin))
                .map_or(0, |line| line + 1);
            let problem = format!("fields of {of}, which the context does not have");
            let known = self.context.keys().map(String::as_str);
            problems.push(Problem::at(&self.file, line, problem).meant(of, known));
        }
    }
}

fn unknown_type(file: &str, line: usize, key: &str, text: &str) -> Problem {
    let words: Vec<_> = Declared::words().collect();
    let problem = format!("{key}: {text:?} is none of {}", words.join(", "));
    Problem::at(file, line, problem).meant(text.trim_end_matches('?'), Declared::words())
}

/// Splits a file into its declarations and its template, with the number of lines before that.
fn split(text: &str) -> (&str, &str, usize) {
    let none = ("", text, 0);
    let Some((first, rest)) = text.split_once('\n') else {
        return none;
    };
    if first.trim_end() != FENCE {
        return none;
    }
    let (mut at, mut lines) = (0, 1);
    for line in rest.split_inclusive('\n') {
        lines += 1;
        if line.trim_end() == FENCE {
            return (&rest[..at], &rest[at + line.len()..], lines);
        }
        at += line.len();
    }
    none
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Block, Vec<String>) {
        let mut problems = Vec::new();
        let block = Block::read("a", "blocks/a.html", text, &mut problems);
        (block, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn declarations_stand_at_the_head_and_lines_stay_those_of_the_file() {
        let text =
            "---\nabout: x\ncontext:\n  rows: list\nfields:\n  rows:\n    id: text?\n---\n<p>\n";
        let (block, problems) = read(text);
        assert_eq!(problems, [""; 0]);
        assert_eq!((block.source.as_str(), block.line(1)), ("<p>\n", 9));
        assert_eq!(block.context["rows"].line, 4);
        assert!(block.fields["rows"]["id"].optional);
        let (plain, _) = read("<p>---\n---\n");
        assert_eq!((plain.source.as_str(), plain.line(1)), ("<p>---\n---\n", 1));
    }

    #[test]
    fn what_is_declared_wrongly_is_told_with_its_line() {
        let (_, problems) =
            read("---\ncontxt:\n  a: text\ncontext:\n  b: lsit\nfields:\n  c:\n    d: text\n---\n");
        assert_eq!(
            problems,
            [
                "blocks/a.html:5: context.b: \"lsit\" is none of text, number, boolean, list, map, any, did you mean list?",
                "blocks/a.html:3: unknown key contxt.a, did you mean context?",
                "blocks/a.html:8: fields of c, which the context does not have, did you mean b?",
            ]
        );
        let (_, problems) = read("---\na: [1\n---\n");
        assert_eq!(problems.len(), 1);
    }
}
