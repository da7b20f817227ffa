//! Helpers that look: routes, who may see what, what is wrong.

use admin_shell::{Cell, Column, Context, HelperError, Kind, Record, Table};
use serde_json::{Value, json};

use super::{
    app::{count, failed, folder_of, look, progress, run},
    given,
};
use crate::{Access, App, BuildError, METHODS, PUBLIC, Problem, gather, rehearse};

pub(super) fn routes(context: &Context, app: Option<String>) -> Result<Table, HelperError> {
    let app = look(context, app)?;
    let columns = [
        Column::new("path", "Path"),
        Column::new("methods", "Methods"),
        Column::new("block", "Block"),
        Column::new("access", "Access"),
        Column::new("each", "Each").dispensable(2),
        Column::new("name", "Name").dispensable(1),
        Column::new("title", "Title").dispensable(3),
    ];
    let mut table = Table::new(columns, "no routes");
    for route in &app.routes {
        table.push([
            route.path.clone().into(),
            Cell::shown_as(json!(METHODS), METHODS.join(" ")),
            route.block.clone().into(),
            route.access.to_string().into(),
            route.each.clone().into(),
            route.name.clone().into(),
            route.title.clone().into(),
        ]);
    }
    Ok(table)
}

pub(super) fn auth(context: &Context, app: Option<String>) -> Result<Table, HelperError> {
    let app = look(context, app)?;
    let mut columns = vec![
        Column::new("path", "Path"),
        Column::new("name", "Name").dispensable(1),
        Column::new(PUBLIC, PUBLIC),
    ];
    columns.extend(app.roles.iter().map(|role| Column::new(role, role)));
    let mut table = Table::new(columns, "no routes");
    for route in &app.routes {
        let roles = std::iter::once(None).chain(app.roles.iter().map(|role| Some(role.as_str())));
        let mut row: Vec<Cell> = vec![route.path.clone().into(), route.name.clone().into()];
        row.extend(roles.map(|role| {
            let may = route.access.admits(role);
            Cell::shown_as(may, if may { "yes" } else { "no" })
        }));
        table.push(row);
    }
    Ok(table)
}

/// Tells whether pages are restricted, as the app says now, or why that cannot be told.
pub(super) fn auth_now() -> Record {
    let app = folder_of(None).and_then(|folder| Ok(App::look(&folder)?));
    let (app, problems) = match app {
        Ok(looked) => looked,
        Err(error) => return Record::new().field("problem", "Unknown", error.to_string()),
    };
    let routes = app.routes.iter();
    let restricted = routes
        .filter(|route| route.access != Access::Public)
        .count();
    Record::new()
        .field("enabled", "Enabled", restricted > 0)
        .field("type", "Type", "roles")
        .field("roles", "Roles", app.roles.clone())
        .field("default_access", "Default", app.default_access.to_string())
        .field("restricted", "Restricted", restricted)
        .field("public", "Public", app.routes.len() - restricted)
        .field("problems", "Problems", problems.len())
}

pub(super) fn check(
    context: &Context,
    given: Value,
    app: Option<String>,
) -> Result<Table, HelperError> {
    let givens = given::read(given)?;
    let folder = folder_of(app)?;
    let (app, mut problems) = match App::look(&folder) {
        Ok((app, problems)) => (Some(app), problems),
        Err(problems) => (None, problems.0),
    };
    let mut pages = "";
    if let Some(app) = app.as_ref().filter(|_| problems.is_empty()) {
        let missing: Vec<_> = app
            .sources
            .iter()
            .filter(|(name, source)| {
                source.file.is_none() && source.command.is_none() && !givens.contains_key(*name)
            })
            .map(|(name, _)| name.as_str())
            .collect();
        if missing.is_empty() {
            match gather(app, &givens, &mut |words| run(context, words)) {
                Ok(data) => match rehearse(app, &data, &mut progress(context, "checking")) {
                    Err(BuildError::App(found)) => problems = found.0,
                    Err(error) => return Err(failed(context, error)),
                    Ok(()) => pages = ", each page shown to each role",
                },
                Err(found) => problems = found.0,
            }
        } else {
            let name = missing.join(", ");
            context.tell(format_args!(
                "note: {name} was not given, so no page was shown; --context NAME=FILE gives it"
            ));
        }
    }
    if !problems.is_empty() {
        context.set_exit_code(1);
    }
    let valid = app.map(|app| {
        let (blocks, routes) = (app.blocks.len(), app.routes.len());
        format!(
            "nothing is wrong: {}, {}, {}{pages}",
            count(routes, "route"),
            count(blocks, "block"),
            count(app.assets.len(), "file")
        )
    });
    Ok(problem_table(problems, valid.unwrap_or_default()))
}

fn problem_table(problems: Vec<Problem>, empty: String) -> Table {
    let columns = [
        Column::new("file", "File"),
        Column::new("line", "Line").kind(Kind::Number),
        Column::new("problem", "Problem"),
        Column::new("suggestion", "Meant?"),
    ];
    let mut table = Table::new(columns, empty);
    for problem in problems {
        table.push([
            problem.file.into(),
            problem.line.into(),
            problem.problem.into(),
            problem.suggestion.into(),
        ]);
    }
    table
}
