//! `wick list`: the library.

use crate::choice::{library, where_to_put_models};
use crate::figures;
use crate::output::{note, stdout};
use crate::stop::Stop;
use crate::table::{Column, table};
use hub::Model;
use studio::Paths;

const FIELDS: &str = "\
Fields of each model with --json:
  id, name, quantization, file_name, path, size_bytes, source,
  format (gguf or safetensors), repo, commit, revision, projector;
  null is what is not known or not there";

#[derive(Debug, clap::Args)]
#[command(after_long_help = FIELDS)]
pub(crate) struct ListArgs {
    /// Write a JSON array, whose fields `wick list --help` tells
    #[arg(long)]
    json: bool,
}

pub(crate) fn list(args: &ListArgs) -> Result<(), Stop> {
    let paths = Paths::from_environment()?;
    let models = library(&paths).models()?;
    if args.json {
        return stdout().write(&format!("{}\n", as_json(&models)?));
    }
    if models.is_empty() {
        note(&format!(
            "wick: The library is empty. {}",
            where_to_put_models(&paths)
        ));
    }
    stdout().write(&as_table(&models))
}

fn as_json(models: &[Model]) -> Result<String, Stop> {
    serde_json::to_string_pretty(models).map_err(|error| Stop::Failed {
        message: format!("The list can't be written as JSON: {error}."),
        hint: None,
    })
}

fn as_table(models: &[Model]) -> String {
    if models.is_empty() {
        return String::new();
    }
    let header = ["NAME", "QUANTIZATION", "SIZE", "FROM", "PATH"].map(String::from);
    let row = |model: &Model| {
        let quantization = model.quantization.clone().unwrap_or_else(|| "?".into());
        [
            model.name.clone(),
            quantization,
            figures::bytes(model.size_bytes),
            model.source.clone(),
            model.path.clone(),
        ]
    };
    let rows: Vec<_> = [header].into_iter().chain(models.iter().map(row)).collect();
    table(
        [
            Column::Left,
            Column::Left,
            Column::Right,
            Column::Left,
            Column::Left,
        ],
        &rows,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use hub::ModelId;

    fn model(quantization: Option<&str>) -> Model {
        Model {
            id: ModelId("/m/a.gguf".into()),
            name: "a".into(),
            quantization: quantization.map(String::from),
            file_name: "a.gguf".into(),
            path: "/m/a.gguf".into(),
            size_bytes: 98_362_432,
            source: "models folder".into(),
            format: hub::Format::Gguf,
            repo: None,
            commit: None,
            revision: None,
            projector: None,
        }
    }

    #[test]
    fn a_table_and_json() {
        assert_eq!(as_table(&[]), "");
        assert_eq!(
            as_table(&[model(Some("Q4_1")), model(None)]),
            "NAME  QUANTIZATION      SIZE  FROM           PATH\n\
             a     Q4_1          93.8 MiB  models folder  /m/a.gguf\n\
             a     ?             93.8 MiB  models folder  /m/a.gguf\n"
        );
        let json: serde_json::Value =
            serde_json::from_str(&as_json(&[model(None)]).expect("JSON")).expect("JSON");
        assert_eq!(json[0]["size_bytes"], 98_362_432);
        assert_eq!(json[0]["quantization"], serde_json::Value::Null);
        assert_eq!(as_json(&[]).expect("JSON"), "[]");
    }
}
