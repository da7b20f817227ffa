//! All that a shell offers by name.

use std::sync::Arc;

use crate::{
    helper::{Helper, Magic, Object},
    language::Signature,
    output::{Column, Record, Reply, Table},
};

/// The functions that every shell has; the engine defines them.
const BUILT_IN: [&str; 7] = [
    "help(name=none) - list what there is, or explain one name",
    "exit(code=0) - leave the shell",
    "quit(code=0) - leave the shell",
    "print(value) - write a value",
    "sleep(seconds) - wait",
    "to_csv(value) - write a value as CSV",
    "to_json(value) - write a value as JSON",
];

/// What a shell offers, in the order in which it was put there.
pub(crate) struct Catalogue {
    pub(crate) helpers: Vec<Helper>,
    pub(crate) objects: Vec<Object>,
    /// The component's magics and those of every shell.
    pub(crate) magics: Vec<Arc<dyn Described>>,
    built_in: Vec<Signature>,
}

/// A magic as help shows it.
pub(crate) trait Described: Send + Sync {
    /// Its name without `%`.
    fn name(&self) -> &str;
    /// What follows its name.
    fn arguments(&self) -> &str;
    /// What it does, in a line.
    fn summary(&self) -> &str;
}

impl Described for Magic {
    fn name(&self) -> &str {
        &self.name
    }

    fn arguments(&self) -> &str {
        &self.arguments
    }

    fn summary(&self) -> &str {
        &self.summary
    }
}

impl Catalogue {
    pub(crate) fn new(
        helpers: Vec<Helper>,
        objects: Vec<Object>,
        magics: Vec<Arc<dyn Described>>,
    ) -> Self {
        let built_in = BUILT_IN.map(|line| Signature::parse(line).expect("the lines are usages"));
        Self {
            helpers,
            objects,
            magics,
            built_in: built_in.into(),
        }
    }

    pub(crate) fn object(&self, name: &str) -> Option<&Object> {
        self.objects.iter().find(|object| object.name == name)
    }

    /// Gives the signature of a function that every shell has.
    ///
    /// # Panics
    ///
    /// When there is no such function.
    pub(crate) fn built_in(&self, name: &str) -> &Signature {
        let found = self
            .built_in
            .iter()
            .find(|signature| signature.name == name);
        found.expect("it is in the list")
    }

    /// Gives the functions, the component's first.
    pub(crate) fn functions(&self) -> impl Iterator<Item = &Signature> {
        let own = self.helpers.iter().map(|helper| &helper.signature);
        own.chain(&self.built_in)
    }

    /// Lists functions and objects.
    pub(crate) fn overview(&self) -> Table {
        let mut table = listing("nothing");
        for function in self.functions() {
            table.push([function.call().into(), function.summary.clone().into()]);
        }
        for object in &self.objects {
            table.push([object.name.clone().into(), object.summary.clone().into()]);
        }
        table
    }

    /// Lists magics.
    pub(crate) fn magics(&self) -> Table {
        let mut table = listing("no magics");
        for magic in &self.magics {
            table.push([magic_call(&**magic).into(), magic.summary().into()]);
        }
        table.push(["name?".into(), "explain a name".into()]);
        table.push(["!command".into(), "run a command of the system".into()]);
        table.push(["_".into(), "the last value".into()]);
        table
    }

    /// Explains a name; one that starts with `%` is a magic's.
    pub(crate) fn explain(&self, name: &str) -> Option<Reply> {
        let record = |usage: String, summary: &str| {
            Record::new()
                .field("usage", "Usage", usage)
                .field("summary", "Does", summary)
        };
        if let Some(name) = name.strip_prefix('%') {
            let magic = self.magics.iter().find(|magic| magic.name() == name)?;
            let record = record(magic_call(&**magic), magic.summary());
            return Some(Reply::Record(record));
        }
        let function = self.functions().find(|function| function.name == name);
        if let Some(function) = function {
            return Some(Reply::Record(record(function.call(), &function.summary)));
        }
        let object = self.object(name)?;
        let record = Record::new()
            .field("name", "Name", object.name.clone())
            .field("summary", "Is", object.summary.clone());
        Some(Reply::Record(record))
    }

    /// Gives the name that was probably meant.
    pub(crate) fn similar(&self, name: &str) -> Option<&str> {
        let functions = self.functions().map(|function| function.name.as_str());
        let objects = self.objects.iter().map(|object| object.name.as_str());
        closest(name, functions.chain(objects))
    }

    /// Gives the magic that was probably meant.
    pub(crate) fn similar_magic(&self, name: &str) -> Option<&str> {
        closest(name, self.magics.iter().map(|magic| magic.name()))
    }
}

fn listing(empty: &str) -> Table {
    let columns = [Column::new("name", "Name"), Column::new("summary", "Does")];
    Table::new(columns, empty)
}

fn magic_call(magic: &dyn Described) -> String {
    format!("%{} {}", magic.name(), magic.arguments())
        .trim_end()
        .to_owned()
}

/// How long a name must be to look like another, in bytes: shorter ones look like too many.
const SIMILAR_MIN: usize = 3;

/// Gives the candidate that is at least 0.75 similar (Jaro-Winkler), the most similar one first.
fn closest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let scored = candidates.map(|candidate| (strsim::jaro_winkler(name, candidate), candidate));
    let scored = scored.filter(|(_, candidate)| *candidate != name && name.len() >= SIMILAR_MIN);
    let best = scored.max_by(|(one, _), (other, _)| one.total_cmp(other));
    best.filter(|(score, _)| *score >= 0.75)
        .map(|(_, candidate)| candidate)
}
