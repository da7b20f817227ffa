//! A run of a shell, from its first to its last line.

mod banner;
mod input;
mod magics;
mod signals;
mod system;
mod tracking;
mod watching;

use std::{
    fs,
    io::{self, IsTerminal},
    panic::{self, AssertUnwindSafe},
    process::ExitCode,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    time::Duration,
};

use session_client::{Clock, Ending};
use session_model::ExitReason;

use crate::{
    arguments::ShellArgs,
    builder::Builder,
    catalogue::{Catalogue, Described},
    console::Console,
    engine::{Interpreter, Outcome, ScriptError},
    helper::{Context, Helper, Magic, Object},
    interrupt::Interrupt,
    language::Command,
    logging::Log,
    output::{Format, Reply},
    terminal::Surroundings,
};
use input::{Input, Read};
use tracking::Tracking;

/// How long a shell that must be tracked waits for a server: 5 seconds.
const ACKNOWLEDGE_MAX: Duration = Duration::from_secs(5);
/// The exit code of a shell that must be tracked and is not: `EX_UNAVAILABLE` of sysexits.h.
const NOT_TRACKED: u8 = 69;
/// The exit code of a shell with a bug: that of a Rust program that panics.
const PANICKED: u8 = 101;

/// What a component puts into its shell.
#[derive(Default)]
pub(crate) struct Offer {
    pub(crate) helpers: Vec<Helper>,
    pub(crate) objects: Vec<Object>,
    pub(crate) magics: Vec<Magic>,
}

/// A shell that runs.
struct Shell {
    interpreter: Arc<Mutex<Interpreter>>,
    catalogue: Arc<Catalogue>,
    magics: Vec<Magic>,
    context: Context,
    tracking: Arc<Tracking>,
    format: Format,
    records_errors: bool,
    log: Log,
    /// What was typed, the oldest line first.
    history: Vec<String>,
}

/// How a shell was left.
#[derive(Clone, Copy, Debug)]
struct Left {
    reason: ExitReason,
    code: u8,
}

/// What follows a line.
enum Next {
    Line,
    Leave(Left),
}

pub(crate) fn run(builder: Builder, arguments: &ShellArgs) -> ExitCode {
    let interactive = arguments.script.is_none()
        && arguments.file.is_none()
        && io::stdin().is_terminal()
        && io::stdout().is_terminal();
    let console = Arc::new(Console::new(Clock::system(), interactive));
    let mistakes = builder.component.as_ref().err().into_iter();
    let mistakes: Vec<_> = mistakes.chain(&builder.mistakes).collect();
    if !mistakes.is_empty() {
        for mistake in mistakes {
            console.tell(format_args!(
                "error: this shell is put together wrongly: {mistake}"
            ));
        }
        return ExitCode::FAILURE;
    }
    let script = match script(arguments) {
        Ok(script) => script,
        Err(error) => {
            console.tell(error.for_people());
            return ExitCode::FAILURE;
        }
    };
    let tracking = Arc::new(Tracking::begin(&builder, arguments));
    let interrupt = Interrupt::default();
    if let Err(error) = signals::watch(&tracking, &interrupt, interactive) {
        console.tell(format_args!(
            "note: signals end this shell without a word: {error}"
        ));
    }
    let run = || open(builder, arguments, &console, &tracking, interrupt, script);
    // Whatever was half done goes with the shell.
    let left = panic::catch_unwind(AssertUnwindSafe(run)).unwrap_or(Left {
        reason: ExitReason::Panic,
        code: PANICKED,
    });
    tracking.end(Ending {
        reason: left.reason,
        exit_code: left.code.into(),
    });
    ExitCode::from(left.code)
}

/// Gives the script that the arguments name.
fn script(arguments: &ShellArgs) -> Result<Option<String>, ScriptError> {
    let Some(path) = &arguments.file else {
        return Ok(arguments.script.clone());
    };
    let text = fs::read_to_string(path);
    text.map(Some)
        .map_err(|error| ScriptError::new(format!("cannot read {}: {error}", path.display()), None))
}

/// Opens the shell and runs it to its end.
fn open(
    builder: Builder,
    arguments: &ShellArgs,
    console: &Arc<Console>,
    tracking: &Arc<Tracking>,
    interrupt: Interrupt,
    script: Option<String>,
) -> Left {
    if builder.fail_closed
        && let Err(cause) = tracking.wait_acknowledged(ACKNOWLEDGE_MAX)
    {
        console.tell(format_args!(
            "error: this shell must be tracked, and is not: {cause}\nhint: start the server with `session-buddy mcp start`"
        ));
        return Left {
            reason: ExitReason::Error,
            code: NOT_TRACKED,
        };
    }
    let tracking_line = console.is_interactive().then(|| {
        let line = banner::tracking_line(tracking);
        console.write(&banner::banner(&builder, tracking, &line));
        line
    });
    for notice in tracking.notices() {
        console.tell(format_args!("note: {notice}"));
    }
    let prompt = builder.prompt.clone();
    let mut shell = Shell::new(builder, arguments.format, console, tracking, interrupt);
    let mut input = match script {
        Some(script) => Input::of_text(&script),
        None if tracking_line.is_some() => {
            let (painted, is_painted) = mpsc::channel();
            watching::start(tracking, console, is_painted, tracking_line);
            Input::of_person(Surroundings {
                prompt,
                history: tracking.history_file(),
                catalogue: Arc::clone(&shell.catalogue),
                interpreter: Arc::clone(&shell.interpreter),
                console: Arc::clone(console),
                painted,
            })
        }
        None => Input::lines(),
    };
    if !console.is_interactive() {
        tracking.deliver();
    }
    shell.run(&mut input)
}

impl Shell {
    fn new(
        builder: Builder,
        format: Format,
        console: &Arc<Console>,
        tracking: &Arc<Tracking>,
        interrupt: Interrupt,
    ) -> Self {
        let Offer {
            helpers,
            mut objects,
            magics,
        } = builder.offer;
        objects.push(tracking::object(tracking, &builder.version));
        let own = magics
            .iter()
            .map(|magic| Arc::new(magic.clone()) as Arc<dyn Described>);
        let described = own.chain(magics::described()).collect();
        let catalogue = Arc::new(Catalogue::new(helpers, objects, described));
        let context = Context {
            console: Arc::clone(console),
            interrupt,
            session_id: tracking.session_id().cloned(),
        };
        let interpreter =
            Interpreter::new(Arc::clone(&catalogue), &context, builder.script_time_max);
        Self {
            interpreter: Arc::new(Mutex::new(interpreter)),
            catalogue,
            magics,
            context,
            tracking: Arc::clone(tracking),
            format,
            records_errors: builder.records_errors,
            log: Log::default(),
            history: Vec::new(),
        }
    }

    fn run(&mut self, input: &mut Input) -> Left {
        loop {
            let next = match input.next(&self.context.console) {
                Ok(Read::Line(line)) => self.take(&line),
                Ok(Read::End(reason)) => Next::Leave(Left { reason, code: 0 }),
                Err(error) => self.failed(&ScriptError::new(error.to_string(), None)),
            };
            if let Next::Leave(left) = next {
                return left;
            }
        }
    }

    /// Takes what was typed, and says what came of it.
    fn take(&mut self, line: &str) -> Next {
        if Command::of(line) == Command::Nothing {
            return Next::Line;
        }
        self.tracking.count_command();
        self.context.interrupt.clear();
        self.history.push(line.trim_end().to_owned());
        let outcome = match self.execute(line) {
            Outcome::Exit(code) => Outcome::Exit(code),
            // What was interrupted may have failed, or ended early.
            _ if self.context.is_interrupted() => Outcome::Interrupted,
            outcome => outcome,
        };
        if self.context.console.is_closed() {
            return Next::Leave(Left {
                reason: ExitReason::Exit,
                code: 0,
            });
        }
        match outcome {
            Outcome::Done(reply) => {
                self.show(&reply);
                Next::Line
            }
            Outcome::Exit(code) => Next::Leave(Left {
                reason: ExitReason::Exit,
                code,
            }),
            Outcome::Interrupted => self.interrupted(),
            Outcome::Failed(error) => self.failed(&error),
        }
    }

    /// Does what was typed.
    fn execute(&mut self, line: &str) -> Outcome {
        match Command::of(line) {
            Command::Nothing => Outcome::Done(Reply::Nothing),
            Command::Script(script) => self.interpreter().run(script),
            Command::Magic { name, rest } => magics::run(self, name, rest),
            Command::System(command) => system::run(&self.context, command),
            Command::Explain(name) => match self.explain(name) {
                Some(reply) => Outcome::Done(reply),
                None => {
                    let message = format!("there is no {name} to explain");
                    Outcome::Failed(ScriptError::new(message, self.suggestion(name)))
                }
            },
        }
    }

    fn explain(&self, name: &str) -> Option<Reply> {
        self.catalogue
            .explain(name)
            .or_else(|| self.interpreter().value(name))
    }

    fn interpreter(&self) -> MutexGuard<'_, Interpreter> {
        self.interpreter
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn suggestion(&self, name: &str) -> Option<String> {
        let similar = self.catalogue.similar(name);
        Some(match similar {
            Some(similar) => format!("did you mean {similar}?"),
            None => "help() lists what there is".to_owned(),
        })
    }

    fn show(&self, reply: &Reply) {
        let nothing = matches!(reply, Reply::Value(value) if value.is_null());
        if nothing || *reply == Reply::Nothing {
            return;
        }
        let console = &self.context.console;
        console.write(&reply.write(self.format, &console.view()));
    }

    fn interrupted(&self) -> Next {
        if self.context.is_interactive() {
            self.context.console.tell("interrupted");
            return Next::Line;
        }
        Next::Leave(Left {
            reason: ExitReason::Interrupt,
            code: signals::exit_code(signals::INTERRUPT),
        })
    }

    /// An error ends a script, and no person's work.
    fn failed(&self, error: &ScriptError) -> Next {
        let text = self.records_errors.then_some(error.message.as_str());
        self.tracking.count_error(text);
        self.context.console.tell(error.for_people());
        if self.context.is_interactive() {
            return Next::Line;
        }
        Next::Leave(Left {
            reason: ExitReason::Error,
            code: 1,
        })
    }
}
