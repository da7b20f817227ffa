//! A program made of a shell: what is a function there is a command of the system's shell here.

use std::{process::ExitCode, time::Duration};

use admin_shell::{AdminShell, Column, Context, End, HelperError, Kind, Record, Reply, Table};
use serde_json::{Value, json};

fn main() -> ExitCode {
    AdminShell::builder("depot", env!("CARGO_PKG_VERSION"))
        .helper("pack(order, count=1, fast=false) - pack an order", pack)
        .helper("list_shelves(count=2) - list the shelves", shelves)
        .helper("inspect() - look for what is wrong", |context: &Context| {
            context.tell("looking");
            context.set_exit_code(1);
            Record::new().field("broken", "Broken", 1)
        })
        .helper(
            "call_truck() - call a truck",
            || -> Result<(), HelperError> {
                let error = HelperError::new("no truck answers").hint("call later");
                Err(error.exit_code(3))
            },
        )
        .helper("stock(only=none) - tell what there is", stock)
        .helper("clear() - throw away what is left", clear)
        .helper("load(seconds=1) - let another program work", load)
        .program("Looks after a depot, an example")
        .parameter("count", "How many")
        .flags(
            "only",
            &[
                ("shelf", "NUMBER", "Of these shelves"),
                ("fresh", "", "Of today"),
            ],
        )
        .group("shelf", "Look after shelves")
        .also("shelf list", "list_shelves")
        .example("depot pack 1001 --count 3")
        .run()
}

fn pack(order: i64, count: u64, fast: bool) -> Record {
    Record::new()
        .field("order", "Order", order)
        .field("count", "Count", count)
        .field("fast", "Fast", fast)
}

fn shelves(count: u64) -> Table {
    let mut table = Table::new(
        [Column::new("shelf", "Shelf").kind(Kind::Number)],
        "no shelves",
    );
    for shelf in 1..=count {
        table.push([shelf.into()]);
    }
    table
}

/// What programs get is not what spreadsheets get.
fn stock(only: Option<Value>) -> Reply {
    let mut rows = Table::new([Column::new("thing", "Thing")], "");
    rows.push(["box".into()]);
    rows.push(["tape".into()]);
    Reply::Report {
        value: json!({"only": only, "things": ["box", "tape"]}),
        text: "a box and tape".to_owned(),
        rows,
    }
}

fn clear(context: &Context) -> Result<&'static str, HelperError> {
    match context.ask("Throw it away?")? {
        Some(true) => Ok("thrown away"),
        Some(false) => Ok("kept"),
        None => Err(HelperError::new("nobody can be asked")),
    }
}

fn load(context: &Context, seconds: u64) -> Result<String, HelperError> {
    let mut command = context.command("/bin/sh");
    command.args(["-c", &format!("echo $$; exec sleep {seconds}")]);
    let end = context.run(command, Duration::from_mins(10), |_, line| {
        context.tell(line)
    })?;
    Ok(match end {
        End::Exited(code) => format!("exited with {code}"),
        other => format!("{other:?}"),
    })
}
