//! Cursors, which come back from whoever was given them: what is taken is one that a server may have given.

use session_buddy::store::{ActCursor, Cursor};

use super::{Door, Harness, assert_harmless};

pub(super) const DOOR: Door = Door {
    name: "cursor",
    open: || Box::new(Cursors),
};

struct Cursors;

impl Harness for Cursors {
    /// Takes the input as a cursor, and as what one has inside, so that changes come past its alphabet.
    fn take(&mut self, input: &[u8]) -> String {
        let text = String::from_utf8_lossy(input);
        let inside = data_encoding::BASE64URL_NOPAD.encode(input);
        [&*text, &inside].map(judged).join(" ")
    }
}

fn judged(text: &str) -> String {
    let of_list = text.parse::<Cursor>();
    match &of_list {
        Ok(cursor) => {
            assert_eq!(cursor.to_string().parse().ok().as_ref(), Some(cursor));
        }
        Err(error) => assert_harmless(&error.to_string()),
    }
    let of_acts = text.parse::<ActCursor>();
    if let Ok(cursor) = &of_acts {
        let again = cursor.to_string().parse::<ActCursor>();
        assert_eq!(
            again.map(|again| again.to_string()).ok(),
            Some(cursor.to_string())
        );
    }
    format!("{}{}", of_list.is_ok(), of_acts.is_ok())
}
