//! A released schema changes only so that nobody who relies on it notices.
//!
//! `released.json` beside the crate's sources holds the schemas of the release that it names. What has changed since must be
//! compatible with them; when the version of the workspace changes, the copy has to be made anew.

mod compatibility;

use std::{collections::BTreeMap, fs, io::Write as _};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use session_model::schema::MODELS;

use compatibility::breaks;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/released.json");
/// Set to write the copy anew.
const UPDATE: &str = "UPDATE_RELEASED_SCHEMAS";
const HOW_TO_UPDATE: &str = "UPDATE_RELEASED_SCHEMAS=1 cargo nextest run -p session-model released";

/// The schemas of a release, by name.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Released {
    release: String,
    schemas: BTreeMap<String, Value>,
}

impl Released {
    fn kept() -> Self {
        serde_json::from_slice(&fs::read(FILE).unwrap()).unwrap()
    }

    fn of_now() -> Self {
        let schemas = MODELS.iter();
        let schemas = schemas.map(|model| (model.name.to_owned(), model.schema()));
        Self {
            release: env!("CARGO_PKG_VERSION").to_owned(),
            schemas: schemas.collect(),
        }
    }
}

#[test]
fn released_schemas_have_changed_compatibly() {
    if std::env::var_os(UPDATE).is_some() {
        let text = serde_json::to_string_pretty(&Released::of_now()).unwrap();
        fs::write(FILE, text + "\n").unwrap();
    }
    let (kept, now) = (Released::kept(), Released::of_now());
    let mut broken = Vec::new();
    for (name, released) in &kept.schemas {
        match MODELS.iter().find(|model| model.name == name) {
            None => broken.push(format!("{name}: removed")),
            Some(model) => {
                let found = breaks(model.written_by, released, &now.schemas[name]);
                broken.extend(found.iter().map(|found| format!("{name}{found}")));
            }
        }
    }
    assert!(
        broken.is_empty(),
        "these changes break who relies on the schemas of release {}:\n  {}\n\
         Add beside what is there instead of changing it. Where there is no other way, `{HOW_TO_UPDATE}` takes the new \
         schemas as they are, and the changelog says what breaks.",
        kept.release,
        broken.join("\n  "),
    );
    if kept == now {
        return;
    }
    assert_eq!(
        kept.release, now.release,
        "the schemas have changed (compatibly) since that release; `{HOW_TO_UPDATE}` keeps those of this one"
    );
    let note = format!(
        "note: the schemas have changed compatibly since release {}; `{HOW_TO_UPDATE}` updates the kept copy",
        kept.release
    );
    let _ = writeln!(std::io::stderr(), "{note}");
}
