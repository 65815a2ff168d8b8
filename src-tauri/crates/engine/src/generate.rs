//! One generation: accept, prefill, then decode token by token, looking for cancellation between steps.

use crate::model::{Model, PREFILL_CHUNK};
use crate::outbox::Listener;
use crate::sampler::Sampler;
use crate::stop::{Passed, StopMatcher};
use crate::timing::{ms, rate};
use engine_api::{EngineError, FinishReason, GenerateRequest, GenerationEvent, Prompt, Timings};
use std::sync::Arc;
use std::time::Instant;

/// Runs `request`, which arrived at `arrival`. Ends with a `Finished` event or an error, never with both.
pub(crate) fn generate(
    model: &mut Model,
    request: GenerateRequest,
    arrival: Instant,
    listener: &mut Listener,
) -> Result<(), EngineError> {
    request.validate()?;
    let prompt = prompt_ids(model, &request.prompt)?;
    let limit = model.info().context_tokens;
    let prompt_tokens = u32::try_from(prompt.len()).unwrap_or(u32::MAX);
    if prompt_tokens >= limit {
        return Err(EngineError::ContextExceeded {
            prompt_tokens,
            limit_tokens: limit - 1,
        });
    }
    let started = Instant::now();
    let mut run = Run {
        timings: Timings {
            prompt_tokens,
            queue_ms: ms(started - arrival),
            ..Timings::default()
        },
        model,
        listener,
        arrival,
        started,
    };
    let reason = match run.prefill(&prompt)? {
        Some(logits) => run.decode(request, prompt, logits)?,
        None => FinishReason::Cancelled,
    };
    run.finish(reason);
    Ok(())
}

fn prompt_ids(model: &Model, prompt: &Prompt) -> Result<Vec<u32>, EngineError> {
    match prompt {
        Prompt::Chat(chat) => model.tokenize_chat(chat),
        Prompt::Text(text) => model.tokenize_text(text),
        Prompt::Tokens(ids) => {
            let vocabulary = model.info().vocabulary_tokens;
            match ids.iter().find(|id| **id >= vocabulary) {
                Some(id) => Err(EngineError::invalid_request(format!(
                    "token {id} is outside the vocabulary of {vocabulary}"
                ))),
                None => Ok(ids.clone()),
            }
        }
    }
}

struct Run<'a> {
    model: &'a mut Model,
    listener: &'a mut Listener,
    timings: Timings,
    arrival: Instant,
    started: Instant,
}

impl Run<'_> {
    /// Computes the prompt; `None` when it was cancelled on the way.
    fn prefill(&mut self, prompt: &[u32]) -> Result<Option<Vec<f32>>, EngineError> {
        let mut done = self.model.resume(prompt);
        self.timings.reused_tokens = to_u32(done);
        self.tell_prefill(done);
        // The last token goes alone: another answer to this prompt starts before it.
        let last = prompt.len() - 1;
        while done < last {
            if self.listener.is_cancelled() {
                return Ok(None);
            }
            let end = last.min(done + PREFILL_CHUNK);
            self.model.forward(&prompt[done..end])?;
            done = end;
            self.timings.prefilled_tokens = to_u32(done) - self.timings.reused_tokens;
            self.tell_prefill(done);
        }
        self.model.drop_anchor();
        let logits = self.model.forward(&prompt[last..])?;
        self.timings.prefilled_tokens = self.timings.prompt_tokens - self.timings.reused_tokens;
        self.timings.prefill_ms = ms(self.started.elapsed());
        self.timings.prefill_tokens_per_second =
            rate(self.timings.prefilled_tokens, self.timings.prefill_ms);
        self.tell_prefill(prompt.len());
        Ok(Some(logits))
    }

    fn tell_prefill(&mut self, processed: usize) {
        self.listener.memory(self.model.memory());
        self.listener.emit(GenerationEvent::Prefill {
            processed_tokens: to_u32(processed),
            total_tokens: self.timings.prompt_tokens,
        });
    }

    fn decode(
        &mut self,
        request: GenerateRequest,
        mut seen: Vec<u32>,
        mut logits: Vec<f32>,
    ) -> Result<FinishReason, EngineError> {
        let tokenizer = Arc::clone(&self.model.tokenizer);
        let mut text_of = tokenizer.decoder();
        let mut sampler = Sampler::new(request.sampling);
        let mut stops = StopMatcher::new(request.stop);
        let max_tokens = request.max_tokens.unwrap_or(u32::MAX);
        let limit = self.model.info().context_tokens as usize;
        let mut first_token = None;
        let reason = loop {
            if self.listener.is_cancelled() {
                break FinishReason::Cancelled;
            }
            let token = sampler.sample(&mut logits, &seen);
            let first = *first_token.get_or_insert_with(|| self.first_token());
            if request.stop_at_end_of_turn && tokenizer.ends_turn(token) {
                break FinishReason::EndOfTurn;
            }
            seen.push(token);
            self.timings.generated_tokens += 1;
            self.timings.decode_ms = ms(first.elapsed());
            let text = text_of(token).map_err(EngineError::internal)?;
            match stops.push(&text.unwrap_or_default()) {
                Passed::Text(text) => self.tell_token(text),
                Passed::Stopped(text) => {
                    self.tell_token(text);
                    break FinishReason::StopString;
                }
            }
            if self.timings.generated_tokens >= max_tokens {
                break FinishReason::MaxTokens;
            }
            if seen.len() >= limit {
                break FinishReason::ContextFull;
            }
            logits = self.model.forward(&[token])?;
        };
        self.tell_token(stops.finish());
        Ok(reason)
    }

    fn first_token(&mut self) -> Instant {
        let now = Instant::now();
        self.timings.ttft_ms = ms(now - self.arrival);
        now
    }

    fn tell_token(&mut self, text: String) {
        self.listener.memory(self.model.memory());
        self.listener.emit(GenerationEvent::Token {
            text,
            logprobs: Vec::new(),
            generated_tokens: self.timings.generated_tokens,
        });
    }

    fn finish(mut self, reason: FinishReason) {
        // The first token came with the prefill: the rate counts the steps after it.
        let steps = self.timings.generated_tokens.saturating_sub(1);
        self.timings.decode_tokens_per_second = rate(steps, self.timings.decode_ms);
        self.listener.memory_now(self.model.memory());
        self.listener.emit(GenerationEvent::Finished {
            reason,
            timings: self.timings,
        });
    }
}

fn to_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
