//! The shell of a made-up billing system: what a component has to write, and no more.

use std::{process::ExitCode, time::Duration};

use admin_shell::{AdminShell, Column, Context, HelperError, Kind, Table};

/// Orders of the example: number, customer, total in cents.
const ORDERS: [(i64, &str, i64); 3] = [
    (1001, "Ada", 12_50),
    (1002, "Grace", 99_00),
    (1003, "Edsger", 7_25),
];

fn main() -> ExitCode {
    AdminShell::builder("billing", env!("CARGO_PKG_VERSION"))
        .title("Billing, an example")
        .adapters(["ledger", "mailer"])
        .helper("orders(customer=none) - list orders", orders)
        .helper("refund(order_id) - refund an order", refund)
        .helper(
            "wait(seconds=1) - wait, as long work does",
            |context: &Context, seconds: u64| context.wait(Duration::from_secs(seconds)),
        )
        .helper("crash() - have a bug", || -> () {
            panic!("billing has a bug")
        })
        .magic("%customer NAME - list a customer's orders", |_, name| {
            orders(Some(name.to_owned()))
        })
        .record_errors()
        .run()
}

fn orders(customer: Option<String>) -> Table {
    let columns = [
        Column::new("id", "Order").kind(Kind::Number),
        Column::new("customer", "Customer"),
        Column::new("cents", "Cents").kind(Kind::Number),
    ];
    let mut table = Table::new(columns, "no orders");
    for (id, name, cents) in ORDERS {
        if customer.as_ref().is_none_or(|customer| customer == name) {
            table.push([id.into(), name.into(), cents.into()]);
        }
    }
    table
}

fn refund(order_id: i64) -> Result<String, HelperError> {
    let found = ORDERS.iter().find(|(id, _, _)| *id == order_id);
    match found {
        Some((id, name, cents)) => Ok(format!("{cents} cents of order {id} go back to {name}")),
        None => {
            Err(HelperError::new(format!("there is no order {order_id}"))
                .hint("orders() lists them"))
        }
    }
}
