//! What is added to and taken from logits before anything is filtered: biases and repetition penalties.
//!
//! It deliberately keeps no counts between tokens: a window is sorted anew, which for usual ones takes a microsecond. Invariant:
//! ids outside of the row are passed over.

use super::ById;
use engine_api::Sampling;

/// Adds the biases. Of several for one id the last counts.
pub(super) fn bias(logits: &mut (impl ById + ?Sized), biases: &[(u32, f32)]) {
    for (at, (id, bias)) in biases.iter().enumerate() {
        let is_last = || biases[at + 1..].iter().all(|(later, _)| later != id);
        if let Some(logit) = logits.logit(*id)
            && is_last()
        {
            *logit += bias;
        }
    }
}

/// Whether [`repetition`] changes nothing.
pub(super) fn is_off(settings: &Sampling) -> bool {
    (settings.repeat_penalty - 1.0).abs() < f32::EPSILON
        && settings.frequency_penalty == 0.0
        && settings.presence_penalty == 0.0
}

/// Repeat, frequency and presence penalty over the latest of `seen`. `recent` is room to work in.
pub(super) fn repetition(
    logits: &mut (impl ById + ?Sized),
    seen: &[u32],
    settings: &Sampling,
    recent: &mut Vec<u32>,
) {
    if is_off(settings) {
        return;
    }
    let repeat = settings.repeat_penalty;
    let window = settings.repeat_last_tokens as usize;
    recent.clear();
    recent.extend_from_slice(&seen[seen.len().saturating_sub(window)..]);
    recent.sort_unstable();
    for same in recent.chunk_by(|a, b| a == b) {
        if let Some(logit) = logits.logit(same[0]) {
            *logit = if *logit > 0.0 {
                *logit / repeat
            } else {
                *logit * repeat
            };
            // A window longer than 2^24 does not occur.
            #[expect(clippy::cast_precision_loss, reason = "counts are small")]
            let count = same.len() as f32;
            *logit -= count * settings.frequency_penalty + settings.presence_penalty;
        }
    }
}
