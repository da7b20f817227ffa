//! Where events go.

use std::{ffi::OsString, fmt, path::PathBuf};

use crate::state_folder;

/// Where a shell's events go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The server of a state folder at its socket; where there is none, a server of ours or root's at this port of this
    /// machine, as `host:port`.
    Local {
        /// The socket.
        socket: PathBuf,
        /// The address.
        authority: String,
    },
    /// An MCP endpoint, `http` or `https`.
    Url(String),
    /// A program that serves MCP on its standard input and output.
    Program(PathBuf),
}

impl fmt::Display for Target {
    /// Writes the target as spool files name it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local { socket, .. } => write!(f, "unix:{}", socket.display()),
            Self::Url(url) => f.write_str(url),
            Self::Program(path) => write!(f, "stdio:{}", path.display()),
        }
    }
}

/// The default port of a server.
const PORT: u16 = 8678;

impl Target {
    /// Finds where events go: `SESSION_BUDDY_MCP_ENDPOINT`, else `SESSION_BUDDY_PATH`, else the state folder's server. What
    /// cannot be used is passed over and said in the second value.
    pub fn from_environment(
        state_folder: &std::path::Path,
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> (Self, Vec<String>) {
        let mut notices = Vec::new();
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        if let Some(endpoint) = set("SESSION_BUDDY_MCP_ENDPOINT") {
            match url(&endpoint.to_string_lossy()) {
                Ok(url) => return (Self::Url(url), notices),
                Err(problem) => notices.push(problem),
            }
        }
        if let Some(path) = set("SESSION_BUDDY_PATH") {
            match program(PathBuf::from(path)) {
                Ok(program) => return (Self::Program(program), notices),
                Err(problem) => notices.push(problem),
            }
        }
        let text = |name: &str| set(name).map(|value| value.to_string_lossy().into_owned());
        let host = text("SESSION_BUDDY_HOST").unwrap_or_else(|| "localhost".to_owned());
        let port = match text("SESSION_BUDDY_PORT").map(|port| (port.parse::<u16>(), port)) {
            None => PORT,
            Some((Ok(port), _)) if port > 0 => port,
            Some((_, port)) => {
                notices.push(format!(
                    "SESSION_BUDDY_PORT is {port:?}, and must be a port of 1 to 65535; {PORT} is used"
                ));
                PORT
            }
        };
        let host = if host.contains(':') && !host.starts_with('[') {
            format!("[{host}]")
        } else {
            host
        };
        let local = Self::Local {
            socket: state_folder::socket(state_folder),
            authority: format!("{host}:{port}"),
        };
        (local, notices)
    }
}

/// Reads an endpoint.
fn url(text: &str) -> Result<String, String> {
    // What may be a secret is not shown either.
    let shown = if text.contains(['@', '?', '#']) {
        "not shown here".to_owned()
    } else {
        format!("{text:?}")
    };
    let wrong = || {
        format!(
            "SESSION_BUDDY_MCP_ENDPOINT is {shown}, and must be a URL such as http://localhost:8678/mcp, without a \
             password or a query; it is not used"
        )
    };
    let uri: hyper::Uri = text.parse().map_err(|_| wrong())?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    // A password in a URL, or a key in its query, ends up in spool files and lists.
    let plain = !text.contains(['?', '#'])
        && uri.authority().is_some_and(|authority| {
            !authority.as_str().contains('@') && !authority.host().is_empty()
        });
    if known && plain {
        Ok(text.to_owned())
    } else {
        Err(wrong())
    }
}

/// Finds the program at a path: the file itself, or `session-buddy` in the folder or its `target/release`.
fn program(path: PathBuf) -> Result<PathBuf, String> {
    let candidates = [
        path.clone(),
        path.join("session-buddy"),
        path.join("target/release/session-buddy"),
    ];
    candidates
        .into_iter()
        .find(|path| path.is_file())
        .ok_or_else(|| {
            format!(
                "SESSION_BUDDY_PATH is {}, and neither a program nor a folder with session-buddy in it; it is not used",
                path.display()
            )
        })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn target(pairs: &[(&str, &str)]) -> (String, usize) {
        let find = |name: &str| {
            let pair = pairs.iter().find(|(known, _)| *known == name);
            pair.map(|(_, value)| OsString::from(value))
        };
        let (target, notices) = Target::from_environment(Path::new("/state"), &find);
        (target.to_string(), notices.len())
    }

    #[test]
    fn the_first_that_is_set_and_can_be_used_wins() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("session-buddy");
        std::fs::write(&file, "").unwrap();
        let (folder, file) = (folder.path().to_str().unwrap(), file.to_str().unwrap());
        let local = "unix:/state/session-buddy.sock".to_owned();
        let stdio = format!("stdio:{file}");
        let endpoint = ("SESSION_BUDDY_MCP_ENDPOINT", "https://h.example/mcp");
        for (pairs, expected) in [
            (vec![], (local.clone(), 0)),
            (
                vec![endpoint, ("SESSION_BUDDY_PATH", folder)],
                (endpoint.1.to_owned(), 0),
            ),
            (vec![("SESSION_BUDDY_PATH", folder)], (stdio.clone(), 0)),
            (vec![("SESSION_BUDDY_PATH", file)], (stdio.clone(), 0)),
            (
                vec![("SESSION_BUDDY_PATH", "/nonexistent")],
                (local.clone(), 1),
            ),
            (
                vec![
                    ("SESSION_BUDDY_MCP_ENDPOINT", "localhost:8678"),
                    ("SESSION_BUDDY_PATH", file),
                ],
                (stdio, 1),
            ),
            (
                vec![("SESSION_BUDDY_MCP_ENDPOINT", "http://me:secret@h/mcp")],
                (local.clone(), 1),
            ),
            (
                vec![("SESSION_BUDDY_MCP_ENDPOINT", "https://h/mcp?key=secret")],
                (local.clone(), 1),
            ),
            (vec![("SESSION_BUDDY_PORT", "99999")], (local, 1)),
        ] {
            assert_eq!(target(&pairs), expected, "{pairs:?}");
        }
    }

    #[test]
    fn a_secret_in_an_endpoint_is_not_repeated() {
        for endpoint in ["http://me:secret@h/mcp", "https://h/mcp?key=secret"] {
            let notice = url(endpoint).unwrap_err();
            assert!(!notice.contains("secret"), "{notice}");
        }
    }
}
