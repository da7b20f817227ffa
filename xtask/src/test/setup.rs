//! Installs what a bare Debian 12 with rustup's toolchain lacks. What is there already is left alone.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Result;

use super::step::{Report, Step};
use crate::workspace;

const STAGE: &str = "setup";

/// A probe that fails when the packages are missing.
const DEBIAN: [(&[&str], &[&str]); 9] = [
    (&["cc", "--version"], &["gcc", "libc6-dev"]),
    (&["python3", "--version"], &["python3"]),
    (
        &["python3", "-c", "import venv, ensurepip"],
        &["python3-venv"],
    ),
    (&["sqlite3", "--version"], &["sqlite3"]),
    (&["curl", "--version"], &["curl"]),
    (&["jq", "--version"], &["jq"]),
    (&["setpriv", "--version"], &["util-linux"]),
    (&["tmux", "-V"], &["tmux"]),
    (&["strace", "-V"], &["strace"]),
];

/// Debian packages, by `apt-get`, as root or through `sudo`.
pub(super) fn debian_packages(report: &mut Report) -> Result<()> {
    let missing: Vec<&str> = DEBIAN
        .iter()
        .filter(|(probe, _)| !works(probe))
        .flat_map(|(_, packages)| *packages)
        .copied()
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    report.run(STAGE, &apt_get("apt-get update").arguments(["update"]))?;
    for package in missing {
        let name = format!("Debian package {package}");
        report.run(
            STAGE,
            &apt_get(&name).arguments(["install", "--yes", "--no-install-recommends", package]),
        )?;
    }
    Ok(())
}

/// The parts of the toolchain that a minimal rustup profile leaves out.
pub(super) fn rust_components(report: &mut Report) -> Result<()> {
    for (probe, component) in [
        (["cargo", "fmt", "--version"], "rustfmt"),
        (["cargo", "clippy", "--version"], "clippy"),
    ] {
        if !works(&probe) {
            let step = Step::new(&format!("rustup component {component}"), "rustup");
            report.run(STAGE, &step.arguments(["component", "add", component]))?;
        }
    }
    Ok(())
}

/// The cargo subcommands that the hermetic stage runs.
pub(super) fn cargo_tools(report: &mut Report) -> Result<()> {
    if !works(&["cargo", "nextest", "--version"]) {
        install(report, &["cargo-nextest", "--locked"])?;
    }
    if !works(&["cargo", "deny", "--version"]) {
        install(report, &["cargo-deny", "--locked", "--version", "0.20.2"])?;
    }
    Ok(())
}

/// The Python environment of the foreign programs; made anew when what it should contain has changed.
pub(super) fn venv(report: &mut Report) -> Result<PathBuf> {
    let requirements = workspace::root().join("tests/external/requirements.txt");
    let wanted = fs::read_to_string(&requirements)?;
    let folder = workspace::target().join("external-venv");
    let (python, stamp) = (folder.join("bin/python"), folder.join("requirements.stamp"));
    let python_works = Command::new(&python)
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if python_works && fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) {
        return Ok(python);
    }
    let make = Step::new("venv", "python3")
        .arguments(["-m", "venv", "--clear"])
        .argument(&folder);
    report.run(STAGE, &make)?;
    let pip = Step::new("PyPI packages of tests/external/requirements.txt", &python)
        .arguments([
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "--quiet",
            "--requirement",
        ])
        .argument(&requirements);
    report.run(STAGE, &pip)?;
    fs::write(stamp, wanted)?;
    Ok(python)
}

/// The folder with Debian's `prometheus` and `promtool`. The package is unpacked and not installed, because installed it starts
/// a service at port 9090.
pub(super) fn prometheus(report: &mut Report) -> Result<PathBuf> {
    let folder = workspace::target().join("external-prometheus");
    let tools = folder.join("usr/bin");
    if works(&[tools.join("promtool"), "--version".into()]) {
        return Ok(tools);
    }
    fs::create_dir_all(&folder)?;
    let folder = folder.display().to_string();
    let fetch = "cd \"$0\" && rm -rf -- *.deb usr && apt-get download prometheus && dpkg-deb --extract prometheus_*.deb .";
    let fetch =
        Step::new("Debian package prometheus, unpacked", "sh").arguments(["-c", fetch, &folder]);
    // It is fetched without the rights of root, but only root brings the lists of packages up to date.
    if !works(&["apt-cache", "show", "prometheus"]) {
        report.run(STAGE, &apt_get("apt-get update").arguments(["update"]))?;
    }
    report.run(STAGE, &fetch)?;
    Ok(tools)
}

fn install(report: &mut Report, arguments: &[&str]) -> Result<()> {
    report.run(
        STAGE,
        &Step::new(arguments[0], "cargo")
            .argument("install")
            .arguments(arguments),
    )
}

fn apt_get(name: &str) -> Step {
    const QUIET: &str = "DEBIAN_FRONTEND=noninteractive";
    let is_root = rustix::process::geteuid().is_root();
    if is_root || !works(&["sudo", "--version"]) {
        Step::new(name, "env").arguments([QUIET, "apt-get"])
    } else {
        Step::new(name, "sudo").arguments(["env", QUIET, "apt-get"])
    }
}

fn works(probe: &[impl AsRef<OsStr>]) -> bool {
    let mut command = Command::new(&probe[0]);
    command
        .args(&probe[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
