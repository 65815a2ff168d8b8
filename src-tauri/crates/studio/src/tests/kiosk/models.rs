//! Which model answers.

use super::super::soon;
use super::stand::{PLAIN, Stand, later};
use crate::{ErrorCode, KioskModelId, LoadWish, SessionEnd};
use engine_api::EngineError;

const TWO: &str = r#"["alpha", "beta"]"#;

fn with_models(models: &str) -> String {
    PLAIN.replace(r#"["alpha"]"#, models)
}

fn broken() -> EngineError {
    EngineError::UnsupportedModel {
        file: "alpha".into(),
        reason: "broken".into(),
    }
}

#[tokio::test]
async fn the_first_that_can_be_loaded_answers() {
    let mut stand = Stand::open(&with_models(r#"["gamma", "alpha", "beta"]"#)).await;
    stand.desk.worker().await.fail_to_load(broken()).await;
    let mut worker = stand.desk.worker().await;
    assert_eq!(worker.load().await, "beta.Q4_1.gguf");
    let now = stand.until(|now| now.model.is_some()).await;
    assert_eq!(now.model.as_deref(), Some("beta"));
    let setup = stand.kiosk.setup().await.expect("a setup");
    assert_eq!(
        (setup.models, setup.missing_models),
        (
            vec!["alpha".to_owned(), "beta".into()],
            vec!["gamma".to_owned()]
        )
    );
}

#[tokio::test]
async fn where_none_can_be_had_a_visitor_reads_calm_words_and_a_scene_is_left_out() {
    let mut stand = Stand::open(PLAIN).await;
    stand.desk.worker().await.fail_to_load(broken()).await;
    let scene = stand.play(1).ended().await.expect_err("no model");
    assert_eq!(scene.code, ErrorCode::ModelNotLoaded);
    let visit = stand.kiosk.begin().await.expect("a visit");
    let (text, _) = stand.say(visit, "one").finished().await;
    assert!(text.contains("short break"), "{text}");
    stand.kiosk.start_over(visit).await.expect("over");
    let session = stand.sessions().await.remove(0);
    assert_eq!(
        (session.ended, session.faults),
        (SessionEnd::StartedOver, 1)
    );
    // It is tried again.
    later(31).await;
    let _worker = stand.desk.loaded().await;
    stand.until(|now| now.model.is_some()).await;
}

#[tokio::test]
async fn without_a_list_the_model_used_last_answers() {
    let mut stand = Stand::closed(&with_models("[]")).await;
    let studio = stand.desk.studio.clone();
    let beta = stand.place.model("beta");
    let load = tokio::spawn(async move { studio.load_model(beta, LoadWish::default()).await });
    let _worker = stand.desk.loaded().await;
    soon(load).await.expect("a task").expect("loaded");
    stand.kiosk.open().await.expect("it opens");
    let now = stand.until(|now| now.model.is_some()).await;
    assert_eq!(now.model.as_deref(), Some("beta"));
}

#[tokio::test]
async fn a_visitor_chooses_among_the_allowed_and_the_next_gets_the_first_again() {
    let (mut stand, mut worker) = Stand::ready(&with_models(TWO)).await;
    let visit = stand.kiosk.begin().await.expect("a visit");
    stand.turn(&mut worker, visit, "one", "ONE").await;
    let (kiosk, beta) = (stand.kiosk.clone(), stand.offered("beta").await);
    let choose = tokio::spawn(async move { kiosk.choose_model(visit, beta).await });
    let mut worker = stand.desk.worker().await;
    assert_eq!(worker.load().await, "beta.Q4_1.gguf");
    soon(choose).await.expect("a task").expect("chosen");
    let prompt = stand.turn(&mut worker, visit, "two", "TWO").await;
    assert_eq!(prompt.len(), 4, "the conversation stays");
    let other = KioskModelId::of(&crate::ModelId("/elsewhere.gguf".into()));
    let refused = stand.kiosk.choose_model(visit, other).await;
    assert_eq!(
        refused.expect_err("not allowed").code,
        ErrorCode::InvalidRequest
    );
    let over = stand.start_over(visit);
    worker.forget().await;
    let mut worker = stand.desk.worker().await;
    soon(over).await.expect("a task").expect("over");
    assert_eq!(worker.load().await, "alpha.Q4_1.gguf");
    let store = stand.desk.studio.store().expect("a store");
    let last = store.meta("last_model").await.expect("read");
    assert_eq!(last, None, "nobody's choice");
}

#[tokio::test]
async fn a_chosen_model_that_can_not_be_had_is_said_and_the_first_answers() {
    let (mut stand, _worker) = Stand::ready(&with_models(TWO)).await;
    let visit = stand.kiosk.begin().await.expect("a visit");
    let (kiosk, beta) = (stand.kiosk.clone(), stand.offered("beta").await);
    let choose = tokio::spawn(async move { kiosk.choose_model(visit, beta).await });
    stand.desk.worker().await.fail_to_load(broken()).await;
    let mut worker = stand.desk.loaded().await;
    let error = soon(choose).await.expect("a task").expect_err("no beta");
    assert_eq!(error.code, ErrorCode::ModelNotLoaded);
    stand.turn(&mut worker, visit, "one", "ONE").await;
}

#[tokio::test]
async fn the_model_stays_loaded_while_the_kiosk_is_open_and_no_longer() {
    let (stand, worker) = Stand::ready(PLAIN).await;
    let mut notices = stand.desk.studio.subscribe_guard();
    later(24 * 60 * 60).await;
    tokio::task::yield_now().await;
    assert!(stand.now.borrow().model.is_some());
    stand.kiosk.close().await;
    later(31 * 60).await;
    soon(notices.recv()).await.expect("a notice");
    assert_eq!(worker.killed().await, "it was killed by the app");
}

#[tokio::test]
async fn an_edit_is_told_and_its_models_wait_for_the_visitor_to_go() {
    let (mut stand, mut worker) = Stand::ready(PLAIN).await;
    let visit = stand.kiosk.begin().await.expect("a visit");
    let before = stand.now.borrow().version;
    let file = stand.place.data().join("kiosk/kiosk.toml");
    std::fs::write(file, with_models(r#"["beta"]"#)).expect("a file");
    stand.kiosk.setup().await.expect("looked at");
    stand.until(|now| now.version != before).await;
    stand.turn(&mut worker, visit, "one", "ONE").await;
    let over = stand.start_over(visit);
    worker.forget().await;
    soon(over).await.expect("a task").expect("over");
    let mut worker = stand.desk.worker().await;
    assert_eq!(worker.load().await, "beta.Q4_1.gguf");
}

#[tokio::test]
async fn the_page_is_not_told_where_a_model_lies() {
    let stand = Stand::open(&with_models(TWO)).await;
    let view = stand.kiosk.view().await.expect("a view");
    let told = serde_json::to_string(&view).expect("JSON");
    let place = stand.place.data().display().to_string();
    assert!(told.contains("beta"), "{told}");
    assert!(!told.contains(&place) && !told.contains(".gguf"), "{told}");
    let ids: Vec<_> = view.visitor.models.iter().map(|model| &model.id).collect();
    assert_ne!(ids[0], ids[1]);
}
