//! Go's tools.

use super::{Changes, Role, Says, Slot, Tool};

const fn tool(
    name: &'static str,
    role: Role,
    program: &'static str,
    command: &'static str,
    version: &'static str,
    install: &'static str,
) -> Tool {
    Tool {
        name,
        role,
        program,
        command,
        version,
        install,
        says: Says::Code,
        changes: None,
        wanted: |_| true,
    }
}

const GO: &str = "apt-get install golang-go, or https://go.dev/dl";
const GOLANGCI: [&str; 4] = [
    ".golangci.yml",
    ".golangci.yaml",
    ".golangci.toml",
    ".golangci.json",
];

pub(super) const SLOTS: &[Slot] = &[
    &[
        Tool {
            wanted: |part| GOLANGCI.iter().any(|file| part.has(file)),
            ..tool(
                "golangci-lint",
                Role::Lint,
                "golangci-lint",
                "golangci-lint run",
                "golangci-lint --version",
                "go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@latest",
            )
        },
        Tool {
            wanted: |part| part.has("staticcheck.conf"),
            ..tool(
                "staticcheck",
                Role::Lint,
                "staticcheck",
                "staticcheck ./...",
                "staticcheck -version",
                "go install honnef.co/go/tools/cmd/staticcheck@latest",
            )
        },
        tool("go-vet", Role::Lint, "go", "go vet ./...", "go version", GO),
    ],
    &[Tool {
        // It lists what is not laid out, and ends with 0 all the same.
        says: Says::Output,
        changes: Some(Changes {
            show: "gofmt -d .",
            lists_files: false,
            apply: "gofmt -w .",
        }),
        ..tool(
            "gofmt",
            Role::Format,
            "gofmt",
            "gofmt -l .",
            "go version",
            GO,
        )
    }],
    &[tool(
        "go-build",
        Role::Typecheck,
        "go",
        "go build -o /dev/null ./...",
        "go version",
        GO,
    )],
    &[tool(
        "govulncheck",
        Role::Scan,
        "govulncheck",
        "govulncheck ./...",
        "govulncheck -version",
        "go install golang.org/x/vuln/cmd/govulncheck@latest",
    )],
    &[tool(
        "go-test",
        Role::Test,
        "go",
        "go test ./...",
        "go version",
        GO,
    )],
];
