//! The registry of the eleven public models.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value;

use crate::{
    AnalyticsReport, EnvironmentInfo, ErrorResponse, Field, FieldErrors, SessionEndEvent,
    SessionEndResult, SessionHeartbeatEvent, SessionHeartbeatResult, SessionRecord,
    SessionStartEvent, SessionStartResult, UserInfo,
};

/// The version of the registry and of the start event.
pub const VERSION: &str = "1.0";

/// A registered model.
#[derive(Clone, Copy, Debug)]
pub struct Model {
    /// Its name, which is the title of its schema.
    pub name: &'static str,
    schema: fn() -> Value,
    validate: fn(&Value) -> Result<(), FieldErrors>,
}

impl Model {
    /// Finds a model by its name.
    pub fn named(name: &str) -> Option<Self> {
        MODELS.iter().copied().find(|model| model.name == name)
    }

    /// Gives its JSON Schema, draft 2020-12, without references.
    pub fn schema(self) -> Value {
        (self.schema)()
    }

    /// Validates a document.
    ///
    /// # Errors
    ///
    /// Every field that is wrong.
    pub fn validate(self, document: &Value) -> Result<(), FieldErrors> {
        (self.validate)(document)
    }
}

/// Gives the schema of a type, draft 2020-12, without references, so that it can be shown and used alone.
pub fn of<T: JsonSchema>() -> Value {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value()
}

macro_rules! models {
    ($($name:ident),+ $(,)?) => {
        /// The models, in the order in which they are listed.
        pub const MODELS: &[Model] = &[$(Model {
            name: stringify!($name),
            schema: of::<$name>,
            validate: |document| $name::from_json(document).map(drop),
        }),+];
    };
}

models! {
    UserInfo,
    EnvironmentInfo,
    SessionStartEvent,
    SessionEndEvent,
    SessionHeartbeatEvent,
    SessionStartResult,
    SessionEndResult,
    SessionHeartbeatResult,
    SessionRecord,
    AnalyticsReport,
    ErrorResponse,
}
