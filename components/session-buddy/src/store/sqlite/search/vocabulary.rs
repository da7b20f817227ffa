//! The words that the index has.

use rusqlite::{Connection, OptionalExtension};

/// Makes a table of the entries of the index, which stands in this connection alone.
pub(super) fn make_vocabulary(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "CREATE VIRTUAL TABLE IF NOT EXISTS temp.session_vocabulary
            USING fts5vocab (main, session_words, instance)",
    )
}

/// A word has many entries, so the next one is looked up, not walked to.
const NEXT: &str = "SELECT term FROM temp.session_vocabulary WHERE term >= ?1 LIMIT 1";

/// Gives the words with a beginning; `None` where there are more than `most`.
pub(super) fn words_with(
    connection: &Connection,
    beginning: &str,
    most: usize,
) -> rusqlite::Result<Option<Vec<String>>> {
    make_vocabulary(connection)?;
    let mut next = connection.prepare_cached(NEXT)?;
    let (mut words, mut from) = (Vec::new(), beginning.to_owned());
    loop {
        let word: Option<String> = next.query_row([&from], |row| row.get(0)).optional()?;
        let Some(word) = word.filter(|word| word.starts_with(beginning)) else {
            return Ok(Some(words));
        };
        if words.len() == most {
            return Ok(None);
        }
        // What follows a word is what it begins, and the first of that is the word with a NUL.
        from = format!("{word}\0");
        words.push(word);
    }
}
