//! What Wick does: the loaded model with what it holds, the light, the speed, what is being generated.

use super::rows::{Row, Section};
use super::words::{count, percent, rate, shown};
use super::{Rates, Seen, Tone};
use crate::figures;
use studio::{
    Asker, GenerationNow, GenerationStage, Light, LightState, MemoryPool, ModelStatus, Status,
    Throughput, Timings,
};

/// A bar of the speed stands for so many seconds.
const SECONDS_A_BAR: usize = 5;
/// How many bars there are at most.
const MOST_BARS: u16 = 60;

/// The sections, none while Wick is not running.
pub(super) fn sections(seen: &Seen, rates: &Rates, width: u16) -> Vec<Section> {
    let Some(status) = &seen.status else {
        return Vec::new();
    };
    let mut rows = vec![model(&status.model)];
    rows.extend(held(status));
    rows.push(light(&status.light));
    rows.push(decode(&status.throughput));
    rows.extend(limit(seen));
    rows.extend(bars(rates, width));
    let wick = Section {
        title: "Wick".into(),
        rows,
    };
    let generations = Section {
        title: "Running".into(),
        rows: seen.now.generations.iter().map(generation).collect(),
    };
    vec![wick, generations]
}

fn model(model: &ModelStatus) -> Row {
    let row = Row::named("Model");
    match model {
        ModelStatus::None => row.and("none is loaded", Tone::Muted),
        ModelStatus::Loading {
            name,
            done_bytes,
            total_bytes,
            ..
        } => row.and(format!("{} ", shown(name)), Tone::Strong).and(
            format!("loading: {}", part_of(*done_bytes, *total_bytes)),
            Tone::Live,
        ),
        ModelStatus::Loaded {
            name,
            architecture,
            quantization,
            device,
            ..
        } => {
            let quantization = quantization.as_deref().unwrap_or_default();
            let about = [architecture, quantization, device].map(shown);
            let about = about.iter().filter(|word| !word.is_empty());
            let about = about.fold(String::new(), |text, word| text + " · " + word);
            row.and(shown(name), Tone::Strong).and(about, Tone::Plain)
        }
        ModelStatus::Failed { name, error, .. } => row.and(shown(name), Tone::Strong).and(
            format!(" could not be loaded. {}", shown(&error.message)),
            Tone::Bad,
        ),
    }
}

fn part_of(part_bytes: u64, whole_bytes: u64) -> String {
    let (part, whole) = (figures::bytes(part_bytes), figures::bytes(whole_bytes));
    format!("{part} of {whole}{}", share(part_bytes, whole_bytes))
}

/// ` (43 %)`; nothing of nothing.
fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return String::new();
    }
    let share = figures::as_f64(part) / figures::as_f64(whole);
    format!(" ({})", percent(share))
}

/// What the loaded model holds.
fn held(status: &Status) -> Option<Row> {
    let ModelStatus::Loaded { context_tokens, .. } = status.model else {
        return None;
    };
    let MemoryPool {
        weights_bytes,
        kv_cache_bytes,
        scratch_bytes,
        ..
    } = status.memory;
    let used = status.throughput.context_used_tokens.unwrap_or(0);
    let (weights, kv_cache) = (
        figures::bytes(weights_bytes),
        figures::bytes(kv_cache_bytes),
    );
    let buffers = figures::bytes(scratch_bytes);
    let context = format!("context {} of {}", count(used), count(context_tokens));
    let share = share(used.into(), context_tokens.into());
    let words =
        format!("weights {weights} · KV cache {kv_cache} · buffers {buffers} · {context}{share}");
    Some(Row::new("Holds", words))
}

fn light(light: &Light) -> Row {
    let (word, tone) = match light.state {
        LightState::Off => ("off", Tone::Muted),
        LightState::Ready => ("ready", Tone::Good),
        LightState::Working => ("working", Tone::Good),
        LightState::Slow => ("slow", Tone::Tight),
        LightState::Stuck => ("stuck", Tone::Bad),
    };
    let reason = format!(" {}", shown(&light.reason));
    Row::named("Light")
        .and(format!("● {word}:"), tone)
        .and(reason, Tone::Plain)
}

fn decode(throughput: &Throughput) -> Row {
    let row = Row::named("Decode");
    match (
        throughput.running,
        throughput.decode_tokens_per_second,
        &throughput.last,
    ) {
        (true, Some(now), _) => row
            .and(rate(Some(now)), Tone::Live)
            .and(" now", Tone::Plain),
        (true, None, _) => row.and("a prompt is being read", Tone::Plain),
        (false, _, Some(last)) => row
            .and(rate(last.decode_tokens_per_second), Tone::Strong)
            .and(format!(" last answer{}", figures_of(last)), Tone::Plain),
        (false, _, None) => row.and("no answer yet", Tone::Muted),
    }
}

/// How much of what the memory allows is reached, while a single generation decodes.
fn limit(seen: &Seen) -> Option<Row> {
    let limit = seen.now.limit.as_ref()?;
    let reached = percent(limit.live_share?);
    let most = rate(Some(limit.tokens_per_second));
    Some(Row::new(
        "",
        format!("{reached} of the {most} that this machine's memory allows"),
    ))
}

fn figures_of(last: &Timings) -> String {
    let ttft = figures::milliseconds(last.ttft_ms);
    let prefill = rate(last.prefill_tokens_per_second);
    format!(" · TTFT {ttft} · prefill {prefill}")
}

/// The speed of the last minutes, once something was written in them.
fn bars(rates: &Rates, width: u16) -> Option<Row> {
    let bars = usize::from(MOST_BARS.min(width.saturating_sub(53)));
    let seconds = rates.seconds().min(bars * SECONDS_A_BAR);
    let highest = rate(Some(rates.highest(seconds)?));
    let words = format!("  of the last {seconds} s, highest {highest}");
    let bars = rates.bars(SECONDS_A_BAR, bars);
    Some(Row::named("").and(bars, Tone::Live).and(words, Tone::Muted))
}

fn generation(generation: &GenerationNow) -> Row {
    let row = Row::named(match generation.asker {
        Asker::Conversation { id } => format!("Chat {}", id.0),
        Asker::Kiosk => "Kiosk".into(),
    });
    let since = figures::milliseconds(figures::as_f64(generation.running_ms));
    let model = shown(&generation.model);
    let (words, tone) = match generation.stage {
        GenerationStage::Queued => ("waits for its turn".into(), Tone::Muted),
        GenerationStage::Prefill {
            processed_tokens,
            total_tokens,
        } => {
            let share = share(processed_tokens.into(), total_tokens.into());
            let (read, all) = (count(processed_tokens), count(total_tokens));
            (
                format!("reads its prompt: {read} of {all} tokens{share}"),
                Tone::Plain,
            )
        }
        GenerationStage::Decode => (rate(generation.decode_tokens_per_second), Tone::Live),
    };
    let written = match generation.generated_tokens {
        0 => String::new(),
        tokens => format!(" · {} tokens", count(tokens)),
    };
    row.and(words, tone)
        .and(format!("{written} · for {since} · {model}"), Tone::Plain)
}
