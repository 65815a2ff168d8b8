//! `wick run`: one prompt, one answer.

use crate::figures::milliseconds;
use crate::load_args::LoadArgs;
use crate::output::{note, stdout};
use crate::session::{Finished, Session};
use crate::stop::Stop;
use crate::{bounded, choice};
use engine_api::{ChatMessage, FinishReason, GenerateRequest, Prompt, Sampling};
use std::io::{IsTerminal, Read};
use studio::Paths;

#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// What to say to the model; `-`, or nothing when something is piped in, reads it from standard input
    pub(crate) prompt: Option<String>,
    /// A model of the library (`wick list`), or the path of a GGUF file [default: the first of the library]
    #[arg(short, long, value_name = "NAME|PATH")]
    pub(crate) model: Option<String>,
    /// Rules that stand before the prompt
    #[arg(short, long, value_name = "TEXT")]
    pub(crate) system: Option<String>,
    /// Divides the likelihood differences between tokens; 0 always takes the most likely one
    #[arg(short, long, value_name = "T")]
    pub(crate) temperature: Option<f32>,
    /// Choose among the K most likely tokens; 0 is off
    #[arg(long, value_name = "K")]
    pub(crate) top_k: Option<u32>,
    /// Choose among the most likely tokens that together have this probability; 1 is off
    #[arg(long, value_name = "P")]
    pub(crate) top_p: Option<f32>,
    /// Leave out tokens less likely than this share of the most likely one; 0 is off
    #[arg(long, value_name = "P")]
    pub(crate) min_p: Option<f32>,
    /// Make tokens of the last 64 less likely to come again; 1 is off
    #[arg(long, value_name = "R")]
    pub(crate) repeat_penalty: Option<f32>,
    /// End after this many tokens [default: when the context window is full]
    #[arg(short = 'n', long, value_name = "N")]
    pub(crate) max_tokens: Option<u32>,
    /// The same seed gives the same answer again
    #[arg(long, value_name = "S")]
    pub(crate) seed: Option<u64>,
    /// End before this text; can be given several times
    #[arg(long, value_name = "TEXT")]
    pub(crate) stop: Vec<String>,
    #[command(flatten)]
    pub(crate) load: LoadArgs,
}

pub(crate) fn run(args: &RunArgs) -> Result<(), Stop> {
    let stdin = std::io::stdin();
    let prompt = prompt(args.prompt.as_deref(), stdin.is_terminal(), stdin)?;
    let request = request(args, prompt);
    // Before a model is loaded for nothing.
    request.validate()?;
    let paths = Paths::from_environment()?;
    let model = match &args.model {
        Some(wanted) => choice::named(&choice::library(&paths), wanted)?,
        None => choice::default(&paths)?,
    };
    let options = args.load.options(1);
    Session::with(&paths.engine_program, &model, options, async |session| {
        answer(session, request).await
    })
}

async fn answer(session: &mut Session, request: GenerateRequest) -> Result<(), Stop> {
    let mut output = stdout();
    let result = session.generate(request, |text| output.write(text)).await;
    if result != Err(Stop::ReaderGone) {
        output.end_line()?;
    }
    let finished = result?;
    note(&summary(&finished, &session.loaded.device));
    match finished.reason {
        FinishReason::Cancelled => Err(Stop::Interrupted),
        _ => Ok(()),
    }
}

fn prompt(given: Option<&str>, stdin_is_terminal: bool, stdin: impl Read) -> Result<String, Stop> {
    let prompt = match given {
        Some("-") => read_all(stdin)?,
        Some(text) => text.to_owned(),
        None if stdin_is_terminal => {
            return Err(Stop::Usage(
                "there is no prompt: `wick run \"Why is the sky blue?\"`".into(),
            ));
        }
        None => read_all(stdin)?,
    };
    if prompt.trim().is_empty() {
        return Err(Stop::Usage("the prompt is empty".into()));
    }
    Ok(prompt)
}

/// All of it, less the one line end that `echo` and editors add.
fn read_all(stdin: impl Read) -> Result<String, Stop> {
    let bytes = bounded::read(stdin, "Standard input", bounded::PROMPT_BYTES)?;
    let mut text = String::from_utf8(bytes).map_err(|error| Stop::Failed {
        message: format!("The prompt on standard input is no text: {error}."),
        hint: None,
    })?;
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}

fn request(args: &RunArgs, prompt: String) -> GenerateRequest {
    let system = args.system.clone().map(ChatMessage::system);
    let messages = system
        .into_iter()
        .chain([ChatMessage::user(prompt)])
        .collect();
    let default = Sampling::default();
    GenerateRequest {
        sampling: Sampling {
            repeat_penalty: args.repeat_penalty.unwrap_or(default.repeat_penalty),
            top_k: args.top_k.unwrap_or(default.top_k),
            top_p: args.top_p.unwrap_or(default.top_p),
            min_p: args.min_p.unwrap_or(default.min_p),
            temperature: args.temperature.unwrap_or(default.temperature),
            seed: args.seed,
            ..default
        },
        max_tokens: args.max_tokens,
        stop: args.stop.clone(),
        ..GenerateRequest::new(Prompt::chat(messages))
    }
}

/// `12 tokens · first after 83 ms · prefill 34 tokens at 441.0 tok/s · decode 164.0 tok/s · end of turn · NVIDIA GB10`. Of a worker
/// that knows the processor alone, there is no more to say of where it computed.
fn summary(finished: &Finished, device: &str) -> String {
    let timings = &finished.timings;
    let mut parts = vec![format!("{} tokens", timings.generated_tokens)];
    if timings.generated_tokens > 0 {
        parts.push(format!("first after {}", milliseconds(timings.ttft_ms)));
    }
    if let Some(rate) = timings.prefill_tokens_per_second {
        parts.push(format!(
            "prefill {} tokens at {rate:.1} tok/s",
            timings.prefilled_tokens
        ));
    }
    if let Some(rate) = timings.decode_tokens_per_second {
        parts.push(format!("decode {rate:.1} tok/s"));
    }
    parts.push(reason_in_words(finished.reason).into());
    if device != "CPU" {
        parts.push(device.into());
    }
    parts.join(" · ")
}

fn reason_in_words(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::EndOfTurn => "end of turn",
        FinishReason::StopString => "stopped at a stop string",
        FinishReason::MaxTokens => "stopped by --max-tokens",
        FinishReason::ContextFull => "the context window is full",
        FinishReason::Cancelled => "cancelled",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use engine_api::Timings;

    fn args(line: &[&str]) -> RunArgs {
        let line = ["wick", "run"].iter().chain(line);
        let crate::args::Command::Run(args) = crate::args::Args::parse_from(line).command else {
            panic!("another command");
        };
        args
    }

    #[test]
    fn the_prompt_comes_from_the_line_or_from_the_pipe() {
        let check = |given: Option<&str>, terminal: bool, piped: &[u8], expected: Option<&str>| {
            let found = prompt(given, terminal, piped);
            assert_eq!(found.ok().as_deref(), expected, "{given:?} {piped:?}");
        };
        check(Some("hi"), true, b"", Some("hi"));
        check(Some("hi"), false, b"piped", Some("hi"));
        check(Some("-"), false, b"piped\n", Some("piped"));
        check(Some("-"), true, b"typed\n", Some("typed"));
        check(None, false, b"two\nlines\n\n", Some("two\nlines\n"));
        check(None, true, b"typed", None);
        check(None, false, b"\n", None);
        check(Some(" "), true, b"", None);
        check(None, false, b"\xff", None);
    }

    #[test]
    fn what_is_not_given_is_the_default() {
        let default = request(&args(&["hi"]), "hi".into());
        assert_eq!(
            default,
            GenerateRequest::new(Prompt::chat(vec![ChatMessage::user("hi")]))
        );
        let line = [
            "--temperature",
            "0",
            "--top-k",
            "5",
            "--top-p",
            "0.5",
            "--min-p",
            "0.25",
            "--repeat-penalty",
            "1.5",
            "--max-tokens",
            "9",
            "--seed",
            "7",
            "--system",
            "be brief",
            "--stop",
            "a",
            "--stop",
            "b",
            "hi",
        ];
        let all = request(&args(&line), "hi".into());
        let sampling = Sampling {
            repeat_penalty: 1.5,
            repeat_last_tokens: 64,
            top_k: 5,
            top_p: 0.5,
            min_p: 0.25,
            temperature: 0.0,
            seed: Some(7),
            ..Sampling::default()
        };
        assert_eq!(all.sampling, sampling);
        assert_eq!(all.max_tokens, Some(9));
        assert_eq!(all.stop, ["a", "b"]);
        let Prompt::Chat(chat) = all.prompt else {
            panic!("no chat");
        };
        let turns = chat.messages.iter().map(|m| (m.role, m.content.as_str()));
        assert!(turns.eq([
            (engine_api::Role::System, "be brief"),
            (engine_api::Role::User, "hi")
        ]));
    }

    #[test]
    fn the_last_line_says_what_there_is_to_say() {
        let check = |timings: Timings, reason, device: &str, expected: &str| {
            assert_eq!(summary(&Finished { reason, timings }, device), expected);
        };
        let whole = Timings {
            generated_tokens: 12,
            prefilled_tokens: 34,
            ttft_ms: 83.4,
            prefill_tokens_per_second: Some(441.04),
            decode_tokens_per_second: Some(164.0),
            ..Timings::default()
        };
        let expected = "12 tokens · first after 83 ms · prefill 34 tokens at 441.0 tok/s · decode 164.0 tok/s · end of turn";
        check(whole, FinishReason::EndOfTurn, "CPU", expected);
        let nothing = Timings::default;
        let (expected, why) = ("0 tokens · cancelled", "CPU: no NVIDIA driver was found");
        check(nothing(), FinishReason::Cancelled, "CPU", expected);
        let expected = format!("{expected} · {why}");
        check(nothing(), FinishReason::Cancelled, why, &expected);
    }
}
