//! Tensor entries: name, shape, type, place. Every type that the format knows has a name here; candle computes the
//! ones that [`TensorType::candle`] maps.

use super::Error;
use super::reader::Reader;
use candle_core::quantized::GgmlDType;
use std::io::Read;

const MAX_DIMENSIONS: u32 = 4;

/// The type of a tensor's elements, by its number in the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TensorType(pub u32);

impl TensorType {
    /// The name that people know, such as `Q4_K`.
    pub fn name(self) -> String {
        const NAMES: [&str; 41] = [
            "F32",
            "F16",
            "Q4_0",
            "Q4_1",
            "Q4_2",
            "Q4_3",
            "Q5_0",
            "Q5_1",
            "Q8_0",
            "Q8_1",
            "Q2_K",
            "Q3_K",
            "Q4_K",
            "Q5_K",
            "Q6_K",
            "Q8_K",
            "IQ2_XXS",
            "IQ2_XS",
            "IQ3_XXS",
            "IQ1_S",
            "IQ4_NL",
            "IQ3_S",
            "IQ2_S",
            "IQ4_XS",
            "I8",
            "I16",
            "I32",
            "I64",
            "F64",
            "IQ1_M",
            "BF16",
            "Q4_0_4_4",
            "Q4_0_4_8",
            "Q4_0_8_8",
            "TQ1_0",
            "TQ2_0",
            "IQ4_NL_4_4",
            "IQ4_NL_4_8",
            "IQ4_NL_8_8",
            "MXFP4",
            "NVFP4",
        ];
        let known = usize::try_from(self.0).ok().and_then(|id| NAMES.get(id));
        known.map_or_else(|| format!("number {}", self.0), |name| (*name).to_owned())
    }

    /// candle's type, if candle can compute with it.
    pub fn candle(self) -> Option<GgmlDType> {
        Some(match self.0 {
            0 => GgmlDType::F32,
            1 => GgmlDType::F16,
            2 => GgmlDType::Q4_0,
            3 => GgmlDType::Q4_1,
            6 => GgmlDType::Q5_0,
            7 => GgmlDType::Q5_1,
            8 => GgmlDType::Q8_0,
            9 => GgmlDType::Q8_1,
            10 => GgmlDType::Q2K,
            11 => GgmlDType::Q3K,
            12 => GgmlDType::Q4K,
            13 => GgmlDType::Q5K,
            14 => GgmlDType::Q6K,
            15 => GgmlDType::Q8K,
            30 => GgmlDType::BF16,
            _ => return None,
        })
    }
}

/// One tensor of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Sizes, slowest dimension first (as candle has them; the file has them the other way round).
    pub shape: Vec<usize>,
    /// Type of the elements.
    pub tensor_type: TensorType,
    /// Where its data begins, in bytes from the data section.
    pub offset: u64,
    elements: u64,
    size_bytes: u64,
}

impl TensorInfo {
    pub(super) fn read<R: Read>(reader: &mut Reader<R>, name: &str) -> Result<Self, Error> {
        let dimensions = reader.u32(name)?;
        if dimensions > MAX_DIMENSIONS {
            return Err(Error::Damaged(format!(
                "tensor {name} has {dimensions} dimensions"
            )));
        }
        let mut shape = Vec::new();
        for _ in 0..dimensions {
            shape.push(reader.u64(name)?);
        }
        shape.reverse();
        let tensor_type = TensorType(reader.u32(name)?);
        let offset = reader.u64(name)?;
        Self::new(name, &shape, tensor_type, offset)
    }

    fn new(name: &str, shape: &[u64], tensor_type: TensorType, offset: u64) -> Result<Self, Error> {
        let too_large =
            || Error::Damaged(format!("tensor {name} has an impossible shape {shape:?}"));
        let elements = shape
            .iter()
            .try_fold(1_u64, |product, size| product.checked_mul(*size))
            .ok_or_else(too_large)?;
        let sizes: Result<Vec<usize>, _> =
            shape.iter().map(|size| usize::try_from(*size)).collect();
        let dtype = tensor_type.candle().ok_or_else(|| Error::UnsupportedType {
            tensor: name.into(),
            type_name: tensor_type.name(),
        })?;
        let block = dtype.block_size() as u64;
        let row = shape.last().copied().unwrap_or(1);
        if elements == 0 || !row.is_multiple_of(block) {
            return Err(Error::Damaged(format!(
                "tensor {name} with shape {shape:?} can't hold blocks of {block} ({})",
                tensor_type.name()
            )));
        }
        let size_bytes = (elements / block)
            .checked_mul(dtype.type_size() as u64)
            .ok_or_else(too_large)?;
        Ok(Self {
            shape: sizes.map_err(|_| too_large())?,
            tensor_type,
            offset,
            elements,
            size_bytes,
        })
    }

    /// Number of elements.
    pub fn elements(&self) -> u64 {
        self.elements
    }

    /// Bytes of its data.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    pub(super) fn expect_inside(
        &self,
        name: &str,
        data_offset: u64,
        file_bytes: u64,
    ) -> Result<(), Error> {
        let start = data_offset.saturating_add(self.offset);
        let left_bytes = file_bytes.saturating_sub(start);
        if self.size_bytes <= left_bytes {
            return Ok(());
        }
        Err(Error::Truncated {
            what: format!("the data of tensor {name}"),
            needed_bytes: self.size_bytes,
            left_bytes,
        })
    }
}
