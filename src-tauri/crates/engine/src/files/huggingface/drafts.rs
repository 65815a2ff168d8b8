//! All of a checkpoint's tensors on their way: each is renamed, changed as its family says, or waits until all experts of
//! its layer, or the scales of its blocks, are there.
//!
//! Invariant: nothing that came in is missing from what goes out, unless it is known to be left out.

use super::draft::{Content, Draft, Tensor};
use super::families::Family;
use super::names::{self, Place as Named};
use super::{Config, Refusal};
use crate::files::safetensors::{Dtype, Entry};
use crate::files::source::Change;
use crate::files::view::View;
use crate::files::{Place, TensorInfo, TensorType};
use std::collections::BTreeMap;

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
