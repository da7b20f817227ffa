//! The list of repositories:
//!
//! ```yaml
//! repos:
//! - name: billing            # else the folder's name
//!   path: ~/src/billing      # relative ones stand in the project
//!   description: Invoices and dunning
//!   tags: [rust, backend]
//!   package: billing         # these four are kept for other readers
//!   nickname: bill
//!   role: service
//!   mcp: native
//! ```

use std::path::{Path, PathBuf};

use crate::{
    document::{Checker, Entry, Node, Value},
    problem::Invalid,
};

const KEYS: [&str; 8] = [
    "name",
    "package",
    "path",
    "tags",
    "description",
    "nickname",
    "role",
    "mcp",
];

/// A repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// What it is called; no other one is called so.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// What it is, for people.
    pub description: Option<String>,
    /// By which it is chosen.
    pub tags: Vec<String>,
}

impl Repository {
    /// Tells whether it has one of these tags; it has where none is asked for.
    pub fn has_any(&self, tags: &[String]) -> bool {
        tags.is_empty() || self.tags.iter().any(|tag| tags.contains(tag))
    }
}

/// Reads a list of repositories. `file` is named in problems, relative paths stand in `folder`.
///
/// # Errors
///
/// All that is wrong in it.
pub fn parse(
    file: impl AsRef<Path>,
    folder: impl AsRef<Path>,
    text: &str,
) -> Result<Vec<Repository>, Invalid> {
    let mut checker = Checker::new(file.as_ref());
    let root = checker.parse(text);
    let mut repositories: Vec<(Repository, usize)> = Vec::new();
    for (place, item) in items(&mut checker, &root).iter().enumerate() {
        let key = format!("repos[{place}]");
        let Some(repository) = repository(&mut checker, item, &key, folder.as_ref()) else {
            continue;
        };
        let same = |(known, _): &&(Repository, usize)| known.name == repository.name;
        if let Some((_, line)) = repositories.iter().find(same) {
            let problem = format!("{} is already the name on line {line}", repository.name);
            checker.blame(item.line, &format!("{key}.name"), problem);
        }
        repositories.push((repository, item.line));
    }
    let read = repositories.into_iter().map(|(repository, _)| repository);
    checker.finish(read.collect())
}

/// Gives the items, under `repos` or at the top.
fn items<'a>(checker: &mut Checker, root: &'a Node) -> &'a [Node] {
    match &root.value {
        Value::List(items) => return items,
        Value::Map(entries) => {
            // Other keys of the file belong to others.
            let listed = entries.iter().find(|entry| entry.key == "repos");
            match listed.map(|Entry { node, .. }| &node.value) {
                Some(Value::List(items)) => return items,
                Some(Value::Null) => return &[],
                Some(Value::Text(_) | Value::Map(_)) | None => {}
            }
        }
        Value::Null if !checker.is_content() => return &[],
        Value::Null | Value::Text(_) => {}
    }
    checker.blame(root.line, "repos", "a list of repositories is expected");
    &[]
}

fn repository(checker: &mut Checker, node: &Node, key: &str, folder: &Path) -> Option<Repository> {
    let fields = checker.fields(node, key, &KEYS)?;
    let path = checker.text(&fields, "path");
    if path.is_none() && fields.get("path").is_none() {
        checker.blame(node.line, key, "the `path` is missing");
    }
    let path = place(&path?, folder);
    let folders_name = || Some(path.file_name()?.to_str()?.to_owned());
    let name = checker.text(&fields, "name").or_else(folders_name);
    let name = name.unwrap_or_default();
    checker.name(&name, node.line, &fields.path_of("name"));
    for kept in ["package", "nickname", "role", "mcp"] {
        checker.text(&fields, kept);
    }
    let tags = checker.texts(&fields, "tags").into_iter();
    Some(Repository {
        name,
        description: checker.text(&fields, "description"),
        tags: tags.map(|(tag, _)| tag).collect(),
        path,
    })
}

/// Gives a path as the user means it.
fn place(path: &str, folder: &Path) -> PathBuf {
    let home = || std::env::home_dir();
    match path.strip_prefix('~') {
        Some("") => home().unwrap_or_else(|| path.into()),
        Some(rest) if rest.starts_with('/') => match home() {
            Some(home) => home.join(rest.trim_start_matches('/')),
            None => path.into(),
        },
        Some(_) | None => folder.join(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_shapes_are_read_and_paths_stand_in_the_project() {
        let items = "- {path: a/billing, tags: [rust, x]}\n- {name: site, path: /srv/s, tags: node, mcp: native}\n";
        let plain = parse("repos.yaml", "/p", items).unwrap();
        let keyed = parse("repos.yaml", "/p", &format!("version: 1\nrepos:\n{items}")).unwrap();
        assert_eq!(plain, keyed);
        let told: Vec<_> = plain
            .iter()
            .map(|r| (r.name.as_str(), r.path.to_str().unwrap(), r.tags.join(" ")))
            .collect();
        let expected = [
            ("billing", "/p/a/billing", "rust x".to_owned()),
            ("site", "/srv/s", "node".to_owned()),
        ];
        assert_eq!(told, expected);
        assert!(plain[0].has_any(&["x".to_owned()]) && plain[0].has_any(&[]));
        assert!(!plain[0].has_any(&["node".to_owned()]));
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let text = "repos:\n- {path: a, tga: [x]}\n- {name: b}\n- {name: a, path: /x}\n- {name: ../up, path: /y}\n- just text\n";
        insta::assert_snapshot!(parse("repos.yaml", "/p", text).unwrap_err(), @r"
        repos.yaml:2: repos[0].tga: unknown key; known are name, package, path, tags, description, nickname, role, mcp; did you mean tags?
        repos.yaml:3: repos[1]: the `path` is missing
        repos.yaml:4: repos[2].name: a is already the name on line 2
        repos.yaml:5: repos[3].name: a name is 1 to 64 ASCII letters, digits, `_`, `-` and `.`, and does not begin with a `.`
        repos.yaml:6: repos[4]: a mapping with name, package, path, tags, description, nickname, role, mcp is expected
        ");
        let empty = parse("repos.yaml", "/p", "").unwrap_err();
        assert_eq!(
            empty.to_string(),
            "repos.yaml:1: repos: a list of repositories is expected"
        );
    }
}
