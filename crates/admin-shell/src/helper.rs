//! What a component puts into its shell, as data: helpers, objects, magics. Help, completion and the script's functions
//! derive from these lists.

mod action;
mod context;
mod error;

use std::sync::Arc;

use serde_json::Value;

pub use action::{IntoAction, IntoReply};
pub use context::Context;
pub use error::HelperError;

use crate::{
    language::{Parameter, Signature},
    output::Reply,
};

/// What a helper does with its arguments, one for each parameter.
pub type Action = Arc<dyn Fn(&Context, Vec<Value>) -> Result<Reply, ActionError> + Send + Sync>;

/// Why an action gave no reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActionError {
    /// An argument has the wrong type.
    Argument {
        /// Its place, from 0.
        place: usize,
        /// What is wrong.
        problem: String,
    },
    /// The helper failed.
    Failed(HelperError),
}

/// What a magic does with what follows its name.
pub(crate) type MagicAction =
    Arc<dyn Fn(&Context, &str) -> Result<Reply, HelperError> + Send + Sync>;

/// A function of the shell.
#[derive(Clone)]
pub struct Helper {
    pub(crate) signature: Signature,
    pub(crate) action: Action,
}

/// A value of the shell, looked at each time that it is used.
#[derive(Clone)]
pub struct Object {
    pub(crate) name: String,
    pub(crate) summary: String,
    pub(crate) value: Arc<dyn Fn() -> Reply + Send + Sync>,
}

/// A line that starts with `%`.
#[derive(Clone)]
pub struct Magic {
    pub(crate) name: String,
    /// What follows the name, such as `[tag]`.
    pub(crate) arguments: String,
    pub(crate) summary: String,
    pub(crate) action: MagicAction,
}

/// An argument as it was given.
pub(crate) enum Given {
    Positional(Value),
    Named(String, Value),
}

impl Signature {
    /// Gives each parameter its argument.
    pub(crate) fn bind(&self, given: Vec<Given>) -> Result<Vec<Value>, HelperError> {
        let parameters = &self.parameters;
        let mut values: Vec<Option<Value>> = vec![None; parameters.len()];
        let mut named = false;
        for (place, argument) in given.into_iter().enumerate() {
            let (place, value) = match argument {
                Given::Positional(_) if named => {
                    return Err(
                        self.error("an argument without a name stands behind one with a name")
                    );
                }
                Given::Positional(value) => (place, value),
                Given::Named(name, value) => {
                    named = true;
                    (self.place(&name)?, value)
                }
            };
            match values.get_mut(place) {
                Some(free @ None) => *free = Some(value),
                Some(Some(_)) => {
                    let name = parameters[place].name();
                    return Err(self.error(&format!("{name} is given twice")));
                }
                None => {
                    let most = parameters.len();
                    return Err(self.error(&format!("there are more than {most} arguments")));
                }
            }
        }
        let filled = parameters.iter().zip(values);
        filled
            .map(|(parameter, value)| {
                value
                    .or_else(|| parameter.default.clone())
                    .ok_or_else(|| self.error(&format!("{} is missing", parameter.name())))
            })
            .collect()
    }

    fn place(&self, name: &str) -> Result<usize, HelperError> {
        let has = |parameter: &Parameter| parameter.names.iter().any(|known| known == name);
        let found = self.parameters.iter().position(has);
        found.ok_or_else(|| self.error(&format!("there is no parameter {name}")))
    }

    pub(crate) fn error(&self, problem: &str) -> HelperError {
        let call = self.call();
        HelperError::new(format!("{}(): {problem}", self.name))
            .hint(format!("it is called as {call}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bind(given: Vec<Given>) -> Result<Vec<Value>, String> {
        let usage = "find(query, limit|n=10) - find";
        let signature = Signature::parse(usage).unwrap();
        signature.bind(given).map_err(|error| error.to_string())
    }

    #[test]
    fn arguments_are_bound_by_place_and_name() {
        let at = |value| Given::Positional(value);
        let named = |name: &str, value| Given::Named(name.to_owned(), value);
        for (given, bound) in [
            (vec![at(json!("a"))], vec![json!("a"), json!(10)]),
            (
                vec![at(json!("a")), at(json!(1))],
                vec![json!("a"), json!(1)],
            ),
            (
                vec![named("n", json!(5)), named("query", json!("a"))],
                vec![json!("a"), json!(5)],
            ),
        ] {
            assert_eq!(bind(given).unwrap(), bound);
        }
        for (given, problem) in [
            (vec![], "query is missing"),
            (
                vec![at(json!(1)), named("query", json!(2))],
                "query is given twice",
            ),
            (
                vec![named("n", json!(5)), at(json!("a"))],
                "an argument without a name stands behind one with a name",
            ),
            (
                vec![at(json!(1)), at(json!(2)), at(json!(3))],
                "there are more than 2 arguments",
            ),
            (
                vec![at(json!(1)), named("max", json!(2))],
                "there is no parameter max",
            ),
        ] {
            assert_eq!(bind(given).unwrap_err(), format!("find(): {problem}"));
        }
    }
}
