//! Which files, variables and keys a component has.

use std::path::PathBuf;

use layered_config::{Declaration, Kind, Places, schema_of};
use session_client::state_folder;
use session_model::id::spellings;

use crate::{Surroundings, schema};

/// What hides a value, if a part of its key has the word: the default of Oneiric's own setting `hidden`.
pub(crate) const HIDDEN: &str = "secret,token,password,passphrase,credential,api_key,private_key";

/// The component whose settings are Oneiric's own.
pub(crate) const OWN: &str = "oneiric";

/// A component, as far as its settings go.
#[derive(Clone, Debug)]
pub struct Component {
    /// Its name.
    pub name: String,
    /// Its project: the nearest folder with a `settings` of its own.
    pub project: PathBuf,
    /// The files that it reads, weakest first, each with the name of its layer.
    pub files: Vec<(&'static str, PathBuf)>,
    /// What its settings may be; `None` where nobody says.
    pub declared: Option<Vec<Declaration>>,
    /// Who declared that: a file, or `built in`.
    pub declared_by: Option<String>,
}

/// Why a component's settings cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum ComponentError {
    /// The name is none.
    #[error(
        "{0:?} is no name of a component: 1 to 100 characters of A-Z, a-z, 0-9, _ and - are expected"
    )]
    Name(String),
    /// The file that declares its keys is wrong.
    #[error(transparent)]
    Schema(#[from] schema::SchemaError),
}

impl Component {
    /// Finds out about a component. `settings/NAME.schema.yaml` of the project goes before what is built in.
    ///
    /// # Errors
    ///
    /// The name is none, or the schema is wrong.
    pub fn find(name: &str, surroundings: &Surroundings) -> Result<Self, ComponentError> {
        let name = spellings(name)[0];
        let accepted = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if !(1..=100).contains(&name.len()) || !name.bytes().all(accepted) {
            return Err(ComponentError::Name(name.to_owned()));
        }
        let variable = |name: &str| surroundings.variable(name);
        let Places { project, files } = Places::of(name, &surroundings.folder, variable);
        let schema = schema_of(&project, name);
        let (declared, declared_by) = match schema::read(&schema)? {
            Some(declared) => (Some(declared), Some(schema.display().to_string())),
            None => match built_in(name) {
                Some(declared) => (Some(declared), Some("built in".to_owned())),
                None => (None, None),
            },
        };
        let files = match server_file(name, surroundings) {
            Some(file) => vec![("state folder", file)],
            None => files,
        };
        Ok(Self {
            name: name.to_owned(),
            project,
            files,
            declared,
            declared_by,
        })
    }

    /// Gives what begins the names of its variables: `SESSION_BUDDY_` for `session-buddy`.
    pub fn prefix(&self) -> String {
        format!("{}_", self.name.to_ascii_uppercase().replace('-', "_"))
    }

    /// Gives what it declares.
    pub fn declarations(&self) -> &[Declaration] {
        self.declared.as_deref().unwrap_or_default()
    }
}

/// Gives the one file that Session-Buddy's server reads: it has a state folder, and no project.
fn server_file(name: &str, surroundings: &Surroundings) -> Option<PathBuf> {
    let variable = |name: &str| surroundings.variable(name);
    (name == "session-buddy")
        .then(|| state_folder::find(variable).ok())
        .flatten()
        .map(|folder| folder.join("config.yaml"))
}

/// Gives the settings of the components that come with this one and have settings of their own.
fn built_in(name: &str) -> Option<Vec<Declaration>> {
    match name {
        OWN => Some(vec![
            Declaration::new(
                "component",
                Kind::Text,
                Some(OWN),
                "ONEIRIC_COMPONENT",
                "the component that is looked at when none is named",
            ),
            Declaration::new(
                "hidden",
                Kind::Text,
                Some(HIDDEN),
                "ONEIRIC_HIDDEN",
                "words that hide the value of a key with one of them",
            ),
        ]),
        "session-buddy" => {
            let declared = schema::parse("built in".as_ref(), SESSION_BUDDY.as_bytes());
            Some(declared.expect("a test reads it"))
        }
        "akosha" => {
            let declared = schema::parse("built in".as_ref(), AKOSHA.as_bytes());
            Some(declared.expect("a test reads it"))
        }
        _ => None,
    }
}

/// What Session-Buddy's server takes, as it says itself.
const SESSION_BUDDY: &str = include_str!("../../session-buddy/settings.schema.yaml");
/// What Akosha takes.
const AKOSHA: &str = include_str!("../../akosha/settings.schema.yaml");
