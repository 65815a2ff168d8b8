//! `wick search`: what Hugging Face has.

use super::{count, hub, wait};
use crate::ask::as_json;
use crate::figures::parameters;
use crate::output::{note, stdout};
use crate::stop::Stop;
use crate::table::{Column, table};
use clap::ValueEnum;
use hub::{Format, Found, Gate, SearchQuery, Sort};
use studio::Paths;

const FIELDS: &str = "\
Fields of each repository with --json:
  id, task, parameters, licence, gate (open, automatic, manual), formats, downloads (in the last month), likes,
  last_modified";

/// Of thirty repositories each.
const MOST_PAGES: u32 = 500;

#[derive(Debug, clap::Args)]
#[command(after_long_help = FIELDS)]
pub(crate) struct SearchArgs {
    /// Any part of a name
    #[arg(value_name = "TEXT", default_value = "")]
    text: String,
    /// Who published it
    #[arg(short, long)]
    author: Option<String>,
    /// What it is for, such as text-generation
    #[arg(short, long)]
    task: Option<String>,
    /// How its weights are kept
    #[arg(short, long, default_value = "gguf")]
    format: FormatArg,
    /// In which order
    #[arg(short, long, default_value = "trending")]
    sort: SortArg,
    /// How many at most
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Write a JSON array, whose fields `wick search --help` tells
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum FormatArg {
    Gguf,
    Safetensors,
    Any,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum SortArg {
    Trending,
    Downloads,
    Likes,
    Newest,
}

pub(crate) fn search(args: &SearchArgs) -> Result<(), Stop> {
    let paths = Paths::from_environment()?;
    let hub = hub(&paths)?;
    let query = query(args);
    let limit = args.limit as usize;
    let found = wait(async {
        let mut found = Vec::new();
        let mut next = None;
        // A hub that turns pages for ever is not followed for ever.
        for _ in 0..MOST_PAGES {
            if found.len() >= limit {
                break;
            }
            let page = hub.search(&query, next.as_deref()).await?;
            found.extend(page.found);
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        found.truncate(limit);
        Ok(found)
    })?;
    if args.json {
        return stdout().write(&as_json(&found)?);
    }
    if found.is_empty() {
        note("wick: The hub has nothing like that.");
        return Ok(());
    }
    stdout().write(&as_table(&found))
}

fn query(args: &SearchArgs) -> SearchQuery {
    SearchQuery {
        text: args.text.clone(),
        author: args.author.clone(),
        task: args.task.clone(),
        format: match args.format {
            FormatArg::Gguf => Some(Format::Gguf),
            FormatArg::Safetensors => Some(Format::Safetensors),
            FormatArg::Any => None,
        },
        sort: match args.sort {
            SortArg::Trending => Sort::Trending,
            SortArg::Downloads => Sort::Downloads,
            SortArg::Likes => Sort::Likes,
            SortArg::Newest => Sort::Newest,
        },
    }
}

fn as_table(found: &[Found]) -> String {
    let header = [
        "REPOSITORY",
        "PARAMETERS",
        "LICENCE",
        "DOWNLOADS",
        "LIKES",
        "CHANGED",
    ]
    .map(String::from);
    let row = |found: &Found| {
        let gated = if found.gate == Gate::Open {
            ""
        } else {
            " (gated)"
        };
        let day = |time: &String| time.chars().take(10).collect();
        [
            found.id.to_string(),
            found.parameters.map_or_else(|| "?".into(), parameters),
            format!("{}{gated}", found.licence.as_deref().unwrap_or("?")),
            count(found.downloads),
            count(found.likes),
            found.last_modified.as_ref().map_or_else(|| "?".into(), day),
        ]
    };
    let rows: Vec<_> = [header].into_iter().chain(found.iter().map(row)).collect();
    table(
        [
            Column::Left,
            Column::Right,
            Column::Left,
            Column::Right,
            Column::Right,
            Column::Left,
        ],
        &rows,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_what_was_found() {
        let found = Found {
            id: "org/name".parse().expect("a repository"),
            task: None,
            parameters: Some(8_030_261_248),
            licence: Some("apache-2.0".into()),
            gate: Gate::Manual,
            formats: vec![Format::Gguf],
            downloads: 12_345,
            likes: 7,
            last_modified: Some("2026-01-31T12:00:00.000Z".into()),
        };
        let text = as_table(&[found]);
        let expected = "org/name         8.0 B  apache-2.0 (gated)     12,345      7  2026-01-31";
        assert!(text.contains(expected), "{text}");
    }
}
