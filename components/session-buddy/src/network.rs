//! What the server bears from the network: bounds, names, certificates, and how much each peer may take.
//!
//! - [`Limits`]: every bound that can be set, in one table with its default and its range.
//! - [`Names`]: what this server is called from outside, and by way of whom.
//! - [`Certificate`]: who it is over TLS.
//! - [`Traffic`]: who takes how much just now, within those bounds.
//!
//! All of [`Network`] is read anew on SIGHUP.

mod buckets;
mod certificate;
mod crowd;
mod limits;
mod names;
mod traffic;

use std::path::PathBuf;

use layered_config::{Layers, Origin, ValueError};

pub use certificate::{Certificate, CertificateError, TlsFiles};
pub use crowd::Place;
pub use limits::{Limits, Rate};
pub use names::Names;
pub(crate) use traffic::count;
pub use traffic::{Counters, Door, Full, Held, Traffic};

/// What a server is told of the network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// The bounds.
    pub limits: Limits,
    /// The names.
    pub names: Names,
    /// Where certificate and key are; none where TCP is plain.
    pub tls: Option<TlsFiles>,
}

/// The keys of the files, which have flags too.
const CERTIFICATE: &str = "tls_certificate";
const KEY: &str = "tls_key";

impl Network {
    /// Gives the keys that can be set, and the variables that set them.
    pub fn variables() -> impl Iterator<Item = (&'static str, &'static str)> {
        [
            (CERTIFICATE, "SESSION_BUDDY_TLS_CERTIFICATE"),
            (KEY, "SESSION_BUDDY_TLS_KEY"),
        ]
        .into_iter()
        .chain(names::VARIABLES)
        .chain(
            limits::BOUNDS
                .iter()
                .map(|bound| (bound.key, bound.variable)),
        )
    }

    /// Gives the values of the keys that nobody sets.
    pub fn defaults() -> impl Iterator<Item = (&'static str, &'static str)> {
        limits::BOUNDS
            .iter()
            .map(|bound| (bound.key, bound.default))
    }

    /// Reads what the layers say. A path in a file begins at `folder`, where that file is; any other at the folder that
    /// the program was started in.
    ///
    /// # Errors
    ///
    /// The first value that is wrong, by its key.
    pub fn read(layers: &Layers, folder: &std::path::Path) -> Result<Self, ValueError> {
        let path = |key| -> Result<Option<PathBuf>, ValueError> {
            let setting = layers.get_with(key, |text| match text {
                "" => Err("a path".to_owned()),
                text => Ok(PathBuf::from(text)),
            })?;
            Ok(setting.map(|setting| match setting.origin {
                Origin::File { .. } => folder.join(setting.value),
                Origin::Default | Origin::Environment { .. } | Origin::Flag { .. } => {
                    std::path::absolute(&setting.value).unwrap_or(setting.value)
                }
            }))
        };
        let tls = match (path(CERTIFICATE)?, path(KEY)?) {
            (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
            (None, None) => None,
            // Half of a pair would be a server in plain text that somebody believes to be safe.
            (Some(_), None) => return Err(missing(layers, CERTIFICATE, KEY)),
            (None, Some(_)) => return Err(missing(layers, KEY, CERTIFICATE)),
        };
        Ok(Self {
            limits: Limits::read(layers)?,
            names: Names::read(layers)?,
            tls,
        })
    }
}

fn missing(layers: &Layers, given: &str, other: &str) -> ValueError {
    layers
        .get_with(given, |_| Err::<(), _>(format!("{other} beside it")))
        .expect_err("it is set, and its reader refuses everything")
}
