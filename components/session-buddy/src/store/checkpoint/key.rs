//! The key that signs checkpoints: an Ed25519 key in a file that `openssl pkey` reads too.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use data_encoding::BASE64;
use ring::{
    rand::{SecureRandom, SystemRandom},
    signature::{Ed25519KeyPair, KeyPair},
};
use rustix::fs::OFlags;

use super::PublicKey;

/// What stands before the 32 bytes of a key in PKCS #8, version 1 (RFC 8410, section 7).
const PKCS8_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];
const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";
/// The most bytes of a key's file; ours has 119.
const FILE_BYTES_MAX: u64 = 4096;

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file.
    #[error("cannot use {}", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Others may have read it, or may have put it there.
    #[error("{} is not a file of its user alone (mode {mode:o}, user id {owner}); move it away and restart the server", path.display())]
    Open {
        /// Its path.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
        /// Its owner.
        owner: u32,
    },
    /// There is no key in it.
    #[error("{} holds no Ed25519 key; put the old one back, or move it away and restart the server", .0.display())]
    NoKey(PathBuf),
}

/// An Ed25519 key.
pub struct Key {
    pair: Ed25519KeyPair,
    seed: [u8; 32],
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({})", super::short(&self.public()))
    }
}

impl Key {
    /// Reads the key in a file, or makes both. Nobody else may be making it.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or made, or is open to others.
    pub fn load_or_make(path: &Path) -> Result<Self, KeyError> {
        if let Some(key) = Self::load(path)? {
            return Ok(key);
        }
        let key = Self::generate();
        write_alone(path, key.to_pem().as_bytes()).map_err(|source| KeyError::File {
            path: path.to_owned(),
            source,
        })?;
        Ok(key)
    }

    /// Reads the key in a file; `None` where there is no file.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, is open to others, or holds no key.
    pub fn load(path: &Path) -> Result<Option<Self>, KeyError> {
        let failed = |source| KeyError::File {
            path: path.to_owned(),
            source,
        };
        // A link is not followed, and a pipe is not waited for.
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        check_alone(&file, path)?;
        let mut text = String::new();
        file.take(FILE_BYTES_MAX)
            .read_to_string(&mut text)
            .map_err(failed)?;
        Self::from_pem(&text)
            .ok_or_else(|| KeyError::NoKey(path.to_owned()))
            .map(Some)
    }

    /// Makes a new key.
    pub(super) fn generate() -> Self {
        let mut seed = [0; 32];
        SystemRandom::new()
            .fill(&mut seed)
            .expect("the kernel has random bytes for whoever waits for them");
        Self::of(seed)
    }

    fn of(seed: [u8; 32]) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).expect("every 32 bytes are a seed");
        Self { pair, seed }
    }

    pub(super) fn from_pem(text: &str) -> Option<Self> {
        let inside = text.trim().strip_prefix(BEGIN)?.strip_suffix(END)?;
        let inside: String = inside.split_ascii_whitespace().collect();
        let der = BASE64.decode(inside.as_bytes()).ok()?;
        let seed = der.strip_prefix(&PKCS8_PREFIX)?.try_into().ok()?;
        Some(Self::of(seed))
    }

    fn to_pem(&self) -> String {
        let der = [&PKCS8_PREFIX[..], &self.seed].concat();
        format!("{BEGIN}\n{}\n{END}\n", BASE64.encode(&der))
    }

    /// Gives the public half.
    pub fn public(&self) -> PublicKey {
        let public = self.pair.public_key().as_ref();
        public.try_into().expect("a public key has 32 bytes")
    }

    pub(super) fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        let signature = self.pair.sign(bytes);
        let signature = signature.as_ref();
        signature.try_into().expect("a signature has 64 bytes")
    }
}

/// Checks that a key is a file of this user, or root's, that nobody else can read.
fn check_alone(file: &File, path: &Path) -> Result<(), KeyError> {
    let found = file.metadata().map_err(|source| KeyError::File {
        path: path.to_owned(),
        source,
    })?;
    let (mode, owner) = (found.mode() & 0o777, found.uid());
    let own = [0, rustix::process::geteuid().as_raw()].contains(&owner);
    if own && found.is_file() && mode & 0o077 == 0 {
        return Ok(());
    }
    Err(KeyError::Open {
        path: path.to_owned(),
        mode,
        owner,
    })
}

/// Puts a file of this user alone in its place at once, on disk.
pub(super) fn write_alone(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".new");
    let unfinished = PathBuf::from(unfinished);
    // What a crash left there, or somebody put there, is not written into.
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(unfinished, path)
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt, process::Command};

    use super::*;

    #[test]
    fn a_key_is_made_once_and_for_its_user_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.key");
        assert!(Key::load(&path).unwrap().is_none());
        let made = Key::load_or_make(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let again = Key::load_or_make(&path).unwrap();
        assert_eq!(again.public(), made.public());
        assert_ne!(Key::generate().public(), made.public());
        assert_eq!(
            format!("{made:?}"),
            format!("Key({})", super::super::short(&made.public()))
        );
    }

    #[test]
    fn openssl_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.key");
        let key = Key::load_or_make(&path).unwrap();
        let mut openssl = Command::new("openssl");
        openssl
            .args(["pkey", "-pubout", "-outform", "DER", "-in"])
            .arg(&path);
        let ran = openssl.output().unwrap();
        assert!(ran.status.success(), "{ran:?}");
        assert!(ran.stdout.ends_with(&key.public()));
    }

    #[test]
    fn a_key_that_others_can_read_or_that_is_none_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.key");
        Key::load_or_make(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(
            Key::load(&path),
            Err(KeyError::Open { mode: 0o640, .. })
        ));
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(matches!(Key::load(&link), Err(KeyError::File { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        for content in ["", "secret", &format!("{BEGIN}\nAAAA\n{END}\n")] {
            fs::write(&path, content).unwrap();
            assert!(
                matches!(Key::load_or_make(&path), Err(KeyError::NoKey(_))),
                "{content}"
            );
            assert_eq!(
                fs::read_to_string(&path).unwrap(),
                content,
                "it is left as it is"
            );
        }
    }
}
