//! Mixtures of experts: who is chosen, in which order, and the sum of what they gave.

use super::device::{Argument, Buffer, Device, DeviceError, Shape};
use super::matrix::{Sorted, small};
use crate::decoder::description::{Routing, Score};

const LANES: usize = 32;
const MIX_THREADS: u32 = 256;
/// What a warp can choose of one row.
pub const MOST_USED: usize = LANES;
/// Whose scores have room in a block's shared memory, whatever the GPU.
pub const MOST_EXPERTS: usize = 2048;

/// A router.
#[derive(Debug, Clone, Copy)]
pub struct Router<'a> {
    /// How outputs become choices and weights.
    pub routing: &'a Routing,
    /// Added for the choice alone: `[experts]`.
    pub correction: Option<&'a Buffer>,
    /// By which an expert's weight is multiplied at the end: `[experts]`.
    pub factors: Option<&'a Buffer>,
    /// How many experts there are.
    pub experts: usize,
    /// How many each row takes.
    pub used: usize,
}

/// Fills `chosen` (`uint32_t`) and `weights`, both `[rows, used]`, best first, from `outputs`, `[rows, experts]`.
///
/// # Errors
/// [`DeviceError`].
///
/// # Panics
/// When a buffer is too small, or there are more experts than [`MOST_EXPERTS`] or [`MOST_USED`].
pub fn route(
    device: &Device,
    router: &Router,
    outputs: &Buffer,
    rows: usize,
    [chosen, weights]: [&Buffer; 2],
) -> Result<(), DeviceError> {
    let Router { experts, used, .. } = *router;
    assert!(used <= MOST_USED.min(experts) && experts <= MOST_EXPERTS);
    assert!(outputs.bytes() >= rows * experts * 4);
    let of_experts = [router.correction, router.factors];
    assert!(
        of_experts
            .iter()
            .flatten()
            .all(|one| one.bytes() >= experts * 4)
    );
    assert!(
        [chosen, weights]
            .iter()
            .all(|one| one.bytes() >= rows * used * 4)
    );
    let groups = router.routing.groups;
    let of_groups = groups.map_or([0; 3], |groups| [groups.count, groups.used, groups.best]);
    let score = match router.routing.score {
        Score::Softmax => 0,
        Score::Sigmoid => 1,
        Score::SoftmaxOfChosen => 2,
    };
    let shape = Shape {
        grid: [small(rows), 1, 1],
        block: small(LANES),
        shared_bytes: (3 * experts + of_groups[0] + used) * 4,
    };
    let mut arguments = vec![
        Argument::Buffer(outputs),
        Argument::optional(router.correction),
        Argument::optional(router.factors),
        Argument::Number(small(experts)),
        Argument::Number(small(used)),
        Argument::Number(score),
    ];
    arguments.extend(of_groups.map(|number| Argument::Number(small(number))));
    arguments.extend([
        Argument::Number(u32::from(router.routing.normalize)),
        Argument::Float(router.routing.scale),
        Argument::Buffer(chosen),
        Argument::Buffer(weights),
    ]);
    device.launch("route", shape, &arguments)
}

/// Choices in the order of their experts, and the tiles that they make; all `uint32_t`.
///
/// # Errors
/// [`DeviceError`].
///
/// # Panics
/// When a buffer is too small.
pub fn sort_choices(
    device: &Device,
    chosen: &Buffer,
    [choices, experts]: [usize; 2],
    sorted: Sorted,
) -> Result<(), DeviceError> {
    let Sorted {
        offsets,
        order,
        tiles,
    } = sorted;
    let most = Sorted::most_tiles(choices, experts);
    assert!(chosen.bytes() >= choices * 4 && order.bytes() >= choices * 4);
    assert!(offsets.bytes() >= (experts + 1) * 4 && experts <= MOST_EXPERTS);
    assert!(tiles.bytes() >= most * 8);
    let shape = Shape {
        grid: [1, 1, 1],
        block: 1024,
        shared_bytes: 2 * experts * 4,
    };
    let arguments = [
        Argument::Buffer(chosen),
        Argument::Number(small(choices)),
        Argument::Number(small(experts)),
        Argument::Buffer(offsets),
        Argument::Buffer(order),
        Argument::Buffer(tiles),
        Argument::Number(small(most)),
    ];
    device.launch("sort_choices", shape, &arguments)
}

/// `gates[row] = σ(row · weights)`; rows `[rows, columns]`.
///
/// # Errors
/// [`DeviceError`].
///
/// # Panics
/// When a buffer is too small.
pub fn gate_rows(
    device: &Device,
    floats: &Buffer,
    weights: &Buffer,
    gates: &Buffer,
    [rows, columns]: [usize; 2],
) -> Result<(), DeviceError> {
    assert!(floats.bytes() >= rows * columns * 4 && gates.bytes() >= rows * 4);
    assert!(weights.bytes() >= columns * 4);
    let shape = Shape {
        grid: [small(rows), 1, 1],
        block: MIX_THREADS,
        shared_bytes: LANES * 4,
    };
    let arguments = [
        Argument::Buffer(floats),
        Argument::Buffer(weights),
        Argument::Buffer(gates),
        Argument::Number(small(columns)),
    ];
    device.launch("gate_rows", shape, &arguments)
}

/// What is summed, in this order.
#[derive(Debug, Clone, Copy, Default)]
pub struct Parts<'a> {
    /// `[rows, columns]`.
    pub base: Option<&'a Buffer>,
    /// What the chosen experts gave, `[rows, used, columns]`, their weights, `[rows, used]`, and how many they are.
    pub experts: Option<(&'a Buffer, &'a Buffer, usize)>,
    /// What the shared part gave, `[rows, columns]`, and what each row of it is multiplied by, `[rows]`.
    pub shared: Option<(&'a Buffer, Option<&'a Buffer>)>,
}

/// Sums into `out`, `[rows, columns]`, which may be the base.
///
/// # Errors
/// [`DeviceError`].
///
/// # Panics
/// When a buffer is too small.
pub fn mix(
    device: &Device,
    parts: Parts,
    out: &Buffer,
    [rows, columns]: [usize; 2],
) -> Result<(), DeviceError> {
    let bytes = rows * columns * 4;
    let used = parts.experts.map_or(0, |(.., used)| used);
    let (shared, gates) = parts
        .shared
        .map_or((None, None), |(shared, gates)| (Some(shared), gates));
    assert!(
        [parts.base, shared, Some(out)]
            .iter()
            .flatten()
            .all(|one| one.bytes() >= bytes)
    );
    assert!(gates.is_none_or(|gates| gates.bytes() >= rows * 4));
    assert!(parts.experts.is_none_or(|(given, weights, _)| {
        given.bytes() >= used * bytes && weights.bytes() >= rows * used * 4
    }));
    let shape = Shape {
        grid: [small(columns).div_ceil(MIX_THREADS), small(rows), 1],
        block: MIX_THREADS,
        shared_bytes: 0,
    };
    let arguments = [
        Argument::optional(parts.base),
        Argument::optional(parts.experts.map(|(given, ..)| given)),
        Argument::optional(parts.experts.map(|(_, weights, _)| weights)),
        Argument::Number(small(used)),
        Argument::optional(shared),
        Argument::optional(gates),
        Argument::Buffer(out),
        Argument::Number(small(columns)),
    ];
    device.launch("mix_experts", shape, &arguments)
}
