//! Tells the crate which compiler builds it, as `SESSION_CLIENT_RUNTIME`.

use std::{env, process::Command};

fn main() {
    let version = compiler_version()
        .or_else(|| env::var("CARGO_PKG_RUST_VERSION").ok())
        .unwrap_or_default();
    println!("cargo::rustc-env=SESSION_CLIENT_RUNTIME=rust {version}");
    // Cargo runs the script again by itself when the compiler changes.
    println!("cargo::rerun-if-changed=build.rs");
}

/// Gives the second word of `rustc 1.95.0 (59807616e 2026-04-14)`.
fn compiler_version() -> Option<String> {
    let output = Command::new(env::var_os("RUSTC")?)
        .arg("--version")
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.split_whitespace().nth(1).map(str::to_owned)
}
