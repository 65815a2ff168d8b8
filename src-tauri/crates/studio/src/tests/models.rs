//! Loading, replacing, unloading; and workers that end by themselves.

use super::{Desk, Place, last, last_state, soon};
use crate::{Error, ErrorCode, LoadWish, MessageState, ModelId, ModelStatus};
use engine_api::wire::Report;
use engine_api::{EngineError, LoadProgress};
use tokio::task::JoinHandle;

impl Desk {
    fn load(&self, id: ModelId) -> JoinHandle<Result<(), Error>> {
        let studio = self.studio.clone();
        tokio::spawn(async move { studio.load_model(id, LoadWish::default()).await })
    }

    fn unload(&self) -> JoinHandle<Result<(), Error>> {
        let studio = self.studio.clone();
        tokio::spawn(async move { studio.unload_model().await })
    }

    fn model_name(&self) -> Option<String> {
        match self.studio.status().model {
            ModelStatus::Loaded { name, .. } => Some(name),
            _ => None,
        }
    }

    /// Waits for a state of the slot.
    async fn model_status(&self, expected: fn(&ModelStatus) -> bool) -> ModelStatus {
        let mut status = self.studio.subscribe_status();
        let found = soon(status.wait_for(|status| expected(&status.model))).await;
        found.expect("a status").model.clone()
    }
}

async fn over(load: JoinHandle<Result<(), Error>>) -> Result<(), Error> {
    soon(load).await.expect("a task")
}

#[tokio::test]
async fn a_model_is_loaded_replaced_and_unloaded() {
    let place = Place::new();
    let mut desk = place.desk().await;
    assert_eq!(desk.studio.status().model, ModelStatus::None);
    let load = desk.load(place.model("beta"));
    let mut first = desk.worker().await;
    assert_eq!(first.load().await, "beta.Q4_1.gguf");
    assert_eq!(over(load).await, Ok(()));
    let expected = ModelStatus::Loaded {
        model_id: place.model("beta"),
        name: "beta".into(),
        architecture: "llama".into(),
        quantization: Some("Q4_1".into()),
        context_tokens: 2048,
        device: "CPU".into(),
    };
    assert_eq!(desk.studio.status().model, expected);
    // The same model again is there already.
    assert_eq!(over(desk.load(place.model("beta"))).await, Ok(()));

    let load = desk.load(place.model("alpha"));
    let mut second = desk.worker().await;
    assert_eq!(
        first.killed().await,
        "it was killed by the app",
        "the old one ends first"
    );
    assert_eq!(second.load().await, "alpha.Q4_1.gguf");
    assert_eq!(over(load).await, Ok(()));
    assert_eq!(desk.model_name().as_deref(), Some("alpha"));

    assert_eq!(over(desk.unload()).await, Ok(()));
    assert_eq!(second.killed().await, "it was killed by the app");
    assert_eq!(desk.studio.status().model, ModelStatus::None);
    assert_eq!(over(desk.unload()).await, Ok(()));
}

#[tokio::test]
async fn the_next_worker_is_started_when_the_last_one_has_ended() {
    let place = Place::new();
    let mut desk = place.desk().await;
    let load = desk.load(place.model("beta"));
    let first = desk.loaded().await;
    assert_eq!(over(load).await, Ok(()));
    first.linger();
    let alpha = desk.load(place.model("alpha"));
    first.to_be_killed().await;
    desk.model_status(|model| matches!(model, ModelStatus::Loading { .. }))
        .await;
    assert!(
        desk.workers.try_recv().is_err(),
        "its memory may not be there yet"
    );
    // Changing one's mind meanwhile does not change that.
    let beta = desk.load(place.model("beta"));
    assert_eq!(
        over(alpha).await.expect_err("ended").code,
        ErrorCode::Cancelled
    );
    desk.model_status(|model| matches!(model, ModelStatus::Loading { name, .. } if name == "beta"))
        .await;
    assert!(
        desk.workers.try_recv().is_err(),
        "its memory may not be there yet"
    );
    first.die();
    let mut second = desk.worker().await;
    assert_eq!(second.load().await, "beta.Q4_1.gguf");
    assert_eq!(over(beta).await, Ok(()));
}

#[tokio::test]
async fn progress_shows_while_a_model_loads() {
    let place = Place::new();
    let mut desk = place.desk().await;
    let load = desk.load(place.model("beta"));
    let mut worker = desk.worker().await;
    worker.told_to_load().await;
    let begun = desk
        .model_status(|model| matches!(model, ModelStatus::Loading { .. }))
        .await;
    let ModelStatus::Loading {
        total_bytes: 4,
        done_bytes: 0,
        name,
        ..
    } = begun
    else {
        panic!("{begun:?}");
    };
    assert_eq!(name, "beta");
    let half = LoadProgress {
        done_bytes: 50,
        total_bytes: 100,
    };
    worker.report(&Report::Loading(half)).await;
    let half = |model: &ModelStatus| {
        matches!(
            model,
            ModelStatus::Loading {
                done_bytes: 50,
                total_bytes: 100,
                ..
            }
        )
    };
    desk.model_status(half).await;
    worker.die();
    assert_eq!(
        over(load).await.expect_err("dead").code,
        ErrorCode::EngineCrashed
    );
}

#[tokio::test]
async fn those_who_want_the_same_model_share_its_load() {
    let place = Place::new();
    let mut desk = place.desk().await;
    let first = desk.load(place.model("beta"));
    let mut worker = desk.worker().await;
    let second = desk.load(place.model("beta"));
    let asked = desk.send(None, "one");
    worker.load().await;
    assert_eq!(over(first).await, Ok(()));
    assert_eq!(over(second).await, Ok(()));
    worker.answer("ONE").await;
    assert_eq!(last(&asked.finished().await).model.as_deref(), Some("beta"));
    assert!(desk.workers.try_recv().is_err(), "one worker is enough");
}

#[tokio::test]
async fn unloading_ends_a_load() {
    let place = Place::new();
    let mut desk = place.desk().await;
    let load = desk.load(place.model("beta"));
    let mut worker = desk.worker().await;
    worker.told_to_load().await;
    assert_eq!(over(desk.unload()).await, Ok(()));
    assert_eq!(
        over(load).await.expect_err("ended").code,
        ErrorCode::Cancelled
    );
    assert_eq!(worker.killed().await, "it was killed by the app");
    assert_eq!(desk.studio.status().model, ModelStatus::None);
}

#[tokio::test]
async fn another_model_ends_a_load_and_the_old_worker_cannot_disturb_the_new_one() {
    let place = Place::new();
    let mut desk = place.desk().await;
    let beta = desk.load(place.model("beta"));
    let mut first = desk.worker().await;
    first.told_to_load().await;
    let alpha = desk.load(place.model("alpha"));
    let error = over(beta).await.expect_err("ended");
    assert_eq!(error.code, ErrorCode::Cancelled);
    assert!(error.message.contains("beta"), "{error}");
    let mut second = desk.worker().await;
    second.load().await;
    assert_eq!(over(alpha).await, Ok(()));
    // Late news of the first one.
    first.rubbish().await;
    first.die();
    desk.turn(&mut second, None, "one", "ONE").await;
    assert_eq!(desk.model_name().as_deref(), Some("alpha"));
}

#[tokio::test]
async fn a_message_that_waits_for_a_model_takes_the_one_chosen_meanwhile() {
    let place = Place::new();
    let mut desk = place.desk().await;
    let asked = desk.send(None, "one");
    let mut first = desk.worker().await;
    assert_eq!(first.told_to_load().await, "alpha.Q4_1.gguf");
    let load = desk.load(place.model("beta"));
    let mut second = desk.worker().await;
    assert_eq!(second.load().await, "beta.Q4_1.gguf");
    assert_eq!(over(load).await, Ok(()));
    second.answer("ONE").await;
    assert_eq!(last(&asked.finished().await).model.as_deref(), Some("beta"));
}

#[tokio::test]
async fn replacing_or_unloading_a_model_interrupts_its_answers_in_clear_words() {
    let place = Place::new();
    let check = async |ends: fn(&Desk, &Place) -> JoinHandle<Result<(), Error>>, word: &str| {
        let mut desk = place.closed_desk(word);
        desk.studio.startup().await;
        let mut asked = desk.send(None, "one");
        let mut worker = desk.loaded().await;
        let (id, _) = worker.request().await;
        worker.prefill(id).await;
        worker.token(id, "half").await;
        asked.token("half").await;
        let queued = desk.send(None, "two");
        worker.request().await;
        let end = ends(&desk, &place);
        for cut in [asked.finished().await, queued.finished().await] {
            let (state, why) = last_state(&cut);
            assert_eq!(state, MessageState::Interrupted);
            assert!(why.expect("why").contains(word), "{why:?}");
        }
        end.abort();
    };
    check(
        |desk, place| desk.load(place.model("beta")),
        "Another model",
    )
    .await;
    check(|desk, _| desk.unload(), "unloaded").await;
}

#[tokio::test]
async fn a_worker_that_dies_idle_is_no_longer_shown_and_the_next_message_loads_its_model_again() {
    let place = Place::new();
    let mut desk = place.desk().await;
    let load = desk.load(place.model("beta"));
    let worker = desk.loaded().await;
    assert_eq!(over(load).await, Ok(()));
    worker.die();
    desk.model_status(|model| *model == ModelStatus::None).await;
    let asked = desk.send(None, "one");
    let mut worker = desk.worker().await;
    assert_eq!(worker.load().await, "beta.Q4_1.gguf", "the one used last");
    worker.answer("ONE").await;
    asked.finished().await;
}

#[tokio::test]
async fn the_model_used_last_is_used_after_a_restart_and_the_first_one_if_it_is_gone() {
    let place = Place::new();
    let mut desk = place.desk().await;
    let load = desk.load(place.model("beta"));
    let _worker = desk.loaded().await;
    assert_eq!(over(load).await, Ok(()));
    desk.close().await;
    let check = async |expected: &str| {
        let mut desk = place.desk().await;
        let asked = desk.send(None, "one");
        assert_eq!(desk.worker().await.told_to_load().await, expected);
        desk.close().await;
        asked.finished().await;
    };
    check("beta.Q4_1.gguf").await;
    std::fs::remove_file(place.path("models/beta.Q4_1.gguf")).expect("a file");
    check("alpha.Q4_1.gguf").await;
}

#[tokio::test]
async fn a_load_that_fails_says_why_until_the_next_one() {
    let place = Place::new();
    let mut desk = place.desk().await;
    let load = desk.load(place.model("beta"));
    let no_memory = EngineError::OutOfMemory {
        reason: "the weights need 100 GB".into(),
    };
    desk.worker().await.fail_to_load(no_memory).await;
    let error = over(load).await.expect_err("too large");
    assert_eq!(error.code, ErrorCode::OutOfMemory);
    let expected = ModelStatus::Failed {
        model_id: place.model("beta"),
        name: "beta".into(),
        error,
    };
    assert_eq!(desk.studio.status().model, expected);
    // It was never used, so it is not the one used last.
    let asked = desk.send(None, "one");
    let mut worker = desk.worker().await;
    assert_eq!(worker.load().await, "alpha.Q4_1.gguf");
    worker.answer("ONE").await;
    asked.finished().await;
}

#[tokio::test]
async fn a_worker_that_dies_over_a_load_is_named_with_its_model() {
    let place = Place::new();
    let mut desk = place.desk().await;
    let load = desk.load(place.model("beta"));
    let mut worker = desk.worker().await;
    worker.told_to_load().await;
    worker.die();
    let error = over(load).await.expect_err("dead");
    assert_eq!(error.code, ErrorCode::EngineCrashed);
    assert!(
        error.message.contains("beta") && error.message.contains("killed by the test"),
        "{error}"
    );
}

#[tokio::test]
async fn models_are_those_of_the_library_and_files_by_their_path() {
    let place = Place::new();
    let mut desk = place.desk().await;
    let names: Vec<String> = desk
        .studio
        .library()
        .await
        .expect("models")
        .models
        .into_iter()
        .map(|m| m.name)
        .collect();
    assert_eq!(names, ["alpha", "beta"]);
    let gone = desk
        .studio
        .load_model(ModelId("/nowhere.gguf".into()), LoadWish::default())
        .await
        .expect_err("gone");
    assert_eq!(gone.code, ErrorCode::UnsupportedModel);
    let elsewhere = place.path("gamma.gguf");
    std::fs::write(&elsewhere, "GGUF").expect("a file");
    let load = desk.load(ModelId(elsewhere.to_string_lossy().into_owned()));
    let mut worker = desk.worker().await;
    assert_eq!(worker.load().await, "gamma.gguf");
    assert_eq!(over(load).await, Ok(()));
}
