//! Something wrong with an app, and where.

use std::fmt;

/// Something wrong with an app. Problems sort by file and line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file, as seen from the app's folder.
    pub file: String,
    /// The line, from 1, where it is known.
    pub line: Option<usize>,
    /// What is wrong.
    pub problem: String,
    /// What was probably meant.
    pub suggestion: Option<String>,
}

impl Problem {
    /// Makes a problem of a line.
    pub(crate) fn at(file: &str, line: usize, problem: impl Into<String>) -> Self {
        Self {
            line: Some(line).filter(|line| *line > 0),
            ..Self::of(file, problem)
        }
    }

    /// Makes a problem of a whole file.
    pub(crate) fn of(file: &str, problem: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line: None,
            problem: problem.into(),
            suggestion: None,
        }
    }

    /// Adds the nearest of the names that there are.
    pub(crate) fn meant<'a>(
        mut self,
        typed: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        self.suggestion = nearest(typed, known);
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.problem)?;
        match &self.suggestion {
            Some(meant) => write!(f, ", did you mean {meant}?"),
            None => Ok(()),
        }
    }
}

/// Why an app does nothing: everything that is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.for_people())]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// Sorts them, and gives an error if there are any.
    ///
    /// # Errors
    ///
    /// The problems, each once.
    pub fn none_in(mut problems: Vec<Problem>) -> Result<(), Self> {
        problems.sort();
        problems.dedup();
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Self(problems))
        }
    }

    fn for_people(&self) -> String {
        let lines = self.0.iter().map(ToString::to_string);
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// Finds the name nearest to what was typed, if at most a third of it is another, as rustc suggests.
fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let far = typed.chars().count().max(3) / 3;
    known
        .into_iter()
        .map(|known| (strsim::osa_distance(typed, known), known))
        .filter(|(distance, _)| *distance <= far)
        .min()
        .map(|(_, known)| known.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_reads_as_an_editor_takes_it() {
        let problem = Problem::at("blocks/a.html", 3, "unknown block parts/tabel")
            .meant("parts/tabel", ["parts/table", "pages/a"]);
        assert_eq!(
            problem.to_string(),
            "blocks/a.html:3: unknown block parts/tabel, did you mean parts/table?"
        );
        assert_eq!(Problem::of("a", "is gone").to_string(), "a: is gone");
        assert_eq!(nearest("colour", ["title", "path"]), None);
    }
}
