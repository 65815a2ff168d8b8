//! Tensor entries: name, shape, type, place.

use super::Error;
use super::reader::Reader;
use crate::files::TensorType;
use std::io::Read;

const MAX_DIMENSIONS: u32 = 4;

/// One tensor of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorEntry {
    /// Sizes, slowest dimension first (the file has them the other way round).
    pub shape: Vec<usize>,
    /// Type of the elements.
    pub tensor_type: TensorType,
    /// Where its data begins, in bytes from the data section.
    pub offset: u64,
    elements: u64,
    size_bytes: u64,
}

impl TensorEntry {
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
        let id = reader.u32(name)?;
        let unknown = || Error::UnknownType {
            tensor: name.into(),
            id,
        };
        let tensor_type = TensorType::from_id(id).ok_or_else(unknown)?;
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
        let block = tensor_type.block_elements() as u64;
        let row = shape.last().copied().unwrap_or(1);
        if elements == 0 || !row.is_multiple_of(block) {
            return Err(Error::Damaged(format!(
                "tensor {name} with shape {shape:?} can't hold blocks of {block} ({tensor_type})"
            )));
        }
        let size_bytes = (elements / block)
            .checked_mul(tensor_type.block_bytes() as u64)
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
