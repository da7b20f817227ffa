//! Where the metrics are to be had.

use layered_config::{Layers, ValueError};

const ENABLED: &str = "prometheus_metrics_enabled";
const PORT: &str = "prometheus_metrics_port";
const PATH: &str = "prometheus_metrics_path";

/// The path unless somebody wants another.
const DEFAULT_PATH: &str = "/metrics";
/// The most characters of a path: 200.
const PATH_CHARACTERS_MAX: usize = 200;
/// What is served at other paths.
const TAKEN: [&str; 3] = ["/api", "/health", "/mcp"];

/// Where the metrics are to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// At which path.
    pub path: String,
    /// At which port beside the server's own, where there is nothing else.
    pub port: Option<u16>,
}

impl Default for Endpoint {
    fn default() -> Self {
        Self {
            path: DEFAULT_PATH.to_owned(),
            port: None,
        }
    }
}

impl Endpoint {
    /// The keys, and the variables that set them.
    pub(crate) const VARIABLES: [(&str, &str); 3] = [
        (ENABLED, "PROMETHEUS_METRICS_ENABLED"),
        (PORT, "PROMETHEUS_METRICS_PORT"),
        (PATH, "PROMETHEUS_METRICS_PATH"),
    ];

    /// What they are when nobody says; there is no port beside the server's own.
    pub(crate) const DEFAULTS: [(&str, &str); 2] = [(ENABLED, "true"), (PATH, DEFAULT_PATH)];

    /// Reads what the layers say; `None` where there shall be no metrics.
    ///
    /// # Errors
    ///
    /// The first value that is wrong, by its key.
    pub(crate) fn read(layers: &Layers) -> Result<Option<Self>, ValueError> {
        let enabled = layers.get::<bool>(ENABLED)?;
        let path = layers.get_with(PATH, path)?;
        let port = layers.get::<u16>(PORT)?;
        Ok(enabled.is_none_or(|enabled| enabled.value).then(|| Self {
            path: path.map_or_else(|| DEFAULT_PATH.to_owned(), |path| path.value),
            port: port.map(|port| port.value),
        }))
    }
}

fn path(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
    let is_taken = TAKEN.iter().any(|taken| {
        let rest = text.strip_prefix(taken);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    let is_path = text.len() > 1 && text.starts_with('/') && text.bytes().all(plain);
    if is_path && text.len() <= PATH_CHARACTERS_MAX && !is_taken {
        return Ok(text.to_owned());
    }
    Err(format!(
        "a path of 2 to {PATH_CHARACTERS_MAX} of / A-Z a-z 0-9 - _ . ~ that begins with / and is not in {}",
        TAKEN.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_plain_and_nobody_elses() {
        for good in ["/metrics", "/prom/v1/metrics", "/apis", "/m"] {
            assert_eq!(path(good).as_deref(), Ok(good));
        }
        let long = format!("/{}", "a".repeat(200));
        for bad in [
            "",
            "/",
            "metrics",
            "/{x}",
            "/a b",
            "/a?b",
            "/api",
            "/api/sessions",
            "/health",
            "/mcp",
            "/health/live",
            "/ü",
            &long,
        ] {
            assert!(path(bad).is_err(), "{bad}");
        }
    }
}
