//! From a site to a folder: every page shown and its links checked, then put into place at once.

mod folder;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use crate::{
    App, Data, Problem, Problems, Site,
    app::{Access, file_of},
    engine, html,
    site::{
        Page,
        address::{Leads, anchor, leads, way},
        asset::{self, Asset},
    },
};
use folder::Folder;
pub use folder::{FolderError, MANIFEST};

/// Is asked before each page whether to go on, with the number of pages that are done and that of all.
pub type GoOn<'a> = &'a mut dyn FnMut(usize, usize) -> bool;

/// How many problems are collected before a build gives up: the first ones tell what is wrong.
const PROBLEMS_MAX: usize = 100;

/// Why there is no site.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The app, its data or its links are wrong.
    #[error(transparent)]
    App(#[from] Problems),
    /// The folder cannot be written, or is not ours.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The user asked to stop. Nothing was changed.
    #[error("interrupted")]
    Interrupted,
}

/// What a build made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// The folder.
    pub folder: PathBuf,
    /// How many pages are in it.
    pub pages: usize,
    /// How many static files.
    pub assets: usize,
    /// The size of all.
    pub bytes: u64,
    /// The routes that are not in it, since whoever it is for may not see them, and who may.
    pub left_out: Vec<(String, Access)>,
}

/// Builds a site into a folder. `go_on` is asked before each page, with the number of pages that are done and that of all.
///
/// The same app with the same data gives the same bytes. The folder is written beside its place, and takes it at once; one
/// that no build made is left alone.
///
/// # Errors
///
/// All that is wrong, up to 100 problems. Then nothing was changed.
pub fn build(
    app: &App,
    data: &Data,
    role: Option<&str>,
    into: &Path,
    go_on: GoOn<'_>,
) -> Result<Built, BuildError> {
    let site = Site::new(app, data, role)?;
    let pages = site.pages()?;
    let assets = read_assets(app)?;
    let mut folder = Folder::beside(into, app)?;
    for asset in assets.values() {
        folder.write(&asset.file, &asset.bytes)?;
    }
    let writer = Writer::new(&site, &pages, &assets);
    writer.all(go_on, &mut |file, html| folder.write(file, html.as_bytes()))?;
    let (shown, hidden): (Vec<_>, Vec<_>) = pages.iter().partition(|page| site.shows(page));
    let left_out: BTreeMap<_, _> = hidden
        .iter()
        .map(|page| (page.route.path.clone(), page.route.access.clone()))
        .collect();
    Ok(Built {
        folder: into.to_owned(),
        pages: shown.len(),
        assets: assets.len(),
        bytes: folder.finish(app, role, &shown, &assets)?,
        left_out: left_out.into_iter().collect(),
    })
}

/// Does what [`build()`] does, and writes nothing: shows every page to the public and to each role, and follows its links.
///
/// # Errors
///
/// All that is wrong, up to 100 problems for each role.
pub fn rehearse(app: &App, data: &Data, go_on: GoOn<'_>) -> Result<(), BuildError> {
    let assets = read_assets(app)?;
    let mut problems = Vec::new();
    let roles = app.roles.iter().map(|role| Some(role.as_str()));
    for role in std::iter::once(None).chain(roles) {
        let site = Site::new(app, data, role)?;
        let pages = site.pages()?;
        match Writer::new(&site, &pages, &assets).all(go_on, &mut |_, _| Ok(())) {
            Err(BuildError::App(found)) => problems.extend(found.0),
            done => done?,
        }
    }
    Ok(Problems::none_in(problems)?)
}

fn read_assets(app: &App) -> Result<BTreeMap<String, Asset>, Problems> {
    let mut problems = Vec::new();
    let assets = asset::read_all(app, &mut problems);
    Problems::none_in(problems)?;
    Ok(assets)
}

/// Writes pages, and remembers what is known only once all are written.
struct Writer<'a> {
    site: &'a Site<'a>,
    pages: &'a [Page<'a>],
    shown: BTreeSet<&'a str>,
    hidden: BTreeSet<&'a str>,
    assets: &'a BTreeMap<String, Asset>,
    /// The anchors of each page.
    anchors: BTreeMap<String, BTreeSet<String>>,
    /// Which page expects which anchor of which page, and the file to blame.
    expected: Vec<(String, String, String, String)>,
    problems: Vec<Problem>,
}

impl<'a> Writer<'a> {
    fn new(site: &'a Site<'a>, pages: &'a [Page<'a>], assets: &'a BTreeMap<String, Asset>) -> Self {
        let (shown, hidden): (Vec<_>, Vec<_>) = pages.iter().partition(|page| site.shows(page));
        let paths =
            |pages: Vec<&'a Page<'a>>| pages.into_iter().map(|page| page.path.as_str()).collect();
        Self {
            site,
            pages,
            shown: paths(shown),
            hidden: paths(hidden),
            assets,
            anchors: BTreeMap::new(),
            expected: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// Shows all pages that may be seen.
    fn all(
        mut self,
        go_on: GoOn<'_>,
        write: &mut dyn FnMut(&str, &str) -> Result<(), FolderError>,
    ) -> Result<(), BuildError> {
        let shown: Vec<_> = self
            .pages
            .iter()
            .filter(|page| self.site.shows(page))
            .collect();
        for (done, page) in shown.iter().enumerate() {
            if !go_on(done, shown.len()) {
                return Err(BuildError::Interrupted);
            }
            if let Some(html) = self.page(page) {
                write(&file_of(&page.path), &html)?;
            }
            if self.problems.len() >= PROBLEMS_MAX {
                break;
            }
        }
        // Removing the last site may take longer than making this one.
        if !go_on(shown.len(), shown.len()) {
            return Err(BuildError::Interrupted);
        }
        self.check_anchors();
        self.problems.truncate(PROBLEMS_MAX);
        Ok(Problems::none_in(self.problems)?)
    }

    /// Shows a page with links that work in any folder.
    fn page(&mut self, page: &Page<'_>) -> Option<String> {
        let html = match self.site.show(page) {
            Ok(html) => html,
            Err(problem) => {
                let told = format!("{} (page {})", problem.problem, page.path);
                self.problems.push(Problem {
                    problem: told,
                    ..problem
                });
                return None;
            }
        };
        self.anchors.insert(page.path.clone(), html::anchors(&html));
        let links = html::links(&html);
        let mut new = BTreeMap::new();
        for link in &links {
            if let Some(address) = self.address(page, &link.value) {
                new.insert(link.value.clone(), address);
            }
        }
        Some(html::rewrite(&html, &links, |value| {
            new.get(value).cloned()
        }))
    }

    /// Gives the address that a link gets in the folder; `None` if it stays as it is.
    fn address(&mut self, page: &Page<'_>, value: &str) -> Option<String> {
        let file = engine::file_of(self.site.app, &page.route.block);
        let mut blame = |problem: String| {
            let problem = format!("page {} has {problem}", page.path);
            self.problems.push(Problem::of(&file, problem));
        };
        let (path, rest) = match leads(&page.path, value) {
            Leads::Elsewhere => return None,
            Leads::Refused(why) => {
                blame(why);
                return None;
            }
            Leads::To { path, rest } => (path, rest),
        };
        let from = file_of(&page.path);
        if let Some(asset) = self.assets.get(&path) {
            return Some(format!("{}{rest}", way(&from, &asset.file)));
        }
        if !self.shown.contains(path.as_str()) {
            blame(if self.hidden.contains(path.as_str()) {
                let who = self.site.role.unwrap_or("the public");
                format!("a link to {path}, which {who} may not see: put it into {{% if may(..) %}}")
            } else {
                format!("a dead link: {path} is no page and no file")
            });
            return None;
        }
        if let Some(anchor) = anchor(&rest) {
            self.expected
                .push((page.path.clone(), path.clone(), anchor.to_owned(), file));
        }
        if path == page.path && rest.starts_with('#') {
            return None;
        }
        Some(format!("{}{rest}", way(&from, &file_of(&path))))
    }

    fn check_anchors(&mut self) {
        for (page, path, anchor, file) in &self.expected {
            let there = self.anchors.get(path);
            if there.is_some_and(|there| !there.contains(anchor)) {
                let problem = format!("page {page} has a dead link: {path} has no id {anchor}");
                self.problems.push(Problem::of(file, problem));
            }
        }
    }
}
