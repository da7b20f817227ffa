//! Where an address of a page leads.

/// What an address begins with that may stand in a page and leads out of the site.
const ELSEWHERE: [&str; 5] = ["http", "https", "mailto", "sms", "tel"];

/// Where an address leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Leads {
    /// Out of the site, or to data that stands in the address itself.
    Elsewhere,
    /// To a path of this site.
    To {
        /// The path.
        path: String,
        /// What follows it: `?` and `#` with theirs.
        rest: String,
    },
    /// Nowhere that a page may lead to: why.
    Refused(String),
}

/// Finds out where an address on a page leads.
pub(crate) fn leads(page: &str, address: &str) -> Leads {
    if let Some(scheme) = scheme_of(address) {
        return match scheme.as_str() {
            known if ELSEWHERE.contains(&known) => Leads::Elsewhere,
            "data" if address.to_ascii_lowercase().starts_with("data:image/") => Leads::Elsewhere,
            _ => Leads::Refused(format!("an address that begins with {scheme}:")),
        };
    }
    // A browser takes a backslash for a slash.
    if address.starts_with("//") || address.contains('\\') {
        return Leads::Refused("an address that begins with // or has a backslash".to_owned());
    }
    let end = address.find(['?', '#']).unwrap_or(address.len());
    let (path, rest) = address.split_at(end);
    let path = if path.is_empty() {
        Some(page.to_owned())
    } else {
        joined(page, path)
    };
    match path {
        Some(path) => Leads::To {
            path,
            rest: rest.to_owned(),
        },
        None => Leads::Refused("an address that leads out of the site".to_owned()),
    }
}

/// Gives the scheme of an address, in lower case. Browsers pass over blanks and control characters in it.
fn scheme_of(address: &str) -> Option<String> {
    let address: String = address
        .chars()
        .filter(|c| !c.is_control() && !c.is_whitespace())
        .collect();
    let (scheme, _) = address.split_once(':')?;
    let is_scheme = !scheme.is_empty() && !scheme.contains(['/', '?', '#']);
    is_scheme.then(|| scheme.to_ascii_lowercase())
}

/// Joins an address to the path of a page; `None` where it leads above the site.
fn joined(page: &str, address: &str) -> Option<String> {
    let base = if address.starts_with('/') {
        ""
    } else {
        page.rsplit_once('/').map_or("", |(folder, _)| folder)
    };
    let whole = format!("{base}/{}", address.trim_start_matches('/'));
    let mut parts: Vec<&str> = Vec::new();
    let inner = whole.trim_start_matches('/');
    let mut last_is_folder = inner.is_empty();
    for part in inner.split('/') {
        last_is_folder = matches!(part, "" | "." | "..");
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    let mut path = format!("/{}", parts.join("/"));
    if last_is_folder && path != "/" {
        path.push('/');
    }
    Some(path)
}

/// Gives the way from one file of a site to another, so that the site works in any folder.
pub(crate) fn way(from: &str, to: &str) -> String {
    let from_parts: Vec<_> = from.split('/').collect();
    let to_parts: Vec<_> = to.split('/').collect();
    let folders = from_parts.len() - 1;
    let same = from_parts
        .iter()
        .take(folders)
        .zip(&to_parts[..to_parts.len() - 1]);
    let same = same.take_while(|(from, to)| from == to).count();
    let up = "../".repeat(folders - same);
    let down = to_parts[same..].join("/");
    format!("{up}{down}")
}

/// Gives the anchor that an address leads to.
pub(crate) fn anchor(rest: &str) -> Option<&str> {
    let (_, anchor) = rest.split_once('#')?;
    // The top of a page is always there.
    Some(anchor).filter(|anchor| !anchor.is_empty() && *anchor != "top")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(page: &str, address: &str) -> Option<String> {
        match leads(page, address) {
            Leads::To { path, rest } => Some(format!("{path}{rest}")),
            Leads::Elsewhere | Leads::Refused(_) => None,
        }
    }

    #[test]
    fn addresses_lead_where_a_browser_goes() {
        for (address, path) in [
            ("/", "/"),
            ("/a/", "/a/"),
            ("c/", "/a/b/c/"),
            ("../c.html?x#y", "/a/c.html?x#y"),
            (".", "/a/b/"),
            ("", "/a/b/"),
            ("#x", "/a/b/#x"),
            ("/static/s.css", "/static/s.css"),
            ("../..", "/"),
        ] {
            assert_eq!(to("/a/b/", address).as_deref(), Some(path), "{address}");
        }
        assert_eq!(leads("/", "https://example.org/"), Leads::Elsewhere);
        assert_eq!(leads("/", "data:image/png;base64,"), Leads::Elsewhere);
    }

    #[test]
    fn what_runs_or_leads_out_is_refused() {
        for address in [
            "javascript:alert(1)",
            " JavaScript:alert(1)",
            "java\nscript:alert(1)",
            "\u{1}javascript:alert(1)",
            "data:text/html,<script>",
            "vbscript:x",
            "file:///etc/passwd",
            "//evil.example/",
            "/\\evil.example/",
            "../../..",
        ] {
            assert!(
                matches!(leads("/a/b/", address), Leads::Refused(_)),
                "{address}"
            );
        }
    }

    #[test]
    fn the_way_from_file_to_file_works_in_any_folder() {
        assert_eq!(way("index.html", "a/index.html"), "a/index.html");
        assert_eq!(way("a/index.html", "index.html"), "../index.html");
        assert_eq!(way("a/index.html", "a/index.html"), "index.html");
        assert_eq!(way("a/b/index.html", "a/c/x.css"), "../c/x.css");
        assert_eq!(way("404.html", "static/x.css"), "static/x.css");
    }
}
