//! Oneiric's shell and program: the same helpers in both.

use std::path::PathBuf;

use admin_shell::{AdminShell, Builder, Column, Context, HelperError, Kind, Program, Table};
use layered_config::{Origin, Problem};

use crate::{
    Component, Stack, State, Surroundings,
    component::OWN,
    memory::{self, Compared},
};

/// Makes the program.
pub fn program() -> Program {
    shell()
        .program("Where each setting of a component comes from, what it beat, whether it is valid, and what changed")
        .parameter("key", "The setting, such as port or api.token")
        .parameter("component", "The component [default: Oneiric's own setting `component`]")
        .parameter("project", "Where to look for `settings` [default: here and outwards]")
        .parameter("set", "Count KEY=TEXT as a flag of the component; may be given again")
        .group("config", "Look at the configuration of a component")
        .also("config layers", "show_layers")
        .also("config show", "show_config")
        .also("config explain", "explain")
        .also("config validate", "validate_config")
        .also("config changes", "reload_settings")
        .example("oneiric config layers --component session-buddy")
        .example("oneiric config explain port --component session-buddy --set port=9000")
        .example("oneiric config validate --component session-buddy --format json")
}

/// Makes the shell.
pub fn shell() -> Builder {
    AdminShell::builder("oneiric", env!("CARGO_PKG_VERSION"))
        .title("Oneiric, layered configuration made visible")
        .adapters(["defaults", "files", "environment", "flags"])
        .metadata("component_type", "foundation")
        .helper(
            "show_layers(component=none, project=none, set=[]) - show each layer: where it is, whether it is there, how many keys it sets and wins",
            show_layers,
        )
        .helper(
            "show_config(component=none, project=none, set=[]) - show each setting, and who says so",
            show_config,
        )
        .helper(
            "explain(key, component=none, project=none, set=[]) - show what wins a setting, and what it beat",
            explain,
        )
        .helper(
            "validate_config(component=none, project=none, set=[]) - find what is wrong in files and variables: file, line, key",
            validate_config,
        )
        .helper(
            "reload_settings(component=none, project=none) - read all layers again, and show what has changed since the last time",
            reload_settings,
        )
        .object("config", "the settings of the component, as show_config() has them", || {
            Look::at(None, None, &[]).map(|look| settings(&look.stack))
        })
}

/// What a helper looks at.
struct Look {
    component: Component,
    surroundings: Surroundings,
    stack: Stack,
}

impl Look {
    fn at(
        component: Option<String>,
        project: Option<String>,
        set: &[String],
    ) -> Result<Self, HelperError> {
        let surroundings = Surroundings::of_this_process(project.map(PathBuf::from));
        let name = match component {
            Some(name) => name,
            None => usual_component(&surroundings)?,
        };
        let component = Component::find(&name, &surroundings)?;
        let set = set.iter().map(|set| pair(set));
        let set = set.collect::<Result<Vec<_>, _>>()?;
        let stack = Stack::read(&component, &surroundings, &set);
        Ok(Self {
            component,
            surroundings,
            stack,
        })
    }

    /// Says what cannot be told of a component whose settings nobody has declared.
    fn note_undeclared(&self, context: &Context) {
        let Component {
            name,
            project,
            declared,
            ..
        } = &self.component;
        if declared.is_none() {
            let file = project.join("settings").join(format!("{name}.schema.yaml"));
            let hint = format!("{} would", file.display());
            context.tell(format_args!(
                "note: nobody declares the settings of {name}, so there are no defaults, and unknown keys are not noticed; {}",
                admin_shell::output::one_line(&hint)
            ));
        }
    }
}

/// Gives the component that is looked at when none is named: Oneiric's own setting.
fn usual_component(surroundings: &Surroundings) -> Result<String, HelperError> {
    let own = Component::find(OWN, surroundings)?;
    let stack = Stack::read(&own, surroundings, &[]);
    let said = stack.layers().get::<String>("component")?;
    Ok(said.map_or_else(|| OWN.to_owned(), |said| said.value))
}

fn pair(set: &str) -> Result<(String, String), HelperError> {
    let pair = set
        .split_once('=')
        .filter(|(key, _)| !key.trim().is_empty());
    let (key, text) = pair.ok_or_else(|| {
        HelperError::new(format!("set: KEY=TEXT is expected, found {set:?}")).exit_code(2)
    })?;
    Ok((key.trim().to_owned(), text.to_owned()))
}

fn show_layers(
    context: &Context,
    component: Option<String>,
    project: Option<String>,
    set: Vec<String>,
) -> Result<Table, HelperError> {
    let look = Look::at(component, project, &set)?;
    look.note_undeclared(context);
    let columns = [
        Column::new("layer", "Layer"),
        Column::new("path", "Path"),
        Column::new("present", "There"),
        Column::new("keys", "Keys").kind(Kind::Number),
        Column::new("wins", "Wins").kind(Kind::Number),
        Column::new("problem", "Problem").dispensable(1),
    ];
    let mut table = Table::new(columns, "no layers");
    for level in look.stack.levels() {
        let (present, problem) = match &level.state {
            State::Present => ("yes", None),
            State::Absent => ("no", None),
            State::Refused(why) => ("refused", Some(why.clone())),
        };
        table.push([
            level.name.into(),
            level.place.clone().into(),
            present.into(),
            level.keys.into(),
            level.wins.into(),
            problem.into(),
        ]);
    }
    Ok(table)
}

fn show_config(
    context: &Context,
    component: Option<String>,
    project: Option<String>,
    set: Vec<String>,
) -> Result<Table, HelperError> {
    let look = Look::at(component, project, &set)?;
    look.note_undeclared(context);
    Ok(settings(&look.stack))
}

/// Lists the settings: those that are set, and those that may be.
fn settings(stack: &Stack) -> Table {
    let columns = [
        Column::new("key", "Key"),
        Column::new("value", "Value"),
        Column::new("origin", "Said by"),
        Column::new("beats", "Beats")
            .kind(Kind::Number)
            .dispensable(1),
        Column::new("about", "Is").dispensable(2),
    ];
    let mut table = Table::new(columns, "no settings");
    for key in stack.keys() {
        let said = stack.layers().explain(key);
        let winner = said.first();
        let about = stack
            .declaration(key)
            .map(|declared| declared.about.clone());
        table.push([
            key.into(),
            winner.map(|winner| winner.text.clone()).into(),
            winner.map(|winner| winner.origin.to_string()).into(),
            said.len().saturating_sub(1).into(),
            about.filter(|about| !about.is_empty()).into(),
        ]);
    }
    table
}

fn explain(
    context: &Context,
    key: String,
    component: Option<String>,
    project: Option<String>,
    set: Vec<String>,
) -> Result<Table, HelperError> {
    let look = Look::at(component, project, &set)?;
    let name = &look.component.name;
    let said = look.stack.layers().explain(&key);
    let declared = look.stack.declaration(&key);
    if said.is_empty() && declared.is_none() {
        let error = HelperError::new(format!("{name} has no setting {key}"));
        return Err(match look.stack.similar(&key) {
            Some(similar) => error.hint(format!("did you mean {similar}?")),
            None => error.hint("show_config() and `oneiric config show` list what there is"),
        });
    }
    if let Some(declared) = declared {
        let about = if declared.about.is_empty() { "" } else { ": " };
        let line = format!("{key}{about}{}; {}", declared.about, declared.kind);
        context.tell(admin_shell::output::one_line(&line));
    }
    let columns = [
        Column::new("standing", "Standing"),
        Column::new("value", "Value"),
        Column::new("origin", "Said by"),
        Column::new("path", ""),
        Column::new("line", ""),
    ];
    let mut table = Table::new(columns, "nobody sets it, and it has no default");
    for (place, said) in said.into_iter().enumerate() {
        let standing = if place == 0 { "wins" } else { "beaten" };
        let (path, line) = place_of(&said.origin);
        table.push([
            standing.into(),
            said.text.into(),
            said.origin.to_string().into(),
            path.into(),
            line.into(),
        ]);
    }
    Ok(table)
}

fn validate_config(
    context: &Context,
    component: Option<String>,
    project: Option<String>,
    set: Vec<String>,
) -> Result<Table, HelperError> {
    let look = Look::at(component, project, &set)?;
    look.note_undeclared(context);
    let problems = look.stack.problems();
    if !problems.is_empty() {
        context.set_exit_code(1);
    }
    let columns = [
        Column::new("file", "File"),
        Column::new("line", "Line").kind(Kind::Number),
        Column::new("key", "Key"),
        Column::new("problem", "Problem"),
        Column::new("suggestion", "Meant?"),
    ];
    let read = look.stack.levels().iter();
    let read = read.filter(|level| level.state == State::Present).count();
    let keys = look.stack.layers().keys().len();
    let valid = format!(
        "valid: {keys} settings in {read} layers of {}",
        look.component.name
    );
    let mut table = Table::new(columns, valid);
    for Problem {
        origin,
        key,
        problem,
        suggestion,
    } in problems
    {
        let (file, line) = place_of(&origin);
        let file = file.unwrap_or_else(|| origin.to_string());
        table.push([
            file.into(),
            line.filter(|line| *line > 0).into(),
            Some(key).filter(|key| !key.is_empty()).into(),
            problem.into(),
            suggestion.into(),
        ]);
    }
    Ok(table)
}

fn reload_settings(
    context: &Context,
    component: Option<String>,
    project: Option<String>,
) -> Result<Table, HelperError> {
    let look = Look::at(component, project, &[])?;
    for problem in look.stack.problems() {
        let line = admin_shell::output::one_line(&problem.to_string()).into_owned();
        context.tell(format_args!("note: {line}"));
    }
    let name = &look.component.name;
    let columns = [
        Column::new("key", "Key"),
        Column::new("change", "Change"),
        Column::new("before", "Before"),
        Column::new("after", "After"),
        Column::new("origin_before", "Said by then").dispensable(1),
        Column::new("origin_after", "Said by now"),
    ];
    let (changes, empty) = match memory::compare(&look.component, &look.surroundings, &look.stack)?
    {
        Compared::First(keys) => (
            Vec::new(),
            format!("the first look at {name}: {keys} settings are remembered"),
        ),
        Compared::Since(changes) => (changes, format!("nothing has changed in {name}")),
    };
    let mut table = Table::new(columns, empty);
    for change in changes {
        let (before, origin_before) = change.before.unzip();
        let (after, origin_after) = change.after.unzip();
        table.push([
            change.key.into(),
            change.what.word().into(),
            before.into(),
            after.into(),
            origin_before.into(),
            origin_after.into(),
        ]);
    }
    Ok(table)
}

/// Gives the file and the line of an origin, for programs.
fn place_of(origin: &Origin) -> (Option<String>, Option<usize>) {
    match origin {
        Origin::File { path, line } => (Some(path.display().to_string()), Some(*line)),
        Origin::Default | Origin::Environment { .. } | Origin::Flag { .. } => (None, None),
    }
}
