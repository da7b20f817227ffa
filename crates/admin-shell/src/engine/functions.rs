//! What the engine knows by name: the component's helpers and objects, and what every shell has.

use std::{any::TypeId, sync::Arc, time::Duration};

use rhai::{Array, Dynamic, Engine, EvalAltResult, ImmutableString, Map, Module, Position};

use super::{
    limits::{Clockwork, Stop},
    rows::{Row, Rows},
    values::{self, Named},
};
use crate::{
    catalogue::Catalogue,
    helper::{Context, Given, Helper, HelperError},
    language::{NAMED, script_name},
    output::{Reply, literal},
};

type Fallible = Result<Dynamic, Box<EvalAltResult>>;

/// The most values that `print` takes.
const PRINTED_MAX: usize = 8;

/// Teaches an engine all names of the catalogue.
pub(super) fn register(
    engine: &mut Engine,
    catalogue: &Arc<Catalogue>,
    context: &Context,
    clockwork: &Clockwork,
) {
    for helper in &catalogue.helpers {
        register_helper(engine, helper, context, clockwork);
    }
    register_objects(engine, catalogue);
    register_help(engine, catalogue);
    register_leaving(engine);
    register_printing(engine, context);
    register_sleeping(engine, context, clockwork);
    engine.register_fn(NAMED, |name: ImmutableString, value: Dynamic| Named {
        name,
        value,
    });
}

/// Replaces Rhai's `sleep`, which nothing interrupts.
fn register_sleeping(engine: &mut Engine, context: &Context, clockwork: &Clockwork) {
    let (context, clockwork) = (context.clone(), clockwork.clone());
    let sleep = move |seconds: f64| -> Fallible {
        let time = Duration::try_from_secs_f64(seconds);
        let time =
            time.map_err(|_| thrown(HelperError::new("sleep() takes a number of seconds")))?;
        // What interrupts it stops the script too.
        let _ = clockwork.stand_still(|| context.wait(time));
        Ok(Dynamic::UNIT)
    };
    let whole = sleep.clone();
    engine.register_fn("sleep", sleep);
    #[expect(clippy::cast_precision_loss, reason = "nobody sleeps for 2^52 seconds")]
    engine.register_fn("sleep", move |seconds: i64| whole(seconds as f64));
}

fn register_helper(engine: &mut Engine, helper: &Helper, context: &Context, clockwork: &Clockwork) {
    let name = script_name(&helper.signature.name);
    let most = helper.signature.parameters.len();
    let (helper, context, clockwork) = (helper.clone(), context.clone(), clockwork.clone());
    // One more than there are, so that the error is the helper's own.
    register_raw(engine, &name, 0..=most + 1, move |arguments| {
        let given: Vec<Given> = arguments.iter().map(values::given).collect();
        let arguments = helper.bind(given)?;
        clockwork.stand_still(|| (helper.action)(&context, arguments))
    });
}

/// Registers a function of any arguments.
fn register_raw(
    engine: &mut Engine,
    name: &str,
    arities: impl IntoIterator<Item = usize>,
    function: impl Fn(&[Dynamic]) -> Result<Reply, HelperError> + Send + Sync + 'static,
) {
    let function = Arc::new(function);
    for arity in arities {
        let function = Arc::clone(&function);
        let types = vec![TypeId::of::<Dynamic>(); arity];
        engine.register_raw_fn(name, types, move |_, arguments| -> Fallible {
            let arguments: Vec<_> = arguments.iter_mut().map(|value| value.take()).collect();
            function(&arguments).map(values::of_reply).map_err(thrown)
        });
    }
}

/// Makes an error that a script can catch.
fn thrown(error: HelperError) -> Box<EvalAltResult> {
    EvalAltResult::ErrorRuntime(Dynamic::from(error), Position::NONE).into()
}

#[expect(
    deprecated,
    reason = "volatile, as its note says, and the only way to values that change"
)]
fn register_objects(engine: &mut Engine, catalogue: &Arc<Catalogue>) {
    let catalogue = Arc::clone(catalogue);
    engine.on_var(move |name, _, _| {
        let object = catalogue.object(name);
        Ok(object.map(|object| values::of_reply((object.value)())))
    });
    let mut constants = Module::new();
    constants
        .set_var("None", Dynamic::UNIT)
        .set_var("True", true)
        .set_var("False", false);
    engine.register_global_module(constants.into());
}

fn register_help(engine: &mut Engine, catalogue: &Arc<Catalogue>) {
    let catalogue = Arc::clone(catalogue);
    register_raw(engine, "help", 0..=1, move |arguments| {
        let Some(name) = arguments.first() else {
            return Ok(Reply::Table(catalogue.overview()));
        };
        let name = values::to_value(name);
        let name = name.as_str().unwrap_or_default().trim_end_matches("()");
        catalogue.explain(name).ok_or_else(|| {
            let error = HelperError::new(format!("there is no {name} to explain"));
            match catalogue.similar(name) {
                Some(similar) => error.hint(format!("did you mean {similar}?")),
                None => error.hint("help() lists what there is"),
            }
        })
    });
}

fn register_leaving(engine: &mut Engine) {
    let leave = |code: u8| -> Fallible {
        Err(EvalAltResult::ErrorTerminated(Dynamic::from(Stop::Exit(code)), Position::NONE).into())
    };
    for name in ["exit", "quit"] {
        engine.register_fn(name, move || leave(0));
        engine.register_fn(name, move |code: i64| {
            let checked = u8::try_from(code);
            checked.map_or_else(
                |_| {
                    Err(thrown(HelperError::new(format!(
                        "{name}() takes a code of 0 to 255"
                    ))))
                },
                leave,
            )
        });
    }
}

/// Replaces Rhai's `print`, which is one function for each type.
fn register_printing(engine: &mut Engine, context: &Context) {
    let console = Arc::clone(&context.console);
    engine.on_print(move |text| console.print(text));
    let console = Arc::clone(&context.console);
    engine.on_debug(move |text, _, _| console.print(&literal::lines(text)));
    let plain = |value: &Dynamic| literal::plain(&values::to_value(value));
    macro_rules! print {
        ($($type:ty),*) => {
            $(engine.register_fn("print", move |value: $type| plain(&Dynamic::from(value)));)*
        };
    }
    print!(
        bool,
        i64,
        f64,
        char,
        (),
        ImmutableString,
        Array,
        Map,
        Rows,
        Row
    );
    engine.register_fn("print", |error: &mut HelperError| error.to_string());
    engine.register_fn("to_string", |error: &mut HelperError| error.to_string());
    // What it gives is printed by the engine.
    let several = (0..=PRINTED_MAX).filter(|count| *count != 1);
    register_raw(engine, "print", several, move |arguments| {
        let texts: Vec<_> = arguments.iter().map(plain).collect();
        Ok(Reply::Value(texts.join(" ").into()))
    });
}
