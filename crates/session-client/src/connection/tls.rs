//! TLS to a server, whose certificate the system's authorities must have signed, or those that `SSL_CERT_FILE` or
//! `SSL_CERT_DIR` name in their place.

use std::sync::{Arc, Once, OnceLock};

use rustls::{ClientConfig, pki_types::ServerName};
use rustls_platform_verifier::ConfigVerifierExt;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Makes a connection secure. Says in words why that is not possible.
pub(super) async fn secure(
    stream: TcpStream,
    authority: &str,
) -> Result<TlsStream<TcpStream>, String> {
    let host = authority
        .rsplit_once(':')
        .map_or(authority, |(host, _)| host);
    let host = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    let name = ServerName::try_from(host).map_err(|error| error.to_string())?;
    let connector = TlsConnector::from(config()?);
    let secured = connector.connect(name, stream).await;
    secured.map_err(|error| format!("TLS: {error}"))
}

/// The authorities are read once: that takes milliseconds.
fn config() -> Result<Arc<ClientConfig>, String> {
    static CONFIG: OnceLock<Result<Arc<ClientConfig>, String>> = OnceLock::new();
    let made = CONFIG.get_or_init(|| {
        install();
        let mut config =
            ClientConfig::with_platform_verifier().map_err(|error| error.to_string())?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    });
    made.clone()
}

/// The TLS library wants its cryptography named once for the process.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // A program that has named one already keeps it.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
