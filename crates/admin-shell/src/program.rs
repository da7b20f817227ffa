//! A component's program: its shell, and each of its helpers as a command.
//!
//! One list makes both, so `show_layers()` in a shell and `oneiric show-layers` are the same code with the same output. A
//! parameter without a default is an argument, one with a default a flag; `--format` is there for each.
//!
//! ```no_run
//! use admin_shell::AdminShell;
//!
//! fn main() -> std::process::ExitCode {
//!     AdminShell::builder("billing", env!("CARGO_PKG_VERSION"))
//!         .helper("refund(order_id) - refund an order", |order_id: i64| format!("refunded {order_id}"))
//!         .program("Looks after orders")
//!         .run()
//! }
//! ```
//!
//! `billing shell` opens the shell, and `billing refund 1001 --format json` runs the helper.

mod arguments;

use std::process::ExitCode;

use clap::{ArgMatches, Args, Command, FromArgMatches};
use serde_json::Value;

use crate::{
    arguments::{EXIT_CODES, ShellArgs},
    builder::Builder,
    console::Console,
    engine::ScriptError,
    helper::{ActionError, Context, Helper, HelperError},
    output::{Format, Reply},
    shell::signals,
};
use arguments::{Explained, MapFlag};
use session_client::Clock;

/// The exit code of wrong usage, as clap has it.
const USAGE: u8 = 2;
/// What every program of a component says of its exit codes.
const PROGRAM_EXIT_CODES: &str =
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no server answers, 130 interrupted.";

/// A program in the making.
#[must_use]
pub struct Program {
    shell: Builder,
    about: String,
    examples: Vec<String>,
    groups: Vec<(String, String)>,
    /// Further names of helpers: words of the command line, and the helper.
    also: Vec<(Vec<String>, String)>,
    parameters: Explained,
}

impl Builder {
    /// Makes a program of the shell: `NAME shell` opens it, and each helper is a command. `about` says in a line what it does.
    pub fn program(self, about: impl Into<String>) -> Program {
        Program {
            shell: self.metadata("cli_enabled", true),
            about: about.into(),
            examples: Vec::new(),
            groups: Vec::new(),
            also: Vec::new(),
            parameters: Explained::default(),
        }
    }
}

impl Program {
    /// Adds a line to the examples of its help.
    pub fn example(mut self, example: &str) -> Self {
        self.examples.push(example.to_owned());
        self
    }

    /// Says what a parameter is, for all helpers that have it.
    pub fn parameter(mut self, name: &str, help: &str) -> Self {
        self.parameters
            .help
            .push((name.to_owned(), help.to_owned()));
        self
    }

    /// Makes a parameter an argument also where it has a default: what a command is nearly always given needs no flag.
    pub fn argument(mut self, name: &str) -> Self {
        self.parameters.arguments.push(name.to_owned());
        self
    }

    /// Lets a parameter that is a map be given as flags, one for each of its keys: the key, what its value is called (nothing for
    /// a switch), and what it is. A flag may be given again, so its value is a list of texts; that of a switch is true. Where
    /// none is given the parameter is none.
    pub fn flags(mut self, name: &str, flags: &[(&str, &str, &str)]) -> Self {
        let flags = flags.iter().map(|(key, value, help)| MapFlag {
            key: (*key).to_owned(),
            value_name: (!value.is_empty()).then(|| (*value).to_owned()),
            help: (*help).to_owned(),
        });
        self.parameters
            .maps
            .push((name.to_owned(), flags.collect()));
        self
    }

    /// Says what the commands of a group are about: those whose other names begin with `name`.
    pub fn group(mut self, name: &str, about: &str) -> Self {
        self.groups.push((name.to_owned(), about.to_owned()));
        self
    }

    /// Gives a helper another name as a command, such as `config layers`.
    pub fn also(mut self, words: &str, helper: &str) -> Self {
        let words = words.split(' ').map(str::to_owned).collect();
        self.also.push((words, helper.to_owned()));
        self
    }

    /// Does what the arguments of this process say, and gives the exit code.
    pub fn run(self) -> ExitCode {
        let matches = match self.command().try_get_matches() {
            Ok(matches) => matches,
            Err(error) => return usage(&error),
        };
        let (words, matches) = innermost(&matches);
        if words == ["shell"] {
            return match ShellArgs::from_arg_matches(matches) {
                Ok(arguments) => self.shell.run_with(&arguments),
                Err(error) => usage(&error),
            };
        }
        let console = Console::new(Clock::system(), false);
        if self.shell.tell_mistakes(&console) {
            return ExitCode::FAILURE;
        }
        let helper = self
            .commands()
            .into_iter()
            .find(|(known, _)| *known == words)
            .map(|(_, helper)| helper)
            .expect("clap knows the same commands");
        let context = Context::of_command(console);
        if let Err(error) = signals::watch_command(&context) {
            context.tell(format_args!(
                "note: Ctrl-C ends this without a word: {error}"
            ));
        }
        let format = matches.get_one::<Format>("format").copied();
        let format = format.unwrap_or_default();
        run(helper, &self.parameters, matches, &context, format)
    }

    /// Gives each command's words and its helper.
    fn commands(&self) -> Vec<(Vec<String>, &Helper)> {
        let helpers = &self.shell.offer.helpers;
        let own = helpers
            .iter()
            .map(|helper| (vec![helper.signature.name.replace('_', "-")], helper));
        let also = self.also.iter().filter_map(|(words, name)| {
            let helper = helpers.iter().find(|helper| helper.signature.name == *name);
            Some((words.clone(), helper?))
        });
        own.chain(also).collect()
    }

    fn command(&self) -> Command {
        let component = self.shell.component.as_ref();
        let name = component.map_or("program", |name| name.as_str()).to_owned();
        let mut examples = vec!["Examples:".to_owned(), format!("  {name} shell")];
        examples.extend(self.examples.iter().map(|example| format!("  {example}")));
        let shell = ShellArgs::augment_args(Command::new("shell"))
            .about("Open the admin shell")
            .after_help(format!(
                "Examples:\n  {name} shell\n  {name} shell -c 'help()'\n\n{EXIT_CODES}"
            ));
        let root = Command::new(name)
            .version(self.shell.version.clone())
            .about(self.about.clone())
            .subcommand_required(true)
            .arg_required_else_help(true)
            .after_help(format!("{}\n\n{PROGRAM_EXIT_CODES}", examples.join("\n")))
            .subcommand(shell);
        let commands = self.commands().into_iter();
        commands.fold(root, |root, (words, helper)| {
            let command = arguments::command(&helper.signature, &self.parameters);
            self.put(root, &words, command)
        })
    }

    /// Puts a command into its group.
    fn put(&self, parent: Command, words: &[String], command: Command) -> Command {
        match words {
            [] => parent,
            [name] => parent.subcommand(command.name(name.clone())),
            [name, rest @ ..] if parent.find_subcommand(name).is_some() => {
                parent.mut_subcommand(name, |group| self.put(group, rest, command))
            }
            [name, rest @ ..] => {
                let about = self.groups.iter().find(|(known, _)| known == name);
                let group = Command::new(name.clone())
                    .about(about.map(|(_, about)| about.clone()).unwrap_or_default())
                    .subcommand_required(true)
                    .arg_required_else_help(true);
                parent.subcommand(self.put(group, rest, command))
            }
        }
    }
}

/// Runs a helper, and shows what it gives.
fn run(
    helper: &Helper,
    explained: &Explained,
    matches: &ArgMatches,
    context: &Context,
    format: Format,
) -> ExitCode {
    let given = arguments::given(&helper.signature, matches, explained);
    let done = call(helper, context, given);
    if context.is_interrupted() {
        if let Ok(reply) = &done {
            show(context, reply, format);
        }
        context.tell("interrupted");
        return signals::exit_code(signals::INTERRUPT).into();
    }
    match done {
        Ok(reply) => show(context, &reply, format),
        Err(ActionError::Argument { place, problem }) => {
            let name = helper.signature.parameters.get(place);
            let name = name.map_or("", |parameter| parameter.name());
            fail(
                context,
                &HelperError::new(format!("{name}: {problem}")).exit_code(USAGE),
            )
        }
        Err(ActionError::Failed(error)) => fail(context, &error),
    }
}

/// Calls a helper. What is a number for it, or nothing, was typed as text.
fn call(helper: &Helper, context: &Context, mut given: Vec<Value>) -> Result<Reply, ActionError> {
    loop {
        let error = match (helper.action)(context, given.clone()) {
            Err(error @ ActionError::Argument { .. }) => error,
            done => return done,
        };
        let ActionError::Argument { place, .. } = error else {
            return Err(error);
        };
        let typed = given.get(place).and_then(Value::as_str);
        let Some(read) = typed.and_then(|text| serde_json::from_str(text).ok()) else {
            return Err(error);
        };
        given[place] = read;
    }
}

/// Writes a reply, and gives the exit code.
fn show(context: &Context, reply: &Reply, format: Format) -> ExitCode {
    context.console.show(reply, format);
    match context.console.problem() {
        None => context.exit_code().into(),
        // Who has seen enough has gone.
        Some(std::io::ErrorKind::BrokenPipe) => ExitCode::SUCCESS,
        Some(problem) => {
            let message = format!("cannot write to standard output: {problem}");
            fail(context, &HelperError::new(message))
        }
    }
}

fn fail(context: &Context, error: &HelperError) -> ExitCode {
    let hint = error.hint_text().map(str::to_owned);
    context.tell(ScriptError::new(error.to_string(), hint).for_people());
    error.code().into()
}

/// Prints help, a version or what is wrong with the arguments, and gives the exit code.
fn usage(error: &clap::Error) -> ExitCode {
    // Nobody is left to tell when the terminal is gone.
    let _ = error.print();
    match error.exit_code() {
        0 => ExitCode::SUCCESS,
        _ => USAGE.into(),
    }
}

/// Gives the words of the command that was called, and its arguments.
fn innermost(matches: &ArgMatches) -> (Vec<String>, &ArgMatches) {
    let (mut words, mut inner) = (Vec::new(), matches);
    while let Some((name, next)) = inner.subcommand() {
        words.push(name.to_owned());
        inner = next;
    }
    (words, inner)
}
