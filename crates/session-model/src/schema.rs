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
    /// Who writes documents of it.
    pub written_by: WrittenBy,
    schema: fn() -> Value,
    validate: fn(&Value) -> Result<(), FieldErrors>,
}

/// Who writes documents of a model. It decides how the model may change: what others write must stay welcome, and what
/// others read must stay what they know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrittenBy {
    /// Whoever reports sessions.
    Senders,
    /// The server, in its answers.
    Server,
}

/// There is no model of that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no schema {name:?}; {}known are {}", meant(*likely), names())]
pub struct UnknownModel {
    name: String,
    likely: Option<&'static str>,
}

fn meant(likely: Option<&str>) -> String {
    likely.map_or_else(String::new, |name| format!("did you mean {name}? "))
}

fn names() -> String {
    let names: Vec<_> = MODELS.iter().map(|model| model.name).collect();
    names.join(", ")
}

impl Model {
    /// Finds a model by its name.
    ///
    /// # Errors
    ///
    /// When there is none, with the one that may be meant.
    pub fn named(name: &str) -> Result<Self, UnknownModel> {
        /// Below this, two names (Jaro-Winkler, case aside) look like two things.
        const ALIKE: f64 = 0.8;
        /// The most characters of a name that are repeated.
        const SHOWN: usize = 60;
        if let Some(model) = MODELS.iter().find(|model| model.name == name) {
            return Ok(*model);
        }
        let typed = name.to_lowercase();
        let likeness = |model: &Self| strsim::jaro_winkler(&typed, &model.name.to_lowercase());
        let scored = MODELS.iter().map(|model| (likeness(model), model.name));
        let likely = scored
            .filter(|(score, _)| *score >= ALIKE)
            .max_by(|(one, _), (other, _)| one.total_cmp(other));
        Err(UnknownModel {
            name: name.chars().take(SHOWN).collect(),
            likely: likely.map(|(_, name)| name),
        })
    }

    /// Gives what its schema says of it in a sentence.
    pub fn description(self) -> String {
        let schema = self.schema();
        schema["description"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
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

/// Gives the schema of a type for a place inside another schema.
pub fn inside<T: JsonSchema>() -> Value {
    let mut schema = of::<T>();
    if let Value::Object(schema) = &mut schema {
        schema.retain(|keyword, _| !matches!(keyword.as_str(), "$schema" | "title"));
    }
    schema
}

macro_rules! models {
    ($($name:ident: $written_by:ident,)+) => {
        /// The models, in the order in which they are listed.
        pub const MODELS: &[Model] = &[$(Model {
            name: stringify!($name),
            written_by: WrittenBy::$written_by,
            schema: of::<$name>,
            validate: |document| $name::from_json(document).map(drop),
        }),+];
    };
}

models! {
    UserInfo: Senders,
    EnvironmentInfo: Senders,
    SessionStartEvent: Senders,
    SessionEndEvent: Senders,
    SessionHeartbeatEvent: Senders,
    SessionStartResult: Server,
    SessionEndResult: Server,
    SessionHeartbeatResult: Server,
    SessionRecord: Server,
    AnalyticsReport: Server,
    ErrorResponse: Server,
}
