//! The guard: before a load, whether it may begin; while models are there, what gives way when memory runs short.
//!
//! A machine whose memory is used up does not fail but stands still, with everything on its desktop. So a part of it
//! stays free ([`reserve`]), a load that does not fit beside that is refused before anything is unloaded for it, and
//! [`watch`] ends models before the machine comes to a stop. It deliberately never touches the window, downloads or
//! the database, and it knows nothing of the insides of models: what one takes, a worker plans.
//!
//! Invariant: a load is refused only on a plan and a reading; what can't be planned or read is admitted, and the load
//! itself says what is wrong with it.

mod admission;
mod decide;
mod notice;
mod offers;
mod planner;
mod reserve;
mod settings;
mod watch;

pub use admission::{Admission, LoadPlan, LoadRefusal, LoadWish, Offer, OfferedChange};
pub use notice::{GuardMeasure, GuardNotice};
pub use settings::{GuardSettings, MemoryChoice, MemorySettings, ModelsSettings};

pub(crate) use reserve::usual_reserve_bytes;
pub(crate) use watch::Watch;

use crate::SettingsFile;
use crate::worker::EngineSource;
use engine_api::LoadOptions;
use hub::Model;
use planner::Planner;
use reserve::reserve_bytes;
use telemetry::{Machine, MemoryReading};

/// A file that takes at most this part of the room plainly fits and is not planned: the engine, which is told the room,
/// gives keys and values a quarter of what the weights leave, which is more than the weights then.
const PLAINLY: u64 = 8;

/// Who admits loads. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    machine: Machine,
    settings: SettingsFile,
    source: EngineSource,
}

/// What is unloaded for a load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Replaced {
    pub(crate) name: String,
    /// What comes back of it.
    pub(crate) bytes: u64,
}

/// Whether a load may begin, and how.
#[derive(Debug)]
pub(crate) struct Judgement {
    pub(crate) admission: Admission,
    pub(crate) options: LoadOptions,
}

/// What there is for a load.
#[derive(Debug, Clone, Copy)]
struct Room {
    bytes: u64,
    reserve_bytes: u64,
}

impl Guard {
    pub(crate) fn new(machine: Machine, settings: SettingsFile, source: EngineSource) -> Self {
        Self {
            machine,
            settings,
            source,
        }
    }

    /// Whether this model may be loaded like this, in the place of what there is.
    pub(crate) async fn judge(
        &self,
        model: &Model,
        wish: LoadWish,
        replaced: Option<Replaced>,
    ) -> Judgement {
        let returning_bytes = replaced.as_ref().map_or(0, |replaced| replaced.bytes);
        let room = match self.room(returning_bytes) {
            Some(room) if !wish.anyway => room,
            // Asked for all the same, or nobody knows what memory there is.
            _ => return admitted(None, wish.as_wished()),
        };
        let options = LoadOptions {
            available_bytes: Some(room.bytes),
            ..wish.as_wished()
        };
        if wish.is_modest() && model.size_bytes.saturating_mul(PLAINLY) <= room.bytes {
            return admitted(None, options);
        }
        let planner = match Planner::start(&self.source, model.path.clone().into()).await {
            Ok(planner) => planner,
            Err(error) => {
                tracing::debug!(model = %model.id, %error, "it could not be planned");
                return admitted(None, options);
            }
        };
        let judgement = planned(&planner, model, wish, room, options, replaced).await;
        planner.end().await;
        judgement
    }

    /// The reserve in force on this machine.
    pub(crate) fn reserve_bytes(&self, total_bytes: u64) -> u64 {
        reserve_bytes(total_bytes, self.settings.get().guard.reserve_bytes)
    }

    pub(crate) fn memory(&self) -> Option<MemoryReading> {
        let reading = self.machine.memory();
        reading
            .inspect_err(|error| tracing::debug!(%error, "the memory could not be read"))
            .ok()
    }

    /// `None` where the machine does not tell its memory.
    fn room(&self, returning_bytes: u64) -> Option<Room> {
        let memory = self.memory()?;
        let reserve_bytes = self.reserve_bytes(memory.total_bytes);
        let there_bytes = memory.available_bytes.saturating_add(returning_bytes);
        Some(Room {
            bytes: there_bytes.saturating_sub(reserve_bytes),
            reserve_bytes,
        })
    }
}

async fn planned(
    planner: &Planner,
    model: &Model,
    wish: LoadWish,
    room: Room,
    options: LoadOptions,
    replaced: Option<Replaced>,
) -> Judgement {
    let plan = match planner.plan(wish).await {
        Ok(plan) => plan,
        Err(error) => {
            tracing::debug!(model = %model.id, %error, "it could not be planned");
            return admitted(None, options);
        }
    };
    let Some(missing_bytes) = missing(plan.total_bytes, room.bytes) else {
        let kv_budget_bytes = Some(kv_budget(&plan, room));
        let options = LoadOptions {
            kv_budget_bytes,
            ..options
        };
        return admitted(Some(plan), options);
    };
    let offers = offers::offers(planner, wish, plan, room.bytes).await;
    tracing::info!(model = %model.id, missing_bytes, "a load does not fit");
    let refusal = LoadRefusal {
        name: model.name.clone(),
        plan,
        room_bytes: room.bytes,
        missing_bytes,
        reserve_bytes: room.reserve_bytes,
        replaces: replaced.map(|replaced| replaced.name),
        offers,
    };
    Judgement {
        admission: Admission::Refused { refusal },
        options,
    }
}

/// What was planned, and as much as the engine would take by itself: a quarter of what the rest leaves.
fn kv_budget(plan: &LoadPlan, room: Room) -> u64 {
    let fixed_bytes = plan.weights_bytes + plan.scratch_bytes;
    plan.kv_cache_bytes
        .max(room.bytes.saturating_sub(fixed_bytes) / 4)
}

fn missing(needed_bytes: u64, room_bytes: u64) -> Option<u64> {
    needed_bytes
        .checked_sub(room_bytes)
        .filter(|missing| *missing > 0)
}

fn admitted(plan: Option<LoadPlan>, options: LoadOptions) -> Judgement {
    Judgement {
        admission: Admission::Admitted { plan },
        options,
    }
}
