//! How a project declares the settings of a component, in `settings/NAME.schema.yaml`:
//!
//! ```yaml
//! port:
//!   type: integer          # text, path, boolean, integer, number, duration, choice, section
//!   min: 1
//!   max: 65535
//!   default: 8678
//!   variable: BILLING_PORT # else BILLING_ and the key, `__` for each dot
//!   about: Where to listen
//! api:
//!   token:
//!     type: text
//!     secret: true
//! tenants:
//!   type: section          # anything below it
//! ```

use std::{collections::BTreeMap, path::Path};

use layered_config::{Declaration, FileError, Kind, Layer, Layers};

/// What a declaration may say beside its type.
const ATTRIBUTES: [&str; 7] = [
    "about", "choices", "default", "max", "min", "secret", "variable",
];

/// Why a schema cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The file is wrong.
    #[error(transparent)]
    File(#[from] FileError),
    /// A declaration is wrong.
    #[error("{origin}: {key}: {problem}")]
    Declaration {
        /// The file and line.
        origin: String,
        /// The key in the schema.
        key: String,
        /// What is wrong.
        problem: String,
    },
}

/// Reads a schema; `None` if there is none.
///
/// # Errors
///
/// The file cannot be read, or what it says is no declaration.
pub fn read(path: &Path) -> Result<Option<Vec<Declaration>>, SchemaError> {
    let layer = Layer::from_file(path)?;
    if !layer.is_present() {
        return Ok(None);
    }
    declarations(layer).map(Some)
}

/// Reads what a schema of this name holds.
///
/// # Errors
///
/// As [`read`].
pub(crate) fn parse(name: &Path, bytes: &[u8]) -> Result<Vec<Declaration>, SchemaError> {
    declarations(Layer::from_yaml(name, bytes)?)
}

fn declarations(layer: Layer) -> Result<Vec<Declaration>, SchemaError> {
    let layers = Layers::new().with(layer);
    let mut declared = BTreeMap::new();
    for key in layers.keys() {
        let Some((setting, attribute)) = key.rsplit_once('.') else {
            return Err(wrong(&layers, key, "a setting is a mapping with a `type`"));
        };
        if attribute != "type" && !ATTRIBUTES.contains(&attribute) {
            let problem = format!(
                "a declaration has `type`, and may have {}",
                ATTRIBUTES.join(", ")
            );
            return Err(wrong(&layers, key, &problem));
        }
        if !declared.contains_key(setting) {
            declared.insert(setting.to_owned(), declaration(&layers, setting, key)?);
        }
    }
    Ok(declared.into_values().collect())
}

/// Reads what a schema says of a setting. `first` is a key of its, to name in an error.
fn declaration(layers: &Layers, setting: &str, first: &str) -> Result<Declaration, SchemaError> {
    let said = |attribute: &str| {
        let key = format!("{setting}.{attribute}");
        let found = layers.get::<String>(&key).ok().flatten();
        found.map(|found| found.value)
    };
    let Some(name) = said("type") else {
        return Err(wrong(layers, first, "the `type` is missing"));
    };
    let bound = |attribute: &str, default: i64| match said(attribute).map(|text| text.parse()) {
        None => Ok(default),
        Some(Ok(bound)) => Ok(bound),
        Some(Err(_)) => Err(wrong(
            layers,
            &format!("{setting}.{attribute}"),
            "an integer is expected",
        )),
    };
    let kind = match &*name {
        "text" | "section" => Kind::Text,
        "path" => Kind::Path,
        "boolean" => Kind::Boolean,
        "integer" => Kind::Integer {
            min: bound("min", i64::MIN)?,
            max: bound("max", i64::MAX)?,
        },
        "number" => Kind::Number,
        "duration" => Kind::Duration,
        "choice" => match said("choices") {
            Some(choices) => Kind::OneOf(choices.split(',').map(str::to_owned).collect()),
            None => return Err(wrong(layers, first, "a choice needs `choices`")),
        },
        _ => {
            let key = format!("{setting}.type");
            let problem = "one of text, path, boolean, integer, number, duration, choice, section is expected";
            return Err(wrong(layers, &key, problem));
        }
    };
    let default = said("default");
    if let Some(Err(expected)) = default.as_ref().map(|default| kind.check(default)) {
        let key = format!("{setting}.default");
        return Err(wrong(layers, &key, &format!("expected {expected}")));
    }
    let secret = said("secret")
        .is_some_and(|text| matches!(&*text.to_ascii_lowercase(), "true" | "1" | "yes" | "on"));
    // A key that ends in a dot declares everything below it.
    let below = if name == "section" { "." } else { "" };
    Ok(Declaration {
        key: format!("{setting}{below}"),
        kind,
        default,
        variable: said("variable"),
        secret,
        about: said("about").unwrap_or_default(),
    })
}

fn wrong(layers: &Layers, key: &str, problem: &str) -> SchemaError {
    let said = layers.explain(key);
    SchemaError::Declaration {
        origin: said
            .first()
            .map(|said| said.origin.to_string())
            .unwrap_or_default(),
        key: key.to_owned(),
        problem: problem.to_owned(),
    }
}
