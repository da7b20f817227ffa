//! `session-buddy schema`

mod export;
mod validate;
mod yaml;

use std::path::PathBuf;

use clap::{
    Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use comfy_table::{Table, presets};
use serde_json::{Value, json};
use session_model::schema::{MODELS, Model, VERSION, WrittenBy};

use super::{
    Failure,
    report::{Format, Show, print, print_json},
};

/// List, show, write and use the JSON Schemas of events, results and records
///
/// No server is asked: these are the schemas of this program, and those of a server of the same version.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the models that have a schema
    List(Show),
    /// Print the schema of a model: JSON Schema, draft 2020-12, without references
    Show {
        /// The model
        #[arg(value_name = "NAME", value_parser = model())]
        model: Model,
        /// How to write it
        #[arg(long, value_enum, default_value = "json")]
        format: Notation,
    },
    /// Write the schemas of all models into a folder, a file each
    #[command(after_help = export::AFTER_HELP)]
    Export(export::Args),
    /// Check documents against a model, and name every field that is wrong
    #[command(after_help = validate::AFTER_HELP)]
    Validate {
        /// The model
        #[arg(value_name = "NAME", value_parser = model())]
        model: Model,
        /// File with the document; `-` reads standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// A document on each line; so are files that end in .ndjson or .jsonl read without
        #[arg(long)]
        lines: bool,
    },
}

/// How a schema is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Notation {
    /// JSON
    Json,
    /// YAML 1.2
    Yaml,
}

impl Notation {
    /// Gives the ending of its files.
    const fn ending(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Yaml => "yaml",
        }
    }

    fn write(self, schema: &Value) -> String {
        match self {
            Self::Json => format!("{schema:#}\n"),
            Self::Yaml => yaml::write(schema),
        }
    }
}

/// Reads the name of a model; a wrong one is answered with those that there are and the most likely.
fn model() -> impl TypedValueParser<Value = Model> {
    PossibleValuesParser::new(MODELS.iter().map(|model| model.name))
        .map(|name| Model::named(&name).expect("the possible values are the names of models"))
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    match args.command {
        Command::List(show) => list(show),
        Command::Show { model, format } => print(&format.write(&model.schema())),
        Command::Export(args) => export::run(&args),
        Command::Validate { model, file, lines } => validate::run(model, &file, lines),
    }
}

fn list(show: Show) -> Result<(), Failure> {
    if show.format == Format::Json {
        let models = MODELS.iter().map(|model| {
            json!({
                "name": model.name,
                "written_by": writer(*model),
                "description": model.description(),
            })
        });
        let models: Vec<_> = models.collect();
        return print_json(&json!({"version": VERSION, "schemas": models}));
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["Name", "Written by", "What it is"]);
    for model in MODELS {
        let summary = model.description();
        let summary = summary
            .split_once(". ")
            .map_or(&*summary, |(first, _)| first);
        table.add_row([model.name, writer(*model), summary.trim_end_matches('.')]);
    }
    for (n, column) in table.column_iter_mut().enumerate() {
        column.set_padding((if n == 0 { 0 } else { 1 }, 1));
    }
    let lines = table.lines().map(|line| format!("{}\n", line.trim_end()));
    print(&lines.collect::<String>())
}

const fn writer(model: Model) -> &'static str {
    match model.written_by {
        WrittenBy::Senders => "senders",
        WrittenBy::Server => "server",
    }
}
