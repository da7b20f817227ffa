//! FastBlocks' shell and program: the same helpers in both.

mod app;
mod given;
mod making;
mod telling;

use std::path::Path;

use admin_shell::{AdminShell, Builder, Program};

use crate::App;
use making::{build_site, new_app, render, serve_app};
use telling::{auth, auth_now, check, routes};

/// Where `serve` listens if nobody says where.
const PORT: &str = "8765";
/// Makes the program.
pub fn program() -> Program {
    shell()
        .program("Builds a checked static site from a folder of blocks, routes and static files")
        .parameter("block", "The block, such as pages/overview")
        .parameter("folder", "The folder of the new app")
        .parameter("app", "The folder of the app [default: here and outwards]")
        .parameter("out", "The folder of the site [default: `site` in the app]")
        .parameter("as", "See the app with this role [default: as anybody]")
        .parameter("context", "Give NAME=FILE, a JSON file, or NAME=- for standard input; may be given again")
        .parameter("port", "Where to listen, on this machine only; 0 for any port")
        .parameter("kind", "What to begin with: small or audit-report")
        .also("new", "new_app")
        .example("fastblocks new report --kind audit-report")
        .example("session-buddy list-sessions --format json | fastblocks build --context sessions=- --as auditor")
        .example("fastblocks serve --as auditor")
        .example("fastblocks auth --format json")
}

/// Makes the shell.
pub fn shell() -> Builder {
    let shell = AdminShell::builder("fastblocks", env!("CARGO_PKG_VERSION"))
        .shell_type("FastBlocksShell")
        .title("FastBlocks, sites of checked blocks")
        .adapters(["templates", "routes", "static_files", "auth"])
        .metadata("component_type", "builder")
        .helper(
            "build(out=none, as|role=none, context=[], app=none) - build the site into a folder, after every page and link was checked",
            build_site,
        )
        .helper(
            "render(block, context=[], as|role=none, app=none) - show what a block makes of a context",
            render,
        )
        .helper("routes(app=none) - list the routes: path, methods, block, who may see it", routes)
        .helper("auth(app=none) - show who may see what: a line a route, a column a role", auth)
        .helper(
            "check(context=[], app=none) - find what is wrong with the app: file, line, problem",
            check,
        )
        .helper(
            &format!("serve(port={PORT}, as|role=none, context=[], app=none) - serve the app while it is written, until Ctrl-C; the browser follows"),
            serve_app,
        )
        .helper("new_app(folder, kind=\"small\") - make an app to begin with", new_app)
        .object("auth", "whether pages are restricted, and to whom; auth() tells it by route", auth_now);
    match App::find(Path::new(".")) {
        Some(folder) => shell.metadata("project_root", folder.display().to_string()),
        None => shell,
    }
}
