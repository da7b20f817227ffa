//! What the engine knows by name: the component's helpers and objects, and what every shell has.

use std::{any::TypeId, sync::Arc, time::Duration};

use rhai::{Array, Dynamic, Engine, EvalAltResult, ImmutableString, Map, Module, Position};
use serde_json::Value;

use super::{
    limits::{Clockwork, Stop},
    rows::{Row, Rows, Shown},
    values::{self, Named},
};
use crate::{
    catalogue::Catalogue,
    helper::{ActionError, Context, Given, Helper, HelperError},
    language::{NAMED, Signature, script_name},
    output::{Format, Reply, literal},
};

type Fallible = Result<Dynamic, Box<EvalAltResult>>;

/// The most arguments with which a function is found at all; what is too many is then its own error.
const ARGUMENTS_MAX: usize = 8;

/// Teaches an engine all names of the catalogue.
pub(super) fn register(
    engine: &mut Engine,
    catalogue: &Arc<Catalogue>,
    context: &Context,
    clockwork: &Clockwork,
) {
    engine
        .register_type_with_name::<Named>("an argument with a name")
        .register_type_with_name::<HelperError>("error")
        .register_fn(NAMED, |name: ImmutableString, value: Dynamic| Named {
            name,
            value,
        });
    for helper in &catalogue.helpers {
        register_helper(engine, helper, context, clockwork);
    }
    register_objects(engine, catalogue);
    register_help(engine, catalogue);
    register_leaving(engine, catalogue);
    register_sleeping(engine, catalogue, context, clockwork);
    register_printing(engine, context);
    register_writing(engine, catalogue, context);
}

fn register_helper(engine: &mut Engine, helper: &Helper, context: &Context, clockwork: &Clockwork) {
    let action = Arc::clone(&helper.action);
    let (context, clockwork) = (context.clone(), clockwork.clone());
    register_bound(engine, &helper.signature, move |signature, arguments| {
        let done = clockwork.stand_still(|| action(&context, arguments));
        let error = match done {
            Ok(reply) => return Ok(values::of_reply(reply)),
            Err(ActionError::Failed(error)) => error,
            Err(ActionError::Argument { place, problem }) => {
                let name = signature.parameters.get(place);
                let name = name.map_or("", |parameter| parameter.name());
                signature.error(&format!("{name}: {problem}"))
            }
        };
        Err(thrown(error))
    });
}

/// Registers a function whose arguments its signature tells.
fn register_bound(
    engine: &mut Engine,
    signature: &Signature,
    function: impl Fn(&Signature, Vec<Value>) -> Fallible + Send + Sync + 'static,
) {
    let name = script_name(&signature.name);
    let function = Arc::new((signature.clone(), function));
    for arity in 0..=ARGUMENTS_MAX {
        let function = Arc::clone(&function);
        let types = vec![TypeId::of::<Dynamic>(); arity];
        engine.register_raw_fn(&name, types, move |_, arguments| -> Fallible {
            let (signature, function) = &*function;
            let given: Vec<Given> = arguments.iter().map(|value| values::given(value)).collect();
            let bound = signature.bind(given).map_err(thrown)?;
            function(signature, bound)
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
    engine.on_var(move |name, _, context| {
        // What a script has made goes before.
        if context.scope().contains(name) {
            return Ok(None);
        }
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
    let own = Arc::clone(catalogue);
    register_bound(
        engine,
        catalogue.built_in("help"),
        move |signature, arguments| {
            let name = match arguments.first() {
                None | Some(Value::Null) => {
                    return Ok(values::of_reply(Reply::Table(own.overview())));
                }
                Some(Value::String(name)) => name.trim_end_matches("()"),
                Some(_) => return Err(thrown(signature.error("name: a text is expected"))),
            };
            let explained = own.explain(name).ok_or_else(|| {
                let error = HelperError::new(format!("there is no {name} to explain"));
                thrown(match own.similar(name) {
                    Some(similar) => error.hint(format!("did you mean {similar}?")),
                    None => error.hint("help() lists what there is"),
                })
            });
            explained.map(values::of_reply)
        },
    );
}

fn register_leaving(engine: &mut Engine, catalogue: &Catalogue) {
    for name in ["exit", "quit"] {
        register_bound(engine, catalogue.built_in(name), |signature, arguments| {
            let code = arguments.first().and_then(Value::as_u64);
            match code.and_then(|code| u8::try_from(code).ok()) {
                Some(code) => {
                    let stop = Dynamic::from(Stop::Exit(code));
                    Err(EvalAltResult::ErrorTerminated(stop, Position::NONE).into())
                }
                None => Err(thrown(signature.error("code: 0 to 255 is expected"))),
            }
        });
    }
}

/// Replaces Rhai's `sleep`, which nothing interrupts, and which is one function for each type.
fn register_sleeping(
    engine: &mut Engine,
    catalogue: &Catalogue,
    context: &Context,
    clockwork: &Clockwork,
) {
    let (context, clockwork) = (context.clone(), clockwork.clone());
    let sleep = move |signature: &Signature, seconds: Option<f64>| -> Fallible {
        let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let wrong = || thrown(signature.error("seconds: a number of seconds is expected"));
        let time = time.ok_or_else(wrong)?;
        // What interrupts it stops the script too.
        let _ = clockwork.stand_still(|| context.wait(time));
        Ok(Dynamic::UNIT)
    };
    let signature = catalogue.built_in("sleep");
    let (of_whole, whole) = (signature.clone(), sleep.clone());
    #[expect(clippy::cast_precision_loss, reason = "nobody sleeps for 2^52 seconds")]
    engine.register_fn("sleep", move |seconds: i64| {
        whole(&of_whole, Some(seconds as f64))
    });
    let (of_float, float) = (signature.clone(), sleep.clone());
    engine.register_fn("sleep", move |seconds: f64| float(&of_float, Some(seconds)));
    register_bound(engine, signature, move |signature, arguments| {
        sleep(signature, arguments.first().and_then(Value::as_f64))
    });
}

/// What gives a value as text; it is shown as it stands. Replaces Rhai's own `to_json`, which knows only maps.
fn register_writing(engine: &mut Engine, catalogue: &Arc<Catalogue>, context: &Context) {
    for (name, format) in [("to_csv", Format::Csv), ("to_json", Format::Json)] {
        let context = context.clone();
        let write = move |value: &Dynamic| -> Fallible {
            let text = values::to_reply(value).write(format, &context.view());
            let text = text.trim_end().to_owned();
            Ok(values::of_reply(Reply::Shown {
                value: text.clone().into(),
                text,
            }))
        };
        let of_map = write.clone();
        engine.register_fn(name, move |map: &mut Map| {
            of_map(&Dynamic::from(map.clone()))
        });
        let signature = catalogue.built_in(name).clone();
        for arity in 0..=ARGUMENTS_MAX {
            let (write, signature) = (write.clone(), signature.clone());
            let types = vec![TypeId::of::<Dynamic>(); arity];
            engine.register_raw_fn(name, types, move |_, arguments| match arguments {
                [value] => write(value),
                _ => Err(thrown(signature.error("one value is expected"))),
            });
        }
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
        Row,
        Shown
    );
    engine.register_fn("print", |error: &mut HelperError| {
        literal::lines(&error.to_string())
    });
    engine.register_fn("to_string", |error: &mut HelperError| error.to_string());
    engine.register_fn("print", |_: Named| -> Fallible {
        Err(thrown(HelperError::new(
            "print() takes no arguments with names",
        )))
    });
    // What it gives is printed by the engine.
    for arity in (0..=ARGUMENTS_MAX).filter(|arity| *arity != 1) {
        let types = vec![TypeId::of::<Dynamic>(); arity];
        engine.register_raw_fn("print", types, move |_, arguments| -> Fallible {
            let texts: Vec<_> = arguments.iter().map(|value| plain(value)).collect();
            Ok(texts.join(" ").into())
        });
    }
}
