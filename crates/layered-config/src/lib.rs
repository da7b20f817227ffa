//! Layered configuration: defaults < files < environment < flags, with the origin of every value
//! and what it beat.
//!
//! - [`Layer`]: one source of values, read and checked ([`FileError`], [`VariableError`])
//! - [`Layers`]: all of them in order of strength; typed lookup, explanation, unknown keys
//! - [`Setting`], [`Contribution`], [`ValueError`]: what a lookup answers
//! - [`Declaration`], [`Problem`]: what settings may be, and what all layers say that they may not
//! - [`Places`]: where the files of a component are
//! - [`Origin`]: where a value comes from, for people
//! - [`FromText`]: how text becomes a value
//!
//! Deliberately absent: reading the process environment (the caller passes it in), merging of
//! lists (the strongest layer wins whole), writing files, and YAML beyond mappings, lists of
//! plain values and single values.
//!
//! ```
//! use layered_config::{Layer, Layers};
//!
//! let yaml = b"port: 9000\nlog_level: DEBUG\n";
//! let variables = |name: &str| (name == "SESSION_BUDDY_PORT").then(|| "9001".into());
//!
//! let layers = Layers::with_secrets(["token"])
//!     .with(Layer::defaults([("port", "8678"), ("log_level", "INFO")]))
//!     .with(Layer::from_yaml("config.yaml", yaml)?)
//!     .with(Layer::from_environment([("port", "SESSION_BUDDY_PORT")], variables)?)
//!     .with(Layer::from_flags([("port", "--port", None)]));
//!
//! let port = layers.get::<u16>("port")?.expect("there is a default");
//! assert_eq!(port.value, 9001);
//! assert_eq!(port.origin.to_string(), "environment variable SESSION_BUDDY_PORT");
//! assert_eq!(port.beat[0].to_string(), "9000 (config.yaml:1)");
//! assert_eq!(port.beat[1].to_string(), "8678 (the default)");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod declared;
mod file;
mod from_text;
mod layer;
mod layers;
mod origin;
mod places;
mod setting;
mod unknown;
mod yaml;

pub use declared::{Declaration, Kind, Problem};
pub use file::{FILE_SIZE_MAX_BYTES, FileError};
pub use from_text::FromText;
pub use layer::{Layer, Source, VariableError};
pub use layers::Layers;
pub use origin::Origin;
pub use places::{Places, config_home, schema_of, user_folder};
pub use setting::{Contribution, Setting, ValueError};
pub use unknown::UnknownKey;
pub use yaml::{DEPTH_MAX, KEY_LENGTH_MAX_BYTES};
