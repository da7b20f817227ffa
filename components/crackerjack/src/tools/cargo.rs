//! Rust's tools.

use super::{Changes, Role, Says, Slot, Tool};

/// A tool that Cargo runs.
const fn tool(
    name: &'static str,
    role: Role,
    program: &'static str,
    command: &'static str,
    install: &'static str,
) -> Tool {
    Tool {
        name,
        role,
        program,
        command,
        version: "cargo --version",
        install,
        says: Says::Code,
        changes: None,
        wanted: |_| true,
    }
}

const RUST: &str = "curl https://sh.rustup.rs -sSf | sh";

pub(super) const SLOTS: &[Slot] = &[
    &[Tool {
        version: "cargo clippy --version",
        ..tool(
            "clippy",
            Role::Lint,
            "cargo-clippy",
            "cargo clippy --workspace --all-targets -- -D warnings",
            "rustup component add clippy",
        )
    }],
    &[Tool {
        version: "cargo fmt --version",
        changes: Some(Changes {
            show: "cargo fmt --all -- --check",
            lists_files: false,
            apply: "cargo fmt --all",
        }),
        ..tool(
            "rustfmt",
            Role::Format,
            "cargo-fmt",
            "cargo fmt --all -- --check",
            "rustup component add rustfmt",
        )
    }],
    &[tool(
        "cargo-check",
        Role::Typecheck,
        "cargo",
        "cargo check --workspace --all-targets",
        RUST,
    )],
    &[
        Tool {
            version: "cargo deny --version",
            wanted: |part| part.has("deny.toml"),
            ..tool(
                "cargo-deny",
                Role::Scan,
                "cargo-deny",
                "cargo deny check",
                "cargo install cargo-deny --locked",
            )
        },
        Tool {
            version: "cargo audit --version",
            ..tool(
                "cargo-audit",
                Role::Scan,
                "cargo-audit",
                "cargo audit",
                "cargo install cargo-audit --locked",
            )
        },
    ],
    &[
        Tool {
            version: "cargo nextest --version",
            wanted: |part| part.has(".config/nextest.toml"),
            ..tool(
                "cargo-nextest",
                Role::Test,
                "cargo-nextest",
                "cargo nextest run --workspace",
                "cargo install cargo-nextest --locked",
            )
        },
        tool(
            "cargo-test",
            Role::Test,
            "cargo",
            "cargo test --workspace",
            RUST,
        ),
    ],
];
