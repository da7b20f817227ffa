//! The template engine, set up for an app: everything is escaped, nothing undefined is passed over, nothing runs for ever.

use std::{collections::BTreeMap, sync::Arc};

use data_encoding::HEXLOWER;
use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value,
    escape_formatter, value::Serde,
};
use sha2::{Digest, Sha256};

use crate::{
    App, Problem, Problems,
    app::{BLOCKS, CONFIG, Route, STATIC},
};

/// What every block may use without declaring it: what the engine has, what we add, and what Jinja has of its own.
pub(crate) const GLOBALS: [&str; 15] = [
    "asset",
    "caller",
    "debug",
    "dict",
    "link",
    "loop",
    "may",
    "namespace",
    "page",
    "range",
    "role",
    "self",
    "site",
    "super",
    "varargs",
];
/// The filters that people mistype, for suggestions; the engine itself says which ones there are.
pub(crate) const FILTERS: [&str; 24] = [
    "batch",
    "default",
    "duration",
    "escape",
    "first",
    "groupby",
    "items",
    "join",
    "last",
    "length",
    "lower",
    "map",
    "moment",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "selectattr",
    "sort",
    "sum",
    "title",
    "trim",
    "unique",
    "upper",
];
/// How many steps a page may take: 20 million, a few seconds. Pages of 10,000 sessions pass; endless ones do not.
const FUEL: u64 = 20_000_000;
/// The longest part of a path that is made of data, in bytes; file systems take 255.
const SEGMENT_BYTES_MAX: usize = 100;

/// The filters and tests that there are.
pub(crate) struct Known(Environment<'static>);

impl Known {
    pub(crate) fn new() -> Self {
        Self(bare())
    }

    pub(crate) fn has_filter(&self, name: &str) -> bool {
        self.has("filter", name)
    }

    pub(crate) fn has_test(&self, name: &str) -> bool {
        self.has("test", name)
    }

    fn has(&self, what: &str, name: &str) -> bool {
        let asked = self
            .0
            .empty_state()
            .perform_test(what, &[Value::from(name)]);
        asked.unwrap_or(false)
    }
}

/// Sets up the engine for an app, as somebody with a role sees it.
///
/// # Errors
///
/// Where a template is no template.
pub(crate) fn environment(app: &App, role: Option<&str>) -> Result<Environment<'static>, Problems> {
    let mut environment = bare();
    let mut problems = Vec::new();
    for block in app.blocks.values() {
        let added = environment.add_template_owned(block.name.clone(), block.source.clone());
        if let Err(error) = added {
            problems.push(problem_of(app, &block.name, &error));
        }
    }
    Problems::none_in(problems)?;
    let site = BTreeMap::from([("name", app.name.clone()), ("about", app.about.clone())]);
    environment.add_global("site", Value::from(Serde(site)));
    environment.add_global("role", Value::from(role.map(str::to_owned)));
    let routes = Arc::new(app.routes.clone());
    let linked = Arc::clone(&routes);
    environment.add_function("link", move |name: &str, item: Option<Value>| {
        path_of(find(&linked, name)?, item.as_ref()).map(Value::from_safe_string)
    });
    let role = role.map(str::to_owned);
    environment.add_function("may", move |name: &str| {
        Ok::<_, Error>(find(&routes, name)?.access.admits(role.as_deref()))
    });
    let assets: Vec<_> = app.assets.keys().cloned().collect();
    environment.add_function("asset", move |name: &str| {
        let path = format!("/{STATIC}/{name}");
        if assets.contains(&path) {
            Ok(Value::from_safe_string(path))
        } else {
            Err(refused(format!("unknown file of static {name}")))
        }
    });
    Ok(environment)
}

fn bare() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_debug(true);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_formatter(write);
    environment.set_fuel(Some(FUEL));
    environment.add_filter("duration", duration);
    environment.add_filter("moment", moment);
    environment
}

/// Writes a value into a page: markup is escaped, and so is what would turn the text around it or act in a terminal.
fn write(output: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    match value.as_str() {
        Some(text) if !value.is_safe() => {
            let lines: Vec<_> = text
                .split('\n')
                .map(admin_shell::output::one_line)
                .collect();
            escape_formatter(output, state, &Value::from(lines.join("\n")))
        }
        _ => escape_formatter(output, state, value),
    }
}

fn refused(problem: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, problem)
}

fn find<'a>(routes: &'a [Route], name: &str) -> Result<&'a Route, Error> {
    let found = routes.iter().find(|route| route.name == name);
    found.ok_or_else(|| refused(format!("unknown route {name}")))
}

/// Gives the path of a page. A route with a page for each item needs the item, or the text of its only field.
pub(crate) fn path_of(route: &Route, item: Option<&Value>) -> Result<String, Error> {
    let fields = route.fields();
    if fields.is_empty() {
        return Ok(route.path.clone());
    }
    let name = &route.name;
    let item =
        item.ok_or_else(|| refused(format!("{name} has a page for each item: say of which one")))?;
    let mut path = route.path.clone();
    for field in &fields {
        let value = match item.as_str() {
            Some(text) if fields.len() == 1 => Value::from(text),
            _ => item.get_attr(field)?,
        };
        if value.is_undefined() || value.is_none() {
            return Err(refused(format!(
                "{name}: an item has no {field}, which its path is made of"
            )));
        }
        path = path.replace(&format!("{{{field}}}"), &segment(&value.to_string()));
    }
    Ok(path)
}

/// Makes a text a part of a path. What cannot stand there is replaced, and its hash keeps it apart from others.
fn segment(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_usable = !text.is_empty()
        && text.len() <= SEGMENT_BYTES_MAX
        && !text.starts_with('.')
        && text.chars().all(plain);
    if is_usable {
        return text.to_owned();
    }
    let hash = HEXLOWER.encode(&Sha256::digest(text)[..6]);
    let kept = text.chars().map(|c| if plain(c) { c } else { '-' });
    let kept: String = kept.take(SEGMENT_BYTES_MAX).collect();
    let kept = kept.trim_matches(['-', '.']);
    format!("{kept}-{hash}").trim_start_matches('-').to_owned()
}

/// Writes seconds as `1h 30m`.
fn duration(seconds: &Value) -> Result<String, Error> {
    let seconds = f64::try_from(seconds.clone())?;
    if !seconds.is_finite() {
        return Ok("unknown".to_owned());
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "`as` stops at the bounds of i64"
    )]
    let seconds = seconds.round() as i64;
    Ok(admin_shell::output::length(seconds.max(0)))
}

/// Writes a moment as `2026-11-27 09:30:05 UTC`; what is none stays as it is.
fn moment(text: &str) -> String {
    let is_utc = text.ends_with('Z') || text.ends_with("+00:00");
    match (text.get(..10), text.get(10..11), text.get(11..19)) {
        (Some(date), Some("T" | " "), Some(time)) if is_utc => format!("{date} {time} UTC"),
        _ => text.to_owned(),
    }
}

/// Finds in which block something went wrong, and on which line.
pub(crate) fn problem_of(app: &App, name: &str, error: &Error) -> Problem {
    let (mut innermost, mut next) = (error, std::error::Error::source(error));
    while let Some(cause) = next {
        if let Some(cause) = cause.downcast_ref::<Error>()
            && cause
                .name()
                .is_some_and(|name| app.blocks.contains_key(name))
        {
            innermost = cause;
        }
        next = cause.source();
    }
    let block = app.blocks.get(innermost.name().unwrap_or(name));
    let Some(block) = block else {
        return Problem::of(CONFIG, format!("{name}: {innermost}"));
    };
    let quoted = innermost.range().and_then(|range| block.source.get(range));
    let mut problem = match innermost.kind() {
        ErrorKind::OutOfFuel => format!("it takes more than {FUEL} steps"),
        kind => match innermost.detail() {
            Some(detail) => format!("{kind}: {detail}"),
            None => kind.to_string(),
        },
    };
    if let Some(quoted) = quoted.filter(|quoted| quoted.len() <= 80 && !quoted.contains('\n')) {
        problem = format!("{problem}: {quoted}");
    }
    let line = innermost.line().map_or(0, |line| block.line(line));
    Problem::at(&block.file, line, problem)
}

/// Gives the file of a block, for problems of pages.
pub(crate) fn file_of(app: &App, block: &str) -> String {
    let found = app.blocks.get(block).map(|block| block.file.clone());
    found.unwrap_or_else(|| format!("{BLOCKS}/{block}.html"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_cannot_leave_its_part_of_a_path() {
        assert_eq!(
            segment("billing-20261127-093000-abcdefgh"),
            "billing-20261127-093000-abcdefgh"
        );
        let hostile = [
            "../../etc/passwd",
            "",
            ".",
            "..",
            ".git",
            "a/b",
            "a b",
            "é",
            "\0",
            "<script>",
            "a\\b",
        ];
        let made: Vec<_> = hostile.iter().map(|text| segment(text)).collect();
        for part in &made {
            assert!(
                !part.is_empty()
                    && !part.starts_with('.')
                    && !part.contains(['/', '\\', '<', '\0']),
                "{part}"
            );
        }
        let mut apart = made.clone();
        apart.sort();
        apart.dedup();
        assert_eq!(apart.len(), hostile.len(), "{made:?}");
        assert!(segment(&"a".repeat(1_000)).len() < 120);
    }

    #[test]
    fn times_read_as_people_say_them() {
        assert_eq!(duration(&Value::from(5_400)).unwrap(), "1h 30m");
        assert_eq!(duration(&Value::from(-1.5)).unwrap(), "0s");
        assert!(duration(&Value::from("<b>")).is_err());
        assert_eq!(
            moment("2026-11-27T09:30:05.123456Z"),
            "2026-11-27 09:30:05 UTC"
        );
        assert_eq!(
            moment("2026-11-27T09:30:05+02:00"),
            "2026-11-27T09:30:05+02:00"
        );
        assert_eq!(moment("<b>"), "<b>");
    }
}
