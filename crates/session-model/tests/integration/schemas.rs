//! The schemas say what the types say.

use std::{collections::HashMap, sync::LazyLock};

use proptest::{
    prelude::*,
    sample::{Index, select},
};
use serde_json::{Value, json};
use session_model::schema::{MODELS, Model};

use crate::{full_start_json, vectors::vectors};

fn validator(model: Model) -> &'static jsonschema::Validator {
    static VALIDATORS: LazyLock<HashMap<&str, jsonschema::Validator>> = LazyLock::new(|| {
        MODELS
            .iter()
            .map(|model| {
                (
                    model.name,
                    jsonschema::validator_for(&model.schema()).unwrap(),
                )
            })
            .collect()
    });
    &VALIDATORS[model.name]
}

#[test]
fn eleven_models_have_a_schema_with_draft_title_and_no_references() {
    let names: Vec<_> = MODELS.iter().map(|model| model.name).collect();
    assert_eq!(
        names,
        [
            "UserInfo",
            "EnvironmentInfo",
            "SessionStartEvent",
            "SessionEndEvent",
            "SessionHeartbeatEvent",
            "SessionStartResult",
            "SessionEndResult",
            "SessionHeartbeatResult",
            "SessionRecord",
            "AnalyticsReport",
            "ErrorResponse",
        ]
    );
    for model in MODELS {
        let schema = model.schema();
        assert_eq!(
            schema["$schema"], "https://json-schema.org/draft/2020-12/schema",
            "{}",
            model.name
        );
        assert_eq!(schema["title"], model.name);
        assert_eq!(schema["type"], "object", "{}", model.name);
        let text = schema.to_string();
        assert!(!text.contains("$ref"), "{text}");
        assert!(!text.contains("additionalProperties"), "{text}");
    }
}

#[test]
fn the_schemas_give_the_verdict_of_the_vectors() {
    let wrong: Vec<_> = vectors()
        .into_iter()
        .filter(|vector| {
            validator(Model::named(&vector.model).unwrap()).is_valid(&vector.input) != vector.valid
        })
        .map(|vector| format!("{}: {}", vector.model, vector.why))
        .collect();
    assert_eq!(wrong, Vec::<String>::new());
}

/// Values at the edges of every bound and type that a schema can state.
fn edges() -> Vec<Value> {
    let mut edges = vec![
        json!(null),
        json!(true),
        json!({}),
        json!([]),
        json!(""),
        json!(" "),
        json!("\0"),
        json!("a\nb"),
        json!("1.0"),
        json!("1"),
        json!("004194304"),
        json!("4194305"),
        json!("-1"),
        json!("1.5"),
        json!("agent"),
        json!("exit"),
        json!("session_start"),
        json!("2026-02-06T10:30:00Z"),
        json!("2026-02-06T10:30:60+23:59"),
        json!("2026-02-06T24:30:00Z"),
        json!("0000-02-06T10:30:00Z"),
        json!("00000000-0000-0000-0000-000000000000"),
        json!("{550e8400-e29b-41d4-a716-446655440000}"),
        json!("urn:uuid:550e8400-e29b-41d4-a716-446655440000"),
        json!("550e8400e29b41d4a716446655440000"),
        json!("550e8400-e29b-41d4-a716446655440000"),
        json!("urn:uuid:550e8400e29b41d4a716446655440000"),
        json!("ab".repeat(32)),
        json!("AB".repeat(32)),
        json!({"kind": "human"}),
        json!({"kind": "robot"}),
        json!({"key": [1, {"deeper": null}]}),
    ];
    edges.extend([-1.0, -0.0, 0.5, 1.0, 3600.0, 3601.0, 1e300].map(Value::from));
    edges.extend(
        [
            0_i64,
            1,
            3600,
            3601,
            4_194_304,
            4_194_305,
            -2_147_483_648,
            4_294_967_296,
        ]
        .map(Value::from),
    );
    edges.push(json!(u64::MAX));
    for length in [1, 50, 51, 100, 101, 200, 201, 255, 256, 500, 501] {
        edges.push(json!("x".repeat(length)));
        edges.push(json!("🦀".repeat(length)));
    }
    edges
}

fn end_json() -> Value {
    json!({
        "session_id": "mahavishnu-20260206-220458-z3ucgb7g",
        "timestamp": "2026-02-06T22:05:58Z",
        "event_type": "session_end",
        "metadata": {"duration_seconds": null},
        "event_id": "0192e4a0-0000-7000-8000-000000000002",
        "exit_reason": "lost",
        "exit_code": 0,
        "duration_seconds": 60.5,
        "command_count": 3,
        "error_count": 1,
        "last_error": "no such order",
        "lost_cause": "process_gone",
        "last_seen": "2026-02-06T22:05:00Z",
        "reported_by": "session-buddy",
        "emitter_id": "0192e4a0-0000-7000-8000-000000000001",
        "sequence": 1,
    })
}

fn heartbeat_json() -> Value {
    json!({
        "session_id": "mahavishnu-20260206-220458-z3ucgb7g",
        "timestamp": "2026-02-06T22:05:58Z",
        "event_type": "session_heartbeat",
        "sequence": 1,
        "command_count": 3,
        "error_count": 1,
        "last_error": "no such order",
    })
}

fn result_json() -> Value {
    json!({"session_id": null, "status": "error", "error": "x", "error_code": null, "lease_seconds": null})
}

/// Every path to a value inside a document, objects only. What is inside `metadata` has bounds of its own (size, depth,
/// no U+0000), which a schema cannot say.
fn paths(document: &Value) -> Vec<Vec<String>> {
    let Value::Object(members) = document else {
        return Vec::new();
    };
    members
        .iter()
        .flat_map(|(key, value)| {
            let inside = if key.ends_with("metadata") {
                &Value::Null
            } else {
                value
            };
            let deeper = paths(inside)
                .into_iter()
                .map(|path| [vec![key.clone()], path].concat());
            std::iter::once(vec![key.clone()])
                .chain(deeper)
                .collect::<Vec<_>>()
        })
        .collect()
}

fn change(document: &mut Value, path: &[String], edge: Option<Value>) {
    let (last, parents) = path.split_last().unwrap();
    let parent = parents.iter().try_fold(document, |at, key| at.get_mut(key));
    if let Some(Value::Object(members)) = parent {
        match edge {
            Some(edge) => members.insert(last.clone(), edge),
            None => members.remove(last),
        };
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn typed_validity_is_schema_validity(
        document in select(vec![
            ("SessionStartEvent", full_start_json()),
            ("SessionEndEvent", end_json()),
            ("SessionHeartbeatEvent", heartbeat_json()),
            ("SessionStartResult", result_json()),
            ("SessionEndResult", result_json()),
            ("SessionHeartbeatResult", result_json()),
            ("UserInfo", full_start_json()["user"].clone()),
            ("EnvironmentInfo", full_start_json()["environment"].clone()),
        ]),
        changes in prop::collection::vec((any::<Index>(), prop::option::of(select(edges()))), 0..3),
        status in select(vec!["tracked", "ended", "not_found", "alive", "error", "Error"]),
    ) {
        let (name, mut document) = document;
        if document.get("status").is_some() {
            document["status"] = status.into();
        }
        let paths = paths(&document);
        for (path, edge) in changes {
            change(&mut document, path.get::<Vec<String>>(&paths), edge);
        }
        let model = Model::named(name).unwrap();
        let typed = model.validate(&document);
        let schema = validator(model).is_valid(&document);
        prop_assert_eq!(typed.is_ok(), schema, "{} {} {:?}", name, document, typed);
    }
}

#[test]
fn a_record_fits_its_schema_and_reads_back() {
    let session =
        session_model::Session::begin(crate::fold::started("2026-02-06T22:05:00Z")).unwrap();
    let record = session.record(&crate::fold::vitals("2026-02-06T22:05:00Z"));
    let json = serde_json::to_value(&record).unwrap();
    let model = Model::named("SessionRecord").unwrap();
    let errors: Vec<_> = validator(model)
        .iter_errors(&json)
        .map(|error| error.to_string())
        .collect();
    assert_eq!(errors, Vec::<String>::new());
    assert_eq!(
        serde_json::from_value::<session_model::SessionRecord>(json).unwrap(),
        record
    );
}

#[test]
fn a_name_that_is_none_is_answered_with_the_likely_one() {
    for (typed, expected) in [
        ("SessionStart", "did you mean SessionStartEvent? "),
        ("sessionstartevent", "did you mean SessionStartEvent? "),
        ("user_info", "did you mean UserInfo? "),
        ("Invoice", ""),
        ("", ""),
    ] {
        let error = Model::named(typed).unwrap_err().to_string();
        let begin = format!("there is no schema {typed:?}; {expected}known are UserInfo, Environ");
        assert!(error.starts_with(&begin), "{error}");
    }
    let long = Model::named(&"x".repeat(10_000)).unwrap_err().to_string();
    assert!(long.len() < 400, "{long}");
}
