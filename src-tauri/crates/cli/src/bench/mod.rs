//! `wick bench`: how fast a model runs here.
//!
//! What is measured: one worker is started and loads the model; a first prompt of a few tokens tells the time from
//! nothing to the first token; one whole run warms up; then each run forgets the KV cache, prefills the prompt and
//! decodes after it. The rates are the worker's own. The prompt is noise, the same in each run: what it says changes
//! no amount of work. Decode is measured behind the prompt, where it is slower than at the beginning of the context;
//! with `--prompt-tokens 1` it is what llama-bench calls tg.

mod plan;
mod report;
mod spread;

use crate::choice;
use crate::load_args::LoadArgs;
use crate::output::{progress, stdout};
use crate::session::{Finished, Session};
use crate::stop::Stop;
use engine_api::{GenerateRequest, Prompt, Sampling};
use hub::Model;
use plan::{Plan, prompt_ids};
use report::{MachineReport, ModelReport, Report};
use spread::Spread;
use std::num::NonZero;
use std::time::Instant;
use studio::Paths;
use telemetry::Machine;

/// A prompt that a person might type, in tokens.
const FIRST_PROMPT_TOKENS: u32 = 16;

const FIELDS: &str = "\
Fields of --json:
  wick_version
  model       file_name, path, size_bytes, name (or null), architecture, quantization, parameters, context_tokens
  machine     processor, cores (of the machine), usable_cores (of this program), device
  prompt_tokens, generate_tokens, runs
  prefill_tokens_per_second, decode_tokens_per_second
              each median, min, max over the runs; decode is measured behind the prompt
  load_ms     from the request to the model being ready
  first_prompt_tokens, start_to_first_token_ms
              from the start of the worker process to the first token, for a prompt of so many tokens
  peak_resident_bytes
              the most memory that the worker has had, file pages included
  weights_bytes, kv_cache_bytes
              parts of it that the worker can name, after the last run";

#[derive(Debug, clap::Args)]
#[command(after_long_help = FIELDS)]
pub(crate) struct BenchArgs {
    /// A model of the library (`wick list`), or the path of a GGUF file
    #[arg(value_name = "MODEL")]
    pub(crate) model: String,
    /// Tokens to prefill [default: 512, or what the context window takes]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) prompt_tokens: Option<u32>,
    /// Tokens to decode behind them [default: 128, or what the context window takes]
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..))]
    pub(crate) generate_tokens: Option<u32>,
    /// Measured runs, after one that warms up
    #[arg(short, long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) runs: u32,
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    /// Write a JSON object; `wick bench --help` tells its fields
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn bench(args: &BenchArgs) -> Result<(), Stop> {
    let paths = Paths::from_environment()?;
    let model = choice::named(&choice::library(&paths), &args.model)?;
    let options = args.load.options(1);
    let report = Session::with(&paths.engine_program, &model, options, async |session| {
        let mut interrupt = session.interrupt.clone();
        // A measurement cut short is worth nothing: no need to wait for the step that is running.
        let report = tokio::select! {
            report = measure(session, &model, args) => report,
            () = interrupt.comes() => Err(Stop::Interrupted),
        };
        progress("");
        report
    })?;
    let text = if args.json {
        report.as_json()?
    } else {
        report.as_table()
    };
    stdout().write(&text)
}

async fn measure(session: &mut Session, model: &Model, args: &BenchArgs) -> Result<Report, Stop> {
    let plan = Plan::fitting(
        args.prompt_tokens,
        args.generate_tokens,
        session.loaded.context_tokens,
    )?;
    let start_to_first_token_ms = first_token(session).await?;
    let [prefill, decode] = rates(session, plan, args.runs).await?;
    let memory = *session.worker.engine().memory().borrow();
    let machine = Machine::local();
    let peak = machine.peak_resident_bytes(session.worker.process_id());
    Ok(Report {
        wick_version: env!("CARGO_PKG_VERSION"),
        model: ModelReport::new(model, &session.loaded),
        machine: machine_report(&machine, &session.loaded.device),
        prompt_tokens: plan.prompt_tokens,
        generate_tokens: plan.generate_tokens,
        runs: args.runs,
        prefill_tokens_per_second: prefill,
        decode_tokens_per_second: decode,
        load_ms: session.loaded.load_ms,
        first_prompt_tokens: FIRST_PROMPT_TOKENS
            .min(session.loaded.context_tokens.saturating_sub(1)),
        start_to_first_token_ms,
        peak_resident_bytes: peak
            .map_err(|error| failed(&format!("Its memory can't be read: {error}.")))?,
        weights_bytes: memory.weights_bytes,
        kv_cache_bytes: memory.kv_cache_bytes,
    })
}

/// Prefill and decode in tokens per second, of several runs after one that warms up.
async fn rates(session: &mut Session, plan: Plan, runs: u32) -> Result<[Spread; 2], Stop> {
    progress("warming up");
    run(session, plan).await?;
    let (mut prefill, mut decode) = (Vec::new(), Vec::new());
    for number in 1..=runs {
        progress(&format!("run {number} of {runs}"));
        let timings = run(session, plan).await?.timings;
        prefill.extend(timings.prefill_tokens_per_second);
        decode.extend(timings.decode_tokens_per_second);
    }
    let spread =
        |rates: &[f64]| Spread::of(rates).ok_or_else(|| failed("The engine told no rate."));
    Ok([spread(&prefill)?, spread(&decode)?])
}

fn failed(message: &str) -> Stop {
    Stop::failed(message, "Nothing was measured. Try again.")
}

/// From the start of the worker to the first token of a short prompt, in milliseconds.
async fn first_token(session: &mut Session) -> Result<f64, Stop> {
    progress("first token");
    let length = FIRST_PROMPT_TOKENS.min(session.loaded.context_tokens.saturating_sub(1));
    let request = request(prompt_ids(length, session.loaded.vocabulary_tokens), 1);
    let mut first = None;
    let at_first = |_: &str| {
        first.get_or_insert_with(Instant::now);
        Ok(())
    };
    uninterrupted(session.generate(request, at_first).await?)?;
    let at = first.unwrap_or_else(Instant::now);
    Ok((at - session.started).as_secs_f64() * 1e3)
}

async fn run(session: &mut Session, plan: Plan) -> Result<Finished, Stop> {
    session.worker.engine().forget_cache();
    let ids = prompt_ids(plan.prompt_tokens, session.loaded.vocabulary_tokens);
    let finished = session
        .generate(request(ids, plan.generate_tokens), |_| Ok(()))
        .await?;
    let finished = uninterrupted(finished)?;
    let timings = &finished.timings;
    let done = (timings.prefilled_tokens, timings.generated_tokens);
    if done != (plan.prompt_tokens, plan.generate_tokens) {
        return Err(failed(&format!(
            "The engine prefilled {} of {} tokens and wrote {} of {}.",
            done.0, plan.prompt_tokens, done.1, plan.generate_tokens
        )));
    }
    Ok(finished)
}

fn uninterrupted(finished: Finished) -> Result<Finished, Stop> {
    match finished.reason {
        engine_api::FinishReason::Cancelled => Err(Stop::Interrupted),
        _ => Ok(finished),
    }
}

fn request(ids: Vec<u32>, max_tokens: u32) -> GenerateRequest {
    GenerateRequest {
        sampling: Sampling::greedy(),
        max_tokens: Some(max_tokens),
        stop_at_end_of_turn: false,
        ..GenerateRequest::new(Prompt::Tokens(ids))
    }
}

fn machine_report(machine: &Machine, device: &str) -> MachineReport {
    let usable_cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let usable_cores = u32::try_from(usable_cores).unwrap_or(u32::MAX);
    let processor = machine
        .processor()
        .inspect_err(|error| tracing::warn!(%error, "the processor is unknown"));
    let (processor, cores) = processor.map_or_else(
        |_| ("unknown".into(), usable_cores),
        |known| (known.name, known.cores),
    );
    MachineReport {
        processor,
        cores,
        usable_cores,
        device: device.into(),
    }
}
