//! Several requests at once, through the handle and an in-memory pipe, with a tiny model whose weights are made up.

use crate::engine::{answer, follow, unloaded_engine};
use engine_api::{
    Answer, Engine, EngineError, FinishReason, GenerateRequest, GenerationEvent, Input, KvType,
    LoadOptions, LoadedModel, Prompt, Question, Sampling, Text,
};
use std::io::Write;
use std::path::PathBuf;
use tokio::sync::watch;
use wick_tests::tiny;

struct Place {
    engine: Engine,
    loaded: LoadedModel,
    path: PathBuf,
    _file: tempfile::NamedTempFile,
}

async fn place(context_tokens: u32, options: LoadOptions) -> Place {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(&tiny::llama_for(context_tokens))
        .expect("it takes the bytes");
    let engine = unloaded_engine();
    let path = file.path().to_owned();
    let progress = watch::channel(engine_api::LoadProgress::default()).0;
    let loaded = engine
        .load(path.clone(), options, progress)
        .await
        .expect("it loads");
    Place {
        engine,
        loaded,
        path,
        _file: file,
    }
}

fn prompt(seed: u32, length: u32) -> Vec<u32> {
    (0..length)
        .map(|at| (at * seed + at / 5 + seed) % 26)
        .collect()
}

/// Hot, so that a wrong logit shows in the text.
fn request(tokens: Vec<u32>, seed: u64, max_tokens: u32) -> GenerateRequest {
    GenerateRequest {
        sampling: Sampling {
            temperature: 2.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            seed: Some(seed),
            ..Sampling::default()
        },
        max_tokens: Some(max_tokens),
        stop_at_end_of_turn: false,
        ..GenerateRequest::new(Prompt::Tokens(tokens))
    }
}

#[tokio::test]
async fn each_gets_at_once_what_it_gets_alone() {
    for kv_type in [KvType::F32, KvType::F16] {
        // Fewer pages than they want together, so that some are paused.
        let options = LoadOptions {
            kv_type,
            kv_budget_bytes: Some(14 * 32 * 2 * 8 * if kv_type == KvType::F32 { 4 } else { 2 }),
            ..LoadOptions::default()
        };
        let place = place(256, options).await;
        let wishes: Vec<_> = (1..7)
            .map(|seed| request(prompt(seed, 20 * seed), seed.into(), 100))
            .collect();
        let mut alone = Vec::new();
        for wish in &wishes {
            place.engine.forget_cache();
            alone.push(
                answer(&place.engine, wish.clone())
                    .await
                    .expect("an answer")
                    .text,
            );
        }
        let started: Vec<_> = wishes
            .iter()
            .map(|wish| place.engine.generate(wish.clone()).expect("valid"))
            .collect();
        for (generation, alone) in started.into_iter().zip(&alone) {
            let together = follow(generation).await.expect("an answer");
            assert_eq!(&together.text, alone);
            assert_eq!(together.timings.generated_tokens, 100);
        }
        assert_ne!(alone[0], alone[1]);
        let held = place.engine.memory().borrow().kv_cache_bytes;
        assert!(0 < held && held <= place.loaded.kv_budget_bytes, "{held}");
    }
}

#[tokio::test]
async fn a_beginning_that_others_had_is_not_read_again() {
    let place = place(512, LoadOptions::default()).await;
    let whole = |seed: u32| [prompt(3, 100), prompt(seed, 10 + seed)].concat();
    let first = answer(&place.engine, request(whole(5), 1, 5))
        .await
        .expect("an answer");
    assert_eq!(first.timings.reused_tokens, 0);
    let second = answer(&place.engine, request(whole(7), 1, 5))
        .await
        .expect("an answer");
    assert_eq!(second.timings.reused_tokens, 100);
    assert_eq!(second.timings.prefilled_tokens, 17);
    place.engine.forget_cache();
    let fresh = answer(&place.engine, request(whole(7), 1, 5))
        .await
        .expect("an answer");
    assert_eq!((fresh.timings.reused_tokens, fresh.text), (0, second.text));
}

#[tokio::test]
async fn who_waits_can_be_cancelled_and_the_others_notice_nothing() {
    let options = LoadOptions {
        parallel: 1,
        ..LoadOptions::default()
    };
    let place = place(512, options).await;
    // Long enough that the one that runs still runs when the other is cancelled.
    let wish = |seed| request(prompt(3, 40), seed, 450);
    let alone = answer(&place.engine, wish(9)).await.expect("an answer");
    let running = place.engine.generate(wish(9)).expect("valid");
    let mut waiting = place.engine.generate(wish(10)).expect("valid");
    let last = place.engine.generate(wish(9)).expect("valid");
    assert_eq!(waiting.next().await, Some(Ok(GenerationEvent::Queued)));
    waiting.cancel();
    let cancelled = follow(waiting).await.expect("it is told");
    assert_eq!(cancelled.reason, FinishReason::Cancelled);
    for other in [running, last] {
        assert_eq!(follow(other).await.expect("an answer").text, alone.text);
    }
}

#[tokio::test]
async fn what_can_never_fit_is_refused_with_both_numbers() {
    // Two pages of 32 positions.
    let options = LoadOptions {
        kv_budget_bytes: Some(2 * 32 * 2 * 8 * 2),
        ..LoadOptions::default()
    };
    let place = place(512, options).await;
    assert_eq!(place.loaded.context_tokens, 64);
    assert_eq!(place.loaded.trained_context_tokens, 512);
    let refused = answer(&place.engine, request(prompt(3, 70), 1, 5))
        .await
        .expect_err("too long");
    let expected = EngineError::ContextExceeded {
        prompt_tokens: 70,
        limit_tokens: 63,
    };
    assert_eq!(refused, expected);
    let full = answer(&place.engine, request(prompt(3, 50), 1, 500))
        .await
        .expect("an answer");
    assert_eq!(
        (full.reason, full.timings.generated_tokens),
        (FinishReason::ContextFull, 14)
    );

    let (progress, path) = (
        watch::channel(engine_api::LoadProgress::default()).0,
        place.path.clone(),
    );
    let options = LoadOptions {
        available_bytes: Some(1000),
        ..LoadOptions::default()
    };
    let refused = unloaded_engine()
        .load(path, options, progress)
        .await
        .expect_err("too large");
    assert!(
        matches!(refused, EngineError::OutOfMemory { .. }),
        "{refused}"
    );
}

async fn ask(engine: &Engine, question: Question) -> Result<Vec<Answer>, EngineError> {
    let mut answers = engine.ask(question)?;
    let mut all = Vec::new();
    while let Some(answer) = answers.next().await {
        all.push(answer?);
    }
    Ok(all)
}

#[tokio::test]
async fn questions_about_a_file_need_no_loaded_model() {
    let place = place(512, LoadOptions::default()).await;
    let (engine, path) = (unloaded_engine(), place.path.clone());
    let found = ask(&engine, Question::Inspect { path: path.clone() })
        .await
        .expect("an answer");
    let [Answer::Inspection(found)] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(
        (found.architecture.as_str(), found.context_tokens),
        ("llama", Some(512))
    );
    assert_eq!(found.tokenizer.as_deref(), Some("gpt2 (smollm)"));
    assert_eq!((found.parameters, found.active_parameters), (2864, 2864));
    assert_eq!(found.kv_bytes_per_token[0], (KvType::F16, 2 * 8 * 2));

    let options = LoadOptions::default();
    let plan = Question::Plan {
        path: path.clone(),
        options,
    };
    assert_eq!(
        ask(&engine, plan).await.expect("an answer"),
        [Answer::Plan(place.loaded.plan)]
    );

    let tokenize = Question::Tokenize {
        path: Some(path),
        text: Text::Text("abcx".into()),
        specials: true,
        ends: true,
    };
    let ids = vec![27, 23];
    assert_eq!(
        ask(&engine, tokenize).await.expect("an answer"),
        [Answer::Tokens { ids }]
    );
    let missing = Question::Inspect {
        path: "/nowhere/x.gguf".into(),
    };
    assert!(ask(&engine, missing).await.is_err());
    let weights = Question::Logits {
        input: Input::Tokens(vec![1]),
        all: false,
    };
    assert_eq!(
        ask(&engine, weights).await,
        Err(EngineError::ModelNotLoaded)
    );
}

#[tokio::test]
async fn logits_are_those_that_the_answer_is_drawn_from() {
    let place = place(512, LoadOptions::default()).await;
    let tokens = prompt(3, 70);
    let all = Question::Logits {
        input: Input::Tokens(tokens.clone()),
        all: true,
    };
    let rows = ask(&place.engine, all).await.expect("an answer");
    assert_eq!(rows.len(), 70);
    let Some(Answer::Row(last)) = rows.last() else {
        panic!("no row");
    };
    let best = (0..32)
        .max_by(|a, b| last.logits[*a].total_cmp(&last.logits[*b]))
        .expect("a row");
    let wish = GenerateRequest {
        sampling: Sampling::greedy(),
        ..request(tokens.clone(), 1, 1)
    };
    let answer = answer(&place.engine, wish).await.expect("an answer");
    let letter = char::from(b'a' + u8::try_from(best).expect("a letter"));
    assert_eq!(answer.text, letter.to_string());

    let last_only = Question::Logits {
        input: Input::Tokens(tokens),
        all: false,
    };
    let row = ask(&place.engine, last_only).await.expect("an answer");
    assert_eq!(row.as_slice(), &rows[69..]);
}

#[tokio::test]
async fn perplexity_is_the_mean_surprise_of_second_halves() {
    let place = place(512, LoadOptions::default()).await;
    let text: String = prompt(3, 100)
        .iter()
        .map(|id| char::from(b'a' + u8::try_from(*id).expect("a letter")))
        .collect();
    let question = Question::Perplexity {
        text: Text::Text(text),
        context_tokens: 40,
    };
    let parts = ask(&place.engine, question).await.expect("an answer");
    assert_eq!(parts.len(), 2, "two windows of 40");
    let Some(Answer::Perplexity(whole)) = parts.last() else {
        panic!("no perplexity");
    };
    assert_eq!((whole.windows, whole.tokens), (2, 2 * 19));
    // Made-up weights know nothing: about as surprised as by 32 equal tokens.
    assert!(
        (20.0..50.0).contains(&whole.perplexity),
        "{}",
        whole.perplexity
    );
}
