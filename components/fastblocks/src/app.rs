//! An app: a folder with `fastblocks.yaml`, `blocks/` and `static/`, read and held together.

mod access;
mod block;
mod config;
mod declared;
mod files;
mod route;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

pub use access::{Access, PUBLIC};
pub use block::Block;
pub use config::Source;
pub use declared::{Declared, Names, Shape};
pub(crate) use route::file_of;
pub use route::{METHODS, Route};

use crate::{Problem, Problems, check};

/// The file that makes a folder an app.
pub const CONFIG: &str = "fastblocks.yaml";
/// Where the blocks are.
pub(crate) const BLOCKS: &str = "blocks";
/// Where the files are that are copied as they are, and how their paths begin.
pub(crate) const STATIC: &str = "static";

/// An app as its files say.
#[derive(Clone, Debug)]
pub struct App {
    /// Its folder.
    pub folder: PathBuf,
    /// What it is called.
    pub name: String,
    /// What it is for, in a line.
    pub about: String,
    /// The roles that people may have.
    pub roles: Vec<String>,
    /// Who may see a route that does not say so.
    pub default_access: Access,
    /// What its blocks are given, and where that comes from.
    pub sources: BTreeMap<String, Source>,
    /// Its routes, by path.
    pub routes: Vec<Route>,
    /// Its blocks, by name.
    pub blocks: BTreeMap<String, Block>,
    /// Its files, by path, such as `/static/style.css`.
    pub assets: BTreeMap<String, PathBuf>,
}

impl App {
    /// Finds the app that a folder is in: there or outwards.
    pub fn find(from: &Path) -> Option<PathBuf> {
        let from = fs::canonicalize(from).ok()?;
        let mut outwards = from.ancestors();
        let found = outwards.find(|folder| folder.join(CONFIG).is_file())?;
        Some(found.to_owned())
    }

    /// Reads an app with all that can be read of it, and finds all that is wrong with it.
    ///
    /// # Errors
    ///
    /// What is wrong with `fastblocks.yaml`, where nothing of it can be read.
    pub fn look(folder: &Path) -> Result<(Self, Vec<Problem>), Problems> {
        let mut problems = Vec::new();
        // What is checked to lie in it is compared by its real path.
        let real = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        let Some(mut app) = config::read(&real, &mut problems) else {
            return Err(Problems(problems));
        };
        files::read_blocks(&mut app, &mut problems);
        files::find_assets(&mut app, &mut problems);
        check::check(&app, &mut problems);
        problems.sort();
        problems.dedup();
        Ok((app, problems))
    }

    /// Reads an app that nothing is wrong with.
    ///
    /// # Errors
    ///
    /// All that is wrong with it.
    pub fn open(folder: &Path) -> Result<Self, Problems> {
        let (app, problems) = Self::look(folder)?;
        Problems::none_in(problems)?;
        Ok(app)
    }

    /// Gives the route of a name.
    pub fn route(&self, name: &str) -> Option<&Route> {
        self.routes.iter().find(|route| route.name == name)
    }
}
