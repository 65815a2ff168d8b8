//! The guard: loads that do not fit, memory that runs short, models that nobody uses.

use super::fake::FakeWorker;
use super::{Asked, Desk, Place, last, last_state, soon};
use crate::slot::SlotState;
use crate::{
    Admission, Error, ErrorCode, GuardMeasure, GuardNotice, LoadRefusal, LoadWish, MemoryChoice,
    MessageState, ModelStatus, OfferedChange, OfferedChange as C,
};
use engine_api::wire::{Command, Report};
use engine_api::{
    Answer, FinishReason, GenerationId, KvType, LoadOptions, LoadProgress, MemoryPlan, Quantize,
    Question, QuestionId,
};
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::task::JoinHandle;

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;
/// In kB, as the machine's files have it.
const KIB_OF_GIB: u64 = 1 << 20;

/// What the model of these tests takes: 1 GiB of float weights, 256 KiB for each token, 64 MiB of buffers.
fn plan(options: &LoadOptions) -> MemoryPlan {
    let context_tokens = options.context_tokens.unwrap_or(0);
    let tokens = u64::from(context_tokens) * u64::from(options.parallel);
    let cache = tokens * (256 << 10);
    MemoryPlan {
        context_tokens,
        parallel: options.parallel,
        kv_type: options.kv_type,
        weights_bytes: match options.quantize {
            None => GIB,
            Some(Quantize::Q8_0) => GIB / 2,
            Some(Quantize::Q4K) => GIB / 4,
        },
        kv_cache_bytes: match options.kv_type {
            KvType::Q8_0 => cache / 2,
            KvType::F16 | KvType::F32 => cache,
        },
        scratch_bytes: 64 * MIB,
        worker_bytes: 0,
    }
}

impl FakeWorker {
    /// Answers what is asked of this model until it is ended.
    async fn plans(mut self) {
        while let Some(command) = self.command().await {
            let Command::Ask { id, question } = command else {
                panic!("no question: {command:?}");
            };
            let answer = match *question {
                Question::Inspect { .. } => Answer::Inspection(Box::new(super::inspection())),
                Question::Plan { options, .. } => Answer::Plan(plan(&options)),
                other => panic!("another question: {other:?}"),
            };
            self.tell(id, answer).await;
        }
    }

    async fn tell(&mut self, id: QuestionId, answer: Answer) {
        self.report(&Report::Answer { id, answer }).await;
    }

    /// Expects to be told to load; returns how.
    async fn load_options(&mut self) -> LoadOptions {
        match self.command().await {
            Some(Command::Load { options, .. }) => options,
            other => panic!("no load: {other:?}"),
        }
    }
}

impl Place {
    /// A machine of 4 GiB, of which one stays free, with so many MiB available beside that; and a model that is too
    /// large to fit plainly.
    fn with_room(room_mib: u64) -> Self {
        let place = Self::new();
        place.leave(1024 + room_mib);
        let large = place.path("models/alpha.Q4_1.gguf");
        let file = std::fs::File::options()
            .write(true)
            .open(large)
            .expect("a file");
        file.set_len(3 * GIB).expect("a file with a hole");
        place
    }

    fn leave(&self, available_mib: u64) {
        self.remember(4 * KIB_OF_GIB, available_mib << 10);
    }
}

impl Desk {
    fn wish(&self, place: &Place, name: &str, wish: LoadWish) -> JoinHandle<Result<(), Error>> {
        let (studio, id) = (self.studio.clone(), place.model(name));
        tokio::spawn(async move { studio.load_model(id, wish).await })
    }

    /// Has the next worker answer what is asked of it.
    async fn planner(&mut self) -> JoinHandle<()> {
        tokio::spawn(self.worker().await.plans())
    }

    async fn refusal(&mut self, place: &Place, wish: LoadWish) -> LoadRefusal {
        let (studio, id) = (self.studio.clone(), place.model("alpha"));
        let asked = tokio::spawn(async move { studio.admission(id, wish).await });
        self.planner().await;
        match soon(asked).await.expect("a task").expect("a judgement") {
            Admission::Refused { refusal } => refusal,
            Admission::Admitted { plan } => panic!("admitted: {plan:?}"),
        }
    }

    /// Beta in memory.
    async fn with_beta(&mut self, place: &Place) -> FakeWorker {
        let load = self.wish(place, "beta", LoadWish::default());
        let worker = self.loaded().await;
        assert_eq!(over(load).await, Ok(()));
        worker
    }

    /// An answer that beta has begun.
    async fn writing(&self, worker: &mut FakeWorker) -> (Asked, GenerationId) {
        let mut asked = self.send(None, "one");
        let (id, _) = worker.request().await;
        worker.prefill(id).await;
        worker.token(id, "half").await;
        asked.token("half").await;
        (asked, id)
    }

    fn holds(&self) -> &'static str {
        match self.studio.inner.models.slot().state() {
            SlotState::Empty => "nothing",
            SlotState::Loading { .. } => "a load",
            SlotState::Loaded(_) => "a model",
            SlotState::Failed { .. } => "a failure",
        }
    }
}

async fn over(load: JoinHandle<Result<(), Error>>) -> Result<(), Error> {
    soon(load).await.expect("a task")
}

async fn told(notices: &mut broadcast::Receiver<GuardNotice>) -> (GuardMeasure, String) {
    let notice = soon(notices.recv()).await.expect("a notice");
    (notice.measure, notice.message)
}

#[tokio::test]
async fn what_would_help_is_planned_and_offered() {
    let check =
        async |room_mib,
               wish,
               expected: &[(OfferedChange, u32, Option<KvType>, Option<Quantize>)]| {
            let place = Place::with_room(room_mib);
            let mut desk = place.desk().await;
            let refusal = desk.refusal(&place, wish).await;
            assert_eq!(refusal.room_bytes, room_mib * MIB);
            assert_eq!(refusal.reserve_bytes, GIB);
            assert_eq!(
                refusal.missing_bytes,
                refusal.plan.total_bytes - room_mib * MIB
            );
            let (anyway, offers) = refusal.offers.split_last().expect("offers");
            assert_eq!(anyway.change, OfferedChange::Anyway);
            assert!(anyway.wish.anyway);
            assert!(
                offers
                    .iter()
                    .all(|offer| offer.plan.total_bytes <= room_mib * MIB)
            );
            let found: Vec<_> = offers
                .iter()
                .map(|offer| {
                    let wish = offer.wish;
                    (
                        offer.change,
                        offer.plan.context_tokens,
                        wish.kv_type,
                        wish.quantize,
                    )
                })
                .collect();
            assert_eq!(found, expected, "{room_mib} MiB, {wish:?}");
        };

    let (q8, q4) = (Some(Quantize::Q8_0), Some(Quantize::Q4K));
    let half = Some(KvType::Q8_0);
    let usual = LoadWish::default();
    let long = LoadWish {
        context_tokens: Some(65_536),
        ..usual
    };
    // The usual 8,192 tokens take 2 GiB beside the weights.
    let all_but = |quantize| {
        [
            (C::Context, 4096, None, None),
            (C::KvType, 8192, half, None),
            (C::Quantize, 8192, None, quantize),
        ]
    };
    check(2700, usual, &all_but(q8)).await;
    check(2400, usual, &all_but(q4)).await;
    check(1400, usual, &[(C::Context, 1024, None, None)]).await;
    check(1000, usual, &[(C::Several, 2048, half, q8)]).await;
    check(330, usual, &[]).await;
    check(2900, long, &[(C::Context, 4096, None, None)]).await;
}

#[tokio::test]
async fn a_load_that_does_not_fit_is_refused_and_what_is_loaded_stays() {
    let place = Place::with_room(1600);
    let mut desk = place.desk().await;
    let mut beta = desk.with_beta(&place).await;
    let load = desk.wish(&place, "alpha", LoadWish::default());
    desk.planner().await;
    let error = over(load).await.expect_err("too large");
    assert_eq!(error.code, ErrorCode::OutOfMemory);
    for words in [
        "alpha was not loaded",
        "3.0 GiB",
        "1.5 GiB",
        "1.0 GiB",
        "beta stays loaded",
    ] {
        assert!(error.message.contains(words), "{words}: {error}");
    }
    desk.turn(&mut beta, None, "one", "ONE").await;

    // What is loaded is room for what takes its place.
    let held = engine_api::MemoryUse {
        weights_bytes: 1400 * MIB,
        kv_cache_bytes: 200 * MIB,
        ..engine_api::MemoryUse::default()
    };
    beta.report(&Report::Memory(held)).await;
    let mut status = desk.studio.subscribe_status();
    let is_held = |status: &crate::Status| status.memory.weights_bytes == 1400 * MIB;
    soon(status.wait_for(is_held)).await.expect("a status");
    let load = desk.wish(&place, "alpha", LoadWish::default());
    desk.planner().await;
    let mut alpha = desk.worker().await;
    let options = alpha.load_options().await;
    assert_eq!(options.available_bytes, Some(3200 * MIB));
    assert_eq!(options.kv_budget_bytes, Some(2048 * MIB), "as planned");
    assert_eq!(options.context_tokens, None);
    alpha.die();
    assert!(over(load).await.is_err());
}

#[tokio::test]
async fn an_offer_that_is_taken_is_loaded_and_so_is_anything_anyway() {
    let place = Place::with_room(1400);
    let mut desk = place.desk().await;
    let refusal = desk.refusal(&place, LoadWish::default()).await;
    let [smaller, anyway] = &refusal.offers[..] else {
        panic!("{refusal:?}");
    };
    let load = desk.wish(&place, "alpha", smaller.wish);
    desk.planner().await;
    let mut worker = desk.worker().await;
    let options = worker.load_options().await;
    assert_eq!(options.context_tokens, Some(1024));
    assert_eq!(options.available_bytes, Some(1400 * MIB));
    worker.die();
    assert!(over(load).await.is_err());

    let load = desk.wish(&place, "alpha", anyway.wish);
    let mut worker = desk.worker().await;
    let options = worker.load_options().await;
    assert_eq!(
        options.available_bytes, None,
        "the engine does not refuse it either"
    );
    worker.die();
    assert!(over(load).await.is_err());
}

#[tokio::test]
async fn a_model_loaded_against_all_advice_gives_way_only_at_the_very_end() {
    let place = Place::with_room(1400);
    let mut desk = place.desk().await;
    let mut notices = desk.studio.subscribe_guard();
    let anyway = LoadWish {
        anyway: true,
        ..LoadWish::default()
    };
    let load = desk.wish(&place, "alpha", anyway);
    let worker = desk.loaded().await;
    assert_eq!(over(load).await, Ok(()));
    let mut status = desk.studio.subscribe_status();
    place.leave(200);
    let is_read = |status: &crate::Status| status.memory.free_bytes == 200 * MIB;
    soon(status.wait_for(is_read)).await.expect("a status");
    assert_eq!(desk.holds(), "a model");
    place.leave(100);
    assert_eq!(told(&mut notices).await.0, GuardMeasure::UnloadedForMemory);
    assert_eq!(worker.killed().await, "it was killed by the app");
}

#[tokio::test]
async fn a_message_whose_model_does_not_fit_is_refused_and_nothing_is_kept_of_it() {
    let place = Place::with_room(1400);
    let mut desk = place.desk().await;
    let asked = desk.send(None, "one");
    desk.planner().await;
    assert_eq!(asked.refused().await.code, ErrorCode::OutOfMemory);
    let conversations = desk.studio.conversations().await.expect("a list");
    assert_eq!(conversations.len(), 0);
    assert_eq!(desk.studio.status().model, ModelStatus::None);
}

#[tokio::test]
async fn the_next_message_loads_a_model_as_it_was_loaded_last() {
    let place = Place::with_room(1400);
    let mut desk = place.desk().await;
    let smaller = LoadWish {
        context_tokens: Some(1024),
        ..LoadWish::default()
    };
    let load = desk.wish(&place, "alpha", smaller);
    desk.planner().await;
    let worker = desk.loaded().await;
    assert_eq!(over(load).await, Ok(()));
    worker.die();
    let gone = |state: &SlotState| matches!(state, SlotState::Empty);
    let mut states = desk.studio.inner.models.slot().states();
    soon(states.wait_for(gone)).await.expect("a state");
    let asked = desk.send(None, "one");
    desk.planner().await;
    let mut worker = desk.worker().await;
    assert_eq!(worker.load_options().await.context_tokens, Some(1024));
    worker.die();
    asked.refused().await;
}

#[tokio::test]
async fn the_same_model_with_another_wish_is_loaded_anew() {
    let place = Place::new();
    let mut desk = place.desk().await;
    let first = desk.with_beta(&place).await;
    let anyway = LoadWish {
        anyway: true,
        ..LoadWish::default()
    };
    assert_eq!(
        over(desk.wish(&place, "beta", anyway)).await,
        Ok(()),
        "it is there"
    );
    let smaller = LoadWish {
        context_tokens: Some(1024),
        ..LoadWish::default()
    };
    let load = desk.wish(&place, "beta", smaller);
    assert_eq!(first.killed().await, "it was killed by the app");
    assert_eq!(
        desk.worker().await.load_options().await.context_tokens,
        Some(1024)
    );
    load.abort();
}

#[tokio::test]
async fn what_cannot_be_planned_is_for_the_load_to_refuse() {
    let place = Place::with_room(1400);
    let mut desk = place.desk().await;
    let load = desk.wish(&place, "alpha", LoadWish::default());
    desk.worker().await.die();
    let mut worker = desk.worker().await;
    assert_eq!(
        worker.load_options().await.available_bytes,
        Some(1400 * MIB)
    );
    worker.die();
    assert_eq!(
        over(load).await.expect_err("dead").code,
        ErrorCode::EngineCrashed
    );
}

#[tokio::test]
async fn a_reserve_that_was_set_holds() {
    let place = Place::with_room(1400);
    let mut desk = place.desk().await;
    let usual = desk.studio.memory_settings();
    let choice = |idle_minutes, reserve_bytes| MemoryChoice {
        idle_minutes,
        reserve_bytes,
    };
    assert_eq!(usual.choice, choice(30, None));
    assert_eq!(usual.usual_reserve_bytes, GIB);
    desk.studio
        .set_memory_settings(choice(0, Some(GIB / 2)))
        .expect("kept");
    let refusal = desk.refusal(&place, LoadWish::default()).await;
    assert_eq!(refusal.reserve_bytes, GIB / 2);
    assert_eq!(refusal.room_bytes, 1912 * MIB);
    let refused = desk.studio.set_memory_settings(choice(1_000_000, None));
    assert_eq!(
        refused.expect_err("too long").code,
        ErrorCode::InvalidRequest
    );
    assert_eq!(
        desk.studio.memory_settings().choice,
        choice(0, Some(GIB / 2))
    );
}

#[tokio::test]
async fn an_idle_model_goes_when_memory_is_low_and_the_next_message_loads_it_again() {
    let place = Place::with_room(1400);
    let mut desk = place.desk().await;
    let mut notices = desk.studio.subscribe_guard();
    let worker = desk.with_beta(&place).await;
    place.leave(500);
    let (measure, message) = told(&mut notices).await;
    assert_eq!(measure, GuardMeasure::UnloadedForMemory);
    assert!(message.contains("beta"), "{message}");
    assert_eq!(worker.killed().await, "it was killed by the app");
    assert_eq!(desk.holds(), "nothing");
    place.leave(2000);
    let asked = desk.send(None, "one");
    desk.loaded().await.answer("ONE").await;
    assert_eq!(last(&asked.finished().await).text, "ONE");
}

#[tokio::test]
async fn a_load_is_stopped_when_memory_is_short_and_says_why() {
    let place = Place::with_room(1400);
    let mut desk = place.desk().await;
    let mut notices = desk.studio.subscribe_guard();
    let load = desk.wish(&place, "beta", LoadWish::default());
    let mut worker = desk.worker().await;
    worker.load_options().await;
    let half = LoadProgress {
        done_bytes: 50,
        total_bytes: 100,
    };
    worker.report(&Report::Loading(half)).await;
    place.leave(200);
    let error = over(load).await.expect_err("stopped");
    assert_eq!(error.code, ErrorCode::OutOfMemory);
    assert!(
        error.message.contains("beta") && error.message.contains("memory ran short"),
        "{error}"
    );
    assert_eq!(told(&mut notices).await.0, GuardMeasure::LoadStopped);
    assert_eq!(worker.killed().await, "it was killed by the app");
    assert!(matches!(
        desk.studio.status().model,
        ModelStatus::Failed { .. }
    ));
}

#[tokio::test]
async fn a_model_that_writes_is_ended_only_when_memory_is_nearly_used_up_and_its_text_is_kept() {
    let place = Place::with_room(1400);
    let mut desk = place.desk().await;
    let mut notices = desk.studio.subscribe_guard();
    let mut worker = desk.with_beta(&place).await;
    let (asked, _) = desk.writing(&mut worker).await;
    // Low and short are no reason yet: the worker still has what it says.
    place.leave(200);
    let mut status = desk.studio.subscribe_status();
    let is_read = |status: &crate::Status| status.memory.free_bytes == 200 * MIB;
    soon(status.wait_for(is_read)).await.expect("a status");
    assert_eq!(desk.holds(), "a model");
    place.leave(100);
    let conversation = asked.finished().await;
    let (state, why) = last_state(&conversation);
    assert_eq!(state, MessageState::Interrupted);
    assert!(why.expect("a reason").contains("memory"), "{why:?}");
    assert_eq!(last(&conversation).text, "half");
    assert_eq!(told(&mut notices).await.0, GuardMeasure::WorkerEnded);
    assert_eq!(worker.killed().await, "it was killed by the app");
}

#[tokio::test]
async fn a_model_that_nobody_uses_goes_after_the_time_that_is_set_and_one_in_use_never() {
    let later = async |minutes: u64| {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(60 * minutes)).await;
        tokio::time::resume();
    };
    let place = Place::new();
    let mut desk = place.desk().await;
    let mut notices = desk.studio.subscribe_guard();
    let mut worker = desk.with_beta(&place).await;
    later(29).await;
    let (asked, id) = desk.writing(&mut worker).await;
    later(600).await;
    worker.finish(id, FinishReason::EndOfTurn).await;
    assert_eq!(
        last_state(&asked.finished().await).0,
        MessageState::Complete
    );
    later(29).await;
    assert_eq!(desk.holds(), "a model");
    later(2).await;
    let (measure, message) = told(&mut notices).await;
    assert_eq!(measure, GuardMeasure::IdleUnloaded);
    assert!(message.contains("30 minutes"), "{message}");
    assert_eq!(worker.killed().await, "it was killed by the app");
    assert_eq!(desk.holds(), "nothing");
}
