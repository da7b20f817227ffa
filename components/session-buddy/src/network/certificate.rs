//! Who this server is over TLS.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject},
};
use session_model::Timestamp;
use tracing::warn;
use webpki::{EndEntityCert, KeyUsage};

/// The most bytes of a file: 1 MiB, far more than the longest chain.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// How long before its end a certificate is warned of: 14 days. Who renews them by machine does it a month before.
const WARNING: Duration = Duration::from_secs(14 * 86_400);

/// Where certificate and key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those that lead to its authority, in PEM.
    pub certificate: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
}

/// Why certificate and key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Others can read the key.
    #[error("the key {} has mode {mode:04o}, so others can read it; run `chmod 600` on it", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// There is none in a file.
    #[error("there is no {what} in {}, which must be PEM", path.display())]
    Nothing {
        /// What was looked for.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The key is another's, or of a kind that is not known.
    #[error("the certificate {} and the key {} do not go together", certificate.display(), key.display())]
    Pair {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
        /// What the library says.
        source: rustls::Error,
    },
}

/// Certificate and key in use; others can take their place while connections last.
#[derive(Debug)]
pub struct Certificate(RwLock<Arc<ServerConfig>>);

impl Certificate {
    /// Reads certificate and key.
    ///
    /// # Errors
    ///
    /// What is wrong with them, by the file. One that has expired is used all the same, and the log says so: its clients
    /// refuse it themselves, and an owner on the socket is not locked out.
    pub fn read(files: &TlsFiles, now: Timestamp) -> Result<Self, CertificateError> {
        read(files, now).map(|config| Self(RwLock::new(Arc::new(config))))
    }

    /// Takes the place of the one before.
    pub fn replace(&self, new: Self) {
        let new = new.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = new;
    }

    /// Gives what a handshake needs.
    pub fn config(&self) -> Arc<ServerConfig> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

fn read(files: &TlsFiles, now: Timestamp) -> Result<ServerConfig, CertificateError> {
    let TlsFiles { certificate, key } = files;
    let nothing = |what, path: &Path| CertificateError::Nothing {
        what,
        path: path.to_owned(),
    };
    let (pem, _) = contents(certificate)?;
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|_| nothing("certificate", certificate))?;
    let first = chain
        .first()
        .ok_or_else(|| nothing("certificate", certificate))?;
    warn_of_time(first, certificate, now);
    let (pem, metadata) = contents(key)?;
    let mode = metadata.mode() & 0o7777;
    if is_open(mode, metadata.uid()) {
        let path = key.clone();
        return Err(CertificateError::Open { path, mode });
    }
    let private = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| nothing("private key", key))?;
    let paired = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(chain, private)
        });
    let mut config = paired.map_err(|source| CertificateError::Pair {
        certificate: certificate.clone(),
        key: key.clone(),
        source,
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn contents(path: &Path) -> Result<(Vec<u8>, std::fs::Metadata), CertificateError> {
    let error = |source| CertificateError::File {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(error)?;
    let metadata = file.metadata().map_err(error)?;
    if !metadata.is_file() {
        return Err(error(io::Error::other("it is no file")));
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(error)?;
    Ok((bytes, metadata))
}

/// Tells whether others can read a key. A group may read one that is root's: so systems give keys to their servers.
const fn is_open(mode: u32, owner: u32) -> bool {
    let forbidden = if owner == 0 { 0o037 } else { 0o077 };
    mode & forbidden != 0
}

/// Says that a certificate is not good at this time, or soon no longer.
fn warn_of_time(certificate: &CertificateDer<'_>, path: &Path, now: Timestamp) {
    let seconds = u64::try_from(now.as_micros() / 1_000_000).unwrap_or_default();
    let now = Duration::from_secs(seconds);
    let path = path.display();
    match (
        complaint(certificate, now),
        complaint(certificate, now + WARNING),
    ) {
        (Some(webpki::Error::CertExpired { .. }), _) => {
            warn!("The certificate {path} has expired: clients refuse it");
        }
        (Some(webpki::Error::CertNotValidYet { .. }), _) => {
            warn!("The certificate {path} is not valid yet: clients refuse it");
        }
        (_, Some(webpki::Error::CertExpired { .. })) => {
            warn!("The certificate {path} expires within 14 days");
        }
        (_, _) => {}
    }
}

/// Gives what the library has against a certificate at a time. It looks at the time before it looks for the authority,
/// and of those it is told none here.
fn complaint(certificate: &CertificateDer<'_>, at: Duration) -> Option<webpki::Error> {
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    let usage = KeyUsage::server_auth();
    let time = UnixTime::since_unix_epoch(at);
    certificate
        .verify_for_usage(&[], &[], &[], time, usage, None, None)
        .err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_may_read_a_key_only_if_it_is_roots() {
        assert!(!is_open(0o600, 1000) && !is_open(0o400, 0) && !is_open(0o640, 0));
        for (mode, owner) in [(0o640, 1000), (0o644, 0), (0o660, 0), (0o604, 1000)] {
            assert!(is_open(mode, owner), "{mode:o} of {owner}");
        }
    }
}
