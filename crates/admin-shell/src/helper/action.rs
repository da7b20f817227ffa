//! Any function with typed arguments as an action.

use std::sync::Arc;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{Action, ActionError, Context, HelperError};
use crate::output::{Record, Reply, Table};

/// What a helper may give: nothing, plain data, a [`Table`], a [`Record`], or a result of one of them.
pub trait IntoReply {
    /// Makes it a reply.
    ///
    /// # Errors
    ///
    /// Why the helper failed.
    fn into_reply(self) -> Result<Reply, HelperError>;
}

impl IntoReply for () {
    fn into_reply(self) -> Result<Reply, HelperError> {
        Ok(Reply::Nothing)
    }
}

impl IntoReply for Reply {
    fn into_reply(self) -> Result<Reply, HelperError> {
        Ok(self)
    }
}

impl IntoReply for Table {
    fn into_reply(self) -> Result<Reply, HelperError> {
        Ok(Reply::Table(self))
    }
}

impl IntoReply for Record {
    fn into_reply(self) -> Result<Reply, HelperError> {
        Ok(Reply::Record(self))
    }
}

impl<T: Serialize> IntoReply for Vec<T> {
    fn into_reply(self) -> Result<Reply, HelperError> {
        Ok(Reply::Value(serde_json::to_value(self)?))
    }
}

impl<T: IntoReply> IntoReply for Option<T> {
    fn into_reply(self) -> Result<Reply, HelperError> {
        self.map_or(Ok(Reply::Value(Value::Null)), T::into_reply)
    }
}

impl<T: IntoReply, E: Into<HelperError>> IntoReply for Result<T, E> {
    fn into_reply(self) -> Result<Reply, HelperError> {
        self.map_err(E::into)?.into_reply()
    }
}

macro_rules! plain {
    ($($type:ty),*) => {
        $(impl IntoReply for $type {
            fn into_reply(self) -> Result<Reply, HelperError> {
                Ok(Reply::Value(self.into()))
            }
        })*
    };
}

plain!(
    bool,
    i32,
    i64,
    u32,
    u64,
    usize,
    f64,
    String,
    &'static str,
    Value
);

/// A function that can be a helper: up to six arguments of types that JSON can give, [`Context`] before them where it
/// wants that. `Marker` tells these kinds of functions apart and is never written.
pub trait IntoAction<Marker>: 'static {
    /// How many arguments it takes.
    const ARITY: usize;

    /// Makes it an action, which checks the types of its arguments.
    fn into_action(self) -> Action;
}

/// Takes the next argument.
fn argument<T: DeserializeOwned>(
    arguments: &mut std::vec::IntoIter<Value>,
    place: usize,
) -> Result<T, ActionError> {
    let value = arguments.next().unwrap_or_default();
    serde_json::from_value(value).map_err(|error| ActionError::Argument {
        place,
        problem: error.to_string(),
    })
}

macro_rules! actions {
    ($arity:literal $($type:ident $place:literal)*) => {
        impl<Function, Given, $($type),*> IntoAction<(($($type,)*), Given)> for Function
        where
            Function: Fn($($type),*) -> Given + Send + Sync + 'static,
            Given: IntoReply,
            $($type: DeserializeOwned,)*
        {
            const ARITY: usize = $arity;

            fn into_action(self) -> Action {
                Arc::new(move |_, arguments| {
                    let mut _arguments = arguments.into_iter();
                    self($(argument::<$type>(&mut _arguments, $place)?),*).into_reply().map_err(ActionError::Failed)
                })
            }
        }

        impl<Function, Given, $($type),*> IntoAction<(Context, ($($type,)*), Given)> for Function
        where
            Function: Fn(&Context, $($type),*) -> Given + Send + Sync + 'static,
            Given: IntoReply,
            $($type: DeserializeOwned,)*
        {
            const ARITY: usize = $arity;

            fn into_action(self) -> Action {
                Arc::new(move |context, arguments| {
                    let mut _arguments = arguments.into_iter();
                    self(context, $(argument::<$type>(&mut _arguments, $place)?),*).into_reply().map_err(ActionError::Failed)
                })
            }
        }
    };
}

actions!(0);
actions!(1 A 0);
actions!(2 A 0 B 1);
actions!(3 A 0 B 1 C 2);
actions!(4 A 0 B 1 C 2 D 3);
actions!(5 A 0 B 1 C 2 D 3 E 4);
actions!(6 A 0 B 1 C 2 D 3 E 4 F 5);
