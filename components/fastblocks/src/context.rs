//! What blocks are given: read, and held against what they declare.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    io::Read,
    path::{Component, Path, PathBuf},
};

use serde_json::{Map, Value};

use crate::{
    App, Problem, Problems,
    app::{Block, CONFIG, Declared, Names, Route, Source},
    check::ITEM,
};

/// The largest file of data: 256 MiB, about a million sessions.
const DATA_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// How many items are named that do not fit one declaration; one shows what is wrong, a few show the pattern.
const NAMED_MAX: usize = 3;

/// What blocks are given, by name.
pub type Data = BTreeMap<String, Value>;

/// Something that is given instead of what the app says.
#[derive(Clone, Debug, PartialEq)]
pub enum Given {
    /// A JSON file.
    File(PathBuf),
    /// JSON on standard input.
    Input,
    /// This.
    Value(Value),
}

/// Runs a program with its arguments, and gives what it wrote.
pub type Run<'a> = &'a mut dyn FnMut(&[&str]) -> Result<Vec<u8>, String>;

/// Reads what blocks are given, and checks it.
///
/// # Errors
///
/// All that cannot be read, and all that is not what blocks declare.
pub fn gather(app: &App, given: &BTreeMap<String, Given>, run: Run<'_>) -> Result<Data, Problems> {
    let mut problems = Vec::new();
    let mut data = Data::new();
    for name in given.keys().filter(|name| !app.sources.contains_key(*name)) {
        let problem = Problem::of(
            CONFIG,
            format!("there is no context.{name}, which was given"),
        );
        let known = app.sources.keys().map(String::as_str);
        problems.push(problem.meant(name, known));
    }
    for (name, source) in &app.sources {
        let read = match given.get(name) {
            Some(given) => read_given(given).map(Some),
            None => read_source(app, name, source, run),
        };
        match read {
            Ok(Some(value)) => {
                data.insert(name.clone(), value);
            }
            Ok(None) => {}
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() {
        check(app, &data, &mut problems);
        // What many blocks say of the same data is wrong once.
        let mut told = BTreeSet::new();
        problems.retain(|problem| told.insert(problem.problem.clone()));
    }
    Problems::none_in(problems)?;
    fill(app, &mut data);
    Ok(data)
}

/// Reads what is given to one block only, and checks it against what that declares.
pub(crate) fn read_more(block: &Block, given: &BTreeMap<String, Given>) -> Result<Data, Problems> {
    let (mut data, mut problems) = (Data::new(), Vec::new());
    for (name, given) in given {
        let Some(declared) = block.context.get(name) else {
            let problem = Problem::of(
                &block.file,
                format!("{name} was given, and is not declared"),
            );
            problems.push(problem.meant(name, block.context.keys().map(String::as_str)));
            continue;
        };
        match read_given(given) {
            Ok(mut value) => {
                if let Some(problem) = declared.mismatch(Some(&value)) {
                    problems.push(Problem::at(
                        &block.file,
                        declared.line,
                        format!("{name}: {problem}"),
                    ));
                }
                if let Some(fields) = block.fields.get(name) {
                    check_value(block, name, &value, fields, &mut problems);
                    fill_fields(&mut value, fields);
                }
                data.insert(name.clone(), value);
            }
            Err(problem) => problems.push(problem),
        }
    }
    Problems::none_in(problems)?;
    Ok(data)
}

fn read_given(given: &Given) -> Result<Value, Problem> {
    match given {
        Given::Value(value) => Ok(value.clone()),
        Given::Input => parse("standard input", &read_all(io::stdin(), "standard input")?),
        Given::File(path) => read_file(path, &path.display().to_string()),
    }
}

fn read_source(
    app: &App,
    name: &str,
    source: &Source,
    run: Run<'_>,
) -> Result<Option<Value>, Problem> {
    let blame =
        |problem: String| Problem::at(CONFIG, source.line, format!("context.{name}: {problem}"));
    if let Some(file) = &source.file {
        let path = inside(&app.folder, file).map_err(blame)?;
        return read_file(&path, file).map(Some);
    }
    let Some(command) = &source.command else {
        return Ok(None);
    };
    let words: Vec<_> = command.split_whitespace().collect();
    let written = run(&words).map_err(blame)?;
    let shown = format!("the output of {command:?}");
    parse(&shown, &written).map(Some)
}

/// Finds a file of the app, and none outside of it.
fn inside(folder: &Path, file: &str) -> Result<PathBuf, String> {
    let mut parts = Path::new(file).components();
    if !parts.all(|part| matches!(part, Component::Normal(_))) {
        return Err(format!("{file:?} leads out of the app"));
    }
    let real = |path: &Path| fs::canonicalize(path).map_err(|error| format!("{file}: {error}"));
    let path = real(&folder.join(file))?;
    if path.starts_with(real(folder)?) {
        Ok(path)
    } else {
        Err(format!("{file:?} leads out of the app"))
    }
}

fn read_file(path: &Path, shown: &str) -> Result<Value, Problem> {
    let file = fs::File::open(path).map_err(|error| Problem::of(shown, error.to_string()))?;
    parse(shown, &read_all(file, shown)?)
}

fn read_all(from: impl Read, shown: &str) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    let read = from.take(DATA_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| Problem::of(shown, error.to_string()))?;
    if bytes.len() as u64 > DATA_BYTES_MAX {
        return Err(Problem::of(
            shown,
            format!("larger than {DATA_BYTES_MAX} bytes"),
        ));
    }
    Ok(bytes)
}

fn parse(shown: &str, bytes: &[u8]) -> Result<Value, Problem> {
    serde_json::from_slice(bytes)
        .map_err(|error| Problem::at(shown, error.line(), format!("no JSON: {error}")))
}

/// Holds what there is against what the blocks of routes declare.
fn check(app: &App, data: &Data, problems: &mut Vec<Problem>) {
    for route in &app.routes {
        if let Some(block) = app.blocks.get(&route.block) {
            check_block(route, block, data, problems);
        }
    }
}

fn check_block(route: &Route, block: &Block, data: &Data, problems: &mut Vec<Problem>) {
    let mut blame = |declared: &Declared, problem: String| {
        problems.push(Problem::at(&block.file, declared.line, problem));
    };
    if let Some(each) = &route.each
        && !data.get(each).is_some_and(Value::is_array)
    {
        let problem = format!(
            "routes.{}.each: {each} is no list, or was not given: --context {each}=FILE",
            route.name
        );
        problems.push(Problem::at(CONFIG, route.line, problem));
        return;
    }
    for (name, declared) in block.context.iter().filter(|(name, _)| *name != ITEM) {
        match (data.get(name), declared.mismatch(data.get(name))) {
            (None, Some(_)) => blame(
                declared,
                format!("{name} was not given: --context {name}=FILE"),
            ),
            (_, Some(problem)) => blame(declared, format!("{name}: {problem}")),
            (_, None) => {}
        }
    }
    for (name, fields) in &block.fields {
        let of = if name == ITEM {
            route.each.as_ref().unwrap_or(name)
        } else {
            name
        };
        if let Some(value) = data.get(of) {
            check_value(block, of, value, fields, problems);
        }
    }
}

fn check_value(
    block: &Block,
    of: &str,
    value: &Value,
    fields: &Names,
    problems: &mut Vec<Problem>,
) {
    match value {
        Value::Array(items) => check_items(block, of, items, fields, problems),
        Value::Object(map) => check_fields(block, of, map, fields, problems),
        // What it should be is said where it is declared.
        _ => {}
    }
}

fn check_items(
    block: &Block,
    of: &str,
    items: &[Value],
    fields: &Names,
    problems: &mut Vec<Problem>,
) {
    for (field, declared) in fields {
        let wrong = items.iter().enumerate().filter_map(|(place, item)| {
            let problem = declared.mismatch(item.get(field))?;
            Some(format!("{of}[{place}].{field}: {problem}"))
        });
        let wrong: Vec<_> = wrong.collect();
        for problem in wrong.iter().take(NAMED_MAX) {
            problems.push(Problem::at(&block.file, declared.line, problem.clone()));
        }
        if wrong.len() > NAMED_MAX {
            let more = format!(
                "{of}[..].{field}: {} more like these",
                wrong.len() - NAMED_MAX
            );
            problems.push(Problem::at(&block.file, declared.line, more));
        }
    }
}

fn check_fields(
    block: &Block,
    of: &str,
    map: &Map<String, Value>,
    fields: &Names,
    problems: &mut Vec<Problem>,
) {
    for (field, declared) in fields {
        if let Some(problem) = declared.mismatch(map.get(field)) {
            problems.push(Problem::at(
                &block.file,
                declared.line,
                format!("{of}.{field}: {problem}"),
            ));
        }
    }
}

/// Puts null where something optional is not there, since blocks may ask for it.
fn fill(app: &App, data: &mut Data) {
    for block in app.blocks.values() {
        for (name, _) in block
            .context
            .iter()
            .filter(|(_, declared)| declared.optional)
        {
            data.entry(name.clone()).or_insert(Value::Null);
        }
    }
    for route in &app.routes {
        let Some(block) = app.blocks.get(&route.block) else {
            continue;
        };
        for (name, fields) in &block.fields {
            let of = if name == ITEM {
                route.each.as_ref().unwrap_or(name)
            } else {
                name
            };
            if let Some(value) = data.get_mut(of) {
                fill_fields(value, fields);
            }
        }
    }
}

fn fill_fields(value: &mut Value, fields: &Names) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| fill_fields(item, fields)),
        Value::Object(map) => {
            for (field, _) in fields.iter().filter(|(_, declared)| declared.optional) {
                map.entry(field.clone()).or_insert(Value::Null);
            }
        }
        _ => {}
    }
}
