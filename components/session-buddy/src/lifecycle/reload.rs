//! What SIGHUP does to a server: it is told anew what it bears from the network.
//!
//! Certificate and key, public names and every bound are read again, all or nothing: what is wrong leaves everything as it
//! was, and the log says why. Address, database, log level, metrics and secrets need a
//! restart.

use std::{ffi::OsString, sync::Arc};

use tracing::{error, info, warn};

use super::{Settings, Told};
use crate::{
    causes,
    clock::Clock,
    network::{Certificate, CertificateError, Network, Traffic},
};

/// What it takes to be told anew.
#[derive(Clone)]
pub(super) struct Reload {
    /// Paths in it are absolute.
    pub(super) told: Told,
    pub(super) traffic: Arc<Traffic>,
    /// None where TCP is plain, which stays so.
    pub(super) certificate: Option<Arc<Certificate>>,
    pub(super) clock: Clock,
}

impl Reload {
    /// Reads everything again, off the runtime's threads.
    pub(super) async fn run(&self) {
        let reload = self.clone();
        if tokio::task::spawn_blocking(move || reload.read())
            .await
            .is_err()
        {
            error!("SIGHUP came to a bug: nothing is changed");
        }
    }

    fn read(&self) {
        let read = self
            .settings()
            .and_then(|network| self.take(network).map_err(|error| said(&error)));
        match read {
            Ok(()) => info!("Read certificate, names and bounds anew"),
            Err(why) => error!("Nothing is changed by SIGHUP: {why}"),
        }
    }

    fn settings(&self) -> Result<Network, String> {
        // What was told by variables was a path in a folder that is left by now.
        let told = |name: &str| {
            let mut variables = self.told.variables();
            variables.find_map(|(known, text)| (known == name).then(|| OsString::from(text)))
        };
        let variable = |name: &str| told(name).or_else(|| std::env::var_os(name));
        Settings::load(self.told.flags.clone(), variable)
            .map(|settings| settings.network)
            .map_err(|error| said(&error))
    }

    fn take(&self, network: Network) -> Result<(), CertificateError> {
        match (&self.certificate, &network.tls) {
            (Some(certificate), Some(files)) => {
                certificate.replace(Certificate::read(files, self.clock.now())?);
            }
            (None, None) => {}
            (Some(_), None) => {
                warn!("TCP stays TLS, with the certificate that it has, until a restart")
            }
            (None, Some(_)) => warn!("TCP stays plain until a restart"),
        }
        self.traffic.set_network(network);
        Ok(())
    }
}

fn said(error: &(dyn std::error::Error + 'static)) -> String {
    let said: Vec<_> = causes(error).map(ToString::to_string).collect();
    said.join(": ")
}
