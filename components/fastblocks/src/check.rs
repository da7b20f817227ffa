//! What can be known of an app without its data: blocks, routes and links that fit together.

mod template;

use std::collections::BTreeSet;

use crate::{
    App, Problem,
    app::{Block, CONFIG, Route},
    engine, html,
};

/// The name of what a page of each item is given.
pub(crate) const ITEM: &str = "item";

/// Finds what is wrong with an app.
pub(crate) fn check(app: &App, problems: &mut Vec<Problem>) {
    for route in &app.routes {
        check_route(app, route, problems);
    }
    for (name, source) in &app.sources {
        if name == ITEM || engine::GLOBALS.contains(&name.as_str()) {
            let problem = format!("context.{name}: every block has a {name} of its own");
            problems.push(Problem::at(CONFIG, source.line, problem));
        }
    }
    let known = engine::Known::new();
    for block in app.blocks.values() {
        template::check(app, block, &known, problems);
        check_literal_links(app, block, problems);
    }
}

fn check_route(app: &App, route: &Route, problems: &mut Vec<Problem>) {
    let name = &route.name;
    if let Some(each) = &route.each
        && !app.sources.contains_key(each)
    {
        let problem = format!("routes.{name}.each: there is no context.{each}");
        let known = app.sources.keys().map(String::as_str);
        problems.push(Problem::at(CONFIG, route.line, problem).meant(each, known));
    }
    if route.block.is_empty() {
        // That it is missing was told.
        return;
    }
    let Some(block) = app.blocks.get(&route.block) else {
        let problem = format!("routes.{name}.block: unknown block {}", route.block);
        let known = app.blocks.keys().map(String::as_str);
        problems.push(Problem::at(CONFIG, route.block_line, problem).meant(&route.block, known));
        return;
    };
    for (given, declared) in &block.context {
        let has = app.sources.contains_key(given) || (given == ITEM && route.each.is_some());
        if !has && !declared.optional {
            let problem =
                format!("nobody gives {given} to route {name}: {CONFIG} has no context.{given}");
            let known = app.sources.keys().map(String::as_str);
            problems.push(Problem::at(&block.file, declared.line, problem).meant(given, known));
        }
    }
    if let Some(fields) = block.fields.get(ITEM) {
        for field in route
            .fields()
            .into_iter()
            .filter(|field| !fields.contains_key(*field))
        {
            let problem = format!(
                "routes.{name}.path: {} declares no field {field} of {ITEM}",
                block.file
            );
            let known = fields.keys().map(String::as_str);
            problems.push(Problem::at(CONFIG, route.line, problem).meant(field, known));
        }
    }
}

/// Checks the links that stand in a template as they are. Those that are made of data are checked on the page.
fn check_literal_links(app: &App, block: &Block, problems: &mut Vec<Problem>) {
    let source = html::without_templating(&block.source);
    let paths: BTreeSet<_> = app.routes.iter().map(|route| route.path.as_str()).collect();
    for link in html::links(&source) {
        let path = link.value.split(['?', '#']).next().unwrap_or_default();
        let is_literal = path.starts_with('/') && !path.starts_with("//");
        if !is_literal || link.value.contains(html::HOLE) {
            continue;
        }
        let is_page = paths.contains(path) || app.routes.iter().any(|route| may_be(route, path));
        if !is_page && !app.assets.contains_key(path) {
            let line = block.line(1 + source[..link.raw.start].matches('\n').count());
            let known = paths
                .iter()
                .copied()
                .chain(app.assets.keys().map(String::as_str));
            let problem = Problem::at(
                &block.file,
                line,
                format!("dead link: {path} is no route and no file"),
            );
            problems.push(problem.meant(path, known));
        }
    }
}

/// Tells whether a path may be one of the pages of a route that has one for each item.
fn may_be(route: &Route, path: &str) -> bool {
    let (pattern, path): (Vec<_>, Vec<_>) =
        (route.path.split('/').collect(), path.split('/').collect());
    route.each.is_some()
        && pattern.len() == path.len()
        && pattern
            .iter()
            .zip(&path)
            .all(|(pattern, part)| pattern == part || pattern.starts_with('{'))
}
