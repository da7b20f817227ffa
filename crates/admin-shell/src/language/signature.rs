//! What a helper is called with, read from the line that explains it.

use serde_json::Value;

/// How a helper is called, and what it does: `errors(limit=10) - list the newest errors`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Signature {
    /// Its name.
    pub(crate) name: String,
    /// What it takes, in order.
    pub(crate) parameters: Vec<Parameter>,
    /// What it does, in a line.
    pub(crate) summary: String,
}

/// Something that a helper takes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Parameter {
    /// Its names; the first one is shown, all are understood.
    pub(crate) names: Vec<String>,
    /// What it is when it is not given; none if it must be given.
    pub(crate) default: Option<Value>,
}

/// Why a line explains no helper.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line:?} is no usage such as \"errors(limit=10) - list the newest errors\": {problem}")]
pub(crate) struct SignatureError {
    line: String,
    problem: String,
}

impl Signature {
    /// Reads `name(parameter, parameter=default, ...) - summary`. A default is JSON, or `none`; a parameter may have
    /// other names behind a bar: `limit|n=10`.
    ///
    /// # Errors
    ///
    /// What is wrong with the line.
    pub(crate) fn parse(line: &str) -> Result<Self, SignatureError> {
        read(line).map_err(|problem| SignatureError {
            line: line.to_owned(),
            problem,
        })
    }

    /// Gives how it is called: `errors(limit=10)`.
    pub(crate) fn call(&self) -> String {
        let parameters: Vec<_> = self.parameters.iter().map(Parameter::show).collect();
        format!("{}({})", self.name, parameters.join(", "))
    }
}

impl Parameter {
    /// Gives the name that is shown.
    pub(crate) fn name(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }

    fn show(&self) -> String {
        match &self.default {
            None => self.name().to_owned(),
            Some(Value::Null) => format!("{}=None", self.name()),
            Some(default) => format!("{}={default}", self.name()),
        }
    }
}

fn read(line: &str) -> Result<Signature, String> {
    let (call, summary) = line.split_once(" - ").ok_or("there is no \" - \"")?;
    let (name, rest) = call.trim().split_once('(').ok_or("there is no \"(\"")?;
    let list = rest
        .strip_suffix(')')
        .ok_or("there is no \")\" before \" - \"")?;
    check_name(name)?;
    let parameters = split(list).into_iter().map(parameter);
    let parameters = parameters.collect::<Result<Vec<_>, _>>()?;
    let defaults = parameters
        .iter()
        .map(|parameter| parameter.default.is_some());
    if !defaults.is_sorted() {
        return Err("a parameter without a default stands behind one with a default".to_owned());
    }
    Ok(Signature {
        name: name.to_owned(),
        parameters,
        summary: summary.trim().to_owned(),
    })
}

/// Splits a list at the commas that are in no brackets and no quotes.
fn split(list: &str) -> Vec<&str> {
    let (mut parts, mut begin) = (Vec::new(), 0);
    let (mut depth, mut quoted) = (0_usize, false);
    for (at, c) in list.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '[' | '{' if !quoted => depth += 1,
            ']' | '}' if !quoted => depth = depth.saturating_sub(1),
            ',' if depth == 0 && !quoted => {
                parts.push(&list[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&list[begin..]);
    if parts == [""] {
        parts.clear();
    }
    parts
}

fn parameter(text: &str) -> Result<Parameter, String> {
    let (names, default) = match text.split_once('=') {
        None => (text, None),
        Some((names, default)) => (names, Some(default.trim())),
    };
    let names: Vec<_> = names
        .split('|')
        .map(|name| name.trim().to_owned())
        .collect();
    for name in &names {
        check_name(name)?;
    }
    let default = match default {
        None => None,
        Some("none" | "None") => Some(Value::Null),
        Some(default) => Some(
            serde_json::from_str(default)
                .map_err(|error| format!("the default {default} is no JSON: {error}"))?,
        ),
    };
    Ok(Parameter { names, default })
}

fn check_name(name: &str) -> Result<(), String> {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    let known = name.starts_with(letter) && name.chars().all(|c| letter(c) || c.is_ascii_digit());
    if known {
        Ok(())
    } else {
        Err(format!("{name:?} is no name"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_usage_line_says_all_that_a_call_needs() {
        let line =
            "search(query, index=\"a,b\", limit|n=10, filters=none) - find sessions - ranked";
        let signature = Signature::parse(line).unwrap();
        assert_eq!(signature.name, "search");
        assert_eq!(signature.summary, "find sessions - ranked");
        let defaults: Vec<_> = signature
            .parameters
            .iter()
            .map(|p| p.default.clone())
            .collect();
        assert_eq!(
            defaults,
            [None, Some(json!("a,b")), Some(json!(10)), Some(json!(null))]
        );
        assert_eq!(signature.parameters[2].names, ["limit", "n"]);
        assert_eq!(
            signature.call(),
            "search(query, index=\"a,b\", limit=10, filters=None)"
        );
        assert_eq!(Signature::parse("ps() - list").unwrap().parameters, []);
    }

    #[test]
    fn a_line_that_is_no_usage_is_refused_with_its_reason() {
        for (line, problem) in [
            ("ps()", "there is no \" - \""),
            ("ps - list", "there is no \"(\""),
            ("ps( - list", "there is no \")\" before \" - \""),
            ("p s() - list", "\"p s\" is no name"),
            (
                "ps(a=1, b) - list",
                "a parameter without a default stands behind one with a default",
            ),
            (
                "ps(a=x) - list",
                "the default x is no JSON: expected value at line 1 column 1",
            ),
        ] {
            assert_eq!(Signature::parse(line).unwrap_err().problem, problem);
        }
    }
}
