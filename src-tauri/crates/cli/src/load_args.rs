//! How a model is to be loaded, as several commands take it.

use clap::ValueEnum;
use engine_api::{KvType, LoadOptions, Quantize};
use telemetry::Machine;

#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct LoadArgs {
    /// Tokens of the context window [default: what the model was trained for, as far as memory goes]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) context: Option<u32>,
    /// How keys and values are kept
    #[arg(long, value_name = "TYPE", value_enum, default_value_t)]
    pub(crate) kv_type: KvTypeArg,
    /// Threads that compute [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) threads: Option<u32>,
    /// Turn float weights into this type while loading
    #[arg(long, value_name = "TYPE", value_enum)]
    pub(crate) quantize: Option<QuantizeArg>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum KvTypeArg {
    /// 4 bytes an element, for comparisons
    F32,
    /// 2 bytes an element
    #[default]
    F16,
    /// 34 bytes for 32 elements
    #[value(name = "q8_0")]
    Q8_0,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum QuantizeArg {
    /// 34 bytes for 32 weights
    #[value(name = "q8_0")]
    Q8_0,
    /// 144 bytes for 256 weights; eight bits where rows are no multiple of 256
    #[value(name = "q4_k")]
    Q4K,
}

impl From<KvTypeArg> for KvType {
    fn from(kv_type: KvTypeArg) -> Self {
        match kv_type {
            KvTypeArg::F32 => Self::F32,
            KvTypeArg::F16 => Self::F16,
            KvTypeArg::Q8_0 => Self::Q8_0,
        }
    }
}

impl LoadArgs {
    /// What the worker is told, for so many sequences at once: also what memory there is, as the app tells it.
    pub(crate) fn options(&self, parallel: u32) -> LoadOptions {
        let memory = Machine::local().memory().ok();
        LoadOptions {
            context_tokens: self.context,
            parallel,
            kv_type: self.kv_type.into(),
            threads: self.threads,
            quantize: self.quantize.map(|wanted| match wanted {
                QuantizeArg::Q8_0 => Quantize::Q8_0,
                QuantizeArg::Q4K => Quantize::Q4K,
            }),
            available_bytes: memory.map(|memory| memory.available_bytes),
            ..LoadOptions::default()
        }
    }
}
