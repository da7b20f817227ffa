//! `fastblocks.yaml`: what it may say, and what is wrong with what it says.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use layered_config::{FileError, Layer, Layers};

use super::{
    Access, App, CONFIG, PUBLIC,
    route::{METHODS, Route, check_path},
};
use crate::Problem;

const TOP: [&str; 5] = ["name", "about", "auth", "context", "routes"];
const OF_AUTH: [&str; 2] = ["roles", "default"];
const OF_CONTEXT: [&str; 3] = ["about", "file", "command"];
const OF_ROUTE: [&str; 6] = ["path", "block", "title", "access", "each", "methods"];

/// Where something of the context comes from, if nobody gives another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// What it is, in a line.
    pub about: String,
    /// A JSON file of the app.
    pub file: Option<String>,
    /// A program that writes JSON, and its arguments, with blanks between them.
    pub command: Option<String>,
    /// The line that says so.
    pub line: usize,
}

/// Reads the file; `None` where nothing of it can be read.
pub(super) fn read(folder: &Path, problems: &mut Vec<Problem>) -> Option<App> {
    let layer = match Layer::from_file(folder.join(CONFIG)) {
        Ok(layer) if layer.is_present() => layer,
        Ok(_) => {
            problems.push(Problem::of(CONFIG, "there is none"));
            return None;
        }
        Err(FileError::Content {
            line, key, reason, ..
        }) => {
            let key = key.map(|key| format!("{key}: ")).unwrap_or_default();
            problems.push(Problem::at(CONFIG, line, format!("{key}{reason}")));
            return None;
        }
        Err(error) => {
            problems.push(Problem::of(CONFIG, error.to_string()));
            return None;
        }
    };
    let mut reader = Reader {
        said: Said::of(&Layers::new().with(layer)),
        problems,
    };
    reader.unknown_keys();
    Some(reader.app(folder))
}

/// Keys, and their texts with lines.
struct Said(BTreeMap<String, (String, usize)>);

impl Said {
    fn of(layers: &Layers) -> Self {
        let keys = layers.keys().into_iter();
        Self(
            keys.filter_map(|key| {
                let said = layers.explain(key).into_iter().next()?;
                let line = said.origin.line().unwrap_or(0);
                Some((key.to_owned(), (said.text, line)))
            })
            .collect(),
        )
    }

    fn text(&self, key: &str) -> Option<(String, usize)> {
        self.0.get(key).cloned()
    }

    /// Gives the names below a key, each with its first line.
    fn names(&self, of: &str) -> BTreeMap<String, usize> {
        let mut names = BTreeMap::new();
        for (key, (_, line)) in &self.0 {
            let mut parts = key.split('.');
            if let (Some(first), Some(name), Some(_)) = (parts.next(), parts.next(), parts.next())
                && first == of
            {
                let first = names.entry(name.to_owned()).or_insert(*line);
                *first = (*first).min(*line);
            }
        }
        names
    }
}

struct Reader<'a> {
    said: Said,
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    fn app(&mut self, folder: &Path) -> App {
        let text = |key| self.said.text(key).map(|(text, _)| text);
        let (name, about) = (text("name"), text("about"));
        let roles = self.roles();
        let default_access = self
            .access("auth.default", &roles)
            .unwrap_or(Access::Public);
        let routes = self.routes(&roles, &default_access);
        App {
            folder: folder.to_owned(),
            name: name.unwrap_or_else(|| "an app".to_owned()),
            about: about.unwrap_or_default(),
            sources: self.sources(),
            roles,
            default_access,
            routes,
            blocks: BTreeMap::new(),
            assets: BTreeMap::new(),
        }
    }

    fn blame(&mut self, line: usize, problem: impl Into<String>) {
        self.problems.push(Problem::at(CONFIG, line, problem));
    }

    fn unknown_keys(&mut self) {
        for (key, (_, line)) in &self.said.0 {
            let parts: Vec<_> = key.split('.').collect();
            let (typed, known): (&str, &[&str]) = match parts.as_slice() {
                ["name" | "about"] => continue,
                ["auth", key] if OF_AUTH.contains(key) => continue,
                ["context", _, key] if OF_CONTEXT.contains(key) => continue,
                ["routes", _, key] if OF_ROUTE.contains(key) => continue,
                ["auth", key, ..] => (key, &OF_AUTH),
                ["context", _, key, ..] => (key, &OF_CONTEXT),
                ["routes", _, key, ..] => (key, &OF_ROUTE),
                [first, ..] => (first, &TOP),
                [] => continue,
            };
            let problem = Problem::at(CONFIG, *line, format!("unknown key {key}"));
            let meant = known.iter().copied().filter(|known| *known != typed);
            self.problems.push(problem.meant(typed, meant));
        }
    }

    fn roles(&mut self) -> Vec<String> {
        let Some((text, line)) = self.said.text("auth.roles") else {
            return Vec::new();
        };
        let mut roles = BTreeSet::new();
        for role in text.split(',').filter(|role| !role.is_empty()) {
            let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            if role == PUBLIC || !role.chars().all(is_name) {
                self.blame(line, format!("auth.roles: {role:?} is no name for a role"));
            } else if !roles.insert(role.to_owned()) {
                self.blame(line, format!("auth.roles: {role} is there twice"));
            }
        }
        roles.into_iter().collect()
    }

    fn access(&mut self, key: &str, roles: &[String]) -> Option<Access> {
        let (text, line) = self.said.text(key)?;
        match Access::read(&text, roles) {
            Ok(access) => Some(access),
            Err(stranger) => {
                let problem = match stranger.as_str() {
                    "" => format!("{key}: nobody is named"),
                    PUBLIC => format!("{key}: public stands alone"),
                    _ => format!("{key}: unknown role {stranger}; auth.roles says which there are"),
                };
                let known = roles.iter().map(String::as_str).chain([PUBLIC]);
                let problem = Problem::at(CONFIG, line, problem);
                self.problems.push(if stranger == PUBLIC {
                    problem
                } else {
                    problem.meant(&stranger, known)
                });
                // Who may see it is not known, so nobody may.
                Some(Access::Roles(BTreeSet::new()))
            }
        }
    }

    fn sources(&mut self) -> BTreeMap<String, Source> {
        let mut sources = BTreeMap::new();
        for (name, line) in self.said.names("context") {
            let text = |key: &str| {
                self.said
                    .text(&format!("context.{name}.{key}"))
                    .map(|(text, _)| text)
            };
            let source = Source {
                about: text("about").unwrap_or_default(),
                file: text("file"),
                command: text("command"),
                line,
            };
            if source.file.is_some() && source.command.is_some() {
                self.blame(
                    line,
                    format!("context.{name}: either file or command, not both"),
                );
            }
            sources.insert(name, source);
        }
        sources
    }

    fn routes(&mut self, roles: &[String], default: &Access) -> Vec<Route> {
        let mut routes: Vec<Route> = Vec::new();
        for (name, first_line) in self.said.names("routes") {
            let text = |key: &str| self.said.text(&format!("routes.{name}.{key}"));
            let (path, block) = (text("path"), text("block"));
            let (title, each, methods) = (text("title"), text("each"), text("methods"));
            for (key, said) in [("path", &path), ("block", &block)] {
                if said.is_none() {
                    self.blame(first_line, format!("routes.{name}: {key} is missing"));
                }
            }
            if let Some((methods, line)) = methods {
                self.check_methods(&name, &methods, line);
            }
            let access = self.access(&format!("routes.{name}.access"), roles);
            let Some((path, line)) = path else { continue };
            // Without a block it is still a route that others link to.
            let (block, block_line) = block.unwrap_or_default();
            let route = Route {
                title: title.map_or_else(|| name.clone(), |(title, _)| title),
                each: each.map(|(each, _)| each),
                access: access.unwrap_or_else(|| default.clone()),
                name,
                path,
                block,
                line,
                block_line,
            };
            self.check_route(&route);
            routes.push(route);
        }
        routes.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
        self.twice(&routes);
        routes
    }

    fn check_methods(&mut self, name: &str, methods: &str, line: usize) {
        for method in methods
            .split(',')
            .filter(|method| !METHODS.contains(method))
        {
            let known = METHODS.join(" and ");
            self.blame(
                line,
                format!("routes.{name}.methods: a static site answers {known}, not {method:?}"),
            );
        }
    }

    fn check_route(&mut self, route: &Route) {
        let Route {
            name, path, line, ..
        } = route;
        if let Err(problem) = check_path(path) {
            self.blame(
                *line,
                format!("routes.{name}.path: {problem}, found {path:?}"),
            );
        }
        match (&route.each, route.fields().is_empty()) {
            (Some(each), true) => self.blame(
                *line,
                format!("routes.{name}.path: a page of each of {each} needs a field in its path, such as {{id}}"),
            ),
            (None, false) => self.blame(
                *line,
                format!("routes.{name}.path: it has fields, but no `each` says of what"),
            ),
            (Some(_), false) | (None, true) => {}
        }
    }

    /// Finds routes with the same path; they stand beside each other, the first line first.
    fn twice(&mut self, routes: &[Route]) {
        for pair in routes.windows(2) {
            let [first, second] = pair else { continue };
            if first.path == second.path {
                let (name, line) = (&second.name, first.line);
                self.blame(
                    second.line,
                    format!(
                        "routes.{name}.path: {} is already that of {} on line {line}",
                        second.path, first.name
                    ),
                );
            }
        }
    }
}
