//! The script engine: Rhai, with the shell's helpers and objects in it, and always under limits.

mod failure;
mod functions;
mod limits;
mod rows;
mod values;

use std::{collections::BTreeSet, sync::Arc};

use rhai::{AST, Dynamic, Engine, EvalAltResult, Position, Scope};

pub(crate) use failure::ScriptError;
use limits::{Clockwork, Stop};

use crate::{
    catalogue::Catalogue,
    helper::Context,
    language::{LAST_VALUE, Translation, Vocabulary, translate},
    output::Reply,
};

/// What became of a script.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It gave this.
    Done(Reply),
    /// It asked to leave.
    Exit(u8),
    /// It was stopped by the user.
    Interrupted,
    /// It failed.
    Failed(ScriptError),
}

/// An engine and what scripts have left in it.
pub(crate) struct Interpreter {
    engine: Engine,
    scope: Scope<'static>,
    /// The functions that scripts have defined.
    functions: AST,
    catalogue: Arc<Catalogue>,
    clockwork: Clockwork,
}

impl Interpreter {
    pub(crate) fn new(
        catalogue: Arc<Catalogue>,
        context: &Context,
        script_time_max: std::time::Duration,
    ) -> Self {
        let clockwork = Clockwork::new(context.interrupt.clone(), script_time_max);
        let mut engine = Engine::new();
        limits::set(&mut engine, &clockwork, &context.console);
        rows::register(&mut engine);
        functions::register(&mut engine, &catalogue, context, &clockwork);
        Self {
            engine,
            scope: Scope::new(),
            functions: AST::empty(),
            catalogue,
            clockwork,
        }
    }

    /// Reads a script without running it.
    ///
    /// # Errors
    ///
    /// Where it cannot be read.
    pub(crate) fn check(&self, source: &str) -> Result<(), ScriptError> {
        let translation = translate(source, self);
        match self.engine.compile(&translation.script) {
            Ok(_) => Ok(()),
            Err(error) => {
                let error = EvalAltResult::ErrorParsing(*error.0, error.1);
                Err(self.failure(&error, source, &translation))
            }
        }
    }

    /// Runs what was typed. What it defines stays.
    pub(crate) fn run(&mut self, source: &str) -> Outcome {
        let translation = translate(source, self);
        let ast = match self.engine.compile(&translation.script) {
            Ok(ast) => ast,
            Err(error) => {
                let error = EvalAltResult::ErrorParsing(*error.0, error.1);
                return Outcome::Failed(self.failure(&error, source, &translation));
            }
        };
        if ast.has_functions() {
            self.functions = self.functions.merge(&ast.clone_functions_only());
        }
        self.clockwork.start();
        let whole = self.functions.merge(&ast);
        let outcome = self
            .engine
            .eval_ast_with_scope::<Dynamic>(&mut self.scope, &whole);
        match outcome {
            Ok(value) => {
                let reply = values::to_reply(&value);
                if !value.is_unit() && !value.is::<values::Named>() {
                    // An object is a constant for the engine, which replaces no constant.
                    let _ = self.scope.remove::<Dynamic>(LAST_VALUE);
                    self.scope.push(LAST_VALUE, value);
                }
                Outcome::Done(reply)
            }
            Err(error) => match stop(&error) {
                Some(Stop::Exit(code)) => Outcome::Exit(code),
                Some(Stop::Interrupted) => Outcome::Interrupted,
                Some(Stop::Unread) => Outcome::Done(Reply::Nothing),
                Some(Stop::TooLong) | None => {
                    Outcome::Failed(self.failure(&error, source, &translation))
                }
            },
        }
    }

    /// Gives the names of the variables that scripts have made.
    pub(crate) fn variables(&self) -> BTreeSet<&str> {
        let names = self.scope.iter().map(|(name, _, _)| name);
        names.filter(|name| *name != LAST_VALUE).collect()
    }

    /// Gives the value of a variable or an object, to look at its fields.
    pub(crate) fn value(&self, name: &str) -> Option<Reply> {
        if let Some(value) = self.scope.get(name) {
            return Some(values::to_reply(value));
        }
        self.catalogue.object(name).map(|object| (object.value)())
    }

    fn failure(
        &self,
        error: &EvalAltResult,
        source: &str,
        translation: &Translation,
    ) -> ScriptError {
        let similar = |name: &str| self.catalogue.similar(name).map(str::to_owned);
        failure::of(error, &self.clockwork, &similar)
            .at(|position: Position| failure::place(position, source, translation))
    }
}

impl Vocabulary for Interpreter {
    fn is_helper(&self, name: &str) -> bool {
        self.catalogue
            .functions()
            .any(|function| function.name == name)
    }

    fn is_variable(&self, name: &str) -> bool {
        self.scope.contains(name)
    }
}

/// Finds out whether a script was stopped.
fn stop(error: &EvalAltResult) -> Option<Stop> {
    match error {
        EvalAltResult::ErrorTerminated(token, _) => token.clone().try_cast::<Stop>(),
        EvalAltResult::ErrorInFunctionCall(_, _, inner, _) => stop(inner),
        _ => None,
    }
}
