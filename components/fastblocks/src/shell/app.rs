//! The app that is meant, its data, and what is wrong with either.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use admin_shell::{Context, End, HelperError, Stream, output::one_line};

use super::given::Givens;
use crate::{App, BuildError, CONFIG, Data, Problems, gather};

/// How long a program may take that data comes from: 5 minutes, as a query over years of sessions may.
const COMMAND_TIME_MAX: Duration = Duration::from_mins(5);
/// When a long build tells first how far it is, and how often then.
const FIRST_PROGRESS: Duration = Duration::from_millis(150);
const PROGRESS: Duration = Duration::from_secs(1);

/// Finds the folder of the app that is meant.
pub(super) fn folder_of(app: Option<String>) -> Result<PathBuf, HelperError> {
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
pub(super) fn open(context: &Context, app: Option<String>) -> Result<App, HelperError> {
    App::open(&folder_of(app)?).map_err(|problems| refused(context, &problems))
}

/// Reads an app as far as it can be, and notes that there are problems.
pub(super) fn look(context: &Context, app: Option<String>) -> Result<App, HelperError> {
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

pub(super) fn read(context: &Context, app: &App, givens: &Givens) -> Result<Data, HelperError> {
    gather(app, givens, &mut |words| run(context, words))
        .map_err(|problems| refused(context, &problems))
}

/// Tells all problems, and gives an error that says so.
pub(super) fn refused(context: &Context, problems: &Problems) -> HelperError {
    for problem in &problems.0 {
        context.tell(one_line(&problem.to_string()));
    }
    HelperError::new(format!(
        "the app has {}",
        count(problems.0.len(), "problem")
    ))
}

pub(super) fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

/// Runs a program that data comes from, and gives what it wrote.
pub(super) fn run(context: &Context, words: &[&str]) -> Result<Vec<u8>, String> {
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
pub(super) fn progress<'a>(
    context: &'a Context,
    what: &'a str,
) -> impl FnMut(usize, usize) -> bool + 'a {
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
pub(super) fn failed(context: &Context, error: BuildError) -> HelperError {
    match error {
        BuildError::App(problems) => refused(context, &problems),
        BuildError::Folder(error) => HelperError::from(error),
        BuildError::Interrupted => HelperError::new("interrupted"),
    }
}
