//! Node's tools. What a project calls a script goes before what it is made of.

use super::{Changes, Role, Says, Slot, Tool};
use crate::project::Part;

const fn tool(
    name: &'static str,
    role: Role,
    program: &'static str,
    command: &'static str,
    version: &'static str,
    install: &'static str,
    wanted: fn(&Part) -> bool,
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
        wanted,
    }
}

/// A script of `package.json`. What it runs is installed with the project.
const fn script(
    name: &'static str,
    role: Role,
    command: &'static str,
    wanted: fn(&Part) -> bool,
) -> Tool {
    tool(
        name,
        role,
        "{npm}",
        command,
        "{npm} --version",
        "{npm} install",
        wanted,
    )
}

/// What `npm init` writes where there are no tests.
const NO_TEST: &str = "no test specified";
const ESLINT: [&str; 10] = [
    "eslint.config.js",
    "eslint.config.mjs",
    "eslint.config.cjs",
    "eslint.config.ts",
    ".eslintrc",
    ".eslintrc.js",
    ".eslintrc.cjs",
    ".eslintrc.json",
    ".eslintrc.yml",
    ".eslintrc.yaml",
];
const PRETTIER: [&str; 9] = [
    ".prettierrc",
    ".prettierrc.json",
    ".prettierrc.yaml",
    ".prettierrc.yml",
    ".prettierrc.js",
    ".prettierrc.cjs",
    "prettier.config.js",
    "prettier.config.mjs",
    "prettier.config.cjs",
];
const LOCKS: [(&str, &str); 4] = [
    ("pnpm-lock.yaml", "pnpm"),
    ("yarn.lock", "yarn"),
    ("package-lock.json", "npm"),
    ("npm-shrinkwrap.json", "npm"),
];

pub(super) const SLOTS: &[Slot] = &[
    &[
        script("lint-script", Role::Lint, "{npm} run lint", |part| {
            has_script(part, "lint")
        }),
        tool(
            "eslint",
            Role::Lint,
            "eslint",
            "eslint .",
            "eslint --version",
            "{npm} install --save-dev eslint",
            |part| uses(part, "eslint", &ESLINT),
        ),
    ],
    &[Tool {
        changes: Some(Changes {
            show: "prettier --list-different .",
            lists_files: true,
            apply: "prettier --write .",
        }),
        ..tool(
            "prettier",
            Role::Format,
            "prettier",
            "prettier --check .",
            "prettier --version",
            "{npm} install --save-dev prettier",
            |part| uses(part, "prettier", &PRETTIER),
        )
    }],
    &[
        script(
            "typecheck-script",
            Role::Typecheck,
            "{npm} run typecheck",
            |part| has_script(part, "typecheck"),
        ),
        tool(
            "tsc",
            Role::Typecheck,
            "tsc",
            "tsc --noEmit",
            "tsc --version",
            "{npm} install --save-dev typescript",
            |part| part.has("tsconfig.json"),
        ),
    ],
    &[tool(
        "npm-audit",
        Role::Scan,
        "{npm}",
        "{npm} audit",
        "{npm} --version",
        "apt-get install npm, or https://nodejs.org",
        |part| LOCKS.iter().any(|(file, _)| part.has(file)),
    )],
    &[script("test-script", Role::Test, "{npm} test", |part| {
        has_script(part, "test")
    })],
];

/// Gives the package manager: that of the lock file, else of `packageManager`, else npm.
pub(super) fn manager(part: &Part) -> &'static str {
    if let Some((_, manager)) = LOCKS.iter().find(|(file, _)| part.has(file)) {
        return manager;
    }
    let package = part.package().unwrap_or_default();
    let named = package["packageManager"].as_str().unwrap_or_default();
    let known = ["pnpm", "yarn", "npm"].into_iter();
    let mut named = known.filter(|manager| named.starts_with(manager));
    named.next().unwrap_or("npm")
}

fn has_script(part: &Part, name: &str) -> bool {
    let package = part.package().unwrap_or_default();
    let script = package["scripts"][name].as_str();
    script.is_some_and(|script| !script.contains(NO_TEST))
}

/// Tells whether a project has a file of a tool, or depends on it.
fn uses(part: &Part, tool: &str, files: &[&str]) -> bool {
    let package = part.package().unwrap_or_default();
    let depends = ["devDependencies", "dependencies"];
    depends.iter().any(|kind| package[kind].get(tool).is_some())
        || package.get(tool).is_some()
        || files.iter().any(|file| part.has(file))
}
