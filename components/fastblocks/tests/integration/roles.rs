//! Who may see what.

use serde_json::json;

use crate::harness::Author;

#[test]
fn a_table_tells_who_may_see_what() {
    let author = Author::new("audit-report");
    let ran = author.run(&["auth"]).with_code(0);
    insta::assert_snapshot!(ran.output, @r#"
    Path                     Name        public  auditor
    /                        overview    yes     yes
    /components/             components  yes     yes
    /failures/               failures    no      yes
    /lost/                   lost        no      yes
    /open/                   open        no      yes
    /people/                 people      no      yes
    /sessions/{session_id}/  session     no      yes
    "#);
    assert_eq!(
        author.json(&["auth"])[2],
        json!({"path": "/failures/", "name": "failures", "public": false, "auditor": true})
    );
}

#[test]
fn a_site_holds_no_page_that_whoever_it_is_for_may_not_see() {
    let author = Author::new("audit-report");
    let ran = author.run(&["build"]).with_code(0);
    assert!(
        ran.errors
            .contains("note: /people/ is for auditor and left out"),
        "{ran:?}"
    );
    let files = author.files("app/site");
    let pages: Vec<_> = files
        .keys()
        .filter(|name| name.ends_with(".html"))
        .collect();
    assert_eq!(pages, ["components/index.html", "index.html"]);
    for (name, bytes) in &files {
        let text = String::from_utf8_lossy(bytes);
        assert!(
            !text.contains("kim") && !text.contains("q33isvmv"),
            "{name}"
        );
    }
    let ran = author.run(&["build", "--as", "auditr"]).with_code(1);
    assert!(
        ran.errors
            .contains("auth.roles has no role auditr, did you mean auditor?"),
        "{ran:?}"
    );
}

#[test]
fn a_link_to_what_may_not_be_seen_is_a_mistake() {
    let author = Author::new("audit-report");
    author.edit(
        "blocks/layouts/base.html",
        "{% if may('lost') %}<a href=\"{{ link('lost') }}\">Lost</a>{% endif %}",
        "<a href=\"{{ link('lost') }}\">Lost</a>",
    );
    let problems = author.problems(&[]);
    assert_eq!(
        problems,
        [
            "blocks/pages/components.html: page /components/ has a link to /lost/, which the public may not see: put it into {% if may(..) %}",
            "blocks/pages/overview.html: page / has a link to /lost/, which the public may not see: put it into {% if may(..) %}",
        ]
    );
}

#[test]
fn an_access_that_names_nobody_known_admits_nobody() {
    let author = Author::new("audit-report");
    author.edit("fastblocks.yaml", "default: auditor", "default: audtor");
    let table = author.json(&["auth"]);
    assert_eq!(table[2]["auditor"], false);
    assert_eq!(table[2]["public"], false);
}
