//! Where and of what the figures are.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::{clock, workspace};

/// Prints the machine, the versions, the date and the command.
pub(super) fn print(binary: &Path) {
    let command: Vec<String> = std::env::args().skip(1).collect();
    println!("cargo xtask {}", command.join(" "));
    println!("date      {}", clock::now().strftime("%Y-%m-%d %H:%M UTC"));
    println!(
        "machine   {} cores, {}, {} MiB",
        cores(),
        processor(),
        total_memory_mib()
    );
    println!("kernel    {}", answer("uname", &["-sr"]));
    println!(
        "disk      {} under {}",
        answer("findmnt", &["-no", "FSTYPE", "-T", &target()]),
        target()
    );
    println!("rustc     {}", answer("rustc", &["--version"]));
    println!(
        "revision  {}",
        answer("git", &["-C", &root(), "describe", "--always", "--dirty"])
    );
    println!(
        "server    {} = {}",
        binary.display(),
        answer(&binary.to_string_lossy(), &["--version"])
    );
    println!("sqlite3   {}", answer("sqlite3", &["--version"]));
}

fn root() -> String {
    workspace::root().to_string_lossy().into_owned()
}

fn target() -> String {
    workspace::target().to_string_lossy().into_owned()
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(0, usize::from)
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text
        .lines()
        .find(|line| line.starts_with("model name"))
        .and_then(|line| line.split_once(": "));
    name.map_or_else(
        || "unknown processor".to_owned(),
        |(_, name)| name.to_owned(),
    )
}

fn total_memory_mib() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kibibytes = text
        .lines()
        .next()
        .and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) / 1024
}

fn answer(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    match output {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        }
        _ => "unknown".to_owned(),
    }
}
