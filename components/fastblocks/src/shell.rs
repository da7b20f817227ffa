//! FastBlocks' shell and program: the same helpers in both.

mod given;

use std::{
    fmt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use admin_shell::{
    AdminShell, Builder, Cell, Column, Context, End, HelperError, Kind, Program, Record, Reply,
    Stream, Table, output::one_line,
};
use serde_json::{Value, json};

use crate::{
    Access, App, BuildError, Built, CONFIG, Data, METHODS, PUBLIC, Problem, Problems, Site, build,
    gather, rehearse,
    scaffold::{self, ScaffoldError},
    serve::{self, News, Served},
};
use given::Givens;

/// Where `serve` listens if nobody says where.
const PORT: &str = "8765";
/// The folder of a site if nobody says which: beside `blocks`.
const SITE: &str = "site";
/// How long a program may take that data comes from: 5 minutes, as a query over years of sessions may.
const COMMAND_TIME_MAX: Duration = Duration::from_mins(5);
/// When a long build tells first how far it is, and how often then.
const FIRST_PROGRESS: Duration = Duration::from_millis(150);
const PROGRESS: Duration = Duration::from_secs(1);

/// Makes the program.
pub fn program() -> Program {
    shell()
        .program("Builds a checked static site from a folder of blocks, routes and static files")
        .parameter("block", "The block, such as pages/overview")
        .parameter("folder", "The folder of the new app")
        .parameter("app", "The folder of the app [default: here and outwards]")
        .parameter("out", "The folder of the site [default: `site` in the app]")
        .parameter("as", "See the app with this role [default: as anybody]")
        .parameter("context", "Give NAME=FILE, a JSON file, or NAME=- for standard input; may be given again")
        .parameter("port", "Where to listen, on this machine only; 0 for any port")
        .parameter("kind", "What to begin with: small or audit-report")
        .also("new", "new_app")
        .example("fastblocks new report --kind audit-report")
        .example("session-buddy list-sessions --format json | fastblocks build --context sessions=- --as auditor")
        .example("fastblocks serve --as auditor")
        .example("fastblocks auth --format json")
}

/// Makes the shell.
pub fn shell() -> Builder {
    let shell = AdminShell::builder("fastblocks", env!("CARGO_PKG_VERSION"))
        .shell_type("FastBlocksShell")
        .title("FastBlocks, sites of checked blocks")
        .adapters(["templates", "routes", "static_files", "auth"])
        .metadata("component_type", "builder")
        .helper(
            "build(out=none, as|role=none, context=[], app=none) - build the site into a folder, after every page and link was checked",
            build_site,
        )
        .helper(
            "render(block, context=[], as|role=none, app=none) - show what a block makes of a context",
            render,
        )
        .helper("routes(app=none) - list the routes: path, methods, block, who may see it", routes)
        .helper("auth(app=none) - show who may see what: a line a route, a column a role", auth)
        .helper(
            "check(context=[], app=none) - find what is wrong with the app: file, line, problem",
            check,
        )
        .helper(
            &format!("serve(port={PORT}, as|role=none, context=[], app=none) - serve the app while it is written, until Ctrl-C; the browser follows"),
            serve_app,
        )
        .helper("new_app(folder, kind=\"small\") - make an app to begin with", new_app)
        .object("auth", "whether pages are restricted, and to whom; auth() tells it by route", auth_now);
    match App::find(Path::new(".")) {
        Some(folder) => shell.metadata("project_root", folder.display().to_string()),
        None => shell,
    }
}

/// Finds the folder of the app that is meant.
fn folder_of(app: Option<String>) -> Result<PathBuf, HelperError> {
    let from = app.map_or_else(|| PathBuf::from("."), PathBuf::from);
    App::find(&from).ok_or_else(|| {
        HelperError::new(format!(
            "there is no {CONFIG} in {}, nor outwards",
            from.display()
        ))
        .hint("`fastblocks new FOLDER` makes an app to begin with")
    })
}

/// Opens the app that is meant, and tells what is wrong with it otherwise.
fn open(context: &Context, app: Option<String>) -> Result<App, HelperError> {
    App::open(&folder_of(app)?).map_err(|problems| refused(context, &problems))
}

/// Reads an app as far as it can be, and notes that there are problems.
fn look(context: &Context, app: Option<String>) -> Result<App, HelperError> {
    let (app, problems) =
        App::look(&folder_of(app)?).map_err(|problems| refused(context, &problems))?;
    if !problems.is_empty() {
        context.tell(format_args!(
            "note: {}: `check` lists them",
            count(problems.len(), "problem")
        ));
    }
    Ok(app)
}

fn read(context: &Context, app: &App, givens: &Givens) -> Result<Data, HelperError> {
    gather(app, givens, &mut |words| run(context, words))
        .map_err(|problems| refused(context, &problems))
}

/// Tells all problems, and gives an error that says so.
fn refused(context: &Context, problems: &Problems) -> HelperError {
    for problem in &problems.0 {
        context.tell(one_line(&problem.to_string()));
    }
    HelperError::new(format!(
        "the app has {}",
        count(problems.0.len(), "problem")
    ))
}

fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

/// Runs a program that data comes from, and gives what it wrote.
fn run(context: &Context, words: &[&str]) -> Result<Vec<u8>, String> {
    let [program, arguments @ ..] = words else {
        return Err("command is empty".to_owned());
    };
    context.tell(format_args!("running {}", one_line(&words.join(" "))));
    let mut command = context.command(program);
    command.args(arguments);
    let mut output = Vec::new();
    let end = context.run(command, COMMAND_TIME_MAX, |stream, line| match stream {
        Stream::Output => {
            output.extend_from_slice(line.as_bytes());
            output.push(b'\n');
        }
        Stream::Errors => context.tell(one_line(line)),
    });
    match end {
        Ok(End::Exited(0)) => Ok(output),
        Ok(End::Exited(code)) => Err(format!("{program} ended with exit code {code}")),
        Ok(End::Killed(signal)) => Err(format!("{program} was ended by signal {signal}")),
        Ok(End::TimedOut) => Err(format!(
            "{program} took longer than {} s",
            COMMAND_TIME_MAX.as_secs()
        )),
        Ok(End::Interrupted) => Err("interrupted".to_owned()),
        Err(error) => Err(format!("{program} cannot be run: {error}")),
    }
}

/// Tells now and then how far something long is, and whether it goes on.
fn progress<'a>(context: &'a Context, what: &'a str) -> impl FnMut(usize, usize) -> bool + 'a {
    let mut next = Instant::now() + FIRST_PROGRESS;
    move |done, all| {
        let now = Instant::now();
        if now >= next {
            next = now + PROGRESS;
            context.tell(format_args!("{what}: {done} of {all} pages"));
        }
        !context.is_interrupted()
    }
}

/// Gives why there is no site, with all problems told.
fn failed(context: &Context, error: BuildError) -> HelperError {
    match error {
        BuildError::App(problems) => refused(context, &problems),
        BuildError::Folder(error) => HelperError::from(error),
        BuildError::Interrupted => HelperError::new("interrupted"),
    }
}

fn build_site(
    context: &Context,
    out: Option<String>,
    role: Option<String>,
    given: Value,
    app: Option<String>,
) -> Result<Record, HelperError> {
    let givens = given::read(given)?;
    let app = open(context, app)?;
    let data = read(context, &app, &givens)?;
    let out = out.map_or_else(|| app.folder.join(SITE), PathBuf::from);
    let built = build(
        &app,
        &data,
        role.as_deref(),
        &out,
        &mut progress(context, "building"),
    );
    let built = built.map_err(|error| failed(context, error))?;
    note_left_out(context, &built);
    Ok(Record::new()
        .field("folder", "Site", built.folder.display().to_string())
        .field("role", "For", role.unwrap_or_else(|| PUBLIC.to_owned()))
        .field("pages", "Pages", built.pages)
        .field("assets", "Files", built.assets)
        .field("bytes", "Bytes", built.bytes)
        .field("left_out", "", built.left_out.len()))
}

fn note_left_out(context: &Context, built: &Built) {
    for (path, access) in &built.left_out {
        context.tell(format_args!(
            "note: {} is for {} and left out; --as says for whom to build",
            one_line(path),
            one_line(&access.to_string())
        ));
    }
}

fn render(
    context: &Context,
    block: String,
    given: Value,
    role: Option<String>,
    app: Option<String>,
) -> Result<Reply, HelperError> {
    let mut givens = given::read(given)?;
    let app = open(context, app)?;
    if !app.blocks.contains_key(&block) {
        let known = app.blocks.keys().map(String::as_str);
        let problem = Problem::of(CONFIG, "").meant(&block, known);
        let error = HelperError::new(format!("unknown block {block}"));
        return Err(match problem.suggestion {
            Some(meant) => error.hint(format!("did you mean {meant}?")),
            None => error.hint(app.blocks.keys().cloned().collect::<Vec<_>>().join(", ")),
        });
    }
    // A block may be given what the app knows nothing of, such as the row of a table.
    let (own, more): (Givens, Givens) = std::mem::take(&mut givens)
        .into_iter()
        .partition(|(name, _)| app.sources.contains_key(name));
    let data = read(context, &app, &own)?;
    let more = crate::context::read_more(&app.blocks[&block], &more)
        .map_err(|problems| refused(context, &problems))?;
    let site =
        Site::new(&app, &data, role.as_deref()).map_err(|problems| refused(context, &problems))?;
    let html = site.render(&block, &more);
    let html = html.map_err(|problem| refused(context, &Problems(vec![problem])))?;
    let shown: Vec<_> = html
        .lines()
        .map(|line| one_line(line).into_owned())
        .collect();
    Ok(Reply::Shown {
        text: shown.join("\n"),
        value: Value::String(html),
    })
}

fn routes(context: &Context, app: Option<String>) -> Result<Table, HelperError> {
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

fn auth(context: &Context, app: Option<String>) -> Result<Table, HelperError> {
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
fn auth_now() -> Record {
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

fn check(context: &Context, given: Value, app: Option<String>) -> Result<Table, HelperError> {
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

fn serve_app(
    context: &Context,
    port: u16,
    role: Option<String>,
    given: Value,
    app: Option<String>,
) -> Result<(), HelperError> {
    let served = Served {
        folder: folder_of(app)?,
        given: given::read(given)?,
        role,
        port,
    };
    let tell = |line: fmt::Arguments<'_>| context.tell(line);
    let mut news = |news: News| match news {
        News::Listening(at) => {
            let role = served.role.as_deref().unwrap_or(PUBLIC);
            tell(format_args!(
                "serving http://{at}/ to this machine as {role}; Ctrl-C stops"
            ));
        }
        News::Read(problems) if problems.is_empty() => tell(format_args!("read: nothing is wrong")),
        News::Read(problems) => {
            for problem in &problems {
                context.tell(one_line(&problem.to_string()));
            }
        }
    };
    let done = serve::serve(
        &served,
        &mut |words| run(context, words),
        &|| context.is_interrupted(),
        &mut news,
    );
    done.map_err(|error| {
        HelperError::new(format!("cannot serve on port {port}: {error}"))
            .hint("--port 0 takes any port that is free")
    })?;
    context.answer_interrupt();
    Ok(())
}

fn new_app(context: &Context, folder: String, kind: String) -> Result<(), HelperError> {
    let files = scaffold::make(&kind, Path::new(&folder)).map_err(|error| {
        let hint = match &error {
            ScaffoldError::UnknownKind(_) => {
                let known: Vec<_> = scaffold::KINDS.iter().map(|kind| kind.name).collect();
                format!("it is one of {}", known.join(", "))
            }
            ScaffoldError::NotEmpty(_) | ScaffoldError::Io { .. } => {
                "name a folder that is not there yet".to_owned()
            }
        };
        HelperError::from(error).hint(hint)
    })?;
    for file in files {
        context.print(one_line(&format!("{folder}/{file}")));
    }
    context.tell(format_args!(
        "next: fastblocks serve --app {}",
        one_line(&folder)
    ));
    Ok(())
}
