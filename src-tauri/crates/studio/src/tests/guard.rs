//! The guard: loads that do not fit, memory that runs short, models that nobody uses.

use super::fake::FakeWorker;
use super::{Asked, Desk, Place, last, last_state, soon};
use crate::slot::SlotState;
use crate::{
    Admission, Error, ErrorCode, GuardMeasure, GuardNotice, LoadRefusal, LoadWish, MessageState,
    ModelStatus, OfferedChange,
};
use engine_api::wire::{Command, Report};
use engine_api::{
    Answer, KvType, LoadOptions, LoadProgress, MemoryPlan, Quantize, Question, QuestionId,
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
    }
}

impl FakeWorker {
    /// Answers what is asked of this model until it is ended.
    async fn plans(mut self) {
        while let Some(command) = self.command().await {
            let Command::Ask { id, question } = command else {
                panic!("no question: {command:?}");
            };
            let answer = match question {
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
        let file = std::fs::File::create(large).expect("a file");
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
    async fn writing(&mut self, worker: &mut FakeWorker) -> Asked {
        let mut asked = self.send(None, "one");
        let (id, _) = worker.request().await;
        worker.prefill(id).await;
        worker.token(id, "half").await;
        asked.token("half").await;
        asked
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
    let check = async |room_mib, wish, expected: &[(OfferedChange, u32, Option<KvType>, Option<Quantize>)]| {
        let place = Place::with_room(room_mib);
        let mut desk = place.desk().await;
        let refusal = desk.refusal(&place, wish).await;
        assert_eq!(refusal.room_bytes, room_mib * MIB);
        assert_eq!(refusal.reserve_bytes, GIB);
        assert_eq!(refusal.missing_bytes, refusal.plan.total_bytes - room_mib * MIB);
        let (anyway, offers) = refusal.offers.split_last().expect("offers");
        assert_eq!(anyway.change, OfferedChange::Anyway);
        assert!(anyway.wish.anyway);
        assert!(offers.iter().all(|offer| offer.plan.total_bytes <= room_mib * MIB));
        let found: Vec<_> = offers
            .iter()
            .map(|offer| {
                let wish = offer.wish;
                (offer.change, offer.plan.context_tokens, wish.kv_type, wish.quantize)
            })
            .collect();
        assert_eq!(found, expected, "{room_mib} MiB, {wish:?}");
    };
    use OfferedChange as C;
    let (q8, q4) = (Some(Quantize::Q8_0), Some(Quantize::Q4K));
    let half = Some(KvType::Q8_0);
    let usual = LoadWish::default();
    let long = LoadWish {
        context_tokens: Some(65_536),
        ..usual
    };
    // 8,192 tokens take 2 GiB beside the weights.
    check(2600, usual, &[(C::Context, 4096, None, None), (C::KvType, 8192, half, None), (C::Quantize, 8192, None, q8)]).await;
    check(2400, usual, &[(C::Context, 4096, None, None), (C::KvType, 8192, half, None), (C::Quantize, 8192, None, q4)]).await;
    check(1400, usual, &[(C::Context, 1024, None, None)]).await;
    check(1000, usual, &[(C::Several, 2048, half, q8)]).await;
    check(400, usual, &[(C::Several, 512.max(0), half, q4)][..0]).await;
    check(2900, long, &[(C::Context, 4096, None, None)]).await;
}
