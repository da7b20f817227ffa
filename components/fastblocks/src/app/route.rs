//! Where a page is, and what a path may look like.

use super::Access;

/// What a route answers: a static site knows no other methods.
pub const METHODS: [&str; 2] = ["GET", "HEAD"];

/// A path, and the block that is shown there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Its name, for links.
    pub name: String,
    /// Where it is, such as `/people/`, or `/sessions/{session_id}/` for a page of each item.
    pub path: String,
    /// The name of its block.
    pub block: String,
    /// What people call it.
    pub title: String,
    /// The list of the context that it makes a page of each item of.
    pub each: Option<String>,
    /// Who may see it.
    pub access: Access,
    /// The line of its path in `fastblocks.yaml`.
    pub line: usize,
    /// The line of its block there.
    pub block_line: usize,
}

impl Route {
    /// Gives the fields of an item that stand in its path.
    pub(crate) fn fields(&self) -> Vec<&str> {
        let segments = self.path.split('/');
        segments.filter_map(field).collect()
    }
}

/// Gives the field that a segment stands for, such as `{session_id}`.
fn field(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

/// Finds what is wrong with a path.
pub(crate) fn check_path(path: &str) -> Result<(), String> {
    let Some(inner) = path.strip_prefix('/') else {
        return Err("a path begins with /".to_owned());
    };
    if path.contains("//") {
        return Err("a path has no // in it".to_owned());
    }
    let (folders, file) = inner.rsplit_once('/').unwrap_or(("", inner));
    if !folders.is_empty() {
        for segment in folders.split('/') {
            check_segment(segment)?;
        }
    }
    if folders.split('/').next() == Some("static") || inner == "static" {
        return Err("/static/ is where the files of `static` are".to_owned());
    }
    if file.is_empty() {
        return Ok(());
    }
    check_segment(file)?;
    if file.ends_with(".html") {
        return Ok(());
    }
    Err("a path ends with / or .html".to_owned())
}

fn check_segment(segment: &str) -> Result<(), String> {
    if let Some(field) = field(segment) {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !field.is_empty() && field.chars().all(is_name) {
            return Ok(());
        }
        return Err(format!("{segment} is no field such as {{session_id}}"));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match segment {
        _ if segment.starts_with('.') => Err("no part of a path begins with a point".to_owned()),
        _ if segment.chars().all(plain) => Ok(()),
        _ => Err("a path is made of ASCII letters, digits and -._".to_owned()),
    }
}

/// Gives the file that a path is built to.
pub(crate) fn file_of(path: &str) -> String {
    let inner = path.trim_start_matches('/');
    if inner.is_empty() || inner.ends_with('/') {
        format!("{inner}index.html")
    } else {
        inner.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_in_its_site() {
        for path in [
            "/",
            "/people/",
            "/a/b-1/c.html",
            "/404.html",
            "/s/{session_id}/",
        ] {
            assert_eq!(check_path(path), Ok(()), "{path}");
        }
        for (path, problem) in [
            ("people/", "a path begins with /"),
            ("/../etc/", "no part of a path begins with a point"),
            ("/a/./", "no part of a path begins with a point"),
            ("/.git/", "no part of a path begins with a point"),
            ("/a//b/", "a path has no // in it"),
            ("//", "a path has no // in it"),
            ("/a b/", "a path is made of ASCII letters, digits and -._"),
            ("/a%2e/", "a path is made of ASCII letters, digits and -._"),
            ("/people", "a path ends with / or .html"),
            ("/static/a/", "/static/ is where the files of `static` are"),
            ("/{a b}/", "{a b} is no field such as {session_id}"),
        ] {
            let found = check_path(path);
            let expected = Err(problem.to_owned());
            assert_eq!(found, expected, "{path}");
        }
        assert_eq!(file_of("/"), "index.html");
        assert_eq!(file_of("/people/"), "people/index.html");
        assert_eq!(file_of("/404.html"), "404.html");
    }
}
