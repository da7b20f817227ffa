use std::collections::BTreeSet;

use crate::layer::Value;
use crate::unknown::{is_known, suggest};
use crate::{
    Contribution, Declaration, FromText, Layer, Problem, Setting, Source, UnknownKey, ValueError,
    setting,
};

/// Looks keys up in all layers at once: defaults < files < environment < flags.
///
/// The strongest layer that sets a key wins it whole. Within one kind, the layer that was added
/// later is stronger.
#[derive(Debug, Default)]
pub struct Layers {
    /// Weakest first.
    layers: Vec<Layer>,
    secrets: BTreeSet<String>,
}

impl Layers {
    /// Makes an empty stack without secrets.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes an empty stack in which the values of these keys are shown as `<hidden>`.
    pub fn with_secrets<K: Into<String>>(keys: impl IntoIterator<Item = K>) -> Self {
        Self {
            layers: Vec::new(),
            secrets: keys.into_iter().map(Into::into).collect(),
        }
    }

    /// Shows the values of these keys as `<hidden>` too, where they are only known once the layers are read.
    #[must_use]
    pub fn hiding<K: Into<String>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.secrets.extend(keys.into_iter().map(Into::into));
        self
    }

    /// Adds a layer above all that are not stronger by their kind.
    #[must_use]
    pub fn with(mut self, layer: Layer) -> Self {
        let strength = layer.source().strength();
        let place = self
            .layers
            .partition_point(|other| other.source().strength() <= strength);
        self.layers.insert(place, layer);
        self
    }

    /// Lists the layers, weakest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Layer> {
        self.layers.iter()
    }

    /// Lists every key that some layer sets.
    pub fn keys(&self) -> BTreeSet<&str> {
        self.layers.iter().flat_map(Layer::keys).collect()
    }

    /// Looks up `key`; `None` if no layer sets it.
    ///
    /// # Errors
    ///
    /// The winning value is not what [`T` expects](FromText::EXPECTED). Weaker values are not
    /// tried in its place.
    pub fn get<T: FromText>(&self, key: &str) -> Result<Option<Setting<T>>, ValueError> {
        self.get_with(key, |text| {
            T::from_text(text).ok_or_else(|| T::EXPECTED.to_owned())
        })
    }

    /// Looks up `key` and parses it with `parse`; `None` if no layer sets it.
    ///
    /// # Errors
    ///
    /// `parse` refuses the winning value. Its error completes "expected …" and names the bounds;
    /// for a secret it must not repeat the text, which the rest of the error hides.
    pub fn get_with<T>(
        &self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<Setting<T>>, ValueError> {
        let Some(Value { text, origin }) = self.values(key).next() else {
            return Ok(None);
        };
        let secret = self.is_secret(key);
        let value = parse(text).map_err(|expected| ValueError {
            key: key.to_owned(),
            expected,
            found: setting::quote(text, secret),
            origin: origin.clone(),
        })?;
        let beat = self.explain(key).into_iter().skip(1).collect();
        Ok(Some(Setting {
            value,
            origin: origin.clone(),
            beat,
            secret,
        }))
    }

    /// Lists what each layer that sets `key` says, strongest first: the winner, then what it beat.
    pub fn explain(&self, key: &str) -> Vec<Contribution> {
        let secret = self.is_secret(key);
        self.values(key)
            .map(|v| Contribution::new(&v.origin, &v.text, secret))
            .collect()
    }

    /// Finds the keys in files that are not in `known`, by file from weak to strong, then by line.
    ///
    /// An entry that ends in a dot, such as `components.`, declares everything below it.
    pub fn unknown_keys(&self, known: &[&str]) -> Vec<UnknownKey> {
        self.unknown(known, |source| matches!(source, Source::File(_)))
    }

    /// Finds the keys of variables that are not in `known`, for whoever takes more than declared ones.
    pub fn unknown_variables(&self, known: &[&str]) -> Vec<UnknownKey> {
        self.unknown(known, |source| *source == Source::Environment)
    }

    fn unknown(&self, known: &[&str], wanted: impl Fn(&Source) -> bool) -> Vec<UnknownKey> {
        let unknown_in = |layer: &Layer| {
            let mut found: Vec<_> = layer
                .values()
                .filter(|(key, _)| !is_known(key, known))
                .map(|(key, value)| UnknownKey {
                    key: key.to_owned(),
                    origin: value.origin.clone(),
                    suggestion: suggest(key, known),
                })
                .collect();
            found.sort_by_key(|unknown| unknown.origin.line());
            found
        };
        self.layers
            .iter()
            .filter(|layer| wanted(layer.source()))
            .flat_map(unknown_in)
            .collect()
    }

    /// Finds all that is wrong, in every layer, also where a stronger one hides it: keys in files that are not declared,
    /// and values that their keys do not accept. By layer from weak to strong, then by line.
    ///
    /// What `known` names is declared too, of any kind; an entry that ends in a dot declares everything below it.
    pub fn problems(&self, declared: &[Declaration], known: &[&str]) -> Vec<Problem> {
        let keys = declared.iter().map(|declaration| declaration.key.as_str());
        let all: Vec<&str> = keys.chain(known.iter().copied()).collect();
        let wrong_in = |layer: &Layer| {
            let mut found: Vec<_> = layer
                .values()
                .filter_map(|(key, value)| self.problem(layer, key, value, declared, &all))
                .collect();
            found.sort_by_key(|problem| problem.origin.line());
            found
        };
        self.layers.iter().flat_map(wrong_in).collect()
    }

    fn problem(
        &self,
        layer: &Layer,
        key: &str,
        value: &Value,
        declared: &[Declaration],
        known: &[&str],
    ) -> Option<Problem> {
        let secret = self.is_secret(key);
        if let Some(declaration) = declared.iter().find(|declaration| declaration.key == key) {
            let expected = declaration.kind.check(&value.text).err()?;
            let said = Contribution::new(&value.origin, &value.text, secret);
            let found = setting::quote(&value.text, secret);
            return Some(Problem::of_value(key, &said, &found, &expected));
        }
        let in_file = matches!(layer.source(), Source::File(_));
        (in_file && !is_known(key, known)).then(|| Problem {
            origin: value.origin.clone(),
            key: key.to_owned(),
            problem: "unknown key".to_owned(),
            suggestion: suggest(key, known),
        })
    }

    /// Tells whether `key` was declared secret.
    pub fn is_secret(&self, key: &str) -> bool {
        self.secrets.contains(key)
    }

    /// What the layers say about `key`, strongest first.
    fn values(&self, key: &str) -> impl Iterator<Item = &Value> {
        self.layers
            .iter()
            .rev()
            .filter_map(move |layer| layer.value(key))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Kind;

    fn flag(key: &str, text: &str) -> Layer {
        Layer::from_flags([(key, format!("--{key}"), Some(text.to_owned()))])
    }

    fn variable(key: &str, text: &str) -> Layer {
        let name = format!("BUDDY_{}", key.to_uppercase());
        Layer::from_environment([(key, name)], |_| Some(text.into())).unwrap()
    }

    fn file(path: &str, text: &str) -> Layer {
        Layer::from_yaml(path, text.as_bytes()).unwrap()
    }

    #[test]
    fn strength_comes_from_the_kind_and_then_from_the_order() {
        let layers = Layers::new()
            .with(flag("port", "4"))
            .with(file("system.yaml", "port: 1"))
            .with(variable("port", "3"))
            .with(file("user.yaml", "port: 2"))
            .with(Layer::defaults([("port", "0")]));
        let texts: Vec<_> = layers.explain("port").into_iter().map(|c| c.text).collect();
        assert_eq!(texts, ["4", "3", "2", "1", "0"]);
        let sources: Vec<_> = layers.iter().map(|l| l.source().to_string()).collect();
        assert_eq!(
            sources,
            [
                "defaults",
                "system.yaml",
                "user.yaml",
                "environment",
                "flags"
            ]
        );
    }

    #[test]
    fn a_value_that_does_not_parse_names_key_bounds_and_origin() {
        let layers = Layers::new()
            .with(Layer::defaults([("port", "8678")]))
            .with(variable("port", "80x"));
        assert_eq!(
            layers.get::<u16>("port").unwrap_err().to_string(),
            r#"port: expected an integer from 0 to 65535, found "80x" (environment variable BUDDY_PORT)"#
        );
    }

    #[test]
    fn a_parse_function_brings_its_own_bounds() {
        let layers = Layers::new().with(file("config.yaml", "days: 400"));
        let days = |text: &str| match text.parse::<u32>() {
            Ok(days @ 1..=365) => Ok(days),
            _ => Err("an integer from 1 to 365".to_owned()),
        };
        assert_eq!(
            layers.get_with("days", days).unwrap_err().to_string(),
            r#"days: expected an integer from 1 to 365, found "400" (config.yaml:1)"#
        );
        assert_eq!(
            layers
                .with(flag("days", "30"))
                .get_with("days", days)
                .unwrap()
                .unwrap()
                .value,
            30
        );
    }

    #[test]
    fn a_key_that_nobody_sets_is_none() {
        let layers = Layers::new().with(file("config.yaml", "port: ~"));
        assert_eq!(layers.get::<u16>("port").unwrap(), None);
        assert_eq!(layers.explain("port"), []);
        assert!(layers.keys().is_empty());
    }

    #[test]
    fn secrets_are_hidden_wherever_they_are_shown() {
        let layers = Layers::with_secrets(["token"])
            .with(Layer::defaults([("token", "s3cret-a")]))
            .with(flag("token", "s3cret-b"));
        let setting = layers.get::<String>("token").unwrap().unwrap();
        let error = layers.get::<u16>("token").unwrap_err();
        assert_eq!(setting.value, "s3cret-b");
        assert_eq!(setting.beat[0].text, "<hidden>");
        assert_eq!(
            error.to_string(),
            "token: expected an integer from 0 to 65535, found <hidden> (flag --token)"
        );
        assert_eq!(
            format!("{setting:?}"),
            r#"Setting { value: <hidden>, origin: Flag { flag: "--token" }, beat: [Contribution { origin: Default, text: "<hidden>" }], .. }"#
        );
        let shown = format!("{layers:?} {error:?} {:?}", layers.explain("token"));
        assert!(!shown.contains("s3cret"), "{shown}");
    }

    #[test]
    fn unknown_keys_come_with_their_line_and_the_nearest_known_key() {
        let layers = Layers::new()
            .with(file(
                "a.yaml",
                "prot: 1\ncomponents: {billing: {x: 1}}\nabc: 1\nport: 1",
            ))
            .with(file("b.yaml", "component:\n  billing: 1"))
            .with(flag("stranger", "1"));
        let shown: Vec<_> = layers
            .unknown_keys(&["port", "components."])
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            shown,
            [
                "a.yaml:1: unknown key prot, did you mean port?",
                "a.yaml:3: unknown key abc",
                "b.yaml:2: unknown key component.billing, did you mean components.billing?",
            ]
        );
    }

    #[test]
    fn keys_may_be_hidden_and_variables_looked_at_once_all_is_read() {
        let layers = Layers::new()
            .with(variable("api_key", "s3cret"))
            .with(file("a.yaml", "api_kye: 1"))
            .hiding(["api_key"]);
        assert_eq!(layers.explain("api_key")[0].text, "<hidden>");
        let unknown = layers.unknown_variables(&["api_keys"]);
        let shown: Vec<_> = unknown.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            ["environment variable BUDDY_API_KEY: unknown key api_key, did you mean api_keys?"]
        );
    }

    #[test]
    fn what_is_wrong_is_found_in_every_layer_also_where_it_is_beaten() {
        let declared = |key: &str, kind| Declaration {
            key: key.to_owned(),
            kind,
            default: None,
            variable: None,
            secret: false,
            about: String::new(),
        };
        let port = declared("port", Kind::Integer { min: 1, max: 9 });
        let token = declared("token", Kind::Boolean);
        let layers = Layers::with_secrets(["token"])
            .with(file("a.yaml", "prot: 1\ntoken: s3cret\nport: 12\nteam: 1"))
            .with(Layer::from_entries("b.toml", [("port", "x", 7)]))
            .with(variable("port", "0"))
            .with(flag("port", "5"));
        let shown: Vec<_> = layers
            .problems(&[port, token], &["team"])
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            shown,
            [
                "a.yaml:1: prot: unknown key, did you mean port?",
                "a.yaml:2: token: expected true, false, 1, 0, yes, no, on or off, found <hidden>",
                "a.yaml:3: port: expected an integer from 1 to 9, found \"12\"",
                "b.toml:7: port: expected an integer from 1 to 9, found \"x\"",
                "environment variable BUDDY_PORT: port: expected an integer from 1 to 9, found \"0\"",
            ]
        );
    }

    proptest! {
        #[test]
        fn the_strongest_setter_wins_and_beats_the_others_in_order(
            // Each layer: its kind, and what it says about the key.
            said in proptest::collection::vec((0..4_u8, proptest::option::of(0..100_u16)), 0..12),
        ) {
            let mut layers = Layers::new();
            for (kind, number) in &said {
                let text = number.map(|n| n.to_string());
                layers = layers.with(match kind {
                    0 => Layer::defaults(text.map(|t| ("k", t))),
                    1 => file("f", &text.map(|t| format!("k: {t}")).unwrap_or_default()),
                    2 => Layer::from_environment([("k", "K")], |_| text.clone().map(Into::into)).unwrap(),
                    _ => Layer::from_flags([("k", "-k", text)]),
                });
            }
            let mut expected: Vec<_> =
                said.iter().rev().filter_map(|(kind, number)| Some((*kind, (*number)?))).collect();
            expected.sort_by_key(|(kind, _)| std::cmp::Reverse(*kind));
            let numbers: Vec<_> = expected.into_iter().map(|(_, number)| number).collect();

            let found: Vec<_> = match layers.get::<u16>("k").unwrap() {
                None => Vec::new(),
                Some(setting) => std::iter::once(setting.value)
                    .chain(setting.beat.iter().map(|c| c.text.parse().unwrap()))
                    .collect(),
            };
            prop_assert_eq!(found, numbers);
        }
    }
}
