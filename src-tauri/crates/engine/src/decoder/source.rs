//! Where layers get their weights from: one walk over a description, done twice.
//!
//! The first time it proves that each tensor is there with the shape and a type that can be computed, and notes its
//! bytes (`plan` stops here). The second time it hands out what the loader has read. So what is planned, proven and
//! loaded can't differ. It reads no file itself.

use super::families::{invalid, unsupported};
use crate::cpu;
use crate::files::{Checkpoint, TensorInfo, TensorType};
use crate::weights::{AlignedBytes, Matrix};
use engine_api::EngineError;
use std::collections::{BTreeMap, HashMap};

/// A tensor as it will lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// What it becomes.
    pub form: Form,
    /// Its bytes in memory.
    pub bytes: usize,
}

/// What a tensor becomes in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A matrix of this type; of experts, all of their rows.
    Matrix {
        /// Rows.
        rows: usize,
        /// Columns.
        columns: usize,
        /// The type in memory.
        tensor_type: TensorType,
    },
    /// So many `f32`.
    Floats(usize),
}

/// A tensor that has been read.
#[derive(Debug, Clone)]
pub enum Loaded {
    /// A matrix.
    Matrix(Matrix),
    /// Numbers.
    Floats(Vec<f32>),
}

/// A matrix with what may come with it: a bias (added) and one factor on its outputs.
#[derive(Debug, Clone)]
pub struct Linear {
    /// The weights.
    pub matrix: Matrix,
    /// Added to the outputs.
    pub bias: Option<Vec<f32>>,
    /// Factor on the outputs before the bias.
    pub scale: Option<f32>,
}

/// The walk.
#[derive(Debug)]
pub struct Source<'a> {
    checkpoint: &'a Checkpoint,
    quantize: Option<TensorType>,
    wanted: BTreeMap<String, Wanted>,
    loaded: Option<HashMap<String, Loaded>>,
}

impl<'a> Source<'a> {
    /// A first walk. With `quantize`, matrices of floats are turned into that type where its blocks fit, else into `Q8_0` where
    /// those fit.
    pub fn new(checkpoint: &'a Checkpoint, quantize: Option<TensorType>) -> Self {
        Self {
            checkpoint,
            quantize,
            wanted: BTreeMap::new(),
            loaded: None,
        }
    }

    /// The second walk over the same file, with what was read.
    pub fn with(checkpoint: &'a Checkpoint, loaded: HashMap<String, Loaded>) -> Self {
        Self {
            checkpoint,
            quantize: None,
            wanted: BTreeMap::new(),
            loaded: Some(loaded),
        }
    }

    /// What the first walk has asked for, by name.
    pub fn into_wanted(self) -> BTreeMap<String, Wanted> {
        self.wanted
    }

    /// Whether the file has this tensor.
    pub fn has(&self, name: &str) -> bool {
        self.checkpoint.tensor(name).is_some()
    }

    /// The tensors of one layer.
    pub fn layer(&mut self, layer: usize) -> LayerSource<'_, 'a> {
        LayerSource {
            source: self,
            prefix: format!("blk.{layer}."),
        }
    }

    fn info(&self, name: &str, shape: &[usize]) -> Result<&'a TensorInfo, EngineError> {
        let missing = || invalid(self.checkpoint, format!("tensor {name} is missing"));
        let info = self.checkpoint.tensor(name).ok_or_else(missing)?;
        if without_ones(&info.shape) == without_ones(shape) {
            return Ok(info);
        }
        let found = &info.shape;
        Err(invalid(
            self.checkpoint,
            format!("tensor {name} has shape {found:?}, its metadata says {shape:?}"),
        ))
    }

    /// The matrix `name` of `rows × columns`.
    ///
    /// # Errors
    /// [`EngineError::InvalidModel`] if it is missing or has another shape, [`EngineError::UnsupportedModel`] for a
    /// type that can't be computed.
    pub fn matrix(
        &mut self,
        name: &str,
        rows: usize,
        columns: usize,
    ) -> Result<Matrix, EngineError> {
        self.shaped(name, &[rows, columns], rows, columns)
    }

    /// The matrices of `experts` experts, as one with the rows of all.
    ///
    /// # Errors
    /// As for [`Self::matrix`].
    pub fn experts(
        &mut self,
        name: &str,
        experts: usize,
        rows: usize,
        columns: usize,
    ) -> Result<Matrix, EngineError> {
        self.shaped(name, &[experts, rows, columns], experts * rows, columns)
    }

    /// A tensor of any shape whose last dimension is `columns`, as a matrix.
    ///
    /// # Errors
    /// As for [`Self::matrix`].
    pub fn shaped(
        &mut self,
        name: &str,
        shape: &[usize],
        rows: usize,
        columns: usize,
    ) -> Result<Matrix, EngineError> {
        let info = self.info(name, shape)?;
        if let Some(loaded) = &self.loaded {
            return match loaded.get(name) {
                Some(Loaded::Matrix(matrix)) => Ok(matrix.clone()),
                _ => Err(EngineError::internal(format!(
                    "tensor {name} was not loaded"
                ))),
            };
        }
        let tensor_type = self.type_in_memory(name, info, columns)?;
        let bytes = tensor_type
            .row_bytes(columns)
            .and_then(|row| row.checked_mul(rows));
        let bytes = bytes.ok_or_else(|| {
            invalid(
                self.checkpoint,
                format!(
                    "tensor {name} has rows of {columns}, which blocks of {tensor_type} don't fill"
                ),
            )
        })?;
        let form = Form::Matrix {
            rows,
            columns,
            tensor_type,
        };
        self.want(name, Wanted { form, bytes })?;
        Ok(Matrix::new(
            AlignedBytes::zeroed(0),
            0,
            columns,
            tensor_type,
        ))
    }

    fn type_in_memory(
        &self,
        name: &str,
        info: &TensorInfo,
        columns: usize,
    ) -> Result<TensorType, EngineError> {
        let float = matches!(
            info.tensor_type,
            TensorType::F32 | TensorType::F16 | TensorType::BF16
        );
        // What chooses the experts is small, and a wrong choice costs more than its bytes.
        let router = name.contains("ffn_gate_inp");
        let target = self.quantize.filter(|_| float && !router);
        if let Some(target) = target.and_then(|target| fitting(target, columns)) {
            return Ok(target);
        }
        if cpu::can_compute(info.tensor_type) {
            return Ok(info.tensor_type);
        }
        let found = info.tensor_type;
        Err(unsupported(
            self.checkpoint,
            format!("tensor {name} has the type {found}, which this engine can't compute"),
        ))
    }

    /// The numbers of the tensor `name` with this shape, as `f32`.
    ///
    /// # Errors
    /// As for [`Self::matrix`]; only F32, F16 and BF16 are numbers here.
    pub fn floats(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, EngineError> {
        let info = self.info(name, shape)?;
        if let Some(loaded) = &self.loaded {
            return match loaded.get(name) {
                Some(Loaded::Floats(floats)) => Ok(floats.clone()),
                _ => Err(EngineError::internal(format!(
                    "tensor {name} was not loaded"
                ))),
            };
        }
        let found = info.tensor_type;
        if !matches!(found, TensorType::F32 | TensorType::F16 | TensorType::BF16) {
            return Err(unsupported(
                self.checkpoint,
                format!("tensor {name} has the type {found} where this engine takes floats only"),
            ));
        }
        let count: usize = shape.iter().product();
        let form = Form::Floats(count);
        let bytes = count * size_of::<f32>();
        self.want(name, Wanted { form, bytes })?;
        Ok(Vec::new())
    }

    fn want(&mut self, name: &str, wanted: Wanted) -> Result<(), EngineError> {
        let before = self.wanted.insert(name.to_owned(), wanted);
        match before {
            Some(before) if before != wanted => Err(EngineError::internal(format!(
                "tensor {name} is wanted in two forms"
            ))),
            _ => Ok(()),
        }
    }

    /// The numbers of `name` if the file has them.
    ///
    /// # Errors
    /// As for [`Self::floats`].
    pub fn optional(
        &mut self,
        name: &str,
        shape: &[usize],
    ) -> Result<Option<Vec<f32>>, EngineError> {
        self.has(name).then(|| self.floats(name, shape)).transpose()
    }

    /// The matrix `name.weight` with the `name.bias` and `name.scale` that the file may have.
    ///
    /// # Errors
    /// As for [`Self::matrix`].
    pub fn linear(
        &mut self,
        name: &str,
        rows: usize,
        columns: usize,
    ) -> Result<Linear, EngineError> {
        let matrix = self.matrix(&format!("{name}.weight"), rows, columns)?;
        self.with_extras(name, matrix, rows)
    }

    fn with_extras(
        &mut self,
        name: &str,
        matrix: Matrix,
        rows: usize,
    ) -> Result<Linear, EngineError> {
        let scale = self.optional(&format!("{name}.scale"), &[1])?;
        Ok(Linear {
            matrix,
            bias: self.optional(&format!("{name}.bias"), &[rows])?,
            scale: scale.and_then(|scale| scale.first().copied()),
        })
    }

    /// Parts of the rows of `name.weight`, each a linear map of its own.
    ///
    /// # Errors
    /// As for [`Self::matrix`].
    pub fn parts<const N: usize>(
        &mut self,
        name: &str,
        rows: [usize; N],
        columns: usize,
    ) -> Result<[Linear; N], EngineError> {
        let whole = self.linear(name, rows.iter().sum(), columns)?;
        let mut first = 0;
        Ok(rows.map(|count| {
            let part = whole.rows(first, count);
            first += count;
            part
        }))
    }
}

/// This type, else `Q8_0`, whose blocks are the smallest: the first whose blocks fill rows of so many columns.
fn fitting(target: TensorType, columns: usize) -> Option<TensorType> {
    let mut candidates = [target, TensorType::Q8_0].into_iter();
    candidates.find(|candidate| columns.is_multiple_of(candidate.block_elements()))
}

/// A dimension of one before the others says nothing, and not all converters write it.
fn without_ones(shape: &[usize]) -> &[usize] {
    let ones = shape.iter().take_while(|size| **size == 1).count();
    &shape[ones.min(shape.len().saturating_sub(1))..]
}

impl Linear {
    /// Some of its rows; nothing of nothing while it is only being proven.
    fn rows(&self, first: usize, count: usize) -> Self {
        if self.matrix.rows() == 0 {
            return self.clone();
        }
        let bias = self.bias.as_ref();
        Self {
            matrix: self.matrix.slice_rows(first, count),
            bias: bias.map(|bias| bias[first..first + count].to_vec()),
            scale: self.scale,
        }
    }
}

/// The tensors of one layer, by their names within it.
#[derive(Debug)]
pub struct LayerSource<'s, 'a> {
    source: &'s mut Source<'a>,
    prefix: String,
}

impl LayerSource<'_, '_> {
    fn name(&self, tensor: &str) -> String {
        format!("{}{tensor}", self.prefix)
    }

    /// As [`Source::has`].
    pub fn has(&self, tensor: &str) -> bool {
        self.source.has(&self.name(tensor))
    }

    /// As [`Source::matrix`].
    ///
    /// # Errors
    /// As there.
    pub fn matrix(
        &mut self,
        tensor: &str,
        rows: usize,
        columns: usize,
    ) -> Result<Matrix, EngineError> {
        self.source.matrix(&self.name(tensor), rows, columns)
    }

    /// As [`Source::shaped`].
    ///
    /// # Errors
    /// As there.
    pub fn shaped(
        &mut self,
        tensor: &str,
        shape: &[usize],
        rows: usize,
        columns: usize,
    ) -> Result<Matrix, EngineError> {
        self.source.shaped(&self.name(tensor), shape, rows, columns)
    }

    /// As [`Source::experts`].
    ///
    /// # Errors
    /// As there.
    pub fn experts(
        &mut self,
        tensor: &str,
        experts: usize,
        rows: usize,
        columns: usize,
    ) -> Result<Matrix, EngineError> {
        self.source
            .experts(&self.name(tensor), experts, rows, columns)
    }

    /// As [`Source::floats`].
    ///
    /// # Errors
    /// As there.
    pub fn floats(&mut self, tensor: &str, shape: &[usize]) -> Result<Vec<f32>, EngineError> {
        self.source.floats(&self.name(tensor), shape)
    }

    /// As [`Source::optional`].
    ///
    /// # Errors
    /// As there.
    pub fn optional(
        &mut self,
        tensor: &str,
        shape: &[usize],
    ) -> Result<Option<Vec<f32>>, EngineError> {
        self.source.optional(&self.name(tensor), shape)
    }

    /// As [`Source::linear`].
    ///
    /// # Errors
    /// As there.
    pub fn linear(
        &mut self,
        tensor: &str,
        rows: usize,
        columns: usize,
    ) -> Result<Linear, EngineError> {
        self.source.linear(&self.name(tensor), rows, columns)
    }

    /// As [`Source::parts`].
    ///
    /// # Errors
    /// As there.
    pub fn parts<const N: usize>(
        &mut self,
        tensor: &str,
        rows: [usize; N],
        columns: usize,
    ) -> Result<[Linear; N], EngineError> {
        self.source.parts(&self.name(tensor), rows, columns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_no_block_of_four_bits_fills_get_eight_bits() {
        let check = |target, columns, expected| {
            assert_eq!(fitting(target, columns), expected, "{target} {columns}");
        };
        check(TensorType::Q4_K, 512, Some(TensorType::Q4_K));
        check(TensorType::Q4_K, 576, Some(TensorType::Q8_0));
        check(TensorType::Q4_K, 100, None);
        check(TensorType::Q8_0, 512, Some(TensorType::Q8_0));
        check(TensorType::Q8_0, 100, None);
    }
}
