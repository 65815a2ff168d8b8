//! `wick inspect`: what a model is, from its header.

use super::{another_answer, as_json, one};
use crate::choice;
use crate::figures::{bytes, parameters};
use crate::output::stdout;
use crate::stop::Stop;
use crate::table::{Column, table};
use engine_api::{Answer, Inspection, KvType, Question};
use studio::Paths;

const FIELDS: &str = "\
Fields of --json:
  name, architecture, refusal (why this engine can't run it, or null), file_bytes, parameters, active_parameters,
  active_bytes (of weights, read for each token),
  tensor_types (each tensor_type, tensors, parameters, bytes), context_tokens, layers, vocabulary_tokens, tokenizer,
  chat_template, licence, kv_bytes_per_token (pairs of a type and bytes)";

#[derive(Debug, clap::Args)]
#[command(after_long_help = FIELDS)]
pub(crate) struct InspectArgs {
    /// A model of the library (`wick list`), or a path
    #[arg(value_name = "MODEL")]
    model: String,
    /// Write a JSON object; `wick inspect --help` tells its fields
    #[arg(long)]
    json: bool,
}

pub(crate) fn inspect(args: &InspectArgs) -> Result<(), Stop> {
    let paths = Paths::from_environment()?;
    let model = choice::named(&choice::library(&paths), &args.model)?;
    let question = Question::Inspect {
        path: model.path.into(),
    };
    let Answer::Inspection(inspection) = one(&paths.engine_program, question)? else {
        return Err(another_answer());
    };
    let text = if args.json {
        as_json(&inspection)?
    } else {
        in_words(&inspection)
    };
    stdout().write(&text)
}

fn in_words(inspection: &Inspection) -> String {
    let number =
        |number: Option<u64>| number.map_or_else(|| "not said".into(), |number| number.to_string());
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "not said".into());
    let runs = inspection
        .refusal
        .as_ref()
        .map_or_else(|| "yes".into(), |reason| format!("no: {reason}"));
    let template = if inspection.chat_template.is_some() {
        "yes"
    } else {
        "no: it completes text"
    };
    let mut rows = vec![
        ["name".into(), text(&inspection.name)],
        ["architecture".into(), inspection.architecture.clone()],
        ["runs here".into(), runs],
        ["parameters".into(), parameters_in_words(inspection)],
        ["size".into(), bytes(inspection.file_bytes)],
        ["context window".into(), number(inspection.context_tokens)],
        ["layers".into(), number(inspection.layers)],
        ["vocabulary".into(), number(inspection.vocabulary_tokens)],
        ["tokenizer".into(), text(&inspection.tokenizer)],
        ["chat template".into(), template.into()],
        ["licence".into(), text(&inspection.licence)],
    ];
    for (kv_type, per_token) in &inspection.kv_bytes_per_token {
        rows.push([
            format!("KV cache, {}", name(*kv_type)),
            format!("{} a token", bytes(*per_token)),
        ]);
    }
    let mut text = table([Column::Left, Column::Left], &rows);
    text.push('\n');
    text.push_str(&types_in_words(inspection));
    text
}

fn parameters_in_words(inspection: &Inspection) -> String {
    let all = parameters(inspection.parameters);
    if inspection.active_parameters == inspection.parameters {
        return all;
    }
    format!(
        "{all}, {} of them for each token",
        parameters(inspection.active_parameters)
    )
}

fn types_in_words(inspection: &Inspection) -> String {
    let header = ["TYPE", "TENSORS", "PARAMETERS", "SIZE"].map(String::from);
    let rows = inspection.tensor_types.iter().map(|share| {
        [
            share.tensor_type.clone(),
            share.tensors.to_string(),
            parameters(share.parameters),
            bytes(share.bytes),
        ]
    });
    let columns = [Column::Left, Column::Right, Column::Right, Column::Right];
    table(
        columns,
        &std::iter::once(header).chain(rows).collect::<Vec<_>>(),
    )
}

/// The name that people know.
pub(super) fn name(kv_type: KvType) -> &'static str {
    match kv_type {
        KvType::F32 => "F32",
        KvType::F16 => "F16",
        KvType::Q8_0 => "Q8_0",
    }
}
