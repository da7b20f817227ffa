//! How a server says that it did not do what it was asked for (RFC 9457).

use session_model::FieldError;

/// A refusal: `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Problem {
    /// Always `about:blank`: the code says more.
    #[serde(rename = "type", default)]
    pub problem_type: String,
    /// The status in words.
    #[serde(default)]
    pub title: String,
    /// The HTTP status.
    #[serde(default)]
    pub status: u16,
    /// What is wrong, and what to do.
    #[serde(default)]
    pub detail: String,
    /// A stable code, such as `SESSION_NOT_FOUND`.
    #[serde(default)]
    pub code: String,
    /// What is wrong with each field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Ids that could have been meant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<String>,
}
