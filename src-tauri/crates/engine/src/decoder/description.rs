//! What a model computes, as plain data: the one thing that differs between architectures.
//!
//! A family (`families/`) reads it out of a file's metadata; the layers are built from it and compute by it. It holds
//! no weights and touches no file. Invariant: everything that the decoder divides or indexes by is positive, divides,
//! and is small enough to be multiplied ([`super::limits`] proves it once).

use super::mixers::{DeltaNetDescription, Mamba2Description, MlaDescription, ShortConvDescription};

/// A whole model.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// The architecture's name, as the file has it.
    pub architecture: String,
    /// Rows of the token embedding.
    pub vocabulary: usize,
    /// Width of the residual stream.
    pub embedding: usize,
    /// Factor on the token embedding.
    pub embedding_scale: f32,
    /// Positions that the model was trained for, scaling included.
    pub context: usize,
    /// Layers, first to last.
    pub layers: Vec<LayerDescription>,
    /// The kinds of rotation that layers use; they name one by its index.
    pub ropes: Vec<RopeDescription>,
    /// The norm before the output matrix.
    pub output_norm: Norm,
    /// Factor on the logits.
    pub logit_scale: f32,
    /// `cap · tanh(logit / cap)`, where there is one.
    pub logit_softcap: Option<f32>,
    /// A second, small embedding that each layer mixes in (Gemma's E models): its width.
    pub per_layer_embedding: Option<usize>,
}

/// One layer: a mixer, then a feed-forward part, each around the residual stream.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerDescription {
    /// What lets positions see one another.
    pub mixer: MixerDescription,
    /// What each position computes for itself.
    pub feed_forward: FeedForward,
    /// Norm of what the mixer reads.
    pub mixer_norm: Option<Norm>,
    /// Norm of what the mixer gives, before it is added.
    pub mixer_post_norm: Option<Norm>,
    /// Norm of what the feed-forward part reads.
    pub feed_forward_norm: Option<Norm>,
    /// Norm of what the feed-forward part gives, before it is added.
    pub feed_forward_post_norm: Option<Norm>,
    /// Factor on what both give.
    pub residual_scale: f32,
    /// Whether the layer's result is multiplied by the one number of `layer_output_scale`.
    pub output_scale: bool,
}

/// A norm and the name of its weights (`blk.N.<tensor>.weight`). A bias is taken where the file has one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Norm {
    /// The tensor's name within the layer.
    pub tensor: &'static str,
    /// Which.
    pub kind: NormKind,
    /// What keeps the root away from zero.
    pub epsilon: f32,
}

/// Kinds of norms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormKind {
    /// `x / √(mean(x²) + ε)`.
    Rms,
    /// `(x − mean(x)) / √(variance(x) + ε)`.
    Layer,
}

/// The mixer of a layer.
#[derive(Debug, Clone, PartialEq)]
pub enum MixerDescription {
    /// Softmax attention over keys and values.
    Attention(AttentionDescription),
    /// Attention over one compressed vector a position (`DeepSeek`).
    Mla(MlaDescription),
    /// A gated convolution over few positions (LFM2).
    ShortConv(ShortConvDescription),
    /// A gated delta rule (Qwen3-Next).
    DeltaNet(DeltaNetDescription),
    /// A selective state space (Nemotron-H).
    Mamba2(Mamba2Description),
    /// The layer has only a feed-forward part.
    None,
}

/// Softmax attention.
#[derive(Debug, Clone, PartialEq)]
pub struct AttentionDescription {
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; divide `heads`.
    pub kv_heads: usize,
    /// Elements of a query's and a key's head.
    pub key_dim: usize,
    /// Elements of a value's head.
    pub value_dim: usize,
    /// Factor on the scores.
    pub scale: f32,
    /// The kind of rotation, by index into [`Description::ropes`]; `None` for layers without positions.
    pub rope: Option<usize>,
    /// Norm of queries and keys.
    pub qk_norm: QkNorm,
    /// Its ε, also the values'.
    pub epsilon: f32,
    /// Whether values are normed over their head, without weights.
    pub value_norm: bool,
    /// Positions that one sees, itself included; `None` for all before it.
    pub window: Option<usize>,
    /// `cap · tanh(score / cap)`.
    pub softcap: Option<f32>,
    /// Whether each head has one more score that takes part in the softmax and has no value (`attn_sinks`).
    pub sinks: bool,
    /// Queries grow with their position.
    pub temperature: Option<Temperature>,
    /// Whether the query matrix gives, after each head's query, a gate of the same width: `out · σ(gate)`.
    pub output_gate: bool,
    /// Where keys and values come from.
    pub kv: KvSource,
}

/// Norms of queries and keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QkNorm {
    /// None.
    None,
    /// Over each head, with weights of a head's width.
    PerHead,
    /// Over all heads together, with weights of their whole width.
    Whole,
}

/// Where a layer's keys and values come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KvSource {
    /// Its own matrices.
    Own,
    /// Its own key matrix: values are the keys before norm and rotation.
    OwnKeysOnly,
    /// The cache of an earlier layer, by its index.
    Layer(usize),
}

/// Queries at position `p` are multiplied by `1 + scale · ln(1 + ⌊(p + offset) / length⌋)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Temperature {
    /// How much they grow.
    pub scale: f32,
    /// Positions without growth.
    pub length: usize,
    /// Added to the position.
    pub offset: f32,
}

/// A kind of rotation.
#[derive(Debug, Clone, PartialEq)]
pub struct RopeDescription {
    /// Which elements turn together.
    pub style: RopeStyle,
    /// Elements of a head that turn, from its beginning; even.
    pub dims: usize,
    /// Pair `i` turns by `position · base^(−2i/dims)`.
    pub base: f64,
    /// What is done to these angles.
    pub scaling: RopeScaling,
    /// Divisors of the angles.
    pub factors: RopeFactors,
    /// Factor on sines and cosines.
    pub magnitude: f64,
}

/// Which elements turn together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RopeStyle {
    /// `i` and `i + dims/2`.
    Neox,
    /// `2i` and `2i + 1`.
    Interleaved,
}

/// How angles are scaled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    None,
    /// All divided by `factor`.
    Linear {
        /// By how much.
        factor: f64,
    },
    /// Slow pairs divided by `factor`, fast ones untouched, a ramp between (`YaRN`, arXiv 2309.00071).
    Yarn(Yarn),
}

/// `YaRN`'s numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Yarn {
    /// By how much slow pairs are divided.
    pub factor: f64,
    /// Context before the extension.
    pub original_context: f64,
    /// Turns within it from which on a pair is fast.
    pub beta_fast: f64,
    /// Turns within it below which a pair is slow.
    pub beta_slow: f64,
    /// Whether the ramp's ends are rounded outwards.
    pub truncate: bool,
}

/// Divisors of the angles, one for each pair.
#[derive(Debug, Clone, PartialEq)]
pub enum RopeFactors {
    /// None.
    None,
    /// Those of this tensor.
    Tensor(String),
    /// Two tensors: for contexts of at most `original` positions, and for longer ones.
    ByContext {
        /// Tensor for short contexts.
        short: String,
        /// Tensor for long ones.
        long: String,
        /// The longest short context.
        original: usize,
    },
}

/// The feed-forward part of a layer.
#[derive(Debug, Clone, PartialEq)]
pub enum FeedForward {
    /// One.
    Dense(Dense),
    /// Several, of which each token takes a few.
    Mixture(Box<Mixture>),
    /// The layer has only a mixer.
    None,
}

/// A dense feed-forward part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dense {
    /// Its inner width.
    pub size: usize,
    /// Between its matrices.
    pub activation: Activation,
    /// Where the gate comes from.
    pub gate: Gate,
}

/// The gate of a feed-forward part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// None: `down(f(up(x)))`.
    None,
    /// A matrix of its own: `down(f(gate(x)) · up(x))`.
    Separate,
    /// The first half of the rows of `up` (of `gate_up` in a mixture).
    Fused,
}

/// What stands between the matrices.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// `x · σ(x)`.
    Silu,
    /// GELU by its tanh formula.
    Gelu,
    /// `max(x, 0)²`.
    Relu2,
    /// gpt-oss: `g = min(gate, limit)`, `u = clamp(up, ±limit)`: `g · σ(alpha · g) · (u + 1)`.
    ClampedSwiglu {
        /// Steepness.
        alpha: f32,
        /// Bound.
        limit: f32,
    },
}

/// A mixture of experts.
#[derive(Debug, Clone, PartialEq)]
pub struct Mixture {
    /// How many there are.
    pub experts: usize,
    /// How many a token takes.
    pub used: usize,
    /// An expert's inner width.
    pub size: usize,
    /// Between an expert's matrices.
    pub activation: Activation,
    /// Where an expert's gate comes from.
    pub gate: Gate,
    /// How experts are chosen and weighted.
    pub routing: Routing,
    /// A part that every token takes.
    pub shared: Option<Shared>,
    /// Gemma 4: the router reads the residual stream itself, RMS-normed, over `√embedding`, times `ffn_gate_inp.scale`.
    pub router_norm: Option<f32>,
    /// A norm of its own for what the experts read, from the residual stream.
    pub input_norm: Option<Norm>,
    /// A norm of what the experts give together.
    pub output_norm: Option<Norm>,
    /// Experts work in a narrower space: its width (`ffn_latent_down`, `ffn_latent_up`).
    pub latent: Option<usize>,
}

/// How experts are chosen and weighted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Routing {
    /// From router outputs to scores.
    pub score: Score,
    /// Whether `exp_probs_b` is added to the scores for the choice alone.
    pub correction: bool,
    /// Experts are chosen within the best groups only.
    pub groups: Option<Groups>,
    /// Whether the chosen weights are divided by their sum.
    pub normalize: bool,
    /// Factor on the weights.
    pub scale: f32,
}

/// From router outputs to scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Score {
    /// Softmax over all experts.
    Softmax,
    /// σ of each.
    Sigmoid,
    /// Softmax over the chosen ones.
    SoftmaxOfChosen,
}

/// Groups of experts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Groups {
    /// How many; divide the experts.
    pub count: usize,
    /// How many are looked into.
    pub used: usize,
    /// How many of a group's best scores are summed to judge it.
    pub best: usize,
}

/// A part of a mixture that every token takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shared {
    /// What it is; its activation and gate.
    pub dense: Dense,
    /// Names of its tensors.
    pub names: SharedNames,
    /// Whether `σ(ffn_gate_inp_shexp · x)` weighs it.
    pub gated: bool,
    /// A norm of what it gives.
    pub output_norm: Option<Norm>,
}

/// Names of a shared expert's tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SharedNames {
    /// `ffn_up_shexp` and so on.
    Shared,
    /// `ffn_up` and so on.
    Plain,
}
