//! A run of a shell, from its first to its last line.

mod admission;
mod banner;
mod input;
mod magics;
pub(crate) mod signals;
mod system;
mod tracking;
mod watching;

use std::{
    fs,
    io::{self, IsTerminal},
    process::ExitCode,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::Duration,
};

use session_client::{Clock, Ending};
use session_model::ExitReason;

use crate::{
    arguments::ShellArgs,
    builder::Builder,
    catalogue::{Catalogue, Described},
    child::Children,
    console::Console,
    engine::{Interpreter, Outcome, ScriptError},
    helper::{Context, Helper, Magic, Object},
    interrupt::Interrupt,
    language::Command,
    logging::Log,
    output::{Format, Reply},
    terminal::Surroundings,
};
use admission::Admission;
use input::{Input, Read};
use tracking::Tracking;

/// How long a shell that must be tracked waits for a server: 5 seconds.
const ACKNOWLEDGE_MAX: Duration = Duration::from_secs(5);
/// How many lines and files may run one another, as `%run` and `%time` do.
const DEPTH_MAX: usize = 16;
/// The stack of the thread that scripts run on: 256 MiB, of which the system gives what is used. Values in values, which
/// no limit of the engine bounds, are walked through on it.
const STACK_BYTES: usize = 256 * 1024 * 1024;
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
    /// How many lines run one another at the moment.
    depth: usize,
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

pub(crate) fn run(mut builder: Builder, arguments: &ShellArgs) -> ExitCode {
    let interactive = arguments.script.is_none()
        && arguments.file.is_none()
        && io::stdin().is_terminal()
        && io::stdout().is_terminal();
    let console = Arc::new(Console::new(Clock::system(), interactive));
    if builder.tell_mistakes(&console) {
        return ExitCode::FAILURE;
    }
    let script = match script(arguments) {
        Ok(script) => script,
        Err(error) => {
            console.tell(error.for_people());
            return ExitCode::FAILURE;
        }
    };
    let Admission {
        reason,
        fail_closed,
    } = match admission::ask(&builder, arguments, &console) {
        Ok(admission) => admission,
        Err(denial) => {
            console.tell(denial.for_people());
            return ExitCode::from(denial.code());
        }
    };
    builder.fail_closed |= fail_closed;
    let tracking = Arc::new(Tracking::begin(&builder, arguments, reason));
    let interrupt = Interrupt::default();
    let children = Children::default();
    if let Err(error) = signals::watch(&tracking, &children, &interrupt, interactive) {
        console.tell(format_args!(
            "note: signals end this shell without a word: {error}"
        ));
    }
    let id = tracking.session_id().cloned();
    let context = Context::new(Arc::clone(&console), interrupt, id, children);
    let run = || open(builder, arguments, &context, &tracking, script);
    let left = on_own_stack(run);
    tracking.end(Ending {
        reason: left.reason,
        exit_code: left.code.into(),
    });
    ExitCode::from(left.code)
}

/// Runs the shell on a thread of its own, and gives how it was left. Whatever was half done in a panic goes with it.
fn on_own_stack(run: impl FnOnce() -> Left + Send) -> Left {
    let panicked = Left {
        reason: ExitReason::Panic,
        code: PANICKED,
    };
    thread::scope(|scope| {
        let thread = thread::Builder::new()
            .name("shell".to_owned())
            .stack_size(STACK_BYTES);
        match thread.spawn_scoped(scope, run) {
            Ok(thread) => thread.join().unwrap_or(panicked),
            Err(_) => panicked,
        }
    })
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
    context: &Context,
    tracking: &Arc<Tracking>,
    script: Option<String>,
) -> Left {
    let console = &context.console;
    if builder.fail_closed
        && let Err(error) = tracking.wait_acknowledged(ACKNOWLEDGE_MAX)
    {
        console.tell(error.for_people());
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
    let mut shell = Shell::new(builder, arguments.format, context, tracking);
    let mut input = match script {
        Some(script) => Input::of_text(&script),
        None if tracking_line.is_some() => {
            if let Err(error) = signals::watch_terminal(tracking, &context.children) {
                console.tell(format_args!(
                    "note: the end of the terminal is not noticed: {error}"
                ));
            }
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
    fn new(builder: Builder, format: Format, context: &Context, tracking: &Arc<Tracking>) -> Self {
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
        let interpreter =
            Interpreter::new(Arc::clone(&catalogue), context, builder.script_time_max);
        Self {
            interpreter: Arc::new(Mutex::new(interpreter)),
            catalogue,
            magics,
            context: context.clone(),
            tracking: Arc::clone(tracking),
            format,
            records_errors: builder.records_errors,
            log: Log::default(),
            history: Vec::new(),
            depth: 0,
        }
    }

    fn run(&mut self, input: &mut Input) -> Left {
        for (statement, number) in input.whole() {
            // Nothing of a script is done that cannot be read to its end.
            if let Err(error) = self.check(statement) {
                self.failed(&error.in_line(number));
                return Left {
                    reason: ExitReason::Error,
                    code: 1,
                };
            }
        }
        let mut failures = 0;
        loop {
            let next = match input.next(&self.context) {
                Ok(Read::Line(line, number)) => {
                    failures = 0;
                    self.take(&line, number)
                }
                Ok(Read::End(reason)) => Next::Leave(Left {
                    reason,
                    code: self.end_code(),
                }),
                Err(error) => {
                    failures += 1;
                    self.failed(&ScriptError::new(error.to_string(), None))
                }
            };
            match next {
                Next::Leave(left) => return left,
                // A terminal that fails twice in a row does not come back.
                Next::Line if failures < 2 => {}
                Next::Line => {
                    return Left {
                        reason: ExitReason::Eof,
                        code: 0,
                    };
                }
            }
        }
    }

    /// Gives with which code the end of the input ends the shell; what was found wrong before a person leaves is no matter.
    fn end_code(&self) -> u8 {
        if self.context.is_interactive() {
            0
        } else {
            self.context.exit_code()
        }
    }

    /// Reads a statement without running it.
    fn check(&self, text: &str) -> Result<(), ScriptError> {
        match Command::of(text) {
            Command::Script(script) => self.interpreter().check(script),
            Command::Nothing | Command::Magic { .. } | Command::System(_) | Command::Explain(_) => {
                Ok(())
            }
        }
    }

    /// Takes what was typed, and says what came of it.
    ///
    /// `number` is its place in a script of several lines.
    fn take(&mut self, line: &str, number: Option<usize>) -> Next {
        if Command::of(line) == Command::Nothing {
            return Next::Line;
        }
        self.tracking.count_command();
        self.context.interrupt.clear();
        self.history.push(line.trim_end().to_owned());
        let outcome = match self.execute(line) {
            // What was interrupted may have failed, or ended early.
            Outcome::Failed(_) | Outcome::Done(Reply::Nothing) if self.context.is_interrupted() => {
                Outcome::Interrupted
            }
            outcome => outcome,
        };
        if let Some(left) = self.unread() {
            return Next::Leave(left);
        }
        match outcome {
            Outcome::Done(reply) => {
                self.show(&reply);
                if self.context.is_interrupted() {
                    self.context
                        .console
                        .tell("interrupted too late: it was done");
                }
                self.unread().map_or(Next::Line, Next::Leave)
            }
            Outcome::Exit(code) => Next::Leave(Left {
                reason: ExitReason::Exit,
                code,
            }),
            Outcome::Interrupted => self.interrupted(),
            Outcome::Failed(error) => self.failed(&error.in_line(number)),
        }
    }

    /// Leaves where nobody reads what is written: quietly if its reader has gone.
    fn unread(&self) -> Option<Left> {
        let problem = self.context.console.problem()?;
        if problem == io::ErrorKind::BrokenPipe {
            return Some(Left {
                reason: ExitReason::Exit,
                code: 0,
            });
        }
        let message = format!("cannot write to standard output: {problem}");
        self.context
            .console
            .tell(ScriptError::new(message, None).for_people());
        Some(Left {
            reason: ExitReason::Error,
            code: 1,
        })
    }

    /// Does what was typed.
    fn execute(&mut self, line: &str) -> Outcome {
        if self.depth >= DEPTH_MAX {
            let message = format!("more than {DEPTH_MAX} lines and files run one another");
            return Outcome::Failed(ScriptError::new(message, None));
        }
        self.depth += 1;
        let outcome = self.execute_one(line);
        self.depth -= 1;
        outcome
    }

    fn execute_one(&mut self, line: &str) -> Outcome {
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
        if self.context.console.show(reply, self.format) {
            // Ctrl-C was the pager's.
            self.context.interrupt.clear();
        }
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
