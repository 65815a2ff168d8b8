//! A tensor of a checkpoint, and the one of a GGUF file that it becomes.
//!
//! Invariant: what comes out has as many bytes as its type and shape say, out of places that were proven.

use super::Refusal;
use crate::files::source::{Change, Source};
use crate::files::view::View;
use crate::files::{TensorInfo, TensorType};
use std::sync::Arc;

/// A tensor of the checkpoint.
#[derive(Debug)]
pub(super) struct Tensor<'a> {
    pub(super) layer: Option<usize>,
    /// Its name within the layer, or within the model.
    pub(super) name: &'a str,
    pub(super) view: View,
    /// One of the float types.
    pub(super) stored: TensorType,
}

impl Tensor<'_> {
    /// It became something that its shape does not allow.
    pub(super) fn misshapen(&self) -> Refusal {
        let (name, shape) = (self.name, self.view.shape());
        Refusal::Damaged(format!(
            "tensor {name} of layer {} has shape {shape:?}, its config.json says another",
            self.layer.unwrap_or(0)
        ))
    }

    /// Itself under another name.
    pub(super) fn renamed(&self, name: &str) -> Draft {
        self.made(name, self.view.shape(), vec![self.view.clone()])
    }

    /// What is made of it, unchanged in value.
    pub(super) fn made(&self, name: &str, shape: Vec<usize>, views: Vec<View>) -> Draft {
        Draft {
            name: name.into(),
            shape,
            content: Content::Floats {
                views,
                stored: self.stored,
                change: Change::Keep,
            },
        }
    }

    /// What is made of it, from a view that may not have worked out.
    pub(super) fn viewed(&self, name: &str, view: Option<View>) -> Result<Draft, Refusal> {
        let view = view.ok_or_else(|| self.misshapen())?;
        let shape = view.shape();
        Ok(self.made(name, shape, vec![view]))
    }

    /// The two halves of the dimension before the last: gate and up, fused.
    pub(super) fn halves(&self, names: [&str; 2]) -> Result<Vec<Draft>, Refusal> {
        let shape = self.view.shape();
        let axis = shape.len().checked_sub(2).ok_or_else(|| self.misshapen())?;
        let half = shape[axis] / 2;
        let part = |first| self.view.clone().slice(axis, first, half);
        Ok(vec![
            self.viewed(names[0], part(0))?,
            self.viewed(names[1], part(half))?,
        ])
    }
}

/// A tensor as the GGUF file would have it.
#[derive(Debug)]
pub(super) struct Draft {
    /// Its name within the layer, or within the model.
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) content: Content,
}

#[derive(Debug)]
pub(super) enum Content {
    Floats {
        views: Vec<View>,
        stored: TensorType,
        change: Change,
    },
    Mxfp4 {
        blocks: View,
        scales: View,
    },
    Held(Vec<f32>),
}

impl Draft {
    pub(super) fn shaped(mut self, shape: Vec<usize>) -> Self {
        self.shape = shape;
        self
    }

    pub(super) fn changed(mut self, to: Change) -> Self {
        if let Content::Floats { change, .. } = &mut self.content {
            *change = to;
        }
        self
    }

    pub(super) fn finish(self, layer: Option<usize>) -> Result<(String, TensorInfo), Refusal> {
        let (tensor_type, source) = match self.content {
            Content::Floats {
                views,
                stored,
                change,
            } => floats(&self.name, self.shape.len(), views, stored, change),
            Content::Mxfp4 { blocks, scales } => {
                (TensorType::MXFP4, Source::Mxfp4 { blocks, scales })
            }
            Content::Held(numbers) => {
                let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
                (TensorType::F32, Source::Held(bytes.into()))
            }
        };
        let name = match layer {
            Some(layer) => format!("blk.{layer}.{}", self.name),
            None => self.name,
        };
        let info = TensorInfo {
            shape: self.shape,
            tensor_type,
            source,
        };
        if info.elements() == 0
            || info
                .source
                .size_bytes()
                .is_some_and(|b| b != info.size_bytes())
        {
            let reason = format!("tensor {name} can't have shape {:?}", info.shape);
            return Err(Refusal::Damaged(reason));
        }
        Ok((name, info))
    }
}

/// Vectors, norms, routers and convolutions are F32 in GGUF files; the rest keeps its type.
fn floats(
    name: &str,
    dimensions: usize,
    views: Vec<View>,
    stored: TensorType,
    change: Change,
) -> (TensorType, Source) {
    const EXACT: [&str; 4] = [
        "ffn_gate_inp.weight",
        "ffn_gate_inp_shexp.weight",
        "ssm_conv1d.weight",
        "shortconv.conv.weight",
    ];
    let exact = dimensions <= 1
        || name.ends_with("_norm.weight")
        || !name.ends_with(".weight")
        || EXACT.contains(&name)
        || stored == TensorType::F64;
    if exact && (stored != TensorType::F32 || change != Change::Keep) {
        let views = Arc::from(views);
        let source = Source::Changed {
            views,
            stored,
            change,
        };
        return (TensorType::F32, source);
    }
    let source = match views.as_slice() {
        [one] if one.is_plain() => Source::Plain(one.place()),
        _ => Source::Joined(views.into()),
    };
    (stored, source)
}
