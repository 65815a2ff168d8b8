//! One generation: from the logits of its sequence to the text that its listener gets.
//!
//! It deliberately knows neither pages nor other sequences. Invariant: it ends with a `Finished` event or an error, never
//! with both.

use super::Arrived;
use super::gaps::Gaps;
use super::outbox::Outbox;
use super::running::Flag;
use crate::grammar::Grammar;
use crate::model::{Logits, Prompts};
use crate::sampler::{Ranked, Sampler};
use crate::scheduler::Progress;
use crate::stop::{Passed, StopMatcher};
use crate::timing::{ms, rate};
use crate::tokenizer::Decoder;
use engine_api::wire::Report;
use engine_api::{
    EngineError, FinishReason, GenerationEvent, GenerationId, Logprobs, Timings, TokenLogprob,
};
use std::sync::Arc;
use std::time::Instant;

pub(super) struct Generation {
    pub(super) id: GenerationId,
    pub(super) cancelled: Flag,
    prompts: Arc<Prompts>,
    sampler: Sampler,
    grammar: Option<Grammar>,
    text: Decoder,
    stops: StopMatcher,
    max_tokens: u32,
    stop_at_end_of_turn: bool,
    timings: Timings,
    arrival: Instant,
    began: Option<Instant>,
    first_token: Option<Instant>,
    /// The one that was written last.
    last_token: Option<Instant>,
    gaps: Gaps,
    /// Of the tokens since the last event.
    logprobs: Vec<Logprobs>,
}

/// What becomes of a sequence after a row of logits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// It goes on with this token.
    Token(u32),
    /// It is over.
    End(FinishReason),
}

impl Generation {
    pub(super) fn new(
        arrived: Arrived,
        prompt_tokens: usize,
        grammar: Option<Grammar>,
        prompts: &Arc<Prompts>,
    ) -> Self {
        let Arrived {
            id,
            request,
            arrival,
            cancelled,
        } = arrived;
        Self {
            id,
            cancelled,
            sampler: Sampler::with_vocabulary(request.sampling, &prompts.vocabulary),
            // The prompt stands before it.
            text: prompts.tokenizer.decoder().keeping_the_first_blank(),
            prompts: prompts.clone(),
            grammar,
            stops: StopMatcher::new(request.stop),
            max_tokens: request.max_tokens.unwrap_or(u32::MAX),
            stop_at_end_of_turn: request.stop_at_end_of_turn,
            timings: Timings {
                prompt_tokens: to_u32(prompt_tokens),
                ..Timings::default()
            },
            arrival,
            began: None,
            first_token: None,
            last_token: None,
            gaps: Gaps::default(),
            logprobs: Vec::new(),
        }
    }

    /// Its sequence runs; after a pause, again.
    pub(super) fn begin(&mut self, now: Instant) {
        if self.began.is_none() {
            self.began = Some(now);
            self.timings.queue_ms = ms(now - self.arrival);
        }
    }

    /// How far its prompt has been read. What is read again after a pause is no news.
    pub(super) fn read(&mut self, progress: Progress, outbox: &Outbox) {
        if self.first_token.is_some() {
            return;
        }
        let processed = progress.computed_tokens.min(progress.prompt_tokens);
        self.timings.reused_tokens = to_u32(progress.reused_tokens);
        self.timings.prefilled_tokens = to_u32(processed.saturating_sub(progress.reused_tokens));
        self.emit(
            GenerationEvent::Prefill {
                processed_tokens: to_u32(processed),
                total_tokens: self.timings.prompt_tokens,
            },
            outbox,
        );
    }

    /// Chooses the next token. `tokens` are those of its sequence so far.
    ///
    /// # Errors
    /// As for [`Grammar::accept`] and [`Logits::whole`].
    pub(super) fn take(
        &mut self,
        logits: Logits<'_>,
        tokens: &[u32],
        outbox: &Outbox,
    ) -> Result<Next, EngineError> {
        let now = Instant::now();
        let first = self.first_token.unwrap_or(now);
        if self.first_token.is_none() {
            self.prompt_is_read(now);
        }
        let token = self.choose(logits, tokens)?;
        let may_end = self.stop_at_end_of_turn || self.grammar.is_some();
        if may_end && self.prompts.tokenizer.ends_turn(token) {
            return Ok(Next::End(FinishReason::EndOfTurn));
        }
        if let Some(grammar) = &mut self.grammar {
            grammar.accept(token)?;
        }
        Ok(self.write(token, first, outbox))
    }

    fn write(&mut self, token: u32, first: Instant, outbox: &Outbox) -> Next {
        let now = Instant::now();
        self.timings.generated_tokens += 1;
        self.timings.decode_ms = ms(now - first);
        if let Some(last) = self.last_token.replace(now) {
            self.gaps.add(now - last);
        }
        self.note_logprobs();
        let text = self.text.push(self.prompts.vocabulary.bytes(token));
        match self.stops.push(&text) {
            Passed::Text(text) => self.tell(text, outbox),
            Passed::Stopped(text) => {
                self.tell(text, outbox);
                return Next::End(FinishReason::StopString);
            }
        }
        if self.timings.generated_tokens >= self.max_tokens {
            return Next::End(FinishReason::MaxTokens);
        }
        if self.grammar.as_ref().is_some_and(Grammar::is_complete) {
            return Next::End(FinishReason::EndOfTurn);
        }
        Next::Token(token)
    }

    /// From the likeliest tokens, where they lie apart and tell enough.
    fn choose(&mut self, logits: Logits<'_>, tokens: &[u32]) -> Result<u32, EngineError> {
        let allowed = self.grammar.as_ref().map(Grammar::allowed);
        let listed = logits.shortlist();
        let listed = listed.and_then(|list| self.sampler.sample_listed(list, tokens, allowed));
        match listed {
            Some(token) => Ok(token),
            None => Ok(self
                .sampler
                .sample_allowed(logits.whole()?, tokens, allowed)),
        }
    }

    fn note_logprobs(&mut self) {
        let vocabulary = &self.prompts.vocabulary;
        let named = |ranked: &Ranked| TokenLogprob {
            id: ranked.id,
            bytes: vocabulary.bytes(ranked.id).to_vec(),
            logprob: ranked.logprob,
        };
        let latest = self.sampler.logprobs();
        self.logprobs.extend(latest.map(|latest| Logprobs {
            token: named(&latest.token),
            top: latest.top.iter().map(named).collect(),
        }));
    }

    fn prompt_is_read(&mut self, now: Instant) {
        self.first_token = Some(now);
        self.timings.ttft_ms = ms(now - self.arrival);
        self.timings.prefill_ms = self.began.map_or(0.0, |began| ms(now - began));
        self.timings.prefill_tokens_per_second =
            rate(self.timings.prefilled_tokens, self.timings.prefill_ms);
    }

    fn tell(&mut self, text: String, outbox: &Outbox) {
        let logprobs = std::mem::take(&mut self.logprobs);
        self.emit(
            GenerationEvent::Token {
                text,
                logprobs,
                generated_tokens: self.timings.generated_tokens,
            },
            outbox,
        );
    }

    /// Says the rest, and that it is over.
    pub(super) fn finish(mut self, reason: FinishReason, outbox: &Outbox) {
        let whole = self.text.finish();
        let rest = match self.stops.push(&whole) {
            Passed::Text(text) => text + &self.stops.finish(),
            Passed::Stopped(text) => text,
        };
        if self.first_token.is_some() {
            self.tell(rest, outbox);
        }
        // The first token came with the prefill: the rate counts the steps after it.
        let steps = self.timings.generated_tokens.saturating_sub(1);
        self.timings.decode_tokens_per_second = rate(steps, self.timings.decode_ms);
        self.timings.inter_token = std::mem::take(&mut self.gaps).told();
        let timings = std::mem::take(&mut self.timings);
        self.emit(GenerationEvent::Finished { reason, timings }, outbox);
    }

    fn emit(&self, event: GenerationEvent, outbox: &Outbox) {
        outbox.send(&Report::Generation { id: self.id, event });
    }
}

fn to_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
