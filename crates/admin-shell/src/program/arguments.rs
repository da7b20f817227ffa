//! A helper's parameters as arguments of a command line.

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde_json::Value;

use crate::{
    language::{Parameter, Signature},
    output::Format,
};

/// What is said of the parameters of all helpers.
#[derive(Debug, Default)]
pub(super) struct Explained {
    /// What a parameter is.
    pub(super) help: Vec<(String, String)>,
    /// Those that are no flags although they have a default.
    pub(super) arguments: Vec<String>,
    /// The flags that make a map.
    pub(super) maps: Vec<(String, Vec<MapFlag>)>,
}

/// A key of a map as a flag.
#[derive(Debug)]
pub(super) struct MapFlag {
    pub(super) key: String,
    /// What its value is called; none for a switch.
    pub(super) value_name: Option<String>,
    pub(super) help: String,
}

impl Explained {
    fn map(&self, parameter: &Parameter) -> Option<&[MapFlag]> {
        let found = self.maps.iter().find(|(name, _)| name == parameter.name());
        found.map(|(_, flags)| flags.as_slice())
    }

    fn help(&self, parameter: &Parameter) -> String {
        let found = self.help.iter().find(|(name, _)| name == parameter.name());
        found.map(|(_, help)| help.clone()).unwrap_or_default()
    }
}

/// Makes the command of a helper.
pub(super) fn command(signature: &Signature, explained: &Explained) -> Command {
    let format = Arg::new("format")
        .long("format")
        .help("How to write the result")
        .value_parser(value_parser!(Format))
        .default_value("table");
    let about = capitalised(&signature.summary);
    let command = Command::new(signature.name.clone()).about(about);
    let parameters = signature.parameters.iter();
    let arguments = parameters.flat_map(|parameter| match explained.map(parameter) {
        Some(flags) => flags.iter().map(map_argument).collect(),
        None => {
            let is_flag = !explained
                .arguments
                .iter()
                .any(|name| name == parameter.name());
            vec![argument(parameter, is_flag).help(explained.help(parameter))]
        }
    });
    arguments.fold(command, Command::arg).arg(format)
}

fn map_argument(flag: &MapFlag) -> Arg {
    let argument = Arg::new(flag.key.clone())
        .long(flag.key.replace('_', "-"))
        .help(flag.help.clone());
    match &flag.value_name {
        Some(name) => argument.value_name(name.clone()).action(ArgAction::Append),
        None => argument.action(ArgAction::SetTrue),
    }
}

fn argument(parameter: &Parameter, is_flag: bool) -> Arg {
    let name = parameter.name().to_owned();
    let value_name = name.to_uppercase();
    let argument = Arg::new(name.clone()).value_name(value_name);
    let Some(default) = &parameter.default else {
        return argument.required(true);
    };
    let flag = if is_flag {
        argument.long(name.replace('_', "-"))
    } else {
        argument
    };
    match default {
        Value::Bool(false) => flag.action(ArgAction::SetTrue),
        Value::Bool(true) => flag.value_parser(value_parser!(bool)).default_value("true"),
        Value::Array(_) => flag.action(ArgAction::Append),
        Value::Number(number) => flag
            .value_parser(number_in)
            .default_value(number.to_string()),
        Value::String(text) if !text.is_empty() => flag.default_value(text.clone()),
        Value::String(_) | Value::Null | Value::Object(_) => flag,
    }
}

fn number_in(text: &str) -> Result<serde_json::Number, String> {
    serde_json::from_str(text).map_err(|_| "a number is expected".to_owned())
}

/// Gives a value for each parameter of a helper.
pub(super) fn given(
    signature: &Signature,
    matches: &ArgMatches,
    explained: &Explained,
) -> Vec<Value> {
    let parameters = signature.parameters.iter();
    parameters
        .map(|parameter| match explained.map(parameter) {
            Some(flags) => map_value(flags, matches),
            None => value(parameter, matches),
        })
        .collect()
}

fn map_value(flags: &[MapFlag], matches: &ArgMatches) -> Value {
    let given = flags.iter().filter_map(|flag| {
        let value = match flag.value_name {
            Some(_) => {
                let texts = matches.get_many::<String>(&flag.key)?;
                texts.cloned().map(Value::String).collect()
            }
            None if matches.get_flag(&flag.key) => true.into(),
            None => return None,
        };
        Some((flag.key.clone(), value))
    });
    let map: serde_json::Map<_, _> = given.collect();
    if map.is_empty() {
        Value::Null
    } else {
        map.into()
    }
}

fn value(parameter: &Parameter, matches: &ArgMatches) -> Value {
    let name = parameter.name();
    match &parameter.default {
        Some(Value::Bool(_)) => matches.get_one::<bool>(name).copied().into(),
        Some(Value::Number(_)) => {
            let number = matches.get_one::<serde_json::Number>(name);
            number.cloned().map_or(Value::Null, Value::Number)
        }
        Some(default @ Value::Array(_)) => matches.get_many::<String>(name).map_or_else(
            || default.clone(),
            |given| given.cloned().map(Value::String).collect(),
        ),
        None | Some(Value::Null | Value::String(_) | Value::Object(_)) => {
            let text = matches.get_one::<String>(name).cloned();
            text.map(Value::String)
                .or_else(|| parameter.default.clone())
                .unwrap_or_default()
        }
    }
}

fn capitalised(summary: &str) -> String {
    let mut letters = summary.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string());
    format!("{}{}", first.unwrap_or_default(), letters.as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(usage: &str, line: &str) -> Result<Vec<Value>, String> {
        let signature = Signature::parse(usage).unwrap();
        let flag = |key: &str, value_name: Option<&str>| MapFlag {
            key: key.to_owned(),
            value_name: value_name.map(str::to_owned),
            help: String::new(),
        };
        let flags = vec![flag("at_least", Some("N")), flag("open", None)];
        let explained = Explained {
            maps: vec![("filters".to_owned(), flags)],
            arguments: vec!["where_to".to_owned()],
            ..Explained::default()
        };
        let matches = command(&signature, &explained).try_get_matches_from(line.split(' '));
        matches
            .map(|matches| given(&signature, &matches, &explained))
            .map_err(|error| error.kind().to_string())
    }

    #[test]
    fn a_map_is_given_as_flags() {
        let usage = "find(query, filters=none) - find";
        for (line, expected) in [
            ("find x", json!(["x", null])),
            ("find x --open", json!(["x", {"open": true}])),
            (
                "find x --at-least 1 --at-least 2",
                json!(["x", {"at_least": ["1", "2"]}]),
            ),
        ] {
            assert_eq!(json!(parse(usage, line).unwrap()), expected);
        }
        assert!(parse(usage, "find x --filters 1").is_err());
    }

    #[test]
    fn parameters_without_a_default_are_arguments_and_the_others_flags() {
        let usage = "find(query, limit=10, all=false, note=none, set=[], where_to=\"a\") - find";
        for (line, expected) in [
            ("find x", json!(["x", 10, false, null, [], "a"])),
            (
                "find x b --limit 2.5 --all --note 7 --set a=1 --set b",
                json!(["x", 2.5, true, "7", ["a=1", "b"], "b"]),
            ),
        ] {
            assert_eq!(json!(parse(usage, line).unwrap()), expected);
        }
        for wrong in [
            "find",
            "find x --limit many",
            "find x --lim 1",
            "find x --where-to b",
        ] {
            assert!(parse(usage, wrong).is_err(), "{wrong}");
        }
    }
}
