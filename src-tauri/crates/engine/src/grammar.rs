//! What an answer must be (JSON of a schema, a regular expression, a grammar), as masks over the vocabulary: llguidance.
//!
//! It deliberately chooses no token: the sampler does, among those that the mask leaves. Invariants: a schema or grammar of a
//! stranger ends in a [`Grammar`] or in an error within bounded work and memory; what llguidance panics over is an error.

use crate::vocabulary::Vocabulary;
use engine_api::{Constraint, EngineError};
use llguidance::api::{ParserLimits, TopLevelGrammar};
use llguidance::toktrie::{
    ApproximateTokEnv, InferenceCapabilities, SimpleVob, TokRxInfo, TokTrie,
};
use llguidance::{Matcher, ParserFactory};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Longest constraint, in bytes of its text.
const MAX_CONSTRAINT_BYTES: usize = 512 << 10;
/// Longest token that a mask can hold; longer ones never fit.
const MAX_TOKEN_BYTES: usize = 255;
/// Marks tokens that stand for no text: no grammar asks for them.
const CONTROL: u8 = TokTrie::SPECIAL_TOKEN_MARKER;

/// All constraints of one model are made here.
pub struct Grammars {
    factory: ParserFactory,
}

impl std::fmt::Debug for Grammars {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Grammars").finish_non_exhaustive()
    }
}

impl Grammars {
    /// For the tokens of one model. It takes about a second for a large vocabulary: once, and only if needed.
    ///
    /// # Errors
    /// [`EngineError::InvalidRequest`] for a model without a token that ends an answer.
    pub fn new(vocabulary: &Vocabulary) -> Result<Self, EngineError> {
        let ends = vocabulary.ends_turn();
        let end = ends.first().copied().ok_or_else(|| {
            EngineError::invalid_request(
                "this model has no token that ends an answer, which a constraint needs",
            )
        })?;
        let words: Vec<Vec<u8>> = (0..vocabulary.len())
            .map(|id| word(vocabulary, u32::try_from(id).unwrap_or(u32::MAX)))
            .collect();
        let count = u32::try_from(words.len()).map_err(EngineError::internal)?;
        guarded(|| {
            let trie = TokTrie::from(&TokRxInfo::new(count, end), &words).with_eos_tokens(ends);
            let environment = Arc::new(ApproximateTokEnv::new(trie));
            let slices = llguidance::earley::SlicedBiasComputer::general_slices();
            let capabilities = InferenceCapabilities::default();
            let factory = ParserFactory::new(&(environment as _), capabilities, &slices);
            let mut factory = factory.map_err(EngineError::internal)?;
            factory.quiet();
            *factory.limits_mut() = limits();
            Ok(Self { factory })
        })
    }

    /// The beginning of an answer that must be so.
    ///
    /// # Errors
    /// [`EngineError::InvalidRequest`] with the reason, for a constraint that is none or asks for too much.
    pub fn start(&self, constraint: &Constraint) -> Result<Grammar, EngineError> {
        let grammar = top_level(constraint)?;
        guarded(|| {
            let parser = self.factory.create_parser(grammar).map_err(refused)?;
            let mut matcher = Matcher::new(Ok(parser));
            // The first mask shows whether it can be begun at all.
            let allowed = matcher.compute_mask_or_eos().map_err(refused)?;
            Ok(Grammar { matcher, allowed })
        })
    }
}

fn word(vocabulary: &Vocabulary, id: u32) -> Vec<u8> {
    let bytes = vocabulary.bytes(id);
    if bytes.len() > MAX_TOKEN_BYTES {
        return Vec::new();
    }
    if vocabulary.is_control(id) {
        return [&[CONTROL], bytes].concat();
    }
    bytes.to_vec()
}

/// A tenth of llguidance's own: they bound seconds and gigabytes.
fn limits() -> ParserLimits {
    ParserLimits {
        initial_lexer_fuel: 500_000,
        max_lexer_states: 50_000,
        max_grammar_size: 200_000,
        verbose_errors: false,
        ..ParserLimits::default()
    }
}

fn top_level(constraint: &Constraint) -> Result<TopLevelGrammar, EngineError> {
    let bytes = match constraint {
        Constraint::JsonSchema(schema) => schema.to_string().len(),
        Constraint::Regex(text) | Constraint::Lark(text) => text.len(),
    };
    if bytes > MAX_CONSTRAINT_BYTES {
        return Err(EngineError::invalid_request(
            "the constraint is longer than 512 KiB",
        ));
    }
    Ok(match constraint {
        Constraint::JsonSchema(schema) => TopLevelGrammar::from_json_schema(schema.clone()),
        Constraint::Regex(pattern) => TopLevelGrammar::from_regex(pattern),
        Constraint::Lark(grammar) => TopLevelGrammar::from_lark(grammar.clone()),
    })
}

/// How far an answer has come in its constraint.
pub struct Grammar {
    matcher: Matcher,
    allowed: SimpleVob,
}

impl std::fmt::Debug for Grammar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Grammar").finish_non_exhaustive()
    }
}

impl Grammar {
    /// The tokens that may come next, as the sampler takes them; those that end the answer among them when it may end,
    /// alone when it must.
    pub fn allowed(&self) -> &[u32] {
        self.allowed.as_slice()
    }

    /// Goes on with a token, which is one of [`Grammar::allowed`].
    ///
    /// # Errors
    /// [`EngineError::Internal`] for another one, and when the constraint turns out to ask for too much.
    pub fn accept(&mut self, token: u32) -> Result<(), EngineError> {
        guarded(|| {
            self.matcher
                .consume_token(token)
                .map_err(EngineError::internal)?;
            self.allowed = self
                .matcher
                .compute_mask_or_eos()
                .map_err(EngineError::internal)?;
            Ok(())
        })
    }

    /// Whether nothing can follow: the answer is over, also if no token says so.
    pub fn is_complete(&self) -> bool {
        self.matcher.is_stopped()
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape that map_err wants"
)]
fn refused(error: impl ToString) -> EngineError {
    let text = error.to_string();
    let line = text.lines().find(|line| !line.trim().is_empty());
    let reason: String = line
        .unwrap_or("no reason given")
        .chars()
        .take(500)
        .collect();
    EngineError::invalid_request(format!("the constraint can't be used: {reason}"))
}

fn guarded<T>(work: impl FnOnce() -> Result<T, EngineError>) -> Result<T, EngineError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(refused("llguidance gave up on it")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampler::Sampler;
    use engine_api::Sampling;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    const END: u32 = 256;

    /// All bytes, an end, a control token and some longer pieces.
    fn vocabulary() -> Vocabulary {
        let long = [
            "<|end|>",
            "<|im_start|>",
            "{\"",
            "\":",
            "true",
            "ab",
            "123",
            "é",
        ];
        let piece = |id: u32| match u8::try_from(id) {
            Ok(byte) => (vec![byte], false),
            Err(_) => (long[id as usize - 256].as_bytes().to_vec(), id < 258),
        };
        let count = 256 + u32::try_from(long.len()).expect("few");
        Vocabulary::new(count, piece, &[END])
    }

    fn grammars() -> Grammars {
        Grammars::new(&vocabulary()).expect("a vocabulary")
    }

    /// An answer that a model of no mind would write.
    fn answer(constraint: &Constraint, seed: u64) -> Vec<u8> {
        let vocabulary = vocabulary();
        let mut grammar = grammars().start(constraint).expect("a constraint");
        let mut sampler = Sampler::new(Sampling {
            seed: Some(seed),
            repeat_penalty: 1.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            temperature: 1.0,
            ..Sampling::default()
        });
        let mut text = Vec::new();
        for _ in 0..400 {
            let mut row = vec![0.0; vocabulary.len()];
            // Brackets and ends are likelier than in noise, or nothing would ever end.
            row[END as usize] = 6.0;
            for byte in *b"\"}]" {
                row[byte as usize] = 4.0;
            }
            let token = sampler.sample_allowed(&mut row, &[], Some(grammar.allowed()));
            if token == END {
                return text;
            }
            text.extend_from_slice(vocabulary.bytes(token));
            grammar.accept(token).expect("an allowed token");
            if grammar.is_complete() {
                return text;
            }
        }
        panic!("no end: {}", String::from_utf8_lossy(&text));
    }

    fn schema() -> Constraint {
        Constraint::JsonSchema(json!({
            "type": "object",
            "properties": {
                "a": {"type": "boolean"},
                "b": {"type": "array", "items": {"$ref": "#/$defs/n"}, "maxItems": 2},
            },
            "required": ["a", "b"],
            "additionalProperties": false,
            "$defs": {"n": {"type": "integer", "minimum": 0, "maximum": 99}},
        }))
    }

    #[test]
    fn a_complete_answer_must_end() {
        let mut grammar = grammars()
            .start(&Constraint::Regex("ab".into()))
            .expect("fine");
        let is_allowed =
            |grammar: &Grammar, id: u32| grammar.allowed()[id as usize / 32] >> (id % 32) & 1 == 1;
        assert!(is_allowed(&grammar, u32::from(b'a')) && !is_allowed(&grammar, u32::from(b'b')));
        assert!(!is_allowed(&grammar, END) && !is_allowed(&grammar, END + 1));
        grammar.accept(u32::from(b'a')).expect("allowed");
        grammar.accept(u32::from(b'b')).expect("allowed");
        assert!(is_allowed(&grammar, END) || grammar.is_complete());
        assert!(!is_allowed(&grammar, u32::from(b'a')));
        let error = grammar.accept(u32::from(b'a')).expect_err("not allowed");
        assert!(matches!(error, EngineError::Internal { .. }), "{error:?}");
    }

    #[test]
    fn bad_constraints_are_refused_with_a_reason() {
        let nested = (0..2000).fold(String::from("a"), |text, _| format!("({text}{{9}})"));
        let deep = (0..100).fold(json!({"type": "null"}), |inner, _| {
            json!({"anyOf": [{"type": "array", "items": inner}, inner.clone()]})["anyOf"][0].clone()
        });
        let wide: Vec<Value> = (0..30_000)
            .map(|n| json!({"const": n.to_string()}))
            .collect();
        for bad in [
            Constraint::Regex("(".into()),
            Constraint::Lark("start: nowhere".into()),
            Constraint::Lark(String::new()),
            Constraint::Lark("start: \"a\" %%".into()),
            Constraint::JsonSchema(json!({"type": "nonsense"})),
            Constraint::JsonSchema(json!({"$ref": "#/nowhere"})),
            Constraint::JsonSchema(json!({"$ref": "https://example.org/x.json"})),
            Constraint::JsonSchema(json!(7)),
            Constraint::JsonSchema(json!({"enum": ["x".repeat(600_000)]})),
        ] {
            let shown: String = format!("{bad:?}").chars().take(60).collect();
            let error = grammars().start(&bad).expect_err(&shown);
            let EngineError::InvalidRequest { reason } = error else {
                panic!("{error:?}");
            };
            assert!(reason.len() > 20, "{reason}");
        }
        // These may be taken or refused, but end.
        for odd in [
            Constraint::Regex("(.*a.*b.*c.*){1000}".into()),
            Constraint::Regex(nested),
            Constraint::Regex("a{100000000}".into()),
            Constraint::JsonSchema(deep),
            Constraint::JsonSchema(json!({"anyOf": wide})),
            Constraint::JsonSchema(json!({"$ref": "#"})),
            Constraint::Lark("start: start".into()),
            Constraint::Lark("start: start start | \"a\" | ".into()),
        ] {
            drop(grammars().start(&odd));
        }
        assert!(Grammars::new(&Vocabulary::default()).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn any_answer_fits_its_constraint(seed in any::<u64>()) {
            let value: Value = serde_json::from_slice(&answer(&schema(), seed)).expect("JSON");
            prop_assert!(value["a"].is_boolean(), "{}", value);
            let items = value["b"].as_array().expect("an array");
            prop_assert!(items.len() <= 2 && items.iter().all(|n| n.as_u64().is_some_and(|n| n < 100)));
            let text = answer(&Constraint::Regex("(ab|é){2,3}!?".into()), seed);
            let rest = String::from_utf8(text).expect("text").replace("ab", "x").replace('é', "x");
            prop_assert!(["xx", "xxx", "xx!", "xxx!"].contains(&rest.as_str()), "{}", rest);
            let text = answer(&Constraint::Lark("start: \"<\" inner \">\"\ninner: /[0-9]+/ | start".into()), seed);
            prop_assert!(text.starts_with(b"<") && text.ends_with(b">"));
        }
    }
}
