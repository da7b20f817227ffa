//! Where things lie in this checkout.

use std::path::PathBuf;

use clap::ValueEnum;

/// How a binary was built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    Debug,
    Release,
}

/// The root of the checkout.
pub(crate) fn root() -> PathBuf {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest
        .parent()
        .expect("xtask lies in a folder of the workspace")
        .to_owned()
}

/// Cargo's target folder.
pub(crate) fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// The server and command line, as cargo builds it.
pub(crate) fn session_buddy(profile: Profile) -> PathBuf {
    target().join(match profile {
        Profile::Debug => "debug/session-buddy",
        Profile::Release => "release/session-buddy",
    })
}

/// The example shell, as cargo builds it.
pub(crate) fn billing(profile: Profile) -> PathBuf {
    target().join(match profile {
        Profile::Debug => "debug/examples/billing",
        Profile::Release => "release/examples/billing",
    })
}

/// The cargo that runs us.
pub(crate) fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}
