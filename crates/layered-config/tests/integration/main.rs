//! Tests through the public surface, with real files.

#![expect(clippy::unwrap_used, reason = "the folder below is a test helper")]

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use layered_config::{FileError, Layer, Layers, Origin, Source};
use tempfile::TempDir;

/// A state folder of its own for each test.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    /// The error of a file with this content, its folder cut off.
    fn refusal(&self, bytes: impl AsRef<[u8]>) -> String {
        let error = Layer::from_file(self.write("config.yaml", bytes)).unwrap_err();
        error
            .to_string()
            .replace(&format!("{}/", self.0.path().display()), "")
    }
}

#[test]
fn a_flag_beats_the_environment_beats_the_file_beats_the_default() {
    let folder = Folder::new();
    let config = folder.write("config.yaml", "# ours\nport: 1\nhost: a\n");
    let environment: HashMap<&str, OsString> =
        [("BUDDY_PORT", "2".into()), ("BUDDY_HOST", "".into())].into();
    let layers = Layers::new()
        .with(Layer::defaults([
            ("port", "0"),
            ("host", "127.0.0.1"),
            ("log_level", "INFO"),
        ]))
        .with(Layer::from_file(&config).unwrap())
        .with(
            Layer::from_environment([("port", "BUDDY_PORT"), ("host", "BUDDY_HOST")], |name| {
                environment.get(name).cloned()
            })
            .unwrap(),
        )
        .with(Layer::from_flags([(
            "port",
            "--port",
            Some("3".to_owned()),
        )]));

    let port = layers.get::<u16>("port").unwrap().unwrap();
    assert_eq!(
        (port.value, port.origin.to_string().as_str()),
        (3, "flag --port")
    );
    let beat: Vec<_> = port.beat.iter().map(ToString::to_string).collect();
    let in_file = format!("1 ({}:2)", config.display());
    assert_eq!(
        beat,
        [
            "2 (environment variable BUDDY_PORT)",
            &in_file,
            "0 (the default)"
        ]
    );

    let host = layers.get::<String>("host").unwrap().unwrap();
    assert_eq!(
        (host.value.as_str(), host.origin),
        (
            "a",
            Origin::File {
                path: config,
                line: 3
            }
        )
    );
    assert_eq!(
        layers.get::<String>("log_level").unwrap().unwrap().origin,
        Origin::Default
    );
}

#[test]
fn a_missing_file_is_an_absent_layer_and_an_empty_one_is_present() {
    let folder = Folder::new();
    let missing = folder.path("missing.yaml");
    let absent = Layer::from_file(&missing).unwrap();
    assert_eq!(absent.source(), &Source::File(missing));
    assert!(!absent.is_present());
    assert_eq!(absent.keys().count(), 0);

    let empty = Layer::from_file(folder.write("empty.yaml", "")).unwrap();
    assert!(empty.is_present());
    assert_eq!(empty.keys().count(), 0);
}

#[test]
fn a_path_that_cannot_be_read_is_named_and_keeps_its_cause() {
    let folder = Folder::new();
    let path = folder.0.path().to_owned();
    let error = Layer::from_file(&path).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("could not read {}", path.display())
    );
    assert!(matches!(error, FileError::Read { .. }), "{error:?}");
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn a_refused_file_is_named_with_line_and_key() {
    let folder = Folder::new();
    let cases: [(&[u8], &str); 5] = [
        (
            b"just text\n",
            "config.yaml:1: the top level is not a mapping",
        ),
        (
            b"port: 1\nport: 2\n",
            "config.yaml:2: port: already set on line 1",
        ),
        (
            b"a:\n  b: &x 1\n",
            "config.yaml:2: a.b: anchors and tags are not accepted",
        ),
        (
            b"a: 1\n---\n",
            "config.yaml:2: a second document starts here",
        ),
        (b"a: 1\n\xc3\x28", "config.yaml:2: not UTF-8"),
    ];
    for (bytes, expected) in cases {
        assert_eq!(folder.refusal(bytes), expected);
    }
    let large = vec![b'#'; 1024 * 1024 + 1];
    assert_eq!(
        folder.refusal(large),
        "config.yaml is larger than 1048576 bytes"
    );
}
