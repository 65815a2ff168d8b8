//! The worker's four threads. One reads commands, so that a cancellation is seen at once; one makes tokens of prompts,
//! so that a long text or a slow template holds nobody up; one computes, a step after the other; one says how far that is.

mod computing;
mod gaps;
mod generation;
mod heart;
mod outbox;
mod pace;
mod preparing;
mod reading;
mod running;

use crate::model::Prepared;
use crate::pulse::Pulse;
use computing::Computing;
use engine_api::{EngineError, GenerateRequest, GenerationId, LoadOptions, QuestionId};
use heart::Heart;
use outbox::Outbox;
use preparing::Preparing;
use reading::Reading;
use running::{Flag, Running};
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Instant;

/// What the computing thread is told.
enum Work {
    Load {
        path: PathBuf,
        options: LoadOptions,
    },
    /// A request as it came; it goes to the preparing thread with the model's tokenizer.
    Generate(Box<Arrived>),
    /// It comes back with its tokens and its constraint.
    Prepared {
        arrived: Box<Arrived>,
        prepared: Result<Box<Prepared>, EngineError>,
    },
    Ask(Box<Asked>),
    /// A question that needs the weights, with its tokens.
    Evaluate {
        asked: Box<Asked>,
        tokens: Result<Vec<u32>, EngineError>,
    },
    ForgetCache,
    /// Somebody was cancelled: look at the flags.
    Look,
    InputEnded,
}

/// A request for a generation.
struct Arrived {
    id: GenerationId,
    request: GenerateRequest,
    arrival: Instant,
    cancelled: Flag,
}

/// A question.
struct Asked {
    id: QuestionId,
    question: engine_api::Question,
    withdrawn: Flag,
}

/// Serves one app: reads commands from `input`, reports to `output`. Returns when the input has ended and what was
/// running has been cancelled. `on_input_end` is called at once, also while a load or a step is still running.
pub fn serve(
    input: impl Read + Send + 'static,
    output: impl Write + Send + 'static,
    on_input_end: impl FnOnce() + Send + 'static,
) {
    let (sender, work) = mpsc::channel();
    let (to_prepare, prepare) = mpsc::channel();
    let outbox = Outbox::new(output);
    let running = Running::default();
    let pulse = Pulse::default();
    let reading = Reading {
        work: sender.clone(),
        outbox: outbox.clone(),
        running: running.clone(),
    };
    let preparing = Preparing {
        work: sender,
        outbox: outbox.clone(),
        running: running.clone(),
    };
    let heart = Heart {
        running: running.clone(),
        pulse: pulse.clone(),
        outbox: outbox.clone(),
    };
    let threads = [
        spawn("wick-commands", move || {
            reading.run(input);
            on_input_end();
        }),
        spawn("wick-prompts", move || preparing.run(prepare)),
        spawn("wick-progress", move || heart.run(heart::PAUSE)),
    ];
    if let Some(error) = threads.into_iter().find_map(Result::err) {
        tracing::error!(%error, "a thread of the worker could not be started");
        return;
    }
    Computing::new(outbox, running.clone(), pulse, to_prepare).run(&work);
    running.close();
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    let thread = std::thread::Builder::new().name(name.into());
    thread.spawn(run).map(drop)
}

/// A panic below is our mistake, but the app hears of it as an error and the worker lives on.
fn guarded<T>(f: impl FnOnce() -> Result<T, EngineError>) -> Result<T, EngineError> {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(EngineError::internal(format!(
            "it panicked: {}",
            text.unwrap_or("without a word")
        )))
    })
}
