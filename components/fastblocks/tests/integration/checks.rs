//! What is wrong with an app, all at once, with file and line.

use std::os::unix::fs::symlink;

use crate::harness::Author;

#[test]
fn an_app_as_it_comes_has_nothing_wrong() {
    for kind in ["small", "audit-report"] {
        let author = Author::new(kind);
        let ran = author.run(&["check"]).with_code(0);
        assert!(ran.errors.contains("nothing is wrong"), "{ran:?}");
        assert!(
            ran.errors.contains("each page shown to each role"),
            "{ran:?}"
        );
    }
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let author = Author::new("audit-report");
    author
        .edit("fastblocks.yaml", "block: pages/open", "blok: pages/open")
        .edit("fastblocks.yaml", "block: pages/lost", "block: pages/lots")
        .edit("fastblocks.yaml", "path: /failures/", "path: /people/")
        .edit(
            "fastblocks.yaml",
            "roles: [auditor]",
            "roles: [auditor, public]",
        )
        .edit("fastblocks.yaml", "default: auditor", "default: auditr")
        .edit("fastblocks.yaml", "each: sessions", "each: session")
        .edit(
            "blocks/pages/people.html",
            "{{ rows|length }}",
            "{{ rows|lenght }}",
        )
        .edit(
            "blocks/pages/people.html",
            "parts/session_table",
            "parts/session_tabel",
        )
        .edit("blocks/pages/failures.html", "failed|sort", "faild|sort")
        .edit(
            "blocks/pages/lost.html",
            "selectattr(\"status\"",
            "selectattr(\"state\"",
        )
        .edit(
            "blocks/pages/session.html",
            "item.shell_type)",
            "item.shelltype)",
        )
        .edit(
            "blocks/layouts/base.html",
            "link('people')",
            "link('peple')",
        )
        .edit(
            "blocks/layouts/base.html",
            "asset('style.css')",
            "asset('styel.css')",
        )
        .edit(
            "blocks/layouts/base.html",
            "<footer>",
            "<footer><a href=\"/componets/\">x</a>",
        )
        .edit("blocks/pages/open.html", "{% include", "{% inclde")
        .edit(
            "blocks/parts/session_table.html",
            "rows: list",
            "rows: lsit",
        );
    symlink("/etc/passwd", author.path("app/static/passwd.txt")).unwrap();
    let ran = author.run(&["check"]).with_code(1);
    assert!(!ran.output.contains("root:"), "{ran:?}");
    insta::assert_snapshot!(author.problems(&[]).join("\n"), @r#"
    blocks/layouts/base.html:11: unknown file of static styel.css (style.css?)
    blocks/layouts/base.html:19: unknown route peple (people?)
    blocks/layouts/base.html:29: dead link: /componets/ is no route and no file (/components/?)
    blocks/pages/failures.html:23: faild is not declared in the context of this block (failed?)
    blocks/pages/lost.html:20: state is no declared field
    blocks/pages/open.html:21: syntax error: unknown statement inclde: inclde
    blocks/pages/people.html:21: unknown filter lenght (length?)
    blocks/pages/people.html:23: unknown block parts/session_tabel (parts/session_table?)
    blocks/pages/session.html:36: shelltype is no declared field (shell_type?)
    blocks/parts/session_table.html:4: context.rows: "lsit" is none of text, number, boolean, list, map, any (list?)
    fastblocks.yaml:8: auth.roles: "public" is no name for a role
    fastblocks.yaml:9: auth.default: unknown role auditr; auth.roles says which there are (auditor?)
    fastblocks.yaml:30: routes.open: block is missing
    fastblocks.yaml:31: unknown key routes.open.blok (block?)
    fastblocks.yaml:34: routes.failures.path: /people/ is already that of people on line 26
    fastblocks.yaml:39: routes.lost.block: unknown block pages/lots (pages/lost?)
    fastblocks.yaml:42: routes.session.each: there is no context.session (sessions?)
    static/passwd.txt: a link, which may lead out of the app
    "#);
    assert_eq!(author.run(&["build"]).with_code(1).output, "");
    assert!(!author.path("app/site").exists());
}

#[test]
fn a_block_is_given_what_it_declares() {
    let author = Author::new("small");
    author.edit(
        "blocks/pages/home.html",
        "about: The first page\n",
        "about: The first page\ncontext:\n  visits: number\n",
    );
    let problems = author.problems(&[]);
    assert_eq!(
        problems,
        [
            "blocks/pages/home.html:4: nobody gives visits to route home: fastblocks.yaml has no context.visits"
        ]
    );
    author.edit(
        "fastblocks.yaml",
        "routes:",
        "context:\n  visits:\n    about: how many\nroutes:",
    );
    let ran = author.run(&["build"]).with_code(1);
    assert!(
        ran.errors
            .contains("blocks/pages/home.html:4: visits was not given: --context visits=FILE"),
        "{ran:?}"
    );
    author.write("visits.json", "\"many\"");
    let problems = author.problems(&["--context", "visits=../visits.json"]);
    assert_eq!(
        problems,
        ["blocks/pages/home.html:4: visits: number is expected, found text"]
    );
    author.write("visits.json", "[1,\n 2");
    let problems = author.problems(&["--context", "visits=../visits.json"]);
    assert_eq!(
        problems,
        ["../visits.json:2: no JSON: EOF while parsing a list at line 2 column 2"]
    );
    let problems = author.problems(&["--context", "visit=../visits.json"]);
    assert_eq!(
        problems,
        [] as [&str; 0],
        "without its data a page is not shown"
    );
    author.write("visits.json", "3");
    author
        .run(&["build", "--context", "visits=../visits.json"])
        .with_code(0);
    author.run(&["build", "--context", "visits"]).with_code(2);
}

#[test]
fn data_does_not_take_the_name_of_what_every_block_has() {
    let author = Author::new("small");
    author.edit(
        "fastblocks.yaml",
        "routes:",
        "context:\n  page:\n    about: mine\nroutes:",
    );
    assert_eq!(
        author.problems(&[]),
        ["fastblocks.yaml:6: context.page: every block has a page of its own"]
    );
}

#[test]
fn data_of_another_shape_is_told_once_for_each_kind_of_mistake() {
    let author = Author::new("audit-report");
    let mut sessions: serde_json::Value =
        serde_json::from_str(&author.read("app/data/sessions.json")).unwrap();
    for place in 0..5 {
        sessions[place].as_object_mut().unwrap().remove("username");
    }
    sessions[6]["pid"] = "x".into();
    author.write("bad.json", sessions.to_string());
    insta::assert_snapshot!(author.problems(&["--context", "sessions=../bad.json"]).join("\n"), @r#"
    blocks/pages/overview.html:8: sessions[..].username: 2 more like these
    blocks/pages/overview.html:8: sessions[0].username: text is expected, found nothing
    blocks/pages/overview.html:8: sessions[1].username: text is expected, found nothing
    blocks/pages/overview.html:8: sessions[2].username: text is expected, found nothing
    blocks/pages/session.html:14: sessions[6].pid: number is expected, found text
    "#);
}

#[test]
fn data_comes_from_no_file_outside_of_the_app() {
    let author = Author::new("audit-report");
    author.write("outside.json", "[]");
    for file in ["../outside.json", "/etc/passwd", "data/../../outside.json"] {
        let author = Author::new("audit-report");
        author.edit(
            "fastblocks.yaml",
            "file: data/sessions.json",
            &format!("file: {file}"),
        );
        let expected =
            format!("fastblocks.yaml:12: context.sessions: {file:?} leads out of the app");
        assert_eq!(author.problems(&[]), [expected]);
    }
    symlink(
        author.path("outside.json"),
        author.path("app/data/link.json"),
    )
    .unwrap();
    author.edit(
        "fastblocks.yaml",
        "file: data/sessions.json",
        "file: data/link.json",
    );
    assert_eq!(author.problems(&[]).len(), 1);
}

#[test]
fn data_may_come_from_a_program() {
    let author = Author::new("audit-report");
    author.edit(
        "fastblocks.yaml",
        "file: data/sessions.json",
        "command: cat data/sessions.json",
    );
    author.run(&["build", "--app", "."]).with_code(0);
    author.edit(
        "fastblocks.yaml",
        "command: cat data/sessions.json",
        "command: cat data/gone.json",
    );
    let ran = author.run(&["build"]).with_code(1);
    assert!(
        ran.errors
            .contains("context.sessions: cat ended with exit code 1"),
        "{ran:?}"
    );
}

#[test]
fn links_that_are_made_of_data_are_followed_on_the_page() {
    let author = Author::new("audit-report");
    author.edit("blocks/pages/overview.html", "<dl class", "{% for s in sessions[:1] %}<a href=\"/{{ s.status }}/\">x</a><a href=\"#gone\">y</a>{% endfor %}<dl class");
    assert_eq!(
        author.problems(&[]),
        [
            "blocks/pages/overview.html: page / has a dead link: / has no id gone",
            "blocks/pages/overview.html: page / has a dead link: /active/ is no page and no file",
        ]
    );
}

#[test]
fn a_page_that_never_ends_is_stopped() {
    let author = Author::new("small");
    author.edit(
        "blocks/pages/home.html",
        "<h1>",
        "{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}<h1>",
    );
    let problems = author.problems(&[]);
    assert!(
        problems[0].contains("blocks/pages/home.html:6: it takes more than 20000000 steps"),
        "{problems:?}"
    );
}
