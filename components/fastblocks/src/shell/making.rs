//! Helpers that make something: a site, a page, a server, an app.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use admin_shell::{Context, HelperError, Record, Reply, output::one_line};
use serde_json::Value;

use super::{
    app::{failed, folder_of, open, progress, read, refused, run},
    given::{self, Givens},
};
use crate::{
    Built, CONFIG, PUBLIC, Problem, Problems, Site, build,
    scaffold::{self, ScaffoldError},
    serve::{self, News, Served},
};

/// The folder of a site if nobody says which: beside `blocks`.
const SITE: &str = "site";
pub(super) fn build_site(
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

pub(super) fn render(
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

pub(super) fn serve_app(
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

pub(super) fn new_app(context: &Context, folder: String, kind: String) -> Result<(), HelperError> {
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
