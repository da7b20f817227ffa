//! Trends: series that were counted by hand.

use serde_json::{Value, json};

use crate::harness::{Server, a_week};

fn trends(server: &Server, arguments: &[&str]) -> Value {
    let window = [
        "--before",
        "2026-11-27",
        "--window",
        "3d",
        "--granularity",
        "1d",
    ];
    server.json(&[&["trends"], arguments, &window].concat())
}

#[test]
fn series_have_the_numbers_that_were_counted_by_hand() {
    let server = Server::with(&a_week());
    let all = trends(&server, &[]);
    let all = all.as_array().unwrap();
    let shown: Vec<_> = all
        .iter()
        .map(|trend| {
            let series = trend["series"].as_array().unwrap().iter();
            let series: Value = series.map(|point| point["value"].clone()).collect();
            json!([
                trend["metric"],
                series,
                trend["whole"],
                trend["before"],
                trend["change_percent"],
                trend["slope"]
            ])
        })
        .collect();
    assert_eq!(
        json!(shown),
        json!([
            ["sessions", [1.0, 0.0, 3.0], 4.0, 2.0, 100.0, 1.0],
            ["users", [1.0, 0.0, 3.0], 3.0, 1.0, 200.0, 1.0],
            [
                "duration",
                [600.0, null, 15.0],
                210.0,
                90.0,
                120.0 * 100.0 / 90.0,
                -292.5
            ],
            ["error_rate", [0.0, null, 0.0], 0.0, 50.0, -100.0, 0.0],
            [
                "lost",
                [0.0, null, 100.0 / 3.0],
                25.0,
                0.0,
                null,
                100.0 / 6.0
            ],
        ])
    );
    assert_eq!(all[0]["from"], "2026-11-24T00:00:00.000000Z");
    assert_eq!(all[0]["series"][2]["start"], "2026-11-26T00:00:00.000000Z");
    assert_eq!(all[0]["sparkline"], "▃▁█");
}

#[test]
fn people_see_a_line_for_each_and_the_series_of_a_single_one() {
    let server = Server::with(&a_week());
    let window = ["--before", "2026-11-27", "--window", "3d"];
    let ran = server
        .run(&[&["trends", "sessions"], &window[..]].concat())
        .with_code(0);
    insta::assert_snapshot!(ran.output, @r"
    2026-11-24 00:00 to 2026-11-27 00:00, 3 steps of 1d, against as long before
    Metric    Trend  Now  Before  Change  Slope a step
    sessions  ▃▁█      4       2  +100 %         +1.00

    From              Sessions
    2026-11-24 00:00         1
    2026-11-25 00:00         0
    2026-11-26 00:00         3
    ");
    let ran = server.run(
        &[
            &["trends", "lost,sessions", "--by", "component"],
            &window[..],
        ]
        .concat(),
    );
    insta::assert_snapshot!(ran.with_code(0).output, @r"
    2026-11-24 00:00 to 2026-11-27 00:00, 3 steps of 1d, against as long before
    Of       Metric    Trend     Now  Before       Change  Slope a step
    vault    lost      ▁ █    50.0 %                             +50.00
    vault    sessions  █▁█         2       0                      +0.00
    akasha   lost        ▁     0.0 %
    akasha   sessions  ▁▁█         1       0                      +0.50
    billing  lost        ▁     0.0 %   0.0 %  +0.0 points
    billing  sessions  ▁▁█         1       2        -50 %         +0.50
    ");
    let csv = server
        .run(&[&["trends", "users", "--format", "csv"], &window[..]].concat())
        .with_code(0);
    assert_eq!(
        csv.output,
        "metric,of,start,value\n\
         users,,2026-11-24T00:00:00.000000Z,1.0\n\
         users,,2026-11-25T00:00:00.000000Z,0.0\n\
         users,,2026-11-26T00:00:00.000000Z,3.0\n"
    );
}

#[test]
fn a_window_is_in_units_or_seconds_and_what_is_none_is_told() {
    let server = Server::with(&[]);
    let steps = |window: &str, granularity: &str| {
        let arguments = [
            "trends",
            "users",
            "--window",
            window,
            "--granularity",
            granularity,
        ];
        server.json(&arguments)[0]["series"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(steps("3600", "60"), 60);
    assert_eq!(steps("2h", "30m"), 4);
    for (arguments, problem) in [
        (
            &["trends", "usrs"] as &[&str],
            "error: metric: there is no metric \"usrs\", did you mean users?\n",
        ),
        (
            &["trends", "--window", "soon"],
            "error: window: a number of s, m, h or d such as 30d, or of seconds, is expected, found \"soon\"\n",
        ),
        (
            &["trends", "--window", "1h"],
            "error: granularity: a bucket is longer than the window\n",
        ),
        (
            &["trends", "--by", "usr"],
            "error: by: there is no field \"usr\", did you mean user?\n",
        ),
        (
            &["trends", "--after", "7d"],
            "error: after: a trend begins where its window does; say `window` instead\n",
        ),
    ] {
        assert_eq!(server.run(arguments).with_code(2).errors, problem);
    }
}
