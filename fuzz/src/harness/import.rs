//! Files of sessions: what is taken says of each session what a session can be, and is taken again as it is exported.

use session_buddy::{
    export::{Format, Writer},
    import::{ImportError, Importer, Staging},
};
use session_model::{FieldErrors, Timestamp, Transport, fold::Origin};

use super::{Door, Harness, assert_harmless, kind_of};

pub(super) const DOOR: Door = Door {
    name: "import",
    open: || Box::new(Files),
};

struct Files;

impl Harness for Files {
    fn take(&mut self, input: &[u8]) -> String {
        // Parts of an odd size end anywhere in a line.
        match staged(input, 7) {
            Ok(sessions) => {
                let mut writer = Writer::new(Format::Ndjson);
                let written = writer.page(&sessions);
                let again = staged(&written, written.len().max(1));
                let again = again.unwrap_or_else(|error| panic!("it was exported: {error}"));
                assert_eq!(again, sessions);
                assert_eq!(Writer::new(Format::Ndjson).page(&again), written);
                let known_by: Vec<_> = again.iter().map(|it| it.end_known_by).collect();
                format!("{} {known_by:?}", again.len())
            }
            Err(error) => {
                assert_harmless(&error.to_string());
                let ImportError::Lines { told, .. } = &error else {
                    return kind_of(&error.to_string());
                };
                let fields = told.iter().map(|line| line.fields());
                let all = fields.fold(FieldErrors::default(), FieldErrors::and);
                assert_harmless(&all.to_string());
                kind_of(&all.to_string())
            }
        }
    }
}

type Sessions = Vec<session_model::SessionRecord>;

/// Puts a file aside in parts, and reads it back as it would be written down.
fn staged(file: &[u8], part: usize) -> Result<Sessions, ImportError> {
    let who = Importer {
        received_at: Timestamp::from_micros(0).expect("1970 is a time"),
        origin: Origin {
            transport: Transport::Stdio,
            address: None,
            uid: None,
        },
        subject: None,
    };
    let mut staging = Staging::begin(&std::env::temp_dir(), who)?;
    for part in file.chunks(part) {
        staging.take(part)?;
    }
    let lines = staging.finish()?.into_lines()?;
    let record = |line: std::io::Result<session_buddy::store::ImportedLine>| {
        line.expect("what was put aside can be read")
            .imported
            .record()
    };
    Ok(lines.map(record).collect())
}
