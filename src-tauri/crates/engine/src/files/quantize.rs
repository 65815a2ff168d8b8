//! Turning numbers into a quantized type while they are loaded.
//!
//! How the scales of a block are searched is candle's; the bytes are ggml's, so that what computes can't tell them from a
//! file's own.

use super::TensorType;
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use engine_api::EngineError;

/// The bytes of `numbers` (whole rows, each a whole number of blocks) as `target`.
///
/// # Errors
/// [`EngineError::Internal`] for a target that nothing is quantized into, and for rows that are no whole blocks.
pub fn quantize(numbers: Vec<f32>, target: TensorType) -> Result<Vec<u8>, EngineError> {
    let dtype = match target {
        TensorType::Q8_0 => GgmlDType::Q8_0,
        TensorType::Q4_K => GgmlDType::Q4K,
        other => {
            let reason = format!("nothing is quantized into {other}");
            return Err(EngineError::internal(reason));
        }
    };
    let count = numbers.len();
    let quantized = Tensor::from_vec(numbers, count, &Device::Cpu)
        .and_then(|tensor| QTensor::quantize(&tensor, dtype))
        .map_err(EngineError::internal)?;
    let bytes = quantized.data().map_err(EngineError::internal)?;
    Ok(bytes.into_owned())
}
