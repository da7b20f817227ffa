//! The JSON Schemas of the models, for whoever writes or reads events.

use axum::{
    Json,
    extract::{Path, rejection::PathRejection},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use session_model::{
    ErrorCode,
    schema::{MODELS, Model, VERSION},
};

use super::Problem;

/// Schemas with their version.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ListedSchemas {
    /// The version of the registry.
    version: &'static str,
    /// The schemas.
    schemas: Vec<ListedSchema>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct ListedSchema {
    /// The model.
    name: &'static str,
    /// Its JSON Schema, draft 2020-12, without references.
    #[schemars(with = "serde_json::Map<String, Value>")]
    schema: Value,
}

impl ListedSchemas {
    /// Lists every model.
    pub(super) fn all() -> Self {
        Self::of(MODELS)
    }

    /// Lists some models.
    pub(super) fn of(models: &[Model]) -> Self {
        let schemas = models.iter().map(|model| ListedSchema {
            name: model.name,
            schema: model.schema(),
        });
        Self {
            version: VERSION,
            schemas: schemas.collect(),
        }
    }
}

/// Finds a model.
pub(super) fn named(name: &str) -> Result<Model, Problem> {
    Model::named(name).map_err(|error| Problem::new(ErrorCode::NotFound, error.to_string()))
}

/// `GET /api/schemas`
pub(super) async fn list() -> Json<ListedSchemas> {
    Json(ListedSchemas::all())
}

/// `GET /api/schemas/{name}`
pub(super) async fn show(
    name: Result<Path<String>, PathRejection>,
) -> Result<Json<Value>, Problem> {
    let name = name.map_err(|rejection| Problem::parameter("name", rejection.body_text()))?;
    Ok(Json(named(&name)?.schema()))
}
