//! Helpers that only look.

use std::path::PathBuf;

use admin_shell::{Column, Context, HelperError, Kind, Table};

use super::{ALL, Shown, Site, below};
use crate::{
    finder::Finder,
    hooks::{self, Hook},
    settings::Settings,
    tools::Chosen,
    version::Versions,
};

/// Shows the tools of a project.
pub(super) fn adapters(context: &Context, path: String, versions: &Versions) -> Shown {
    let site = Site::at(path, None)?;
    let tools = site.tools(&ALL);
    let place =
        |(chosen, finder): &(Chosen<'_>, Finder)| finder.find(&chosen.program, &chosen.part.folder);
    let places: Vec<Option<PathBuf>> = tools.iter().map(place).collect();
    let there: Vec<_> = tools
        .iter()
        .map(|(chosen, finder)| (chosen, finder))
        .collect();
    let count = places.iter().flatten().count();
    context.tell(format_args!("── asking {count} tools for their versions"));
    let answers = versions.ask(context, &there);
    let columns = [
        Column::new("tool", "Tool"),
        Column::new("kind", "Kind"),
        Column::new("role", "Role"),
        Column::new("state", "State"),
        Column::new("version", "Version"),
        Column::new("path", "Path").dispensable(1),
        Column::new("install", "Install with"),
        Column::new("folder", ""),
        Column::new("command", ""),
    ];
    let mut table = Table::new(columns, "no tools");
    for (((chosen, _), place), version) in tools.iter().zip(places).zip(answers) {
        // A program that says no version is a promise of rustup's, or broken.
        let state = match (&place, &version) {
            _ if chosen.disabled => "switched off",
            (None, _) => "missing",
            (Some(_), None) => "silent",
            (Some(_), Some(_)) => "there",
        };
        let install = matches!(state, "missing" | "silent").then(|| chosen.install.clone());
        table.push([
            chosen.tool.name.into(),
            chosen.part.kind.word().into(),
            chosen.tool.role.word().into(),
            state.into(),
            version.into(),
            place.map(|place| place.display().to_string()).into(),
            install.into(),
            below(&site.project.root, &chosen.part.folder).into(),
            chosen.command.join(" ").into(),
        ]);
    }
    Ok(table)
}

/// Shows what runs at commits.
pub(super) fn hooks(path: String) -> Shown {
    let site = Site::at(path, None)?;
    let columns = [
        Column::new("hook", "Hook"),
        Column::new("stage", "Stage"),
        Column::new("installed", "Runs"),
        Column::new("command", "Command"),
        Column::new("source", "Said by"),
    ];
    let mut table = Table::new(
        columns,
        "no hooks: neither in .pre-commit-config.yaml nor in Git's folder of hooks",
    );
    for hook in hooks::find(&site.project.root)? {
        let Hook {
            name,
            stage,
            command,
            source,
            installed,
        } = hook;
        let runs = if installed { "yes" } else { "no" };
        table.push([
            name.into(),
            stage.into(),
            runs.into(),
            command.into(),
            source.into(),
        ]);
    }
    Ok(table)
}

/// Shows what a project is.
pub(super) fn project(path: String) -> Result<Table, HelperError> {
    let site = Site::at(path, None)?;
    let columns = [
        Column::new("kind", "Kind"),
        Column::new("folder", "Folder"),
        Column::new("evidence", "Known by"),
        Column::new("detail", "Is"),
        Column::new("root", ""),
    ];
    let mut table = Table::new(columns, "no project");
    for part in &site.project.parts {
        table.push([
            part.kind.word().into(),
            below(&site.project.root, &part.folder).into(),
            part.evidence.join(", ").into(),
            part.detail.clone().into(),
            site.project.root.display().to_string().into(),
        ]);
    }
    Ok(table)
}

/// Shows settings.
pub(super) fn settings(settings: &Settings) -> Table {
    let columns = [
        Column::new("key", "Key"),
        Column::new("value", "Value"),
        Column::new("origin", "Said by"),
        Column::new("beats", "Beats").kind(Kind::Number),
    ];
    let mut table = Table::new(columns, "no settings");
    let layers = settings.layers();
    for key in layers.keys() {
        let said = layers.explain(key);
        if let Some(winner) = said.first() {
            let (value, origin) = (winner.text.clone(), winner.origin.to_string());
            table.push([
                key.into(),
                value.into(),
                origin.into(),
                (said.len() - 1).into(),
            ]);
        }
    }
    table
}
