//! `config.yaml`: what was read, written as JSON (which is YAML), is read as the same.

use layered_config::{Layer, Layers};
use serde_json::{Map, Value};
use session_client::Policies;

use super::{Door, Harness, assert_harmless, kind_of};

pub(super) const DOOR: Door = Door {
    name: "yaml",
    open: || Box::new(Settings),
};

struct Settings;

impl Harness for Settings {
    fn take(&mut self, input: &[u8]) -> String {
        let layer = match Layer::from_yaml("config.yaml", input) {
            Ok(layer) => layer,
            Err(error) => {
                let text = error.to_string();
                assert_harmless(&text);
                return kind_of(&text);
            }
        };
        let pairs = pairs(layer);
        let json = nested(&pairs).to_string();
        let again = Layer::from_yaml("config.yaml", json.as_bytes());
        let again = again.unwrap_or_else(|error| panic!("{error}: {json}"));
        assert_eq!(self::pairs(again), pairs, "{json}");
        let layer = Layer::from_yaml("config.yaml", input).expect("it was read before");
        match Policies::read(&Layers::new().with(layer)) {
            Ok(policies) => {
                let policy = policies.of(&"vault".parse().expect("it is a name"));
                format!("{} {policy:?}", pairs.len().min(8))
            }
            Err(error) => {
                let text = error.to_string();
                assert_harmless(&text);
                kind_of(&text)
            }
        }
    }
}

fn pairs(layer: Layer) -> Vec<(String, String)> {
    let layers = Layers::new().with(layer);
    let said = |key: &str| {
        let setting = layers.get::<String>(key).expect("text is always text");
        setting.expect("it is set").value
    };
    let keys = layers.keys();
    keys.into_iter()
        .map(|key| (key.to_owned(), said(key)))
        .collect()
}

fn nested(pairs: &[(String, String)]) -> Value {
    let mut root = Value::Object(Map::new());
    for (key, text) in pairs {
        let place = key
            .split('.')
            .fold(&mut root, |place, part| &mut place[part]);
        *place = text.clone().into();
    }
    root
}
