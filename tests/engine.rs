//! The engine with the starter model, through the handle and an in-memory pipe: the same code that the worker process
//! runs, without the process.

use engine_api::{
    ChatMessage, Constraint, Engine, EngineError, FinishReason, GenerateRequest, Generation,
    GenerationEvent, KvType, LoadOptions, Prompt, Sampling, Timings,
};
use half::f16;
use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use tokio::sync::watch;
use tokio_util::io::SyncIoBridge;
use wick_engine::Model;
use wick_tests::{root, starter_model};

/// An engine over an in-memory pipe, with the starter model in it.
async fn engine() -> Engine {
    engine_with(LoadOptions::default()).await
}

async fn engine_with(options: LoadOptions) -> Engine {
    let engine = unloaded_engine();
    let (progress, seen) = watch::channel(engine_api::LoadProgress::default());
    engine
        .load(starter_model(), options, progress)
        .await
        .expect("the starter model loads");
    let seen = *seen.borrow();
    assert_eq!(
        seen.done_bytes, seen.total_bytes,
        "the load told how far it was"
    );
    engine
}

pub(crate) fn unloaded_engine() -> Engine {
    let (app, worker) = tokio::io::duplex(64 << 10);
    let (from_worker, to_worker) = tokio::io::split(app);
    let (input, output) = tokio::io::split(worker);
    let (input, output) = (SyncIoBridge::new(input), SyncIoBridge::new(output));
    std::thread::spawn(move || wick_engine::serve(input, output, || ()));
    Engine::connect(from_worker, to_worker)
}

fn with_context(tokens: u32) -> LoadOptions {
    LoadOptions {
        context_tokens: Some(tokens),
        ..LoadOptions::default()
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) reason: FinishReason,
    pub(crate) timings: Timings,
}

pub(crate) async fn answer(
    engine: &Engine,
    request: GenerateRequest,
) -> Result<Answer, EngineError> {
    follow(engine.generate(request)?).await
}

pub(crate) async fn follow(mut generation: Generation) -> Result<Answer, EngineError> {
    let mut text = String::new();
    loop {
        match generation
            .next()
            .await
            .expect("it ends with Finished or an error")?
        {
            GenerationEvent::Token { text: more, .. } => text += &more,
            GenerationEvent::Finished { reason, timings } => {
                return Ok(Answer {
                    text,
                    reason,
                    timings,
                });
            }
            _ => {}
        }
    }
}

fn chat(messages: &[ChatMessage]) -> GenerateRequest {
    GenerateRequest {
        sampling: Sampling::greedy(),
        max_tokens: Some(24),
        ..GenerateRequest::new(Prompt::chat(messages.to_vec()))
    }
}

fn capital() -> ChatMessage {
    ChatMessage::user("What is the capital of France? Answer in one sentence.")
}

/// The logits of an implementation that shares no line with this one (tests/reference/generate.py).
fn reference() -> Vec<(String, Vec<u32>, Vec<f32>)> {
    let folder = root().join("tests/reference");
    let prompts = std::fs::read_to_string(folder.join("prompts.json")).expect("prompts");
    let prompts: HashMap<String, Vec<u32>> = serde_json::from_str(&prompts).expect("ids");
    let with_logits = |(name, ids): (String, Vec<u32>)| {
        let bytes = std::fs::read(folder.join(format!("{name}.f16"))).expect("logits");
        let pairs = bytes.chunks_exact(2);
        let logits = pairs.map(|pair| f16::from_le_bytes([pair[0], pair[1]]).to_f32());
        (name, ids, logits.collect())
    };
    prompts.into_iter().map(with_logits).collect()
}

fn probabilities(logits: &[f32]) -> Vec<f64> {
    let best = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f64> = logits.iter().map(|l| f64::from(l - best).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

fn divergence(reference: &[f32], found: &[f32]) -> f64 {
    let (p, q) = (probabilities(reference), probabilities(found));
    p.iter()
        .zip(&q)
        .filter(|(p, _)| **p > 0.0)
        .map(|(p, q)| p * (p / q.max(1e-30)).ln())
        .sum()
}

fn model() -> Model {
    let never = AtomicBool::new(false);
    Model::load(&starter_model(), &LoadOptions::default(), &never, |_| ())
        .expect("the starter model loads")
}

fn last_row(model: &mut Model, ids: &[u32]) -> Vec<f32> {
    let rows = model.logits(ids, false).expect("it computes");
    let [row] = rows.as_slice() else {
        panic!("{} rows", rows.len());
    };
    row.logits.clone()
}

/// Int8 kernels differ between processors, and the reference computes in float64: about 0.008 nats were measured,
/// a wrong rotation or a wrong mask gives more than 1.
#[test]
fn logits_agree_with_an_independent_implementation() {
    let mut model = model();
    for (name, ids, expected) in reference() {
        let found = last_row(&mut model, &ids);
        assert_eq!(found.len(), expected.len());
        let divergence = divergence(&expected, &found);
        assert!(divergence < 0.03, "{name}: {divergence} nats");
    }
}

#[tokio::test]
async fn the_answer_has_the_right_word() {
    let answer = answer(&engine().await, chat(&[capital()]))
        .await
        .expect("an answer");
    assert!(answer.text.contains("Paris"), "{}", answer.text);
    assert_eq!(answer.reason, FinishReason::EndOfTurn);
}

/// SmolLM2-135M: 30 layers, each with 3 heads of 64 numbers for keys and as many for values; one matrix for embedding and
/// output.
#[tokio::test]
async fn a_loaded_model_tells_what_a_token_reads() {
    let engine = unloaded_engine();
    let progress = watch::channel(engine_api::LoadProgress::default()).0;
    let loaded = engine
        .load(starter_model(), with_context(512), progress)
        .await
        .expect("it loads");
    assert_eq!(loaded.active_bytes, loaded.plan.weights_bytes);
    assert_eq!(loaded.kv_bytes_per_token, 30 * 3 * (64 + 64) * 2);
    assert_eq!(loaded.kv_read_bytes(100), 100 * loaded.kv_bytes_per_token);
    let all = loaded.active_bytes + loaded.kv_read_bytes(512);
    assert_eq!(loaded.decode_read_bytes(512), all);
}

#[tokio::test]
async fn an_answer_tells_how_long_its_tokens_kept_one_waiting() {
    let engine = engine().await;
    let of = |count| GenerateRequest {
        stop_at_end_of_turn: false,
        max_tokens: Some(count),
        ..chat(&[capital()])
    };
    let one = answer(&engine, of(1)).await.expect("an answer").timings;
    assert_eq!((one.generated_tokens, one.inter_token), (1, None));
    let many = answer(&engine, of(20)).await.expect("an answer").timings;
    let told = many.inter_token.expect("nineteen times");
    assert!(0.0 < told.median_ms && told.median_ms <= told.p95_ms);
    // Nineteen of them, so the 95th percentile is the worst, and at least ten took as long as the median.
    assert_eq!(told.p95_ms.to_bits(), told.worst_ms.to_bits());
    assert!(told.worst_ms <= many.decode_ms, "{many:?}");
    assert!(told.median_ms * 10.0 <= many.decode_ms, "{many:?}");
}

#[tokio::test]
async fn a_second_turn_prefills_only_what_is_new() {
    let engine = engine().await;
    let first = answer(&engine, chat(&[capital()]))
        .await
        .expect("an answer");
    assert_eq!(first.timings.reused_tokens, 0);
    assert_eq!(first.timings.prefilled_tokens, first.timings.prompt_tokens);

    let history = [
        capital(),
        ChatMessage::assistant(&first.text),
        ChatMessage::user("And of Italy?"),
    ];
    let second = answer(&engine, chat(&history)).await.expect("an answer");
    // All but the token that ended the turn, which was never computed.
    let known = first.timings.prompt_tokens + first.timings.generated_tokens;
    assert_eq!(second.timings.reused_tokens, known);
    assert_eq!(
        second.timings.prefilled_tokens,
        second.timings.prompt_tokens - known
    );

    let again = answer(&engine, chat(&history)).await.expect("an answer");
    assert_eq!(
        again.timings.prefilled_tokens, 1,
        "only the last token, for its logits"
    );
    assert_eq!(
        again.text, second.text,
        "a reused cache gives the same answer"
    );

    engine.forget_cache();
    let fresh = answer(&engine, chat(&history)).await.expect("an answer");
    assert_eq!(fresh.timings.reused_tokens, 0);
}

#[tokio::test]
async fn several_at_once_get_what_each_gets_alone() {
    let rules = "You are a guide through the cities of Europe. You answer in one short sentence. "
        .repeat(5);
    for kv_type in [KvType::F16, KvType::Q8_0] {
        let options = LoadOptions {
            kv_type,
            ..LoadOptions::default()
        };
        let engine = engine_with(options).await;
        let wishes: Vec<_> = ["France", "Italy", "Spain", "Norway", "Poland"]
            .iter()
            .zip(1..)
            .map(|(country, times)| {
                let question = format!("What is the capital of {country}? ").repeat(times * 3);
                chat(&[ChatMessage::system(&rules), ChatMessage::user(question)])
            })
            .collect();
        let mut alone = Vec::new();
        for wish in &wishes {
            engine.forget_cache();
            let answer = answer(&engine, wish.clone()).await.expect("an answer");
            assert_eq!(answer.timings.reused_tokens, 0);
            alone.push(answer.text);
        }
        engine.forget_cache();
        let started: Vec<_> = wishes
            .iter()
            .map(|wish| engine.generate(wish.clone()).expect("valid"))
            .collect();
        let mut reused = 0;
        for (generation, alone) in started.into_iter().zip(&alone) {
            let together = follow(generation).await.expect("an answer");
            assert_eq!(&together.text, alone);
            reused += together.timings.reused_tokens;
        }
        assert!(
            reused >= 4 * 64,
            "the shared beginning was read once: {reused}"
        );
    }
}

#[tokio::test]
async fn an_answer_can_be_held_to_a_form() {
    let engine = engine().await;
    let request = GenerateRequest {
        constraint: Some(Constraint::Regex("Berlin|Rome [0-9]{3}".into())),
        sampling: Sampling {
            logprobs: Some(2),
            ..Sampling::greedy()
        },
        ..chat(&[capital()])
    };
    let held = answer(&engine, request.clone()).await.expect("an answer");
    assert_eq!(held.reason, FinishReason::EndOfTurn);
    let is_number = |text: &str| text.len() == 3 && text.parse::<u32>().is_ok();
    let fits = held.text == "Berlin" || held.text.strip_prefix("Rome ").is_some_and(is_number);
    assert!(fits, "{:?}", held.text);

    let mut generation = engine.generate(request).expect("valid");
    let mut told = Vec::new();
    while let Some(event) = generation.next().await {
        if let GenerationEvent::Token { logprobs, .. } = event.expect("no error") {
            told.extend(logprobs);
        }
    }
    let bytes: Vec<u8> = told
        .iter()
        .flat_map(|told| told.token.bytes.clone())
        .collect();
    assert_eq!(String::from_utf8_lossy(&bytes), held.text);
    assert!(
        told.iter()
            .all(|told| told.top.len() == 2 && told.token.logprob <= 0.0)
    );

    let nonsense = GenerateRequest {
        constraint: Some(Constraint::Regex("(".into())),
        ..chat(&[capital()])
    };
    let refused = answer(&engine, nonsense).await.expect_err("no expression");
    assert!(
        matches!(refused, EngineError::InvalidRequest { .. }),
        "{refused}"
    );
}

#[tokio::test]
async fn stop_ends_the_reading_of_a_long_prompt() {
    let engine = engine().await;
    let long = chat(&[ChatMessage::user("word ".repeat(7000))]);
    let mut generation = engine.generate(long).expect("valid");
    loop {
        match generation
            .next()
            .await
            .expect("not over")
            .expect("no error")
        {
            GenerationEvent::Prefill {
                processed_tokens, ..
            } if processed_tokens > 0 => {
                generation.cancel();
            }
            GenerationEvent::Finished { reason, timings } => {
                assert_eq!(reason, FinishReason::Cancelled);
                assert!(
                    timings.prefilled_tokens < 3500,
                    "{}",
                    timings.prefilled_tokens
                );
                assert_eq!(timings.generated_tokens, 0);
                break;
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn an_open_turn_is_gone_on_with() {
    let engine = engine().await;
    let open = [
        capital(),
        ChatMessage::assistant("The capital of France is"),
    ];
    let answer = answer(&engine, chat(&open)).await.expect("an answer");
    assert!(answer.text.starts_with(" Paris"), "{:?}", answer.text);
}

#[tokio::test]
async fn cancelling_stops_within_a_token() {
    let engine = engine().await;
    let request = GenerateRequest {
        stop_at_end_of_turn: false,
        max_tokens: Some(500),
        ..chat(&[capital()])
    };
    let mut generation = engine.generate(request).expect("valid");
    let mut seen = 0;
    loop {
        match generation
            .next()
            .await
            .expect("not over")
            .expect("no error")
        {
            GenerationEvent::Token {
                generated_tokens, ..
            } if generated_tokens == 5 => {
                generation.cancel();
                seen = generated_tokens;
            }
            GenerationEvent::Finished { reason, timings } => {
                assert_eq!(reason, FinishReason::Cancelled);
                // One was being computed, one may have been on its way.
                assert!(
                    timings.generated_tokens <= seen + 2,
                    "{}",
                    timings.generated_tokens
                );
                break;
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn limits_of_a_request_are_kept() {
    let engine = engine().await;
    let endless = GenerateRequest {
        stop_at_end_of_turn: false,
        ..chat(&[capital()])
    };
    let cut = answer(
        &engine,
        GenerateRequest {
            max_tokens: Some(3),
            ..endless.clone()
        },
    )
    .await
    .expect("an answer");
    assert_eq!(
        (cut.reason, cut.timings.generated_tokens),
        (FinishReason::MaxTokens, 3)
    );

    let stop = vec!["France".to_owned(), " is".to_owned()];
    let stopped = answer(
        &engine,
        GenerateRequest {
            stop,
            ..endless.clone()
        },
    )
    .await
    .expect("an answer");
    assert_eq!(
        (stopped.reason, stopped.text.as_str()),
        (FinishReason::StopString, "The capital of ")
    );

    let seeded = |seed| GenerateRequest {
        sampling: Sampling {
            seed: Some(seed),
            temperature: 1.5,
            ..Sampling::default()
        },
        ..endless.clone()
    };
    let [a, b, c] = [
        answer(&engine, seeded(1)).await.expect("an answer").text,
        answer(&engine, seeded(1)).await.expect("an answer").text,
        answer(&engine, seeded(2)).await.expect("an answer").text,
    ];
    assert_eq!(a, b);
    assert_ne!(a, c);
}

#[tokio::test]
async fn a_prompt_that_is_too_long_is_told_before_it_runs() {
    let engine = engine().await;
    let error = answer(&engine, chat(&[ChatMessage::user("word ".repeat(10_000))]))
        .await
        .err();
    let Some(EngineError::ContextExceeded {
        prompt_tokens,
        limit_tokens,
    }) = error
    else {
        panic!("{error:?}");
    };
    assert!(prompt_tokens > 10_000, "{prompt_tokens}");
    assert_eq!(limit_tokens, 8191, "the model was trained for 8192");
    let next = answer(&engine, chat(&[capital()]))
        .await
        .expect("the next one just works");
    assert!(next.text.contains("Paris"));
}

#[tokio::test]
async fn a_full_context_ends_the_answer() {
    let engine = unloaded_engine();
    let progress = watch::channel(engine_api::LoadProgress::default()).0;
    let model = engine
        .load(starter_model(), with_context(64), progress)
        .await
        .expect("it loads");
    assert_eq!(model.context_tokens, 64);
    let request = GenerateRequest {
        stop_at_end_of_turn: false,
        max_tokens: None,
        ..chat(&[capital()])
    };
    let answer = answer(&engine, request).await.expect("an answer");
    assert_eq!(answer.reason, FinishReason::ContextFull);
    assert_eq!(
        answer.timings.prompt_tokens + answer.timings.generated_tokens,
        64
    );
}

#[tokio::test]
async fn an_engine_without_a_model_says_so() {
    let error = answer(&unloaded_engine(), chat(&[capital()])).await.err();
    assert_eq!(error, Some(EngineError::ModelNotLoaded));
}
