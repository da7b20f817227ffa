//! What this server is called from outside, and by way of whom requests come.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, uri::Authority};
use layered_config::{Layers, ValueError};

use crate::auth::Forwarded;

pub(super) const VARIABLES: [(&str, &str); 3] = [
    (ALLOWED_HOSTS, "SESSION_BUDDY_ALLOWED_HOSTS"),
    (ALLOWED_ORIGINS, "SESSION_BUDDY_ALLOWED_ORIGINS"),
    (TRUSTED_PROXIES, "SESSION_BUDDY_TRUSTED_PROXIES"),
];

const ALLOWED_HOSTS: &str = "allowed_hosts";
const ALLOWED_ORIGINS: &str = "allowed_origins";
const TRUSTED_PROXIES: &str = "trusted_proxies";

/// The header in which proxies say for whom they ask. The standard one (RFC 7239) is written by few.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// What this server is called from outside, and by way of whom requests come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// In lower case; with a port, good for that one alone.
    hosts: Vec<String>,
    origins: Vec<String>,
    proxies: Vec<IpAddr>,
}

impl Names {
    pub(super) fn read(layers: &Layers) -> Result<Self, ValueError> {
        Ok(Self {
            hosts: list(layers, ALLOWED_HOSTS, host)?,
            origins: list(layers, ALLOWED_ORIGINS, origin)?,
            proxies: list(layers, TRUSTED_PROXIES, proxy)?,
        })
    }

    /// Tells whether this server has names beyond this machine.
    pub const fn is_public(&self) -> bool {
        !self.hosts.is_empty()
    }

    /// Tells whether a header `Host` is one of the public names.
    pub fn knows_host(&self, host: &Authority) -> bool {
        let (name, whole) = (
            host.host().to_ascii_lowercase(),
            host.as_str().to_ascii_lowercase(),
        );
        self.hosts
            .iter()
            .any(|known| *known == name || *known == whole)
    }

    /// Tells whether pages of an origin may use this server.
    pub fn knows_origin(&self, origin: &str) -> bool {
        self.origins.iter().any(|known| known == origin)
    }

    /// Tells for whom a request from this address is. What others than trusted proxies say of that is worth nothing; but
    /// whoever calls a public name at a loopback address does so by way of a proxy, trusted or not.
    pub fn forwarded(
        &self,
        from: IpAddr,
        headers: &HeaderMap,
        host: Option<&Authority>,
    ) -> Forwarded {
        let from = from.to_canonical();
        let said = headers.get_all(FORWARDED_FOR);
        if self.proxies.contains(&from) && said.iter().next().is_some() {
            let texts: Option<Vec<_>> = said.iter().map(|value| value.to_str().ok()).collect();
            let named = texts.unwrap_or_default().join(",");
            return self.nearest(&named);
        }
        let by_public_name = host.is_some_and(|host| self.knows_host(host));
        if from.is_loopback() && by_public_name {
            Forwarded::ForSomebody
        } else {
            Forwarded::No
        }
    }

    /// Gives the nearest address in a list that is no proxy of ours: what stands left of it can be made up by anybody.
    fn nearest(&self, named: &str) -> Forwarded {
        for text in named.rsplit(',').map(str::trim) {
            let address = text.parse::<SocketAddr>().map(|address| address.ip());
            let Some(address) = address.or_else(|_| text.parse::<IpAddr>()).ok() else {
                return Forwarded::ForSomebody;
            };
            let address = address.to_canonical();
            if !self.proxies.contains(&address) {
                return Forwarded::For(address);
            }
        }
        Forwarded::ForSomebody
    }
}

/// Reads a list with commas between its items; empty where nobody sets it.
fn list<T>(
    layers: &Layers,
    key: &str,
    item: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, ValueError> {
    let setting = layers.get_with(key, |text| {
        let items = text.split(',').map(str::trim);
        items.filter(|text| !text.is_empty()).map(item).collect()
    })?;
    Ok(setting.map_or_else(Vec::new, |setting| setting.value))
}

fn host(text: &str) -> Result<String, String> {
    match text.parse::<Authority>() {
        Ok(host) if !text.contains('@') && !text.contains('*') && !host.host().is_empty() => {
            Ok(text.to_ascii_lowercase())
        }
        Ok(_) | Err(_) => {
            Err("names such as buddy.example.org or buddy.example.org:8443".to_owned())
        }
    }
}

fn origin(text: &str) -> Result<String, String> {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    match rest.map(str::parse::<Authority>) {
        Some(Ok(_)) if !text.contains('@') => Ok(text.to_owned()),
        _ => Err("origins such as https://buddy.example.org, without a path".to_owned()),
    }
}

fn proxy(text: &str) -> Result<IpAddr, String> {
    let address = text.parse::<IpAddr>();
    let address = address.map_err(|_| "IP addresses such as 127.0.0.1 or 10.0.0.7".to_owned())?;
    Ok(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn names() -> Names {
        Names {
            hosts: vec![
                "buddy.example.org".to_owned(),
                "other.example.org:8443".to_owned(),
            ],
            origins: vec!["https://buddy.example.org".to_owned()],
            proxies: vec!["127.0.0.1".parse().unwrap(), "10.0.0.7".parse().unwrap()],
        }
    }

    fn forwarded(from: &str, said: &[&str], host: &str) -> Forwarded {
        let mut headers = HeaderMap::new();
        for value in said {
            headers.append(FORWARDED_FOR, HeaderValue::from_str(value).unwrap());
        }
        names().forwarded(
            from.parse().unwrap(),
            &headers,
            Some(&host.parse().unwrap()),
        )
    }

    #[test]
    fn only_a_trusted_proxy_says_for_whom_it_asks() {
        let for_client = Forwarded::For("192.0.2.7".parse().unwrap());
        for (from, said, expected) in [
            ("127.0.0.1", &["192.0.2.7"][..], for_client),
            ("10.0.0.7", &["192.0.2.7:4711"], for_client),
            ("::ffff:10.0.0.7", &["::ffff:192.0.2.7"], for_client),
            // What the client itself wrote stands to the left.
            (
                "127.0.0.1",
                &["203.0.113.9, 192.0.2.7, 10.0.0.7"],
                for_client,
            ),
            ("127.0.0.1", &["203.0.113.9", "192.0.2.7"], for_client),
            ("127.0.0.1", &["192.0.2.7, unknown"], Forwarded::ForSomebody),
            ("127.0.0.1", &["10.0.0.7"], Forwarded::ForSomebody),
            ("127.0.0.1", &[], Forwarded::No),
            ("203.0.113.9", &["192.0.2.7"], Forwarded::No),
        ] {
            assert_eq!(
                forwarded(from, said, "localhost"),
                expected,
                "{from} {said:?}"
            );
        }
    }

    #[test]
    fn a_public_name_at_a_loopback_address_is_a_proxys() {
        let host = "Buddy.example.org";
        assert_eq!(forwarded("127.0.0.1", &[], host), Forwarded::ForSomebody);
        assert_eq!(forwarded("192.0.2.7", &[], host), Forwarded::No);
    }

    #[test]
    fn a_name_with_a_port_is_good_for_that_port() {
        let knows = |host: &str| names().knows_host(&host.parse().unwrap());
        assert!(knows("BUDDY.example.org") && knows("buddy.example.org:9000"));
        assert!(knows("other.example.org:8443"));
        assert!(!knows("other.example.org") && !knows("example.org"));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for wrong in ["http://x", "a b", "me@x", "*.example.org"] {
            assert!(host(wrong).is_err(), "{wrong}");
        }
        for wrong in [
            "buddy.example.org",
            "https://x/",
            "ftp://x",
            "null",
            "https://me@x",
        ] {
            assert!(origin(wrong).is_err(), "{wrong}");
        }
        assert!(proxy("10.0.0.0/8").is_err());
    }
}
