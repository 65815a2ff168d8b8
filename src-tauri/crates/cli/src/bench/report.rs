//! What `wick bench` found, as JSON and as a table. The JSON's field names stay as they are; new ones may come.

use super::spread::Spread;
use crate::figures;
use crate::stop::Stop;
use crate::table::{Column, table};
use engine_api::LoadedModel;
use hub::Model;
use serde::Serialize;

/// The model that was measured.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ModelReport {
    file_name: String,
    path: String,
    size_bytes: u64,
    name: Option<String>,
    architecture: String,
    quantization: String,
    parameters: u64,
    context_tokens: u32,
}

impl ModelReport {
    pub(crate) fn new(model: &Model, loaded: &LoadedModel) -> Self {
        Self {
            file_name: model.file_name.clone(),
            path: model.path.clone(),
            size_bytes: model.size_bytes,
            name: loaded.name.clone(),
            architecture: loaded.architecture.clone(),
            quantization: loaded.quantization.clone(),
            parameters: loaded.parameters,
            context_tokens: loaded.context_tokens,
        }
    }
}

/// The machine that it ran on.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct MachineReport {
    pub(crate) processor: String,
    pub(crate) cores: u32,
    pub(crate) usable_cores: u32,
    pub(crate) device: String,
}

/// What was measured. `FIELDS` in `mod.rs` tells people what each is.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    pub(crate) wick_version: &'static str,
    pub(crate) model: ModelReport,
    pub(crate) machine: MachineReport,
    pub(crate) prompt_tokens: u32,
    pub(crate) generate_tokens: u32,
    pub(crate) runs: u32,
    pub(crate) prefill_tokens_per_second: Spread,
    pub(crate) decode_tokens_per_second: Spread,
    pub(crate) load_ms: f64,
    pub(crate) first_prompt_tokens: u32,
    pub(crate) start_to_first_token_ms: f64,
    pub(crate) peak_resident_bytes: u64,
    pub(crate) weights_bytes: u64,
    pub(crate) kv_cache_bytes: u64,
}

impl Report {
    pub(crate) fn as_json(&self) -> Result<String, Stop> {
        let json = serde_json::to_string_pretty(self).map_err(|error| Stop::Failed {
            message: format!("The result can't be written as JSON: {error}."),
            hint: None,
        })?;
        Ok(json + "\n")
    }

    pub(crate) fn as_table(&self) -> String {
        let subject = table([Column::Left, Column::Left], &self.subject());
        let rates = table(
            [Column::Left, Column::Right, Column::Right, Column::Right],
            &self.rates(),
        );
        let figures = table([Column::Left, Column::Right], &self.figures());
        format!("{subject}\n{rates}\n{figures}")
    }

    fn subject(&self) -> [[String; 2]; 2] {
        let ModelReport {
            file_name,
            architecture,
            quantization,
            ..
        } = &self.model;
        let model = format!(
            "{file_name} ({architecture}, {quantization}, {} parameters, {})",
            figures::parameters(self.model.parameters),
            figures::bytes(self.model.size_bytes),
        );
        let MachineReport {
            processor,
            cores,
            usable_cores,
            device,
        } = &self.machine;
        let cores = if cores == usable_cores {
            format!("{cores} cores")
        } else {
            format!("{usable_cores} of {cores} cores")
        };
        let machine = format!("{processor}, {cores}, runs on {device}");
        [["model".into(), model], ["machine".into(), machine]]
    }

    fn rates(&self) -> [[String; 4]; 3] {
        let row = |what: String, spread: Spread| {
            let rate = |value: f64| format!("{value:.1}");
            [
                what,
                rate(spread.median),
                rate(spread.min),
                rate(spread.max),
            ]
        };
        let header = format!("tokens per second, {} runs", self.runs);
        let prefill = format!("prefill of {}", self.prompt_tokens);
        let decode = format!(
            "decode of {} behind {}",
            self.generate_tokens, self.prompt_tokens
        );
        [
            [header, "median".into(), "min".into(), "max".into()],
            row(prefill, self.prefill_tokens_per_second),
            row(decode, self.decode_tokens_per_second),
        ]
    }

    fn figures(&self) -> [[String; 2]; 5] {
        let first = format!(
            "start to first token, prompt of {}",
            self.first_prompt_tokens
        );
        [
            ["load".into(), figures::milliseconds(self.load_ms)],
            [first, figures::milliseconds(self.start_to_first_token_ms)],
            [
                "peak memory of the worker".into(),
                figures::bytes(self.peak_resident_bytes),
            ],
            ["weights".into(), figures::bytes(self.weights_bytes)],
            ["KV cache".into(), figures::bytes(self.kv_cache_bytes)],
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn report() -> Report {
        Report {
            wick_version: "0.1.0",
            model: ModelReport {
                file_name: "Smol.Q4_1.gguf".into(),
                path: "/m/Smol.Q4_1.gguf".into(),
                size_bytes: 98_362_432,
                name: None,
                architecture: "llama".into(),
                quantization: "Q4_1".into(),
                parameters: 134_515_008,
                context_tokens: 2048,
            },
            machine: MachineReport {
                processor: "AMD EPYC".into(),
                cores: 2,
                usable_cores: 2,
                device: "CPU".into(),
            },
            prompt_tokens: 512,
            generate_tokens: 128,
            runs: 5,
            prefill_tokens_per_second: Spread {
                median: 441.04,
                min: 430.0,
                max: 1000.0,
            },
            decode_tokens_per_second: Spread {
                median: 78.5,
                min: 70.25,
                max: 80.0,
            },
            load_ms: 183.2,
            first_prompt_tokens: 16,
            start_to_first_token_ms: 1620.0,
            peak_resident_bytes: 220 << 20,
            weights_bytes: 94 << 20,
            kv_cache_bytes: 15 << 20,
        }
    }

    #[test]
    fn the_field_names_of_the_json_stay() {
        let json: serde_json::Value =
            serde_json::from_str(&report().as_json().expect("JSON")).expect("JSON");
        let expected = json!({
            "wick_version": "0.1.0",
            "model": {
                "file_name": "Smol.Q4_1.gguf", "path": "/m/Smol.Q4_1.gguf", "size_bytes": 98_362_432, "name": null,
                "architecture": "llama", "quantization": "Q4_1", "parameters": 134_515_008, "context_tokens": 2048,
            },
            "machine": { "processor": "AMD EPYC", "cores": 2, "usable_cores": 2, "device": "CPU" },
            "prompt_tokens": 512,
            "generate_tokens": 128,
            "runs": 5,
            "prefill_tokens_per_second": { "median": 441.04, "min": 430.0, "max": 1000.0 },
            "decode_tokens_per_second": { "median": 78.5, "min": 70.25, "max": 80.0 },
            "load_ms": 183.2,
            "first_prompt_tokens": 16,
            "start_to_first_token_ms": 1620.0,
            "peak_resident_bytes": 220 << 20,
            "weights_bytes": 94 << 20,
            "kv_cache_bytes": 15 << 20,
        });
        assert_eq!(json, expected);
        let names = json.as_object().expect("an object").keys();
        for name in names {
            assert!(
                super::super::FIELDS.contains(name),
                "--help does not tell {name}"
            );
        }
    }

    #[test]
    fn the_table_reads_at_a_glance() {
        let expected = "\
model    Smol.Q4_1.gguf (llama, Q4_1, 134.5 M parameters, 93.8 MiB)
machine  AMD EPYC, 2 cores, runs on CPU

tokens per second, 5 runs  median    min     max
prefill of 512              441.0  430.0  1000.0
decode of 128 behind 512     78.5   70.2    80.0

load                                   183 ms
start to first token, prompt of 16     1.62 s
peak memory of the worker           220.0 MiB
weights                              94.0 MiB
KV cache                             15.0 MiB
";
        assert_eq!(report().as_table(), expected);
        let mut fewer = report();
        fewer.machine.usable_cores = 1;
        assert!(fewer.as_table().contains("1 of 2 cores"));
    }
}
