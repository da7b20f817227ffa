//! All layers of a component, read: what each one says, whether it is there, and what is wrong with it.

use std::{collections::BTreeSet, path::Path};

use layered_config::{
    Declaration, FILE_SIZE_MAX_BYTES, FileError, Kind, Layer, Layers, Origin, Problem, UnknownKey,
};

use crate::{
    Component, Surroundings,
    component::{HIDDEN, OWN},
};

/// The flag that stands for all flags of a component: nobody can see those of another process.
const SET: &str = "--set";

/// A component's layers.
#[derive(Debug)]
pub struct Stack {
    layers: Layers,
    levels: Vec<Level>,
    declared: Vec<Declaration>,
    /// What keeps a layer from being read, in the order of the layers.
    broken: Vec<Problem>,
}

/// A layer as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level {
    /// Its name.
    pub name: &'static str,
    /// The file, or what stands for it: `BILLING_*`.
    pub place: String,
    /// Whether it is there.
    pub state: State,
    /// How many keys it sets.
    pub keys: usize,
    /// For how many of them it is the strongest.
    pub wins: usize,
}

/// Whether a layer is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It is, and was read.
    Present,
    /// There is no such file.
    Absent,
    /// It is there, and cannot be used.
    Refused(String),
}

impl Stack {
    /// Reads all layers. One that is refused holds up no other; `set` are the flags that should count.
    pub fn read(
        component: &Component,
        surroundings: &Surroundings,
        set: &[(String, String)],
    ) -> Self {
        let mut found = Vec::new();
        let mut broken = Vec::new();
        let defaults = component.declarations().iter().filter_map(|declaration| {
            Some((declaration.key.clone(), declaration.default.clone()?))
        });
        let place = component.declared_by.clone().unwrap_or_default();
        found.push(("defaults", place, Ok(Layer::defaults(defaults))));
        for (name, path) in &component.files {
            let layer = Layer::from_file(path).map_err(|error| {
                broken.push(problem_of(path, &error));
                error.to_string()
            });
            found.push((name, path.display().to_string(), layer));
        }
        let variables = variables(component, surroundings);
        let layer = Layer::from_environment(variables, |name| surroundings.variable(name));
        let layer = layer.map_err(|error| {
            broken.push(Problem {
                origin: Origin::Environment {
                    variable: error.variable.clone(),
                },
                key: String::new(),
                problem: error.to_string(),
                suggestion: None,
            });
            error.to_string()
        });
        found.push(("environment", format!("{}*", component.prefix()), layer));
        let flags = set
            .iter()
            .map(|(key, text)| (key.clone(), SET, Some(text.clone())));
        found.push(("flags", SET.to_owned(), Ok(Layer::from_flags(flags))));
        Self::of(component, surroundings, found, broken)
    }

    fn of(
        component: &Component,
        surroundings: &Surroundings,
        found: Vec<(&'static str, String, Result<Layer, String>)>,
        broken: Vec<Problem>,
    ) -> Self {
        let read = found.iter().filter_map(|(_, _, layer)| layer.as_ref().ok());
        let keys: BTreeSet<String> = read.flat_map(Layer::keys).map(str::to_owned).collect();
        let mut layers = Layers::new();
        let mut levels = Vec::new();
        for (name, place, layer) in found {
            let (state, keys) = match &layer {
                Ok(layer) if layer.is_present() => (State::Present, layer.keys().count()),
                Ok(_) => (State::Absent, 0),
                Err(why) => (State::Refused(why.clone()), 0),
            };
            levels.push(Level {
                name,
                place,
                state,
                keys,
                wins: 0,
            });
            if let Ok(layer) = layer {
                layers = layers.with(layer);
            }
        }
        let layers = hide(layers, component, surroundings);
        for key in &keys {
            let winner = layers.explain(key).into_iter().next();
            let level = winner
                .and_then(|winner| levels.iter_mut().find(|level| level.is_of(&winner.origin)));
            if let Some(level) = level {
                level.wins += 1;
            }
        }
        Self {
            layers,
            levels,
            declared: component.declarations().to_vec(),
            broken,
        }
    }

    /// Gives the layers that could be read, to look keys up.
    pub const fn layers(&self) -> &Layers {
        &self.layers
    }

    /// Gives all layers as they were found, weakest first.
    pub fn levels(&self) -> &[Level] {
        &self.levels
    }

    /// Gives what a key may be, if that is declared.
    pub fn declaration(&self, key: &str) -> Option<&Declaration> {
        self.declared.iter().find(|declared| declared.key == key)
    }

    /// Gives the names of all keys that are set or declared.
    pub fn keys(&self) -> BTreeSet<&str> {
        let declared = self.declared.iter().map(|declared| declared.key.as_str());
        let settings = declared.filter(|key| !key.ends_with('.'));
        self.layers.keys().into_iter().chain(settings).collect()
    }

    /// Gives the key that was probably meant by another.
    pub fn similar(&self, key: &str) -> Option<&str> {
        let keys = self.keys().into_iter();
        let scored = keys.map(|known| (strsim::osa_distance(known, key), known));
        // A third may be mistyped, as for keys in files.
        let near = scored.filter(|(distance, _)| *distance <= key.chars().count().max(3) / 3);
        near.min_by_key(|(distance, _)| *distance)
            .map(|(_, known)| known)
    }

    /// Finds all that is wrong: files that cannot be read, values that their keys do not accept, keys in files that nobody
    /// has declared, variables whose name is nearly that of a setting. Where nothing is declared only files can be wrong.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = self.broken.clone();
        if !self.declared.is_empty() {
            problems.extend(self.layers.problems(&self.declared, &[]));
            problems.extend(self.slips());
        }
        problems
    }

    /// Finds variables that were probably meant for a setting. Others may be somebody else's.
    fn slips(&self) -> impl Iterator<Item = Problem> {
        let known: Vec<&str> = self
            .declared
            .iter()
            .map(|declared| declared.key.as_str())
            .collect();
        let unknown: Vec<UnknownKey> = self.layers.unknown_variables(&known);
        unknown
            .into_iter()
            .filter(|unknown| unknown.suggestion.is_some())
            .map(|unknown| Problem {
                origin: unknown.origin,
                key: unknown.key,
                problem: "unknown variable".to_owned(),
                suggestion: unknown.suggestion,
            })
    }
}

impl Level {
    fn is_of(&self, origin: &Origin) -> bool {
        match origin {
            Origin::Default => self.name == "defaults",
            Origin::File { path, .. } => self.place == path.display().to_string(),
            Origin::Environment { .. } => self.name == "environment",
            Origin::Flag { .. } => self.name == "flags",
        }
    }
}

/// Gives the key of each variable: declared ones, then what begins with the component's name, `__` for each dot.
fn variables(component: &Component, surroundings: &Surroundings) -> Vec<(String, String)> {
    let declared = component.declarations().iter().map(|declared| {
        let name = declared
            .key
            .replace('.', "__")
            .replace('-', "_")
            .to_ascii_uppercase();
        let variable = declared.variable.clone();
        let variable = variable.unwrap_or_else(|| component.prefix() + name.as_str());
        (declared.key.clone(), variable)
    });
    let mut pairs: Vec<_> = declared.collect();
    let prefix = component.prefix();
    for variable in surroundings.variables_of(&prefix) {
        let key = variable[prefix.len()..]
            .to_ascii_lowercase()
            .replace("__", ".");
        let taken = pairs
            .iter()
            .any(|(known, name)| *known == key || name == variable);
        if !taken && !key.is_empty() {
            pairs.push((key, variable.to_owned()));
        }
    }
    pairs
}

/// Hides what is declared secret, and each value whose key has one of the words of Oneiric's own setting `hidden`, unless
/// it is declared to be what no secret is: a number, a length of time, one of some words.
fn hide(layers: Layers, component: &Component, surroundings: &Surroundings) -> Layers {
    let words = if component.name == OWN {
        words_in(&layers)
    } else {
        let own = Component::find(OWN, surroundings);
        own.map(|own| words_in(Stack::read(&own, surroundings, &[]).layers()))
            .unwrap_or_else(|_| HIDDEN.split(',').map(str::to_owned).collect())
    };
    let is_text = |key: &str| {
        let declared = component.declarations().iter();
        let mut kinds = declared.filter(|declared| declared.key == key);
        kinds.all(|declared| matches!(declared.kind, Kind::Text | Kind::Path))
    };
    let has_word = |key: &&str| {
        let name = key.to_ascii_lowercase().replace('-', "_");
        words.iter().any(|word| name.contains(word)) && is_text(key)
    };
    let keys = layers.keys().into_iter().filter(has_word);
    let mut secrets: Vec<String> = keys.map(str::to_owned).collect();
    let declared = component.declarations().iter();
    let declared = declared.filter(|declared| declared.secret);
    secrets.extend(declared.map(|declared| declared.key.clone()));
    layers.hiding(secrets)
}

/// Gives the words of the setting `hidden`.
fn words_in(own: &Layers) -> Vec<String> {
    let said = own.get::<String>("hidden").ok().flatten();
    let words = said.map_or_else(|| HIDDEN.to_owned(), |said| said.value);
    let words = words
        .split(',')
        .map(|word| word.trim().to_ascii_lowercase());
    words.filter(|word| !word.is_empty()).collect()
}

fn problem_of(path: &Path, error: &FileError) -> Problem {
    let (line, key, problem) = match error {
        FileError::Content {
            line, key, reason, ..
        } => (*line, key.clone(), reason.clone()),
        FileError::Read { source, .. } => (0, None, format!("could not be read: {source}")),
        FileError::TooLarge { .. } => (
            0,
            None,
            format!("is larger than {FILE_SIZE_MAX_BYTES} bytes"),
        ),
    };
    Problem {
        origin: Origin::File {
            path: path.to_owned(),
            line,
        },
        key: key.unwrap_or_default(),
        problem,
        suggestion: None,
    }
}
