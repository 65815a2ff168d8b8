//! Every error underneath has a code, and words that say what happened and what to do.

use super::*;

fn code_of_engine_error(error: &EngineError) -> ErrorCode {
    match error {
        EngineError::InvalidModel { .. } | EngineError::UnsupportedModel { .. } => {
            ErrorCode::UnsupportedModel
        }
        EngineError::ModelNotLoaded => ErrorCode::ModelNotLoaded,
        EngineError::ContextExceeded { .. } => ErrorCode::ContextExceeded,
        EngineError::InvalidRequest { .. } => ErrorCode::InvalidRequest,
        EngineError::OutOfMemory { .. } => ErrorCode::OutOfMemory,
        EngineError::Crashed { .. } => ErrorCode::EngineCrashed,
        EngineError::Busy { .. } => ErrorCode::Busy,
        EngineError::Internal { .. } => ErrorCode::Internal,
    }
}

fn check(error: &Error, code: ErrorCode, words: &[&str]) {
    assert_eq!(error.code, code, "{error}");
    for word in words {
        assert!(
            error.message.contains(word),
            "{error} does not say {word:?}"
        );
    }
    assert!(
        error.message.ends_with('.') && !error.message.contains(".."),
        "{error}"
    );
    assert!(
        error
            .hint
            .as_deref()
            .is_some_and(|hint| hint.ends_with('.')),
        "{error:?}"
    );
}

#[test]
fn every_error_of_the_engine_has_a_code_and_says_what_to_do() {
    let reason = || "the reason".to_owned();
    let file = || "m.gguf".to_owned();
    let (prompt_tokens, limit_tokens) = (5000, 2047);
    let (waiting, limit) = (256, 255);
    let all: [(EngineError, &[&str]); 9] = [
        (EngineError::Busy { waiting, limit }, &["256", "255"]),
        (
            EngineError::InvalidModel {
                file: file(),
                reason: reason(),
            },
            &["m.gguf", "the reason"],
        ),
        (
            EngineError::UnsupportedModel {
                file: file(),
                reason: reason(),
            },
            &["m.gguf", "the reason"],
        ),
        (EngineError::ModelNotLoaded, &[]),
        (
            EngineError::ContextExceeded {
                prompt_tokens,
                limit_tokens,
            },
            &["5000", "2047", "nothing is lost"],
        ),
        (
            EngineError::InvalidRequest { reason: reason() },
            &["the reason"],
        ),
        (
            EngineError::OutOfMemory { reason: reason() },
            &["the reason"],
        ),
        (EngineError::Crashed { reason: reason() }, &["the reason"]),
        (EngineError::Internal { reason: reason() }, &["the reason"]),
    ];
    for (error, words) in all {
        let code = code_of_engine_error(&error);
        check(&error.into(), code, words);
    }
}

#[test]
fn a_full_disk_is_told_from_a_broken_one() {
    let sqlite = |code| {
        let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
        Error::from(StoreError::from(error))
    };
    check(
        &sqlite(ffi::SQLITE_FULL),
        ErrorCode::DiskFull,
        &["still there"],
    );
    check(
        &sqlite(ffi::SQLITE_IOERR),
        ErrorCode::Internal,
        &["still there"],
    );
}

#[test]
fn what_the_library_says_becomes_a_sentence() {
    let wanted = || "x".to_owned();
    let not_found = hub::Error::NotFound {
        wanted: wanted(),
        known: vec!["a.gguf".into()],
    };
    check(
        &not_found.into(),
        ErrorCode::NotFound,
        &["There is no model \"x\"", "a.gguf"],
    );
    let ambiguous = hub::Error::Ambiguous {
        wanted: wanted(),
        candidates: vec!["a".into()],
    };
    check(&ambiguous.into(), ErrorCode::InvalidRequest, &["x"]);
    let not_a_model = hub::Error::NotAModel {
        path: "x".into(),
        reason: "the reason".into(),
    };
    check(
        &not_a_model.into(),
        ErrorCode::UnsupportedModel,
        &["the reason"],
    );
    let io = hub::Error::Io {
        path: "x".into(),
        source: std::io::Error::other("broken"),
    };
    check(&io.into(), ErrorCode::Internal, &["broken"]);
}

#[test]
fn an_error_crosses_the_ipc_as_the_contract_says() {
    let json = serde_json::to_string(&Error::busy()).expect("JSON");
    assert!(
        json.starts_with(r#"{"code":"busy","message":"An answer"#),
        "{json}"
    );
    let json = serde_json::to_string(&Error::not_found("message")).expect("JSON");
    assert!(json.ends_with(r#""hint":null,"link":null}"#), "{json}");
}
