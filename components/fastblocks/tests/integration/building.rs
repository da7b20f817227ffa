//! The folder that a build makes.

use std::fs;

use serde_json::Value;

use crate::harness::Author;

#[test]
fn the_same_app_gives_the_same_bytes() {
    let author = Author::new("audit-report");
    author
        .run(&["build", "--as", "auditor", "--out", "../a"])
        .with_code(0);
    author
        .run(&["build", "--as", "auditor", "--out", "../b"])
        .with_code(0);
    let (a, b) = (author.files("a"), author.files("b"));
    assert_eq!(a.len(), 16);
    assert!(a == b);
}

#[test]
fn files_are_named_after_what_is_in_them_and_links_work_in_any_folder() {
    let author = Author::new("audit-report");
    author.write("app/static/logo.svg", "<svg/>");
    author.edit(
        "static/style.css",
        "body {",
        "body { background: url('logo.svg');",
    );
    author.run(&["build", "--as", "auditor"]).with_code(0);
    let manifest: Value =
        serde_json::from_str(&author.read("app/site/fastblocks-manifest.json")).unwrap();
    let sheet = manifest["assets"]["/static/style.css"]
        .as_str()
        .unwrap()
        .to_owned();
    let logo = manifest["assets"]["/static/logo.svg"]
        .as_str()
        .unwrap()
        .to_owned();
    let page = author.read("app/site/people/index.html");
    assert!(page.contains(&format!("href=\"../{sheet}\"")), "{page}");
    assert!(page.contains("href=\"../index.html\""), "{page}");
    assert!(!page.contains("=\"/"), "{page}");
    let name = logo.trim_start_matches("static/");
    assert!(
        author
            .read(&format!("app/site/{sheet}"))
            .contains(&format!("url(\"{name}\")"))
    );
    // Another picture is another style sheet.
    author.write("app/static/logo.svg", "<svg></svg>");
    author.run(&["build", "--as", "auditor"]).with_code(0);
    assert!(!author.path(&format!("app/site/{sheet}")).exists());
}

#[test]
fn a_manifest_says_what_was_built() {
    let author = Author::new("small");
    author.run(&["build"]).with_code(0);
    insta::assert_snapshot!(author.read("app/site/fastblocks-manifest.json"), @r#"
    {
      "format": 1,
      "app": "A small site",
      "role": null,
      "pages": {
        "/": "index.html"
      },
      "assets": {
        "/static/style.css": "static/style.85176cd41f.css"
      },
      "files": {
        "index.html": "ecf692f06524680c76c08d785ecf476ef7f2ed353c0d8e62fbacf7ffe3c11e13",
        "static/style.85176cd41f.css": "85176cd41fdb24601a4c22bfdfa4a46af4a4fa0573d586993e631a0f441becb0"
      }
    }
    "#);
}

#[test]
fn a_folder_that_no_build_made_is_left_alone() {
    let author = Author::new("small");
    author.write("mine/letter.txt", "dear");
    let ran = author.run(&["build", "--out", "../mine"]).with_code(1);
    assert_eq!(
        ran.errors,
        "error: mine is not only a site that was built: it holds letter.txt\n"
    );
    author.run(&["build", "--out", "../site"]).with_code(0);
    author.write("site/notes/letter.txt", "dear");
    let ran = author.run(&["build", "--out", "../site"]).with_code(1);
    assert!(ran.errors.contains("it holds notes/letter.txt"), "{ran:?}");
    assert_eq!(author.read("site/notes/letter.txt"), "dear");
    for part_of_the_app in [".", "..", "blocks", "static/site"] {
        author
            .run(&["build", "--out", part_of_the_app])
            .with_code(1);
    }
    fs::create_dir(author.path("empty")).unwrap();
    author.run(&["build", "--out", "../empty"]).with_code(0);
}

#[test]
fn a_build_that_fails_leaves_the_last_site_and_nothing_beside_it() {
    let author = Author::new("small");
    author.run(&["build"]).with_code(0);
    let before = author.files("app/site");
    author.edit(
        "blocks/pages/home.html",
        "<h1>",
        "<a href=\"{{ '/gone/' }}\">x</a><h1>",
    );
    let ran = author.run(&["build"]).with_code(1);
    assert!(
        ran.errors
            .contains("page / has a dead link: /gone/ is no page and no file"),
        "{ran:?}"
    );
    assert!(author.files("app/site") == before);
    let left = fs::read_dir(author.path("app")).unwrap();
    let left = left.filter(|entry| {
        entry
            .as_ref()
            .unwrap()
            .file_name()
            .to_str()
            .unwrap()
            .starts_with(".fastblocks-")
    });
    assert_eq!(left.count(), 0);
}

#[test]
fn who_has_gone_between_two_builds_has_no_page_any_more() {
    let author = Author::new("audit-report");
    let old = "app/site/sessions/oneiric-20261125-081230-b7k2dpfs/index.html";
    author.run(&["build", "--as", "auditor"]).with_code(0);
    assert!(author.path(old).exists());
    author.write("none.json", "[]");
    author
        .run(&[
            "build",
            "--as",
            "auditor",
            "--context",
            "sessions=../none.json",
        ])
        .with_code(0);
    assert!(!author.path(old).exists());
    assert!(
        author
            .read("app/site/failures/index.html")
            .contains("Nothing failed.")
    );
}

#[test]
fn two_items_with_one_path_are_refused() {
    let author = Author::new("audit-report");
    let sessions: Value = serde_json::from_str(&author.read("app/data/sessions.json")).unwrap();
    author.write(
        "twice.json",
        serde_json::json!([sessions[0], sessions[0]]).to_string(),
    );
    let ran = author
        .run(&["build", "--context", "sessions=../twice.json"])
        .with_code(1);
    assert!(
        ran.errors
            .contains("fastblocks.yaml:42: routes.session: two pages are /sessions/"),
        "{ran:?}"
    );
}

#[test]
fn a_new_app_needs_a_folder_of_its_own() {
    let author = Author::new("small");
    let ran = author.run(&["new", "../app"]).with_code(1);
    assert!(ran.errors.contains("../app is not empty"), "{ran:?}");
    let ran = author
        .run(&["new", "../other", "--kind", "large"])
        .with_code(1);
    assert!(
        ran.errors
            .contains("hint: it is one of small, audit-report"),
        "{ran:?}"
    );
    author.run(&["new", "../other"]).with_code(0);
    author.run(&["build", "--app", "../other"]).with_code(0);
}
