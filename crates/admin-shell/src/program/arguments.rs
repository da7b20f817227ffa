//! A helper's parameters as arguments of a command line.

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde_json::Value;

use crate::{
    language::{Parameter, Signature},
    output::Format,
};

/// Makes the command of a helper. `help` says of parameters what they are.
pub(super) fn command(signature: &Signature, help: &[(String, String)]) -> Command {
    let format = Arg::new("format")
        .long("format")
        .help("How to write the result")
        .value_parser(value_parser!(Format))
        .default_value("table");
    let about = capitalised(&signature.summary);
    let command = Command::new(signature.name.clone()).about(about);
    let parameters = signature.parameters.iter();
    parameters
        .map(|parameter| {
            let known = help.iter().find(|(name, _)| name == parameter.name());
            argument(parameter).help(known.map(|(_, help)| help.clone()).unwrap_or_default())
        })
        .fold(command, Command::arg)
        .arg(format)
}

fn argument(parameter: &Parameter) -> Arg {
    let name = parameter.name().to_owned();
    let value_name = name.to_uppercase();
    let argument = Arg::new(name.clone()).value_name(value_name);
    let Some(default) = &parameter.default else {
        return argument.required(true);
    };
    let flag = argument.long(name.replace('_', "-"));
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
pub(super) fn given(signature: &Signature, matches: &ArgMatches) -> Vec<Value> {
    let parameters = signature.parameters.iter();
    parameters
        .map(|parameter| value(parameter, matches))
        .collect()
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
        let matches = command(&signature, &[]).try_get_matches_from(line.split(' '));
        matches
            .map(|matches| given(&signature, &matches))
            .map_err(|error| error.kind().to_string())
    }

    #[test]
    fn parameters_without_a_default_are_arguments_and_the_others_flags() {
        let usage = "find(query, limit=10, all=false, note=none, set=[], where_to=\"a\") - find";
        for (line, expected) in [
            ("find x", json!(["x", 10, false, null, [], "a"])),
            (
                "find x --limit 2.5 --all --note 7 --set a=1 --set b --where-to b",
                json!(["x", 2.5, true, "7", ["a=1", "b"], "b"]),
            ),
        ] {
            assert_eq!(json!(parse(usage, line).unwrap()), expected);
        }
        for wrong in ["find", "find x --limit many", "find x --lim 1"] {
            assert!(parse(usage, wrong).is_err(), "{wrong}");
        }
    }
}
