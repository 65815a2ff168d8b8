//! One visitor: what was said, and the figures of it for the log.
//!
//! It knows no clock but for when it began and was touched, no model and no disk. Invariant: what was said is kept
//! here alone, and is overwritten when this is dropped; copies on its way to the worker and the page are not reached from here.

use super::view::{KioskSession, SessionEnd, VisitId, VisitMessage, VisitView};
use super::words::Words;
use crate::running::Wish;
use crate::slot::LoadedEngine;
use engine_api::{ChatMessage, Timings};
use std::sync::Arc;
use tokio::sync::watch;
use tokio::time::Instant;

/// A visitor.
#[derive(Debug)]
pub(super) struct Visit {
    pub(super) id: VisitId,
    said: Vec<Said>,
    /// Of what is in the prompt, the oldest that no longer fit into the context window.
    outgrown: usize,
    /// The answer that is being written.
    pub(super) answer: Option<watch::Sender<Wish>>,
    /// When the visitor was last known to be there.
    pub(super) touched: Instant,
    /// Since when the visitor is asked whether anybody is there.
    pub(super) counting: Option<Instant>,
    /// It is being wiped: nothing new may begin.
    pub(super) leaving: bool,
    /// All that computed for this visitor.
    engines: Vec<Arc<LoadedEngine>>,
    figures: Figures,
}

/// Something that was said.
#[derive(Debug)]
struct Said {
    from_visitor: bool,
    words: Words,
    /// The model reads it with the next message; the kiosk's own words and what they answer it does not.
    is_prompt: bool,
}

/// What the log tells.
#[derive(Debug)]
struct Figures {
    began_at_ms: i64,
    began: Instant,
    model: Option<String>,
    turns: u32,
    tokens: u32,
    /// Tokens after the first of each answer, and the time that they took.
    decoded: f64,
    decode_ms: f64,
    ttfts_ms: Vec<f64>,
    faults: u32,
}

impl Visit {
    pub(super) fn new(id: VisitId, began_at_ms: i64) -> Self {
        let now = Instant::now();
        Self {
            id,
            said: Vec::new(),
            outgrown: 0,
            answer: None,
            touched: now,
            counting: None,
            leaving: false,
            engines: Vec::new(),
            figures: Figures::new(began_at_ms, now),
        }
    }

    /// The visitor is there.
    pub(super) fn touch(&mut self) {
        self.touched = Instant::now();
        self.counting = None;
    }

    /// The visitor says something, and the answer begins, with nothing in it.
    pub(super) fn say(&mut self, text: String) {
        self.figures.turns += 1;
        for (from_visitor, text) in [(true, text), (false, String::new())] {
            self.said.push(Said {
                from_visitor,
                words: text.into(),
                is_prompt: true,
            });
        }
    }

    /// The answer goes on.
    pub(super) fn append(&mut self, text: &str) {
        if let Some(answer) = self.said.last_mut() {
            answer.words.push_str(text);
        }
    }

    /// The answer begins again.
    pub(super) fn clear_answer(&mut self) {
        if let Some(answer) = self.said.last_mut() {
            answer.words.clear();
        }
    }

    /// The answer is over; `own` are the kiosk's words in its place, of which the model hears nothing.
    pub(super) fn end_answer(&mut self, own: Option<&str>) {
        if let Some(own) = own {
            self.clear_answer();
            self.append(own);
        }
        let is_empty = self.said.last().is_none_or(|s| s.words.as_str().is_empty());
        if own.is_some() || is_empty {
            for said in self.said.iter_mut().rev().take(2) {
                said.is_prompt = false;
            }
        }
        self.answer = None;
        self.touch();
    }

    /// The whole answer.
    pub(super) fn last(&self) -> String {
        let last = self.said.last();
        last.map_or_else(String::new, |said| said.words.as_str().to_owned())
    }

    /// What the model reads: its rules, what still fits of what was said before, and the last message.
    pub(super) fn prompt(&self, rules: &str) -> Vec<ChatMessage> {
        let rules = (!rules.trim().is_empty()).then(|| ChatMessage::system(rules));
        let said = self.in_prompt().skip(self.outgrown).map(|said| {
            let text = said.words.as_str();
            if said.from_visitor {
                ChatMessage::user(text)
            } else {
                ChatMessage::assistant(text)
            }
        });
        rules.into_iter().chain(said).collect()
    }

    /// Without the answer that is being written.
    fn in_prompt(&self) -> impl Iterator<Item = &Said> {
        let before = self.said.len().saturating_sub(1);
        self.said[..before].iter().filter(|said| said.is_prompt)
    }

    /// Leaves the oldest question and its answer out of the prompt. Whether there was one before the last message.
    pub(super) fn outgrow(&mut self) -> bool {
        let has_older = self.in_prompt().count() >= self.outgrown + 3;
        self.outgrown += if has_older { 2 } else { 0 };
        has_older
    }

    /// A model computes for this visitor.
    pub(super) fn used(&mut self, engine: &Arc<LoadedEngine>) {
        self.figures.model = Some(engine.model.name.clone());
        if !self.engines.iter().any(|known| Arc::ptr_eq(known, engine)) {
            self.engines.push(engine.clone());
        }
    }

    /// Overwrites what was said; all that computed for this visitor.
    pub(super) fn forget(&mut self) -> Vec<Arc<LoadedEngine>> {
        self.said.clear();
        std::mem::take(&mut self.engines)
    }

    /// Whether an answer is being written. One whose task is gone is not.
    pub(super) fn is_answering(&self) -> bool {
        self.answer
            .as_ref()
            .is_some_and(|answer| !answer.is_closed())
    }

    /// An answer was measured.
    pub(super) fn measured(&mut self, timings: &Timings) {
        self.figures.measured(timings);
    }

    /// A worker was lost, or an answer failed.
    pub(super) fn fault(&mut self) {
        self.figures.faults += 1;
    }

    /// Messages that may still be sent.
    pub(super) fn turns_left(&self, most: u32) -> u32 {
        most.saturating_sub(self.figures.turns)
    }

    pub(super) fn view(&self, most_turns: u32) -> VisitView {
        let messages = self.said.iter().map(|said| VisitMessage {
            from_visitor: said.from_visitor,
            text: said.words.as_str().to_owned(),
        });
        VisitView {
            visit: self.id,
            messages: messages.collect(),
            answering: self.is_answering(),
            turns_left: self.turns_left(most_turns),
        }
    }

    /// For the log, as it stands.
    pub(super) fn session(&self, ended: SessionEnd) -> KioskSession {
        self.figures.session(ended)
    }
}

impl Figures {
    fn new(began_at_ms: i64, began: Instant) -> Self {
        Self {
            began_at_ms,
            began,
            model: None,
            turns: 0,
            tokens: 0,
            decoded: 0.0,
            decode_ms: 0.0,
            ttfts_ms: Vec::new(),
            faults: 0,
        }
    }

    fn measured(&mut self, timings: &Timings) {
        let tokens = timings.generated_tokens;
        self.tokens = self.tokens.saturating_add(tokens);
        if tokens > 0 {
            self.ttfts_ms.push(timings.ttft_ms);
        }
        if timings.decode_tokens_per_second.is_some() {
            self.decoded += f64::from(tokens.saturating_sub(1));
            self.decode_ms += timings.decode_ms;
        }
    }

    fn session(&self, ended: SessionEnd) -> KioskSession {
        let mut ttfts = self.ttfts_ms.clone();
        ttfts.sort_by(f64::total_cmp);
        let rate = self.decoded * 1e3 / self.decode_ms;
        KioskSession {
            began_at_ms: self.began_at_ms,
            duration_ms: u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            ended,
            model: self.model.clone(),
            turns: self.turns,
            tokens: self.tokens,
            decode_tokens_per_second: Some(rate).filter(|rate| rate.is_finite()),
            // By nearest rank, as everywhere.
            ttft_ms: ttfts.get(ttfts.len().saturating_sub(1) / 2).copied(),
            faults: self.faults,
        }
    }
}
