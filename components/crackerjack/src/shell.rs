//! Crackerjack's shell and program: the same helpers in both.

mod checks;
mod looks;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use admin_shell::{AdminShell, Builder, Context, HelperError, Program, Table};

use crate::{
    finder::Finder,
    project::Project,
    settings::Settings,
    tools::{self, Chosen, Role},
    version::Versions,
};

/// What `crack()` runs, in this order: what is soon known first.
const ALL: [Role; 5] = [
    Role::Lint,
    Role::Format,
    Role::Typecheck,
    Role::Scan,
    Role::Test,
];

/// Makes the program.
pub fn program() -> Program {
    shell()
        .program("Finds out what a project is, and runs its real tools with streamed output and a verdict")
        .parameter("path", "The project, or a folder in it")
        .parameter("stop_on_first", "End with the first tool that does not pass")
        .parameter("timeout", "How long each tool may run, such as 90s [default: the project's, else 10m]")
        .parameter("yes", "Change the files without asking")
        .example("crackerjack crack")
        .example("crackerjack test --path ../api --timeout 5m --format json")
        .example("crackerjack format-code --yes")
}

/// Makes the shell.
pub fn shell() -> Builder {
    let versions = Arc::new(Versions::default());
    // A shell opens whatever its folder is, and at once.
    let here = Project::around(Path::new("."));
    let builder = AdminShell::builder("crackerjack", env!("CARGO_PKG_VERSION"))
        .title("Crackerjack, quality checks of a project")
        .adapters(here.as_ref().map(present).unwrap_or_default())
        .metadata("component_type", "inspector");
    let builder = match &here {
        Some(project) => builder.metadata("project_root", project.root.display().to_string()),
        None => builder,
    };
    builder
        .helper(
            "crack(path=\".\", stop_on_first=false, timeout=none) - run all checks of a project: lint, format, typecheck, scan, test",
            |context: &Context, path, stop: bool, timeout| checks::run(context, path, &ALL, stop, timeout),
        )
        .helper(
            "test(path=\".\", timeout=none) - run the tests of a project",
            |context: &Context, path, timeout| checks::run(context, path, &[Role::Test], false, timeout),
        )
        .helper(
            "lint(path=\".\", timeout=none) - find what is written badly, or not laid out as agreed",
            |context: &Context, path, timeout| checks::run(context, path, &[Role::Lint, Role::Format], false, timeout),
        )
        .helper(
            "scan(path=\".\", timeout=none) - find what is known to be unsafe",
            |context: &Context, path, timeout| checks::run(context, path, &[Role::Scan], false, timeout),
        )
        .helper(
            "format_code(path=\".\", yes=false, timeout=none) - show what the formatters would change, ask, and change it",
            checks::format_code,
        )
        .helper(
            "typecheck(path=\".\", timeout=none) - find types that do not fit",
            |context: &Context, path, timeout| checks::run(context, path, &[Role::Typecheck], false, timeout),
        )
        .helper(
            "show_adapters(path=\".\") - show the tools of a project, where they are and in which version",
            move |context: &Context, path| looks::adapters(context, path, &versions),
        )
        .helper(
            "show_hooks(path=\".\") - show what runs at commits, and whether it is installed",
            looks::hooks,
        )
        .helper(
            "show_project(path=\".\") - show what a project is, and how that is known",
            looks::project,
        )
        .object("config", "the settings of the project, and who says so", || {
            Site::at(".".to_owned(), None).map(|site| looks::settings(&site.settings))
        })
}

/// A project with its settings: what a helper looks at.
struct Site {
    project: Project,
    settings: Settings,
}

impl Site {
    fn at(path: String, timeout: Option<String>) -> Result<Self, HelperError> {
        let found = Project::find(&PathBuf::from(&path));
        let found =
            found.map_err(|error| HelperError::new(format!("cannot look at {path}: {error}")))?;
        let project = found.ok_or_else(|| {
            HelperError::new(format!("there is no project in {path}, around it or below it"))
                .hint("Cargo.toml, pyproject.toml, setup.py, setup.cfg, requirements.txt, package.json or go.mod make one")
        })?;
        let variable = |name: &str| std::env::var_os(name);
        let settings = Settings::read(&project.root, variable, &[("timeout", timeout)])?;
        Ok(Self { project, settings })
    }

    /// Gives the tools of all parts that have one of these roles, role by role, each with where it is looked for.
    fn tools(&self, roles: &[Role]) -> Vec<(Chosen<'_>, Finder)> {
        let parts = self.project.parts.iter();
        let all = parts.flat_map(|part| {
            let finder = Finder::of(&part.folder, &self.project.root);
            let chosen = tools::choose(part, &self.settings).into_iter();
            chosen.map(move |chosen| (chosen, finder.clone()))
        });
        let all: Vec<_> = all.collect();
        let mut by_role = Vec::new();
        for role in roles {
            let of_role = all.iter().filter(|(chosen, _)| chosen.tool.role == *role);
            by_role.extend(of_role.cloned());
        }
        by_role
    }
}

/// Gives the names of the tools that are there.
fn present(project: &Project) -> Vec<String> {
    let variable = |_: &str| None;
    let Ok(settings) = Settings::read(&project.root, variable, &[]) else {
        return Vec::new();
    };
    let site = Site {
        project: project.clone(),
        settings,
    };
    let there = |(chosen, finder): &(Chosen<'_>, Finder)| {
        finder.find(&chosen.program, &chosen.part.folder).is_some()
    };
    let tools = site.tools(&ALL).into_iter().filter(there);
    tools
        .map(|(chosen, _)| chosen.tool.name.to_owned())
        .collect()
}

/// Gives a folder as it looks from the root of its project.
fn below(root: &Path, folder: &Path) -> String {
    let below = folder.strip_prefix(root).unwrap_or(folder);
    let below = below.display().to_string();
    if below.is_empty() {
        ".".to_owned()
    } else {
        below
    }
}

/// What every helper gives that shows something.
type Shown = Result<Table, HelperError>;
