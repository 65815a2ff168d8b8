//! Which tokens are computed next, and whose keys and values stay in memory.
//!
//! Sequences wait for pages in the order in which they came, then run together. A step computes one token for each that
//! writes, then pieces of the prompts that are being read, so that a long prompt keeps nobody waiting. Where pages run
//! out, the youngest sequence gives up its own and waits again. It deliberately knows neither text nor clocks: its owner
//! samples from the logits and says how many tokens a step may take. Invariants: what a sequence gets is what it gets
//! alone; pages never exceed the budget; the oldest sequence always comes further.

mod held;
mod keeping;
mod pager;
mod prefix;
mod sequence;
mod shares;
mod snapshots;
#[cfg(test)]
mod tests;

pub use held::{Held, pages_for};
pub use pager::Pager;
pub use prefix::PrefixTree;
pub use sequence::SequenceId;
pub use snapshots::{Snapshots, state_bytes};

use crate::decoder::{Chunk, RecurrentState};
use crate::kv::{PAGE_TOKENS, PageId, PageStore};
use engine_api::EngineError;
use sequence::Sequence;
use shares::shares;
use std::collections::VecDeque;

/// Pages that a sequence must find free beyond its tokens before it starts: room to write.
const ROOM_PAGES: usize = 2;
/// Sequences that may wait. More are refused.
const MOST_WAITING: usize = 256;

/// What a scheduler is allowed.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Sequences that run together.
    pub parallel: usize,
    /// Tokens of a sequence, prompt and answer. The page budget must have room for as many.
    pub context_tokens: usize,
}

/// Sequences, waiting and running, and the pages.
#[derive(Debug)]
pub struct Scheduler {
    limits: Limits,
    held: Held,
    /// The recurrent layers before the first token, for a model that has some.
    empty_state: Option<RecurrentState>,
    waiting: VecDeque<Sequence>,
    /// Oldest first.
    running: Vec<Sequence>,
    next_id: u64,
    turn: usize,
    /// Tokens of the sequence that ended last.
    last_tokens: usize,
}

/// What a step did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Stepped {
    /// Sequences that began to run, perhaps again.
    pub begun: Vec<SequenceId>,
    /// Sequences with a row of logits, in the order of the rows.
    pub rows: Vec<SequenceId>,
    /// Sequences of whose prompt a piece was computed.
    pub read: Vec<SequenceId>,
    /// Tokens computed.
    pub computed_tokens: usize,
}

/// How far a sequence is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Tokens of its prompt.
    pub prompt_tokens: usize,
    /// Of them, those that were not computed for it.
    pub reused_tokens: usize,
    /// Positions in its pages.
    pub computed_tokens: usize,
    /// Whether it runs.
    pub is_running: bool,
}

impl Scheduler {
    /// Without sequences. `empty_state` is what recurrent layers begin with, for a model that has some.
    ///
    /// The context is cut to what the page budget takes: a lone sequence can always reach it.
    pub fn new(limits: Limits, held: Held, empty_state: Option<RecurrentState>) -> Self {
        let most = held.pager.budget().saturating_mul(PAGE_TOKENS);
        Self {
            limits: Limits {
                parallel: limits.parallel.max(1),
                context_tokens: limits.context_tokens.min(most),
            },
            held,
            empty_state,
            waiting: VecDeque::new(),
            running: Vec::new(),
            next_id: 0,
            turn: 0,
            last_tokens: 0,
        }
    }

    /// What is allowed.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// A sequence that begins with these tokens, at least one.
    ///
    /// # Errors
    /// [`EngineError::ContextExceeded`] when they leave no room for another, [`EngineError::Busy`] when too many wait
    /// already, [`EngineError::InvalidRequest`] for no tokens.
    pub fn add(&mut self, tokens: Vec<u32>) -> Result<SequenceId, EngineError> {
        let to_u32 = |count| u32::try_from(count).unwrap_or(u32::MAX);
        if tokens.is_empty() {
            return Err(EngineError::invalid_request("the prompt is empty"));
        }
        if tokens.len() >= self.limits.context_tokens {
            return Err(EngineError::ContextExceeded {
                prompt_tokens: to_u32(tokens.len()),
                limit_tokens: to_u32(self.limits.context_tokens.saturating_sub(1)),
            });
        }
        if self.waiting.len() >= MOST_WAITING {
            return Err(EngineError::Busy {
                waiting: to_u32(self.waiting.len()),
                limit: to_u32(MOST_WAITING),
            });
        }
        self.next_id += 1;
        let id = SequenceId(self.next_id);
        self.waiting.push_back(Sequence::new(id, tokens));
        Ok(id)
    }

    /// Appends a token to a sequence that got logits. Whether its context is then full.
    pub fn push(&mut self, id: SequenceId, token: u32) -> bool {
        let Some(sequence) = self.running.iter_mut().find(|sequence| sequence.id == id) else {
            return true;
        };
        sequence.tokens.push(token);
        sequence.tokens.len() >= self.limits.context_tokens
    }

    /// Ends a sequence, waiting or running. What it computed stays as long as nobody needs the room.
    pub fn remove(&mut self, id: SequenceId) {
        let waits = self.waiting.iter().position(|sequence| sequence.id == id);
        if let Some(mut waited) = waits.and_then(|at| self.waiting.remove(at)) {
            waited.wipe_tokens();
        }
        let Some(at) = self.running.iter().position(|sequence| sequence.id == id) else {
            return;
        };
        let mut sequence = self.running.remove(at);
        self.last_tokens = sequence.computed;
        self.leave(&mut sequence);
        sequence.wipe_tokens();
        if sequence.leaves_nothing {
            self.held.pager.trim();
        }
    }

    /// Pages for something that is computed beside the sequences; `None` when so many can't be had. They are to be given
    /// back.
    pub fn take_pages(&mut self, count: usize) -> Option<Vec<PageId>> {
        if self.held.available() < count {
            return None;
        }
        let pages: Vec<_> = std::iter::from_fn(|| self.held.take())
            .take(count)
            .collect();
        if pages.len() == count {
            return Some(pages);
        }
        self.give_back(&pages);
        None
    }

    /// Gives back what [`Self::take_pages`] gave.
    pub fn give_back(&mut self, pages: &[PageId]) {
        self.held.release_all(pages);
    }

    /// The pages themselves.
    pub fn store(&mut self) -> &mut PageStore {
        self.held.pager.store()
    }

    /// The recurrent layers before the first token, for a model that has some.
    pub fn empty_state(&self) -> Option<&RecurrentState> {
        self.empty_state.as_ref()
    }

    /// Whether there is nothing to do.
    pub fn is_idle(&self) -> bool {
        self.running.is_empty() && self.waiting.is_empty()
    }

    /// Whether a running sequence has read its prompt and waits for one token after the other.
    pub fn somebody_writes(&self) -> bool {
        let mut running = self.running.iter();
        running.any(|sequence| sequence.tokens.len() > sequence.prompt_tokens)
    }

    /// How far a sequence is; `None` for one that is over.
    pub fn progress(&self, id: SequenceId) -> Option<Progress> {
        let all = self.running.iter().map(|sequence| (sequence, true));
        let mut all = all.chain(self.waiting.iter().map(|sequence| (sequence, false)));
        let (sequence, is_running) = all.find(|(sequence, _)| sequence.id == id)?;
        Some(Progress {
            prompt_tokens: sequence.prompt_tokens,
            reused_tokens: sequence.reused,
            computed_tokens: sequence.computed,
            is_running,
        })
    }

    /// Bytes of keys, values and recurrent states in memory.
    pub fn cache_bytes(&self) -> u64 {
        let states = self
            .running
            .iter()
            .filter_map(|sequence| sequence.state.as_ref());
        self.held.bytes() + states.map(state_bytes).sum::<u64>()
    }

    /// Bytes of the state with which recurrent layers begin.
    pub fn scratch_bytes(&self) -> u64 {
        self.empty_state.as_ref().map_or(0, state_bytes)
    }

    /// Positions of the longest running sequence, or of the one that ended last.
    pub fn context_used_tokens(&self) -> usize {
        let longest = self.running.iter().map(|sequence| sequence.computed).max();
        longest.unwrap_or(self.last_tokens)
    }

    /// Forgets what ended sequences left behind, which is overwritten before its memory goes back; what runs goes on and
    /// leaves nothing.
    pub fn forget_cache(&mut self) {
        for sequence in &mut self.running {
            sequence.leaves_nothing = true;
            sequence.node = None;
            sequence.shared = 0;
        }
        self.held.forget();
        self.last_tokens = 0;
    }

    /// Ends all running sequences after a step that failed, and forgets the cache: nobody knows what was written.
    pub fn fail(&mut self) -> Vec<SequenceId> {
        let running = std::mem::take(&mut self.running);
        for sequence in &running {
            self.held.release_all(&sequence.pages);
        }
        self.forget_cache();
        running.into_iter().map(|sequence| sequence.id).collect()
    }

    /// Computes about `token_budget` tokens with `compute`, which has a row of logits for each chunk that wants one.
    ///
    /// # Errors
    /// What `compute` says. The scheduler is then to be told to [`Self::fail`].
    pub fn step(
        &mut self,
        token_budget: usize,
        compute: impl FnOnce(&mut PageStore, &mut [Chunk<'_>]) -> Result<(), EngineError>,
    ) -> Result<Stepped, EngineError> {
        let mut stepped = Stepped {
            begun: self.admit(),
            ..Stepped::default()
        };
        self.make_room();
        let ends = self.plan(token_budget);
        self.compute(&ends, compute)?;
        for (sequence, end) in self.running.iter_mut().zip(ends) {
            if end == sequence.computed {
                continue;
            }
            stepped.computed_tokens += end - sequence.computed;
            if sequence.computed < sequence.prompt_tokens {
                stepped.read.push(sequence.id);
            }
            sequence.computed = end;
            if sequence.pending() == 0 {
                stepped.rows.push(sequence.id);
            }
            self.held.keep(sequence);
        }
        Ok(stepped)
    }

    /// The tokens of a running sequence; none of one that is over.
    pub fn tokens(&self, id: SequenceId) -> &[u32] {
        let mut running = self.running.iter();
        let sequence = running.find(|sequence| sequence.id == id);
        sequence.map_or(&[], |sequence| &sequence.tokens)
    }

    /// Lets begin who came first, as long as there are pages.
    fn admit(&mut self) -> Vec<SequenceId> {
        let mut begun = Vec::new();
        while self.running.len() < self.limits.parallel {
            let Some(mut sequence) = self.waiting.pop_front() else {
                break;
            };
            let spare = ROOM_PAGES * (self.running.len() + 1);
            let fork = self.held.snapshots.fork(&sequence.tokens);
            let Some(start) = self
                .held
                .start(&sequence.tokens, self.empty_state.as_ref(), spare)
            else {
                self.waiting.push_front(sequence);
                break;
            };
            sequence.begin(start, fork);
            begun.push(sequence.id);
            let younger = self
                .running
                .partition_point(|running| running.id < sequence.id);
            self.running.insert(younger, sequence);
        }
        begun
    }

    /// A page for each sequence that has filled its last one, if need be from the youngest.
    fn make_room(&mut self) {
        let mut at = 0;
        while at < self.running.len() {
            if !self.running[at].lacks_a_page() {
                at += 1;
            } else if let Some(page) = self.held.take() {
                self.running[at].pages.push(page);
            } else {
                self.pause_youngest();
            }
        }
    }

    fn pause_youngest(&mut self) {
        if let Some(mut sequence) = self.running.pop() {
            tracing::debug!(sequence = sequence.id.0, "paused for want of pages");
            self.leave(&mut sequence);
            self.waiting.push_front(sequence);
        }
    }

    /// Up to where each running sequence is computed: who writes gets one token, the rest goes to those who read.
    fn plan(&mut self, token_budget: usize) -> Vec<usize> {
        for sequence in &mut self.running {
            self.held.adopt(sequence);
        }
        let reading = self.reading();
        let writing = self
            .running
            .iter()
            .filter(|sequence| sequence.pending() == 1)
            .count();
        let pending: Vec<_> = reading
            .iter()
            .map(|at| self.running[*at].pending())
            .collect();
        self.turn = self.turn.wrapping_add(1);
        let shares = shares(&pending, token_budget.saturating_sub(writing), self.turn);
        let mut ends: Vec<_> = self.running.iter().map(Sequence::end_of_writing).collect();
        for (at, share) in reading.into_iter().zip(shares) {
            ends[at] = self.running[at].chunk_end(share);
        }
        ends
    }

    /// Those who read and don't wait for a page that an older one is about to compute.
    fn reading(&self) -> Vec<usize> {
        let mut reading = Vec::<usize>::new();
        for (at, sequence) in self.running.iter().enumerate() {
            let mut older = reading.iter();
            let awaits = older.any(|older| sequence.awaits(&self.running[*older]));
            if sequence.pending() > 1 && !awaits {
                reading.push(at);
            }
        }
        reading
    }

    fn compute(
        &mut self,
        ends: &[usize],
        compute: impl FnOnce(&mut PageStore, &mut [Chunk<'_>]) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let planned = self.running.iter_mut().zip(ends);
        let mut chunks: Vec<_> = planned
            .filter(|(sequence, end)| **end > sequence.computed)
            .map(|(sequence, end)| sequence.chunk(*end))
            .collect();
        if chunks.is_empty() {
            return Ok(());
        }
        compute(self.held.pager.store(), &mut chunks)
    }

    /// Gives up a sequence's pages to those who may want them.
    fn leave(&mut self, sequence: &mut Sequence) {
        self.held.leave_behind(sequence);
        self.held.release_all(&std::mem::take(&mut sequence.pages));
        sequence.rest();
    }
}
