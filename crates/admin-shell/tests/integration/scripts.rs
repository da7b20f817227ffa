//! What is typed, and what is written.

use insta::assert_snapshot;

use crate::harness::Home;

fn script(script: &str) -> String {
    Home::new().script(script).succeeded()
}

fn error(script: &str) -> String {
    Home::new().script(script).failed(1)
}

#[test]
fn rows_are_a_table_for_people_and_exact_for_programs() {
    let home = Home::new();
    let written =
        |format: &str, script: &str| home.run(&["--format", format, "-c", script]).succeeded();
    assert_snapshot!(written("table", "orders()"), @"
    Order  Customer  Cents
     1001  Ada        1250
     1002  Grace      9900
     1003  Edsger      725
    ");
    assert_snapshot!(written("json", "orders()[0]"), @r#"
    {
      "id": 1001,
      "customer": "Ada",
      "cents": 1250
    }
    "#);
    assert_snapshot!(written("csv", "orders().head(1)"), @"
    id,customer,cents
    1001,Ada,1250
    ");
    assert_snapshot!(written("csv", "'=1+1'"), @"
    value
    '=1+1
    ");
    let none = home.run(&["-c", "orders('Nobody')"]);
    let expected = (Some(0), "", "no orders\n");
    assert_eq!((none.code, &*none.output, &*none.errors), expected);
}

#[test]
fn rows_can_be_worked_with() {
    assert_snapshot!(script("orders().filter(|o| o.cents > 1000).sort_by('cents')"), @"
    Order  Customer  Cents
     1001  Ada        1250
     1002  Grace      9900
    ");
    assert_snapshot!(script("orders().map(|o| o.customer)"), @"['Ada', 'Grace', 'Edsger']");
    assert_snapshot!(script("let sum = 0; for o in orders() { sum += o.cents } sum"), @"11875");
    assert_snapshot!(script("orders()[-1].id"), @"1003");
    assert_snapshot!(script("[#{b: 1, a: 'x'}, #{b: 2}]"), @"
    a  b
    x  1
       2
    ");
    assert_snapshot!(script("#{b: [1, 2.5], a: ()}"), @"b: [1, 2.5]");
}

#[test]
fn pythons_simple_spellings_work() {
    let python = "
x = orders(customer='Ada')  # Ada's
print(x[0].cents, None, True)
y = 'it\\'s'
print(shell.session_tracker._circuit_open_until)
x[0].cents
_ + 1
";
    assert_snapshot!(script(python), @r#"
    1250 None True
    None
    1250
    1251
    "#);
}

#[test]
fn an_object_is_a_value_like_any_other() {
    let home = Home::new();
    let script = "6 * 7\nprint(_)\nshell\nprint(_.component)\n1 + 1\nprint(_)";
    let output = home.script(script).succeeded();
    assert!(output.starts_with("42\n42\n"), "{output}");
    assert!(output.ends_with("\nbilling\n2\n2\n"), "{output}");
}

#[test]
fn help_lists_and_explains() {
    assert_snapshot!(script("help()"), @"
    Name                   Does
    orders(customer=None)  list orders
    refund(order_id)       refund an order
    wait(seconds=1)        wait, as long work does
    crash()                have a bug
    help(name=None)        list what there is, or explain one name
    exit(code=0)           leave the shell
    quit(code=0)           leave the shell
    print(value)           write a value
    sleep(seconds)         wait
    to_csv(value)          write a value as CSV
    to_json(value)         write a value as JSON
    shell                  this shell: session_id, session_tracker
    ");
    assert_snapshot!(script("help(refund)\nrefund?\n%time?"), @"
    Usage: refund(order_id)
    Does:  refund an order
    Usage: refund(order_id)
    Does:  refund an order
    Usage: %time line
    Does:  run a line and tell how long it took
    ");
    assert_snapshot!(script("%help_shell"), @"
    Name              Does
    %customer NAME    list a customer's orders
    %help_shell       list the magics
    %status           tell how the tracking of this shell goes
    %history [count]  list what was typed in this session
    %time line        run a line and tell how long it took
    %run file         run the lines of a file
    %log level        show what happens behind the shell: off, error, warn, info, debug or trace
    name?             explain a name
    !command          run a command of the system
    _                 the last value
    ");
}

#[test]
fn magics_and_commands_of_the_system_run() {
    let home = Home::new();
    assert_snapshot!(home.script("%customer Grace").succeeded(), @"
    Order  Customer  Cents
     1002  Grace      9900
    ");
    let file = home.path().join("lines");
    std::fs::write(&file, "fn twice(x) {\n  x * 2\n}\ntwice(21)\n").unwrap();
    let run = format!("%run {}\ntwice(4)", file.display());
    assert_eq!(home.script(&run).succeeded(), "42\n8\n");
    assert_eq!(home.script("!echo one; echo two").succeeded(), "one\ntwo\n");
    let told = home.script("print('1')\n%history 1").succeeded();
    assert_eq!(told, "1\nNo.  Line\n  2  %history 1\n");
    assert_eq!(
        home.script("!exit 3").failed(1),
        "error: the command ended with exit code 3\n"
    );
}

#[test]
fn an_error_shows_its_place_and_what_to_do() {
    assert_snapshot!(error("ordrs()"), @"
      ordrs()
      ^
    error: there is no function ordrs()
    hint: did you mean orders?
    ");
    assert_snapshot!(error("x = 1\nprint('a'); x + nope"), @"
    2: print('a'); x + nope
                       ^
    error: there is no nope
    hint: help() lists what there is
    ");
    assert_snapshot!(error("refund(order=1)"), @"
      refund(order=1)
      ^
    error: refund(): there is no parameter order
    hint: it is called as refund(order_id)
    ");
    assert_snapshot!(error("refund('x')"), @r#"
      refund('x')
      ^
    error: refund(): order_id: invalid type: string "x", expected i64
    hint: it is called as refund(order_id)
    "#);
    assert_snapshot!(error("refund(7)"), @"
      refund(7)
      ^
    error: there is no order 7
    hint: orders() lists them
    ");
    assert_snapshot!(error("1 +"), @"
      1 +
         ^
    error: this cannot be read: script is incomplete
    ");
    assert_snapshot!(error("%stats"), @"
    error: there is no magic %stats
    hint: did you mean %status?
    ");
    assert_snapshot!(error("orders()[0].total"), @"
      orders()[0].total
                 ^
    error: there is no field total
    ");
    assert_snapshot!(error("fn f(n) { f(n + 1) } f(1)"), @"
      fn f(n) { f(n + 1) } f(1)
                           ^
    error: functions call one another too deeply
    ");
    assert_snapshot!(error("exit(256)"), @"
      exit(256)
      ^
    error: exit(): code: 0 to 255 is expected
    hint: it is called as exit(code=0)
    ");
    assert_snapshot!(error("fn f() {"), @"
      fn f() {
              ^
    error: this cannot be read: expecting '}' to terminate this block
    ");
}

#[test]
fn a_script_can_catch_an_error_of_a_helper() {
    let caught = script("try { refund(7) } catch (e) { print('caught: ' + e) }");
    assert_eq!(caught, "caught: there is no order 7\n");
}

#[test]
fn text_from_elsewhere_does_not_act_on_the_terminal() {
    assert_eq!(script("print(\"\\x1b[31m\\ttab\")"), "\\u{1b}[31m\ttab\n");
    assert_eq!(script("\"\\x1b[31m\""), "'\\u{1b}[31m'\n");
    assert_eq!(script("[#{a: \"\\x07\"}]"), "a\n\\u{7}\n");
    // Keys are somebody's data too.
    assert_eq!(script("#{\"\\x07\": 1}"), "\\u{7}: 1\n");
    assert_eq!(script("[#{\"\\x07\": 1}]"), "\\u{7}\n1\n");
    let csv = Home::new().run(&["--format", "csv", "-c", "[#{\"=\\x07\": 1}]"]);
    assert_eq!(csv.succeeded(), "'=\\u{7}\n1\n");
    let caught = "try { help(\"\\x07\") } catch (e) { print(e) }";
    assert_eq!(script(caught), "there is no \\u{7} to explain\n");
}

#[test]
fn wrong_usage_is_2_and_a_missing_file_is_1() {
    let home = Home::new();
    assert_eq!(home.run(&["--format", "xml"]).code, Some(2));
    let missing = home.run(&["/nonexistent"]).failed(1);
    assert_eq!(
        missing,
        "error: cannot read /nonexistent: No such file or directory (os error 2)\n"
    );
    assert!(home.spooled().is_empty());
}

#[test]
fn what_every_shell_has_is_called_as_help_says() {
    let home = Home::new();
    for (call, code) in [("exit(code=3)", 3), ("quit(4)", 4), ("exit()", 0)] {
        assert_eq!(home.script(call).code, Some(code), "{call}");
    }
    assert_eq!(script("help(name='refund')"), script("help(refund)"));
    assert_eq!(script("help(None)"), script("help()"));
    assert_eq!(
        script("sleep(seconds=0.001)\nsleep(0)\nprint()\nprint(1, 'a')"),
        "\n1 a\n"
    );
    for (call, problem) in [
        ("exit('x')", "exit(): code: 0 to 255 is expected"),
        ("exit(1, 2)", "exit(): there are more than 1 arguments"),
        ("help(5)", "help(): name: a text is expected"),
        (
            "sleep('x')",
            "sleep(): seconds: a number of seconds is expected",
        ),
        ("print(value=1)", "print() takes no arguments with names"),
        ("orders(customer=)", "an argument has a name and no value"),
    ] {
        let errors = error(call);
        assert!(
            errors.contains(&format!("error: {problem}\n")),
            "{call}: {errors}"
        );
    }
}

#[test]
fn rhai_means_what_it_means() {
    for (rhai, written) in [
        ("switch 3 { 1 => 'a', _ => 'b' }", "'b'\n"),
        ("fn f(shell) { shell } f(5)", "5\n"),
        ("for shell in [7] { print(shell) }", "7\n"),
        ("shell = 5\nshell", "5\n"),
        ("#\"raw 'text'\"#", "\"raw 'text'\"\n"),
        ("print(`a\\`)", "a\\\n"),
        ("orders()\n  .len()", "3\n"),
        ("let x = 1 +\n  2\nx", "3\n"),
        ("if false {\n 1 }\nelse {\n 2 }", "2\n"),
        ("try { throw 'x' }\ncatch (e) { print(e) }", "x\n"),
        ("-1 + 2", "1\n"),
        ("\u{feff}1", "1\n"),
        ("let a = []; for i in 0..3000 { a = [a]; } a.len()", "1\n"),
    ] {
        assert_eq!(script(rhai), written, "{rhai}");
    }
}

#[test]
fn a_script_that_cannot_be_read_does_nothing() {
    assert_snapshot!(error("print('done')\n\nlet x = 1 +* 2"), @"
    3: let x = 1 +* 2
                  ^
    error: this cannot be read: unexpected '*'
    ");
}

#[test]
fn a_file_that_runs_itself_is_an_error() {
    let home = Home::new();
    let file = home.path().join("again");
    let run = format!("%run {}", file.display());
    std::fs::write(&file, &run).unwrap();
    let expected = "error: more than 16 lines and files run one another\n";
    assert_eq!(home.script(&run).failed(1), expected);
    let times = "%time ".repeat(20_000) + "1";
    assert_eq!(home.script(&times).failed(1), expected);
}

#[test]
fn magics_and_commands_are_a_line_whatever_is_in_them() {
    assert_eq!(script("!echo 'a /* ('\nprint(1)"), "a /* (\n1\n");
    let none = Home::new().script("%customer O`Brien\nprint(1)");
    assert_eq!((&*none.output, &*none.errors), ("1\n", "no orders\n"));
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let mut command = Home::new().command("billing", &["-c", "orders()"]);
    command.stdout(std::fs::File::create("/dev/full").unwrap());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        errors,
        "error: cannot write to standard output: no storage space\n"
    );
}
