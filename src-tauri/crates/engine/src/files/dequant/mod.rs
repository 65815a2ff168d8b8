//! Every quantized type to `f32`, bit for bit as ggml does it.
//!
//! The order of the operations is part of the result: factors are multiplied as ggml multiplies them, and nothing is
//! fused. It deliberately computes no products: kernels do that on the blocks themselves, and come here for the types
//! that they don't know. Source: ggml b11434 (`ggml-quants.c`, `ggml-common.h`) for layouts and order; a test compares
//! with what its library gives.

mod floats;
pub(crate) mod grids;
mod iq1;
mod iq2;
mod iq3;
mod k;
mod nibbles;
mod scales;
mod ternary;
#[cfg(test)]
pub(crate) mod tests;

use super::TensorType;

/// Why a row was not dequantized.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A type that holds no weights, or none that are known here.
    #[error("the type {0} can't be turned into numbers")]
    Unsupported(TensorType),
    /// The bytes are not those of as many elements.
    #[error("{bytes} bytes of {kind} are not {elements} elements")]
    Length {
        /// Their type.
        kind: TensorType,
        /// Bytes that came in.
        bytes: usize,
        /// Numbers that should come out.
        elements: usize,
    },
}

/// A row, or several: whole blocks only.
type Rows = fn(&[u8], &mut [f32]);

/// Whether [`dequantize_row`] knows the type.
pub fn can_dequantize(kind: TensorType) -> bool {
    rows_of(kind).is_some()
}

/// Writes the numbers that `bytes` hold in blocks of `kind`.
///
/// # Errors
/// [`Error`]; nothing was written then.
pub fn dequantize_row(kind: TensorType, bytes: &[u8], out: &mut [f32]) -> Result<(), Error> {
    let rows = rows_of(kind).ok_or(Error::Unsupported(kind))?;
    if kind.row_bytes(out.len()) != Some(bytes.len()) {
        return Err(Error::Length {
            kind,
            bytes: bytes.len(),
            elements: out.len(),
        });
    }
    rows(bytes, out);
    Ok(())
}

fn rows_of(kind: TensorType) -> Option<Rows> {
    use TensorType as T;
    Some(match kind {
        T::F32 => floats::f32,
        T::F16 => floats::f16,
        T::BF16 => floats::bf16,
        T::F64 => floats::f64,
        T::Q4_0 => |bytes, out| blocks(bytes, out, nibbles::q4_0),
        T::Q4_1 => |bytes, out| blocks(bytes, out, nibbles::q4_1),
        T::Q5_0 => |bytes, out| blocks(bytes, out, nibbles::q5_0),
        T::Q5_1 => |bytes, out| blocks(bytes, out, nibbles::q5_1),
        T::Q8_0 => |bytes, out| blocks(bytes, out, nibbles::q8_0),
        T::Q8_1 => |bytes, out| blocks(bytes, out, nibbles::q8_1),
        T::IQ4_NL => |bytes, out| blocks(bytes, out, nibbles::iq4_nl),
        T::IQ4_XS => |bytes, out| blocks(bytes, out, nibbles::iq4_xs),
        T::MXFP4 => |bytes, out| blocks(bytes, out, nibbles::mxfp4),
        T::NVFP4 => |bytes, out| blocks(bytes, out, nibbles::nvfp4),
        T::Q2_K => |bytes, out| blocks(bytes, out, k::q2_k),
        T::Q3_K => |bytes, out| blocks(bytes, out, k::q3_k),
        T::Q4_K => |bytes, out| blocks(bytes, out, k::q4_k),
        T::Q5_K => |bytes, out| blocks(bytes, out, k::q5_k),
        T::Q6_K => |bytes, out| blocks(bytes, out, k::q6_k),
        T::Q8_K => |bytes, out| blocks(bytes, out, k::q8_k),
        T::IQ2_XXS => |bytes, out| blocks(bytes, out, iq2::iq2_xxs),
        T::IQ2_XS => |bytes, out| blocks(bytes, out, iq2::iq2_xs),
        T::IQ2_S => |bytes, out| blocks(bytes, out, iq2::iq2_s),
        T::IQ3_XXS => |bytes, out| blocks(bytes, out, iq3::iq3_xxs),
        T::IQ3_S => |bytes, out| blocks(bytes, out, iq3::iq3_s),
        T::IQ1_S => |bytes, out| blocks(bytes, out, iq1::iq1_s),
        T::IQ1_M => |bytes, out| blocks(bytes, out, iq1::iq1_m),
        T::TQ1_0 => |bytes, out| blocks(bytes, out, ternary::tq1_0),
        T::TQ2_0 => |bytes, out| blocks(bytes, out, ternary::tq2_0),
        T::Q1_0 => |bytes, out| blocks(bytes, out, ternary::q1_0),
        T::Q2_0 => |bytes, out| blocks(bytes, out, ternary::q2_0),
        T::I8 | T::I16 | T::I32 | T::I64 => return None,
    })
}

/// Block after block of `BYTES` bytes to `COUNT` numbers; lengths known to the compiler become vector code.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "each type gets its own loop with its function in it"
)]
fn blocks<const BYTES: usize, const COUNT: usize>(
    bytes: &[u8],
    out: &mut [f32],
    block: impl Fn(&[u8; BYTES], &mut [f32; COUNT]),
) {
    let blocks = bytes.as_chunks::<BYTES>().0;
    for (bytes, out) in blocks.iter().zip(out.as_chunks_mut::<COUNT>().0) {
        block(bytes, out);
    }
}
