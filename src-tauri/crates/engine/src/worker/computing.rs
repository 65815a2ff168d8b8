//! The thread that computes: takes what has come, ends what was cancelled, makes a step, and again.
//!
//! It alone owns the model. Invariant: each generation that it has taken ends with `Finished` or with an error; a panic in
//! a step ends those that took part in it, and nothing else.

use super::generation::{Generation, Next};
use super::outbox::{LoadNews, MemoryNews, Outbox};
use super::pace::Pace;
use super::preparing::Prepare;
use super::running::{Name, Running};
use super::{Arrived, Asked, Work, guarded};
use crate::heap;
use crate::model::{Evaluation, Kind, Model, Prepared};
use crate::pulse::Pulse;
use crate::scheduler::{SequenceId, Stepped};
use engine_api::wire::Report;
use engine_api::{EngineError, FinishReason, GPU_FAILED, LoadOptions, Question, QuestionId};
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::mpsc;
use std::time::Instant;

pub(super) struct Computing {
    model: Option<Model>,
    generations: BTreeMap<SequenceId, Generation>,
    evaluations: VecDeque<(QuestionId, super::Flag, Evaluation)>,
    pace: Pace,
    memory: MemoryNews,
    outbox: Outbox,
    running: Running,
    pulse: Pulse,
    to_prepare: mpsc::Sender<Prepare>,
}

impl Computing {
    pub(super) fn new(
        outbox: Outbox,
        running: Running,
        pulse: Pulse,
        to_prepare: mpsc::Sender<Prepare>,
    ) -> Self {
        Self {
            model: None,
            generations: BTreeMap::new(),
            evaluations: VecDeque::new(),
            pace: Pace::default(),
            memory: MemoryNews::default(),
            outbox,
            running,
            pulse,
            to_prepare,
        }
    }

    /// Returns when the input has ended.
    pub(super) fn run(mut self, inbox: &mpsc::Receiver<Work>) {
        loop {
            let work = if self.is_idle() {
                inbox.recv().map_err(|_| mpsc::TryRecvError::Disconnected)
            } else {
                inbox.try_recv()
            };
            match work {
                Ok(Work::InputEnded) | Err(mpsc::TryRecvError::Disconnected) => break,
                Ok(work) => self.take(work),
                Err(mpsc::TryRecvError::Empty) => self.compute(),
            }
        }
        self.end_cancelled(|_| true);
    }

    fn is_idle(&self) -> bool {
        self.generations.is_empty() && self.evaluations.is_empty()
    }

    fn take(&mut self, work: Work) {
        match work {
            Work::Load { path, options } => self.load(&path, &options),
            Work::Generate(arrived) => self.prepare(arrived),
            Work::Prepared { arrived, prepared } => self.begin(*arrived, prepared),
            Work::Ask(asked) => self.ask(asked),
            Work::Evaluate { asked, tokens } => self.evaluate(&asked, tokens),
            Work::ForgetCache => self.forget_cache(),
            Work::Look => self.end_cancelled(|generation| generation.cancelled.is_set()),
            Work::InputEnded => {}
        }
    }

    /// A step, and a slice of what was asked beside it.
    fn compute(&mut self) {
        if !self.generations.is_empty() {
            self.step();
        }
        if let Some((id, withdrawn, evaluation)) = self.evaluations.pop_front() {
            self.slice(id, withdrawn, evaluation);
        }
    }

    fn load(&mut self, path: &Path, options: &LoadOptions) {
        self.unload();
        let cancelled = self.running.flag(Name::Load);
        let mut news = LoadNews::default();
        let load = || {
            Model::load(path, options, cancelled.as_bool(), |at| {
                self.pulse.beat();
                news.tell_rarely(at, &self.outbox);
            })
        };
        let loaded = guarded(load);
        self.running.end(Name::Load);
        // Metadata and what the tokenizer was made of.
        heap::give_back();
        match loaded {
            Ok(model) => self.go_on_with(model),
            Err(error) => self.outbox.send(&Report::LoadFailed { error }),
        }
    }

    fn go_on_with(&mut self, mut model: Model) {
        model.count_on(self.pulse.clone());
        self.memory.tell(model.memory(), &self.outbox);
        self.outbox.send(&Report::Loaded(model.info().clone()));
        self.pace = Pace::default();
        self.model = Some(model);
    }

    /// Two models at once would be twice the memory: the old one goes first, with all that it was at.
    fn unload(&mut self) {
        for id in self.generations.keys().copied().collect::<Vec<_>>() {
            self.end(id, Err(EngineError::ModelNotLoaded));
        }
        for (id, ..) in std::mem::take(&mut self.evaluations) {
            self.unanswered(id, EngineError::ModelNotLoaded);
        }
        self.model = None;
        heap::give_back();
    }

    fn prepare(&mut self, arrived: Box<Arrived>) {
        match &self.model {
            Some(model) => {
                let prompts = model.prompts.clone();
                let _ = self.to_prepare.send(Prepare::Prompt { arrived, prompts });
            }
            None => self.refuse(&arrived, EngineError::ModelNotLoaded),
        }
    }

    fn begin(&mut self, arrived: Arrived, prepared: Result<Box<Prepared>, EngineError>) {
        let Some(model) = &mut self.model else {
            return self.refuse(&arrived, EngineError::ModelNotLoaded);
        };
        let added = prepared.and_then(|prepared| {
            arrived.request.validate()?;
            let prompt_tokens = prepared.tokens.len();
            let sequence = model.scheduler.add(prepared.tokens)?;
            Ok((sequence, prompt_tokens, prepared.grammar))
        });
        match added {
            Ok((sequence, prompt_tokens, grammar)) => {
                let generation = Generation::new(arrived, prompt_tokens, grammar, &model.prompts);
                self.generations.insert(sequence, generation);
                self.end_cancelled(|generation| generation.cancelled.is_set());
            }
            Err(error) => self.refuse(&arrived, error),
        }
    }

    fn refuse(&self, arrived: &Arrived, error: EngineError) {
        let id = arrived.id;
        self.running.end(Name::Generation(id));
        self.outbox.send(&Report::GenerationFailed { id, error });
    }

    fn step(&mut self) {
        let Some(model) = &mut self.model else { return };
        let start = Instant::now();
        let budget = self.pace.step_tokens(model.scheduler.somebody_writes());
        match guarded(|| model.step(budget)) {
            Ok(stepped) => {
                self.pace.measured(stepped.computed_tokens, start.elapsed());
                self.follow(&stepped, start);
            }
            Err(error) => {
                self.end_if_lost(&error);
                self.fail(&error);
            }
        }
    }

    /// A GPU that failed computes nothing any more for this process: the app starts another one, and what was said so far
    /// is kept there.
    fn end_if_lost(&self, error: &EngineError) {
        if self.model.as_ref().is_some_and(Model::is_lost) {
            tracing::error!(%error, "this worker ends");
            std::process::exit(GPU_FAILED);
        }
    }

    /// Tells what a step did, and lets those go on that got logits.
    fn follow(&mut self, stepped: &Stepped, start: Instant) {
        let Some(model) = &mut self.model else { return };
        self.memory.tell_rarely(model.memory(), &self.outbox);
        for id in stepped.begun.iter().chain(&stepped.read) {
            if let (Some(generation), Some(progress)) =
                (self.generations.get_mut(id), model.scheduler.progress(*id))
            {
                generation.begin(start);
                generation.read(progress, &self.outbox);
            }
        }
        for (at, id) in stepped.rows.iter().enumerate() {
            self.write(at, *id);
        }
    }

    fn write(&mut self, at: usize, id: SequenceId) {
        let (Some(model), Some(generation)) = (&mut self.model, self.generations.get_mut(&id))
        else {
            return;
        };
        let (logits, tokens) = model.logits_of(at, id);
        let next = match guarded(|| generation.take(logits, tokens, &self.outbox)) {
            Ok(Next::Token(token)) if model.scheduler.push(id, token) => {
                Ok(FinishReason::ContextFull)
            }
            Ok(Next::Token(_)) => return,
            Ok(Next::End(reason)) => Ok(reason),
            Err(error) => {
                self.end_if_lost(&error);
                Err(error)
            }
        };
        self.end(id, next);
    }

    /// Ends a generation and its sequence; what that computed stays to go on from.
    fn end(&mut self, id: SequenceId, how: Result<FinishReason, EngineError>) {
        if let Some(model) = &mut self.model {
            model.scheduler.remove(id);
            self.memory.tell(model.memory(), &self.outbox);
        }
        let Some(generation) = self.generations.remove(&id) else {
            return;
        };
        let id = generation.id;
        self.running.end(Name::Generation(id));
        match how {
            Ok(reason) => generation.finish(reason, &self.outbox),
            Err(error) => self.outbox.send(&Report::GenerationFailed { id, error }),
        }
    }

    fn end_cancelled(&mut self, is_over: impl Fn(&Generation) -> bool) {
        let over = self
            .generations
            .iter()
            .filter(|(_, generation)| is_over(generation));
        for id in over.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.end(id, Ok(FinishReason::Cancelled));
        }
    }

    /// After a step that failed: nobody knows what it wrote, so all that took part end.
    fn fail(&mut self, error: &EngineError) {
        let Some(model) = &mut self.model else { return };
        for id in model.scheduler.fail() {
            self.end(id, Err(error.clone()));
        }
    }

    fn forget_cache(&mut self) {
        if let Some(model) = &mut self.model {
            if let Err(error) = model.forget_cache() {
                // Who does not hear that it is forgotten ends this worker, and then it is.
                tracing::error!(%error, "the cache was not overwritten");
                return self.end_if_lost(&error);
            }
            self.memory.tell(model.memory(), &self.outbox);
        }
        self.outbox.send(&Report::Forgotten);
    }

    fn ask(&mut self, asked: Box<Asked>) {
        let prompts = self.model.as_ref().map(|model| model.prompts.clone());
        let _ = self.to_prepare.send(Prepare::Question { asked, prompts });
    }

    fn evaluate(&mut self, asked: &Asked, tokens: Result<Vec<u32>, EngineError>) {
        let (id, withdrawn) = (asked.id, asked.withdrawn.clone());
        let evaluation = self
            .model
            .as_mut()
            .ok_or(EngineError::ModelNotLoaded)
            .and_then(|model| {
                let kind = kind(&asked.question, model);
                Evaluation::new(model, tokens?, kind)
            });
        match evaluation {
            Ok(evaluation) => self.evaluations.push_back((id, withdrawn, evaluation)),
            Err(error) => self.unanswered(id, error),
        }
    }

    fn slice(&mut self, id: QuestionId, withdrawn: super::Flag, mut evaluation: Evaluation) {
        let Some(model) = &mut self.model else { return };
        let outbox = &self.outbox;
        let tell = |answer| outbox.send(&Report::Answer { id, answer });
        let result = guarded(|| evaluation.step(model, &mut { tell }));
        if result.is_ok() && !evaluation.is_over() && !withdrawn.is_set() {
            self.evaluations.push_back((id, withdrawn, evaluation));
            return;
        }
        evaluation.end(model);
        self.running.end(Name::Question(id));
        if let Err(error) = result {
            self.unanswered(id, error);
        }
    }

    fn unanswered(&self, id: QuestionId, error: EngineError) {
        self.running.end(Name::Question(id));
        self.outbox.send(&Report::Unanswered { id, error });
    }
}

fn kind(question: &Question, model: &Model) -> Kind {
    match question {
        Question::Perplexity { context_tokens, .. } => Kind::Perplexity {
            window: *context_tokens as usize,
            begin: model.prompts.begin(),
        },
        Question::Logits { all, .. } => Kind::Logits { all: *all },
        _ => Kind::Logits { all: false },
    }
}
