//! From a checkpoint's tensors to GGUF's: each is renamed, changed as its family says, or waits until all experts of its
//! layer are there.
//!
//! Invariant: what comes out has as many bytes as its type and shape say, out of places that were proven.

use super::families::Family;
use super::names::{self, Place as Named};
use super::{Config, Refusal};
use crate::files::safetensors::{Dtype, Entry};
use crate::files::source::{Change, Source};
use crate::files::view::View;
use crate::files::{Place, TensorInfo, TensorType};
use std::collections::BTreeMap;
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

    fn finish(self, layer: Option<usize>) -> Result<(String, TensorInfo), Refusal> {
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

/// The experts of one kind in one layer, by their number.
type Experts = BTreeMap<usize, (View, TensorType)>;

/// All of a checkpoint's tensors on their way.
#[derive(Debug)]
pub(super) struct Drafts<'a> {
    config: &'a Config,
    family: &'a Family,
    layers: usize,
    done: BTreeMap<String, TensorInfo>,
    /// By layer and name without the number.
    experts: BTreeMap<(usize, String), Experts>,
    /// Blocks of MXFP4 that wait for their scales, by layer and name.
    blocks: BTreeMap<(usize, String), View>,
}

impl<'a> Drafts<'a> {
    pub(super) fn new(config: &'a Config, family: &'a Family) -> Result<Self, Refusal> {
        Ok(Self {
            config,
            family,
            layers: config.layers()?,
            done: BTreeMap::new(),
            experts: BTreeMap::new(),
            blocks: BTreeMap::new(),
        })
    }

    /// Takes a tensor of the checkpoint.
    pub(super) fn add(&mut self, name: &str, part: usize, entry: &Entry) -> Result<(), Refusal> {
        let named = Named::of(name);
        let again = self.family.left_out.contains(&named.name.as_str());
        if again || named.is_left_out(self.layers) {
            return Ok(());
        }
        let place = Place {
            part,
            offset: entry.offset,
        };
        if entry.shape.contains(&0) {
            return Err(Refusal::Damaged(format!("tensor {name} is empty")));
        }
        let elements: u64 = entry.shape.iter().map(|size| *size as u64).product();
        let view = View::whole(place, entry.size_bytes / elements, &entry.shape);
        match (&entry.dtype, named.layer) {
            (Dtype::Known(stored), layer) if is_float(*stored) => {
                let tensor = Tensor {
                    layer,
                    name: &named.name,
                    view,
                    stored: *stored,
                };
                self.add_floats(name, tensor)
            }
            (Dtype::Bytes, Some(layer)) if self.family.is_packed(self.config) => {
                self.add_packed(name, layer, &named.name, view)
            }
            (dtype, _) => Err(Refusal::Unsupported(format!(
                "tensor {name} has the type {dtype}, which this engine does not read from safetensors files"
            ))),
        }
    }

    fn add_floats(&mut self, whole: &str, tensor: Tensor) -> Result<(), Refusal> {
        if let (Some(layer), Some((number, name))) = (tensor.layer, names::expert(tensor.name)) {
            let experts = self.experts.entry((layer, name)).or_default();
            experts.insert(number, (tensor.view, tensor.stored));
            return Ok(());
        }
        if let Some(drafts) = (self.family.change)(self.config, &tensor)? {
            let mut drafts = drafts.into_iter();
            return drafts.try_for_each(|draft| self.put(tensor.layer, draft));
        }
        let name = self
            .family
            .name(tensor.name)
            .ok_or_else(|| unknown(whole))?;
        let mut draft = tensor.renamed(&name);
        if (self.family.shifted)(tensor.name) {
            draft = draft.changed(Change::AddOne);
        }
        self.put(tensor.layer, draft)
    }

    fn put(&mut self, layer: Option<usize>, draft: Draft) -> Result<(), Refusal> {
        let (name, info) = draft.finish(layer)?;
        if self.done.contains_key(&name) {
            let reason = format!("it has tensor {name} under two names");
            return Err(Refusal::Damaged(reason));
        }
        self.done.insert(name, info);
        Ok(())
    }

    /// gpt-oss: `[experts, outputs, blocks, 16]`, and `[experts, outputs, blocks]` of scales.
    fn add_packed(
        &mut self,
        whole: &str,
        layer: usize,
        name: &str,
        view: View,
    ) -> Result<(), Refusal> {
        if let Some(name) = name.strip_suffix("_blocks") {
            self.blocks.insert((layer, name.into()), view);
            return Ok(());
        }
        let name = name.strip_suffix("_scales").ok_or_else(|| unknown(whole))?;
        // Blocks come before scales: the names are sorted.
        let blocks = self.blocks.remove(&(layer, name.into()));
        let missing = || Refusal::Damaged(format!("tensor {whole} has no blocks"));
        let drafts = unpacked(name, &blocks.ok_or_else(missing)?, &view);
        let misshapen = || Refusal::Damaged(format!("tensor {whole} has an unknown shape"));
        let mut drafts = drafts.ok_or_else(misshapen)?.into_iter();
        drafts.try_for_each(|draft| self.put(Some(layer), draft))
    }

    /// All of them, once no more come.
    pub(super) fn finish(mut self) -> Result<BTreeMap<String, TensorInfo>, Refusal> {
        for ((layer, name), experts) in std::mem::take(&mut self.experts) {
            let draft = self.stacked(layer, &name, experts)?;
            self.put(Some(layer), draft)?;
        }
        for (name, numbers) in (self.family.extra)(self.config)? {
            let draft = Draft {
                name: name.into(),
                shape: vec![numbers.len()],
                content: Content::Held(numbers),
            };
            self.put(None, draft)?;
        }
        match self.blocks.keys().next() {
            None => Ok(self.done),
            Some((layer, name)) => Err(Refusal::Damaged(format!(
                "tensor {name}_blocks of layer {layer} has no scales"
            ))),
        }
    }

    fn stacked(&self, layer: usize, name: &str, experts: Experts) -> Result<Draft, Refusal> {
        let damaged = |what: &str| {
            Err(Refusal::Damaged(format!(
                "the experts {name} of layer {layer} {what}"
            )))
        };
        let count = self
            .config
            .size(&["num_local_experts", "num_experts", "n_routed_experts"])?;
        if experts.len() != count || !experts.keys().copied().eq(0..count) {
            return damaged("are not all there");
        }
        let views: Vec<_> = experts.into_values().collect();
        let (first, stored) = views[0].clone();
        if views
            .iter()
            .any(|(view, kind)| view.shape() != first.shape() || *kind != stored)
        {
            return damaged("differ in shape or type");
        }
        let found = self.family.name(name).ok_or_else(|| unknown(name))?;
        let shape = [vec![count], first.shape()].concat();
        let content = Content::Floats {
            views: views.into_iter().map(|(view, _)| view).collect(),
            stored,
            change: Change::Keep,
        };
        Ok(Draft {
            name: found,
            shape,
            content,
        })
    }
}

fn is_float(kind: TensorType) -> bool {
    use TensorType as T;
    matches!(kind, T::F32 | T::F16 | T::BF16 | T::F64)
}

fn unknown(name: &str) -> Refusal {
    Refusal::Unsupported(format!("its tensor {name} is unknown here"))
}

/// Gate and up lie in turns; down lies as it is.
fn unpacked(name: &str, blocks: &View, scales: &View) -> Option<Vec<Draft>> {
    let draft = |name: &str, blocks: View, scales: View| {
        let [experts, outputs, count, 16] = *blocks.shape() else {
            return None;
        };
        let content = Content::Mxfp4 { blocks, scales };
        Some(Draft {
            name: name.into(),
            shape: vec![experts, outputs, count.checked_mul(32)?],
            content,
        })
    };
    if scales.shape() != blocks.shape().get(..3)? {
        return None;
    }
    match name {
        "mlp.experts.down_proj" => {
            let whole = draft("ffn_down_exps.weight", blocks.clone(), scales.clone())?;
            Some(vec![whole])
        }
        "mlp.experts.gate_up_proj" => ["ffn_gate_exps.weight", "ffn_up_exps.weight"]
            .into_iter()
            .enumerate()
            .map(|(at, name)| {
                let (blocks, scales) = (blocks.clone(), scales.clone());
                draft(name, blocks.every(1, at, 2)?, scales.every(1, at, 2)?)
            })
            .collect(),
        _ => None,
    }
}
