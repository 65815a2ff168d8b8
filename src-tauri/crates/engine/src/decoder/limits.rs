//! Proof that a description makes sense: what is divided by is positive and divides, what is indexed by is in range.
//!
//! It looks at numbers alone; that the file's tensors have the shapes that follow from them is proven by
//! [`super::source`].

use super::description::{
    AttentionDescription, Description, FeedForward, KvSource, MixerDescription, Mixture, Norm,
    RopeDescription, RopeScaling,
};

/// The widest of anything within a layer.
const MAX_WIDTH: usize = 1 << 24;
/// The most heads, elements of a head, or experts.
const MAX_PARTS: usize = 1 << 14;

type Proof = Result<(), String>;

fn ensure(holds: bool, reason: impl FnOnce() -> String) -> Proof {
    if holds { Ok(()) } else { Err(reason()) }
}

/// Proves a description.
///
/// # Errors
/// In words, what doesn't hold.
pub fn prove(description: &Description) -> Proof {
    width(description.vocabulary, "vocabulary")?;
    width(description.embedding, "embedding")?;
    width(description.context, "context")?;
    ensure(!description.layers.is_empty(), || "it has no layers".into())?;
    ensure(description.logit_scale.is_finite(), || {
        "its logits have no finite factor".into()
    })?;
    if let Some(per_layer) = description.per_layer_embedding {
        width(per_layer, "second embedding")?;
        width(
            per_layer.saturating_mul(description.layers.len()),
            "second embedding",
        )?;
    }
    for rope in &description.ropes {
        rotation(rope)?;
    }
    for layer in 0..description.layers.len() {
        self::layer(description, layer).map_err(|reason| format!("layer {layer}: {reason}"))?;
    }
    norm(&description.output_norm)
}

fn width(size: usize, what: &str) -> Proof {
    ensure((1..=MAX_WIDTH).contains(&size), || {
        format!("its {what} is {size}")
    })
}

fn parts(count: usize, what: &str) -> Proof {
    ensure((1..=MAX_PARTS).contains(&count), || {
        format!("it has {count} {what}")
    })
}

fn norm(norm: &Norm) -> Proof {
    let epsilon = norm.epsilon;
    ensure(epsilon.is_finite() && epsilon > 0.0, || {
        format!("a norm's ε is {epsilon}")
    })
}

fn rotation(rope: &RopeDescription) -> Proof {
    ensure(rope.dims > 0 && rope.dims.is_multiple_of(2), || {
        format!("its rotation turns {} elements", rope.dims)
    })?;
    ensure(rope.base > 0.0 && rope.magnitude.is_finite(), || {
        "its rotation has no base".into()
    })?;
    match rope.scaling {
        RopeScaling::None => Ok(()),
        RopeScaling::Linear { factor } => {
            ensure(factor > 0.0, || "its rotation is scaled by nothing".into())
        }
        RopeScaling::Yarn(yarn) => ensure(
            yarn.factor >= 1.0 && yarn.original_context >= 1.0 && rope.base > 1.0,
            || {
                format!(
                    "its rotation is scaled by {} from {}",
                    yarn.factor, yarn.original_context
                )
            },
        ),
    }
}

fn layer(description: &Description, at: usize) -> Proof {
    let layer = &description.layers[at];
    let norms = [
        &layer.mixer_norm,
        &layer.mixer_post_norm,
        &layer.feed_forward_norm,
        &layer.feed_forward_post_norm,
    ];
    for found in norms.into_iter().flatten() {
        norm(found)?;
    }
    match &layer.mixer {
        MixerDescription::Attention(spec) => attention(description, at, spec)?,
        MixerDescription::Mla(spec) => spec.prove()?,
        MixerDescription::ShortConv(spec) => spec.prove()?,
        MixerDescription::DeltaNet(spec) => spec.prove()?,
        MixerDescription::Mamba2(spec) => spec.prove()?,
        MixerDescription::None => {}
    }
    match &layer.feed_forward {
        FeedForward::Dense(dense) => width(dense.size, "feed-forward width"),
        FeedForward::Mixture(spec) => mixture(spec),
        FeedForward::None => Ok(()),
    }
}

fn attention(description: &Description, at: usize, spec: &AttentionDescription) -> Proof {
    parts(spec.heads, "heads")?;
    parts(spec.kv_heads, "KV heads")?;
    parts(spec.key_dim, "elements in a key")?;
    parts(spec.value_dim, "elements in a value")?;
    ensure(spec.heads.is_multiple_of(spec.kv_heads), || {
        format!(
            "{} KV heads do not divide {} heads",
            spec.kv_heads, spec.heads
        )
    })?;
    ensure(spec.scale.is_finite(), || {
        "its scores have no finite factor".into()
    })?;
    ensure(spec.window != Some(0), || "its window is empty".into())?;
    ensure(
        spec.temperature.is_none_or(|found| found.length > 0),
        || "its queries grow from 0".into(),
    )?;
    if let Some(rope) = spec.rope {
        let dims = description.ropes.get(rope).map(|rope| rope.dims);
        ensure(dims.is_some_and(|dims| dims <= spec.key_dim), || {
            format!("its rotation turns {dims:?} elements of {}", spec.key_dim)
        })?;
    }
    source(description, at, spec)
}

fn source(description: &Description, at: usize, spec: &AttentionDescription) -> Proof {
    let from = match spec.kv {
        KvSource::Own => return Ok(()),
        KvSource::OwnKeysOnly => {
            return ensure(spec.key_dim == spec.value_dim, || {
                "its values are keys of another width".into()
            });
        }
        KvSource::Layer(from) => from,
    };
    let fits = |other: &AttentionDescription| {
        !matches!(other.kv, KvSource::Layer(_))
            && (other.kv_heads, other.key_dim, other.value_dim)
                == (spec.kv_heads, spec.key_dim, spec.value_dim)
    };
    let holds = from < at
        && matches!(&description.layers[from].mixer, MixerDescription::Attention(other) if fits(other));
    ensure(holds, || format!("it can't read the keys of layer {from}"))
}

fn mixture(spec: &Mixture) -> Proof {
    parts(spec.experts, "experts")?;
    width(spec.size, "experts' width")?;
    width(spec.size.saturating_mul(spec.used), "used experts' width")?;
    ensure((1..=spec.experts).contains(&spec.used), || {
        format!("it uses {} of {} experts", spec.used, spec.experts)
    })?;
    if let Some(latent) = spec.latent {
        width(latent, "experts' input")?;
    }
    if let Some(shared) = &spec.shared {
        width(shared.dense.size, "shared expert's width")?;
    }
    let Some(groups) = spec.routing.groups else {
        return Ok(());
    };
    let divides = groups.count > 0 && spec.experts.is_multiple_of(groups.count);
    let holds = divides && (1..=groups.count).contains(&groups.used) && {
        let size = spec.experts / groups.count;
        (1..=size).contains(&groups.best) && spec.used <= size * groups.used
    };
    ensure(holds, || {
        format!(
            "{} of {} groups of {} experts",
            groups.used, groups.count, spec.experts
        )
    })
}
