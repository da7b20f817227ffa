//! What a user gives instead of what an app says: `NAME=FILE` on a command line, a map in a shell.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal},
    path::PathBuf,
};

use admin_shell::HelperError;
use serde_json::Value;

use crate::Given;

/// What is given, by name.
pub(super) type Givens = BTreeMap<String, Given>;

/// Reads what was given.
///
/// # Errors
///
/// What is wrong with it; wrong usage.
pub(super) fn read(given: Value) -> Result<Givens, HelperError> {
    match given {
        Value::Null => Ok(Givens::new()),
        Value::Object(map) => Ok(map
            .into_iter()
            .map(|(name, value)| (name, Given::Value(value)))
            .collect()),
        Value::Array(pairs) => {
            let mut givens = Givens::new();
            for pair in pairs {
                let (name, given) = self::pair(&pair)?;
                if givens.insert(name.clone(), given).is_some() {
                    return Err(wrong(format!("{name} is given twice")));
                }
            }
            Ok(givens)
        }
        other => Err(wrong(format!(
            "NAME=FILE or a map is expected, found {other}"
        ))),
    }
}

fn pair(pair: &Value) -> Result<(String, Given), HelperError> {
    let text = pair.as_str().unwrap_or_default();
    match text.split_once('=') {
        Some((_, "-")) if io::stdin().is_terminal() => Err(wrong(
            "NAME=- takes what is piped in, and this is a terminal".to_owned(),
        )),
        Some((name, "-")) => Ok((name.to_owned(), Given::Input)),
        Some((name, file)) if !name.is_empty() && !file.is_empty() => {
            Ok((name.to_owned(), Given::File(PathBuf::from(file))))
        }
        _ => Err(wrong(format!("NAME=FILE is expected, found {pair}"))),
    }
}

fn wrong(problem: String) -> HelperError {
    HelperError::new(format!("context: {problem}")).exit_code(2)
}
