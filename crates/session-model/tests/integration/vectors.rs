//! The published vectors: what is valid is accepted, what is not is refused.

use serde_json::Value;
use session_model::schema::Model;

#[derive(serde::Deserialize)]
pub(crate) struct Vector {
    pub(crate) model: String,
    pub(crate) valid: bool,
    pub(crate) why: String,
    pub(crate) input: Value,
}

pub(crate) fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("../event_vectors.json")).unwrap()
}

#[test]
fn every_model_accepts_exactly_the_valid_vectors() {
    let vectors = vectors();
    assert!(
        vectors.len() > 100,
        "only {} vectors were read",
        vectors.len()
    );
    let wrong: Vec<_> = vectors
        .iter()
        .filter_map(|vector| {
            let verdict = Model::named(&vector.model).unwrap().validate(&vector.input);
            (verdict.is_ok() != vector.valid)
                .then(|| format!("{}: {}: {verdict:?}", vector.model, vector.why))
        })
        .collect();
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn one_error_names_every_bad_field() {
    let vectors = vectors();
    let vector = vectors
        .iter()
        .find(|vector| vector.why.contains("four independent errors"))
        .unwrap();
    let errors = Model::named(&vector.model)
        .unwrap()
        .validate(&vector.input)
        .unwrap_err();
    let fields: Vec<_> = errors
        .as_slice()
        .iter()
        .map(|error| error.field.as_str())
        .collect();
    assert_eq!(
        fields,
        ["event_version", "event_id", "component_name", "timestamp"]
    );
}

#[test]
fn a_bound_is_named_with_the_length_that_was_found() {
    let mut event = crate::start_json();
    event["user"]["username"] = "x".repeat(101).into();
    event["hostname"] = "é".repeat(256).into();
    event["pid"] = 0.into();
    let errors = Model::named("SessionStartEvent")
        .unwrap()
        .validate(&event)
        .unwrap_err();
    assert_eq!(
        errors.to_string(),
        "pid: expected an integer from 1 to 4194304, found 0; \
         user.username: at most 100 characters, found 101; \
         hostname: at most 255 characters, found 256"
    );
}
