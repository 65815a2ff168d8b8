//! The worker's two threads. One reads commands, so that a cancellation is seen at once; the other computes, one
//! generation after the other, in the order in which they came.

use crate::generate::generate;
use crate::model::Model;
use crate::outbox::{Listener, Outbox};
use engine_api::wire::{Command, MAX_LINE_BYTES, Report};
use engine_api::{EngineError, GenerateRequest, GenerationEvent, GenerationId};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Instant;

enum Work {
    Load {
        path: PathBuf,
        context_tokens: Option<u32>,
    },
    Generate {
        id: GenerationId,
        request: Box<GenerateRequest>,
        arrival: Instant,
    },
    ForgetCache,
}

/// Generations that are queued or running, each with its cancellation.
#[derive(Clone, Default)]
struct Running(Arc<Mutex<HashMap<GenerationId, Arc<AtomicBool>>>>);

impl Running {
    fn with<T>(&self, f: impl FnOnce(&mut HashMap<GenerationId, Arc<AtomicBool>>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn start(&self, id: GenerationId) {
        self.with(|running| drop(running.insert(id, Arc::default())));
    }

    fn flag(&self, id: GenerationId) -> Arc<AtomicBool> {
        self.with(|running| running.get(&id).cloned().unwrap_or_default())
    }

    fn end(&self, id: GenerationId) {
        self.with(|running| drop(running.remove(&id)));
    }

    fn cancel(&self, id: GenerationId) {
        self.flag(id).store(true, Ordering::Relaxed);
    }

    fn cancel_all(&self) {
        self.with(|running| {
            for flag in running.values() {
                flag.store(true, Ordering::Relaxed);
            }
        });
    }
}

/// Serves one app: reads commands from `input`, reports to `output`. Returns when the input has ended and what was
/// running has been cancelled. `on_input_end` is called at once, also while a load or a step is still running.
pub fn serve(
    input: impl Read + Send + 'static,
    output: impl Write + Send + 'static,
    on_input_end: impl FnOnce() + Send + 'static,
) {
    let (sender, work) = mpsc::channel();
    let outbox = Outbox::new(output);
    let running = Running::default();
    let reader = Reader {
        work: sender,
        outbox: outbox.clone(),
        running: running.clone(),
    };
    let reading = std::thread::Builder::new()
        .name("wick-commands".into())
        .spawn(move || {
            reader.run(input);
            on_input_end();
        });
    if let Err(error) = reading {
        tracing::error!(%error, "no thread to read commands");
        return;
    }
    let mut computing = Computing {
        model: None,
        outbox,
        running,
    };
    for work in work {
        computing.run(work);
    }
}

struct Reader {
    work: mpsc::Sender<Work>,
    outbox: Outbox,
    running: Running,
}

impl Reader {
    fn run(self, input: impl Read) {
        let mut input = BufReader::new(input);
        let mut line = Vec::new();
        loop {
            line.clear();
            let limited = (&mut input)
                .take(MAX_LINE_BYTES as u64)
                .read_until(b'\n', &mut line);
            if !matches!(limited, Ok(1..)) {
                break;
            }
            match serde_json::from_slice(&line) {
                Ok(command) => self.obey(command),
                Err(error) => {
                    tracing::error!(%error, "a command is no message");
                    break;
                }
            }
        }
        self.running.cancel_all();
    }

    fn obey(&self, command: Command) {
        let work = match command {
            Command::Cancel { id } => return self.running.cancel(id),
            Command::Load {
                path,
                context_tokens,
            } => Work::Load {
                path,
                context_tokens,
            },
            Command::Generate { id, request } => {
                self.running.start(id);
                self.outbox.send(&Report::Generation {
                    id,
                    event: GenerationEvent::Queued,
                });
                Work::Generate {
                    id,
                    request,
                    arrival: Instant::now(),
                }
            }
            Command::ForgetCache => Work::ForgetCache,
        };
        // The computing thread ends only after this one.
        let _ = self.work.send(work);
    }
}

struct Computing {
    model: Option<Model>,
    outbox: Outbox,
    running: Running,
}

impl Computing {
    fn run(&mut self, work: Work) {
        match work {
            Work::Load {
                path,
                context_tokens,
            } => self.load(&path, context_tokens),
            Work::Generate {
                id,
                request,
                arrival,
            } => self.generate(id, *request, arrival),
            Work::ForgetCache => {
                if let Some(model) = &mut self.model {
                    model.forget_cache();
                    self.outbox.send(&Report::Memory(model.memory()));
                }
            }
        }
    }

    fn load(&mut self, path: &Path, context_tokens: Option<u32>) {
        // Two models at once would be twice the memory: the old one goes first.
        self.model = None;
        let outbox = self.outbox.clone();
        let load = || Model::load(path, context_tokens, |at| outbox.send(&Report::Loading(at)));
        match guarded(load) {
            Ok(model) => {
                self.outbox.send(&Report::Memory(model.memory()));
                self.outbox.send(&Report::Loaded(model.info().clone()));
                self.model = Some(model);
            }
            Err(error) => self.outbox.send(&Report::LoadFailed { error }),
        }
    }

    fn generate(&mut self, id: GenerationId, request: GenerateRequest, arrival: Instant) {
        let mut listener = Listener::new(id, self.outbox.clone(), self.running.flag(id));
        let result = match &mut self.model {
            Some(model) => guarded(|| generate(model, request, arrival, &mut listener)),
            None => Err(EngineError::ModelNotLoaded),
        };
        self.running.end(id);
        if let Err(error) = result {
            if let (EngineError::Internal { .. }, Some(model)) = (&error, &mut self.model) {
                model.forget_cache();
            }
            self.outbox.send(&Report::GenerationFailed { id, error });
        }
    }
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
