//! `wick plan`: what a model would take in memory, from its header alone.

use super::inspect::name;
use super::{another_answer, as_json, one};
use crate::choice;
use crate::figures::bytes;
use crate::load_args::LoadArgs;
use crate::output::stdout;
use crate::stop::Stop;
use crate::table::{Column, table};
use engine_api::{Answer, MemoryPlan, Question};
use studio::Paths;

const FIELDS: &str = "\
Fields of --json:
  context_tokens, parallel, kv_type, weights_bytes, kv_cache_bytes, scratch_bytes, worker_bytes";

#[derive(Debug, clap::Args)]
#[command(after_long_help = FIELDS)]
pub(crate) struct PlanArgs {
    /// A model of the library (`wick list`), or a path
    #[arg(value_name = "MODEL")]
    model: String,
    /// Sequences that run together
    #[arg(short, long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    parallel: u32,
    #[command(flatten)]
    load: LoadArgs,
    /// Write a JSON object; `wick plan --help` tells its fields
    #[arg(long)]
    json: bool,
}

pub(crate) fn plan(args: &PlanArgs) -> Result<(), Stop> {
    let paths = Paths::from_environment()?;
    let model = choice::named(&choice::library(&paths), &args.model)?;
    let question = Question::Plan {
        path: model.path.into(),
        options: args.load.options(args.parallel),
    };
    let Answer::Plan(plan) = one(&paths.engine_program, question)? else {
        return Err(another_answer());
    };
    let text = if args.json {
        as_json(&plan)?
    } else {
        in_words(&plan)
    };
    stdout().write(&text)
}

fn in_words(plan: &MemoryPlan) -> String {
    let sequences = format!(
        "{} × {} tokens, {}",
        plan.parallel,
        plan.context_tokens,
        name(plan.kv_type)
    );
    let rows = [
        ["weights".into(), bytes(plan.weights_bytes), String::new()],
        ["KV cache".into(), bytes(plan.kv_cache_bytes), sequences],
        ["scratch".into(), bytes(plan.scratch_bytes), String::new()],
        [
            "worker".into(),
            bytes(plan.worker_bytes),
            "tokenizer and process".into(),
        ],
        ["together".into(), bytes(plan.total_bytes()), String::new()],
    ];
    table([Column::Left, Column::Right, Column::Left], &rows)
}
