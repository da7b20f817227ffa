//! Python's tools.

use super::{Changes, Role, Says, Slot, Tool};
use crate::project::Part;

const fn tool(
    name: &'static str,
    role: Role,
    command: &'static str,
    version: &'static str,
    install: &'static str,
) -> Tool {
    Tool {
        name,
        role,
        program: name,
        command,
        version,
        install,
        says: Says::Code,
        changes: None,
        wanted: |_| true,
    }
}

pub(super) const SLOTS: &[Slot] = &[
    &[tool(
        "ruff",
        Role::Lint,
        "ruff check .",
        "ruff --version",
        "pip install ruff",
    )],
    &[
        Tool {
            changes: Some(Changes {
                show: "black --diff --quiet .",
                lists_files: false,
                apply: "black --quiet .",
            }),
            wanted: |part| has_table(part, "black"),
            ..tool(
                "black",
                Role::Format,
                "black --check .",
                "black --version",
                "pip install black",
            )
        },
        Tool {
            program: "ruff",
            changes: Some(Changes {
                show: "ruff format --diff .",
                lists_files: false,
                apply: "ruff format .",
            }),
            ..tool(
                "ruff-format",
                Role::Format,
                "ruff format --check .",
                "ruff --version",
                "pip install ruff",
            )
        },
    ],
    &[
        Tool {
            wanted: |part| part.has("pyrightconfig.json") || has_table(part, "pyright"),
            ..tool(
                "pyright",
                Role::Typecheck,
                "pyright",
                "pyright --version",
                "pip install pyright",
            )
        },
        tool(
            "mypy",
            Role::Typecheck,
            "mypy .",
            "mypy --version",
            "pip install mypy",
        ),
    ],
    // Tests are full of asserts, which it takes for a weakness.
    &[tool(
        "bandit",
        Role::Scan,
        "bandit --quiet --recursive . --exclude ./.venv,./venv,./node_modules,./build,./tests",
        "bandit --version",
        "pip install bandit",
    )],
    &[Tool {
        wanted: |part| part.has("requirements.txt"),
        ..tool(
            "pip-audit",
            Role::Scan,
            "pip-audit --requirement requirements.txt",
            "pip-audit --version",
            "pip install pip-audit",
        )
    }],
    &[tool(
        "pytest",
        Role::Test,
        "pytest",
        "pytest --version",
        "pip install pytest",
    )],
];

/// Tells whether `pyproject.toml` has `[tool.NAME]`.
fn has_table(part: &Part, name: &str) -> bool {
    let project = part.toml("pyproject.toml");
    project.is_some_and(|project| {
        let tools = project.get("tool");
        tools.is_some_and(|tools| tools.get(name).is_some())
    })
}
