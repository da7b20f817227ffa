//! Static files, named after what is in them.

use std::{collections::BTreeMap, fs};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::address::{Leads, leads, way};
use crate::{App, Problem};

/// How much of its hash a name gets: 10 hexadecimal digits. Two versions of one file share them once in 10^12.
const HASH_DIGITS: usize = 10;

/// A static file as it is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asset {
    /// Its name in the site, such as `static/style.0123456789.css`.
    pub(crate) file: String,
    /// What is in it.
    pub(crate) bytes: Vec<u8>,
}

/// Reads all static files by their paths. Style sheets come last, since what they show changes what is in them.
pub(crate) fn read_all(app: &App, problems: &mut Vec<Problem>) -> BTreeMap<String, Asset> {
    let mut assets = BTreeMap::new();
    let is_sheet = |path: &str| path.ends_with(".css");
    let others = app.assets.iter().filter(|(path, _)| !is_sheet(path));
    let sheets = app.assets.iter().filter(|(path, _)| is_sheet(path));
    for (path, place) in others.chain(sheets) {
        let file = path.trim_start_matches('/');
        let bytes = match fs::read(place) {
            Ok(bytes) => bytes,
            Err(error) => {
                problems.push(Problem::of(file, error.to_string()));
                continue;
            }
        };
        let bytes = if is_sheet(path) {
            match String::from_utf8(bytes) {
                Ok(text) => sheet(path, &text, &assets, problems).into_bytes(),
                Err(_) => {
                    problems.push(Problem::of(file, "not UTF-8"));
                    continue;
                }
            }
        } else {
            bytes
        };
        let file = fingerprinted(file, &bytes);
        assets.insert(path.clone(), Asset { file, bytes });
    }
    assets
}

/// Puts the hash of a file into its name, before its first ending.
fn fingerprinted(file: &str, bytes: &[u8]) -> String {
    let hash = HEXLOWER.encode(&Sha256::digest(bytes));
    let hash = &hash[..HASH_DIGITS];
    let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
    match name.split_once('.') {
        Some((stem, ending)) => format!("{folder}/{stem}.{hash}.{ending}"),
        None => format!("{folder}/{name}.{hash}"),
    }
}

/// Writes a style sheet with the addresses of fingerprinted files.
fn sheet(
    path: &str,
    text: &str,
    assets: &BTreeMap<String, Asset>,
    problems: &mut Vec<Problem>,
) -> String {
    let file = path.trim_start_matches('/');
    let mut blame = |at: usize, problem: String| {
        let line = 1 + text[..at].matches('\n').count();
        problems.push(Problem::at(file, line, problem));
    };
    let mut written = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(next) = next_address(text, at) {
        let (begin, end) = match next {
            Found::Import(place) => {
                blame(
                    place,
                    "@import: link both style sheets in the page instead".to_owned(),
                );
                written.push_str(&text[at..place + 1]);
                at = place + 1;
                continue;
            }
            Found::Address(begin, end) => (begin, end),
        };
        written.push_str(&text[at..begin]);
        let address = text[begin..end].trim().trim_matches(['"', '\'']);
        at = end;
        if address.starts_with('#') {
            written.push_str(&text[begin..end]);
            continue;
        }
        match leads(path, address) {
            Leads::Elsewhere => written.push_str(&text[begin..end]),
            Leads::Refused(why) => blame(begin, why),
            Leads::To { path: to, rest } => match assets.get(&to) {
                Some(asset) => {
                    // The hash does not change the folder.
                    let way = way(file, &asset.file);
                    written.push_str(&format!("\"{way}{rest}\""));
                }
                None => blame(begin, format!("dead link: {to} is no file")),
            },
        }
    }
    written.push_str(&text[at..]);
    written
}

enum Found {
    Import(usize),
    /// What stands between the brackets of `url()`.
    Address(usize, usize),
}

/// Finds the next address of a style sheet outside of comments.
fn next_address(text: &str, mut from: usize) -> Option<Found> {
    loop {
        let rest = &text[from..];
        let url = rest.find("url(");
        let import = rest.find("@import");
        let comment = rest.find("/*");
        let first = [url, import, comment].into_iter().flatten().min()?;
        if comment == Some(first) {
            from += first
                + 2
                + rest[first + 2..]
                    .find("*/")
                    .map_or(rest.len() - first - 2, |end| end + 2);
        } else if import == Some(first) {
            return Some(Found::Import(from + first));
        } else {
            let begin = from + first + "url(".len();
            let end = text[begin..]
                .find(')')
                .map_or(text.len(), |end| begin + end);
            return Some(Found::Address(begin, end));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_what_is_in_a_file() {
        let name = fingerprinted("static/a/site.min.css", b"x");
        assert_eq!(name, "static/a/site.2d711642b7.min.css");
        assert_ne!(name, fingerprinted("static/a/site.min.css", b"y"));
        assert_eq!(
            fingerprinted("static/LICENSE", b"x"),
            "static/LICENSE.2d711642b7"
        );
    }

    #[test]
    fn style_sheets_show_fingerprinted_files_and_blame_the_line_of_others() {
        let font = Asset {
            file: "static/fonts/a.0123456789.woff2".to_owned(),
            bytes: Vec::new(),
        };
        let assets = BTreeMap::from([("/static/fonts/a.woff2".to_owned(), font)]);
        let mut problems = Vec::new();
        let text = "/* url(no.png) */\na{src:url('../fonts/a.woff2?x')}\nb{c:url(gone.png)}\nd{e:url(data:image/png;base64,x)}\n@import 'z';";
        let written = sheet("/static/css/s.css", text, &assets, &mut problems);
        assert!(
            written.contains("src:url(\"../fonts/a.0123456789.woff2?x\")"),
            "{written}"
        );
        assert!(
            written.contains("url(data:image/png;base64,x)")
                && written.contains("/* url(no.png) */")
        );
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            problems,
            [
                "static/css/s.css:3: dead link: /static/css/gone.png is no file",
                "static/css/s.css:5: @import: link both style sheets in the page instead",
            ]
        );
    }
}
