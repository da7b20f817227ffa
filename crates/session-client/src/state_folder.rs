//! The folder in which server and client of one user meet.

use std::{
    ffi::OsString,
    fs::{self, DirBuilder, File},
    io,
    os::fd::AsRawFd,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use nix::unistd::{Uid, User};

/// Why there is no state folder to use.
#[derive(Debug, thiserror::Error)]
pub enum StateFolderError {
    /// The variable holds a relative path.
    #[error("SESSION_BUDDY_HOME is {0:?}, and must be an absolute path")]
    Relative(PathBuf),
    /// Neither variable nor password database tell a home.
    #[error("no home folder is known for user id {0}; set SESSION_BUDDY_HOME to an absolute path")]
    NoHome(u32),
    /// The folder belongs to somebody else.
    #[error("{} belongs to user id {owner}; set SESSION_BUDDY_HOME to a folder of your own", path.display())]
    NotOurs {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// It is a link or no folder.
    #[error("{} is not a folder, or a symbolic link to one", .0.display())]
    NotAFolder(PathBuf),
    /// The system refuses.
    #[error("cannot use folder {}", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Finds the state folder, without making it: `SESSION_BUDDY_HOME`; else `.session-buddy` in `HOME`, if that is absolute
/// and ours; else in the home of the password database. `variable` looks up an environment variable.
///
/// # Errors
///
/// When none of them gives a path.
pub fn find(variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, StateFolderError> {
    let set = |name: &str| {
        variable(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    if let Some(folder) = set("SESSION_BUDDY_HOME") {
        return if folder.is_absolute() {
            Ok(folder)
        } else {
            Err(StateFolderError::Relative(folder))
        };
    }
    let uid = Uid::effective();
    let ours = |home: &PathBuf| {
        home.is_absolute()
            && fs::metadata(home).is_ok_and(|home| home.is_dir() && home.uid() == uid.as_raw())
    };
    let home = set("HOME")
        .filter(ours)
        .or_else(|| User::from_uid(uid).ok().flatten().map(|user| user.dir));
    let home = home
        .filter(|home| home.is_absolute())
        .ok_or(StateFolderError::NoHome(uid.as_raw()))?;
    Ok(home.join(".session-buddy"))
}

/// Checks that the folder, if it is there, is a folder of ours. No link is followed. Gives whether it is there.
///
/// # Errors
///
/// When something else is there, or it cannot be looked at.
pub fn check(path: &Path) -> Result<bool, StateFolderError> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(source) => {
            return Err(StateFolderError::Io {
                path: path.to_owned(),
                source,
            });
        }
    };
    if !found.is_dir() {
        return Err(StateFolderError::NotAFolder(path.to_owned()));
    }
    if found.uid() != Uid::effective().as_raw() {
        return Err(StateFolderError::NotOurs {
            path: path.to_owned(),
            owner: found.uid(),
        });
    }
    Ok(true)
}

/// Makes the folder if it is missing (mode 0700) and closes it to others.
///
/// # Errors
///
/// When it is not a folder of ours, or cannot be made.
pub fn prepare(path: &Path) -> Result<(), StateFolderError> {
    let io = |source| StateFolderError::Io {
        path: path.to_owned(),
        source,
    };
    if !check(path)? {
        let parent = path.parent().unwrap_or(path);
        fs::create_dir_all(parent).map_err(io)?;
        match DirBuilder::new().mode(0o700).create(path) {
            // A folder whose name is not on disk takes what is in it along when the power goes.
            Ok(()) => File::open(parent)
                .and_then(|parent| parent.sync_all())
                .map_err(io)?,
            // Another process of ours was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(io(error)),
        }
        check(path)?;
    }
    let mode = fs::symlink_metadata(path).map_err(io)?.mode();
    if mode & 0o077 != 0 {
        // What its owner took away from itself stays away.
        fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o700)).map_err(io)?;
    }
    Ok(())
}

/// Gives the path of the server's Unix socket in a state folder.
pub fn socket(state_folder: &Path) -> PathBuf {
    state_folder.join("session-buddy.sock")
}

/// A path that a Unix socket can be bound or connected to, however long the path that it stands for is.
#[derive(Debug)]
pub struct ShortPath {
    path: PathBuf,
    /// Its folder, when the path goes through this descriptor.
    _folder: Option<File>,
}

impl ShortPath {
    /// The longest path that the system takes, in bytes (`sun_path` without its end).
    const BYTES_MAX: usize = 107;

    /// Makes a short path for a socket. It is good while this value lives.
    ///
    /// # Errors
    ///
    /// When the path is too long and its folder cannot be opened.
    pub fn of(socket: &Path) -> io::Result<Self> {
        let (Some(folder), Some(name)) = (socket.parent(), socket.file_name()) else {
            return Ok(Self {
                path: socket.to_owned(),
                _folder: None,
            });
        };
        if socket.as_os_str().len() <= Self::BYTES_MAX {
            return Ok(Self {
                path: socket.to_owned(),
                _folder: None,
            });
        }
        let folder = File::open(folder)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name);
        Ok(Self {
            path,
            _folder: Some(folder),
        })
    }

    /// Gives the path.
    pub fn as_path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> impl Fn(&str) -> Option<OsString> + use<> {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), OsString::from(value)))
            .collect();
        move |wanted| {
            pairs
                .iter()
                .find(|(name, _)| name == wanted)
                .map(|(_, value)| value.clone())
        }
    }

    #[test]
    fn the_variable_wins_and_must_be_absolute() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().to_str().unwrap();
        let both = variables(&[("SESSION_BUDDY_HOME", "/srv/sb"), ("HOME", home)]);
        assert_eq!(find(both).unwrap(), Path::new("/srv/sb"));
        assert_eq!(
            find(variables(&[("HOME", home)])).unwrap(),
            Path::new(home).join(".session-buddy")
        );
        let relative = variables(&[("SESSION_BUDDY_HOME", "sb")]);
        assert!(matches!(find(relative), Err(StateFolderError::Relative(_))));
    }

    #[test]
    fn a_home_that_is_not_ours_gives_way_to_the_password_database() {
        let from_database = find(variables(&[])).unwrap();
        for home in ["relative", "/nonexistent", ""] {
            assert_eq!(
                find(variables(&[("HOME", home)])).unwrap(),
                from_database,
                "{home:?}"
            );
        }
    }

    #[test]
    fn the_folder_is_ours_alone_and_no_link() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/state");
        prepare(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        prepare(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);

        let link = parent.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(matches!(
            prepare(&link),
            Err(StateFolderError::NotAFolder(_))
        ));
        let file = parent.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(
            prepare(&file),
            Err(StateFolderError::NotAFolder(_))
        ));
    }
}
