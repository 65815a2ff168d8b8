//! How a model marks reasoning and calls, recognised by what its chat template writes.
//!
//! It deliberately is a table: a new family is a line. Invariant: a format without marks passes every text as it is.

use super::call::Shape;

/// Marks around reasoning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Think {
    pub(super) open: &'static str,
    pub(super) close: &'static str,
}

/// Marks around a call, or around several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CallMarks {
    pub(super) open: &'static str,
    /// Empty where a call ends with its JSON.
    pub(super) close: &'static str,
    pub(super) shape: Shape,
}

const THINKS: [Think; 9] = [
    think("<think>", "</think>"),
    think("[THINK]", "[/THINK]"),
    think("<seed:think>", "</seed:think>"),
    think("<|channel>thought", "<channel|>"),
    think("<|inner_prefix|>", "<|inner_suffix|>"),
    think("<|START_THINKING|>", "<|END_THINKING|>"),
    think("◁think▷", "◁/think▷"),
    think("<thinking>", "</thinking>"),
    think("Here is my thought process:", "Here is my response:"),
];

const CALLS: [CallMarks; 18] = [
    marks("<tool_call>", "</tool_call>", Shape::Tagged),
    marks("<function=", "</function>", Shape::Function),
    marks("<minimax:tool_call>", "</minimax:tool_call>", Shape::Invoke),
    marks("<seed:tool_call>", "</seed:tool_call>", Shape::Tagged),
    marks("<tool_calls>", "</tool_calls>", Shape::Json),
    marks("<|function_call|>", "", Shape::OneJson),
    marks(
        "<｜DSML｜function_calls>",
        "</｜DSML｜function_calls>",
        Shape::Invoke,
    ),
    marks(
        "<｜DSML｜tool_calls>",
        "</｜DSML｜tool_calls>",
        Shape::Invoke,
    ),
    marks("<TOOLCALL>", "</TOOLCALL>", Shape::Json),
    marks("<|tool_call>", "<tool_call|>", Shape::Gemma),
    marks("<|tool_call|>", "", Shape::OneJson),
    marks("<|tool_call_start|>", "<|tool_call_end|>", Shape::Pythonic),
    marks("<|tool_call_begin|>", "<|tool_call_end|>", Shape::Kimi),
    marks(
        "<｜tool▁call▁begin｜>",
        "<｜tool▁call▁end｜>",
        Shape::DeepSeek,
    ),
    marks("<|START_ACTION|>", "<|END_ACTION|>", Shape::Json),
    marks("<|tools_prefix|>", "<|tools_suffix|>", Shape::Json),
    marks("[TOOL_CALLS]", "", Shape::Mistral),
    marks("<|python_tag|>", "", Shape::PythonTag),
];

/// Marks that say nothing by themselves.
const SILENT: [&str; 10] = [
    "<｜tool▁calls▁begin｜>",
    "<｜tool▁calls▁end｜>",
    "<|tool_calls_section_begin|>",
    "<|tool_calls_section_end|>",
    "<response>",
    "</response>",
    "<|START_RESPONSE|>",
    "<|END_RESPONSE|>",
    "<|START_TEXT|>",
    "<|END_TEXT|>",
];

const fn think(open: &'static str, close: &'static str) -> Think {
    Think { open, close }
}

const fn marks(open: &'static str, close: &'static str, shape: Shape) -> CallMarks {
    CallMarks { open, close, shape }
}

/// How one model marks what.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Format {
    pub(super) is_harmony: bool,
    pub(super) thinks: Vec<Think>,
    pub(super) calls: Vec<CallMarks>,
    pub(super) silent: Vec<&'static str>,
    /// Whether an answer that begins with `{"name":` is a call (Llama 3.x).
    pub(super) is_bare_json: bool,
}

impl Format {
    /// Of the model with this chat template.
    pub fn of(template: &str) -> Self {
        let has = |mark: &str| template.contains(mark);
        // A template that splits turns at the closing mark is for a model that writes the opening one.
        let thinks = THINKS
            .into_iter()
            .filter(|think| has(think.open) || has(think.close));
        Self {
            is_harmony: has("<|channel|>") && has("<|message|>"),
            thinks: thinks.collect(),
            calls: CALLS.into_iter().filter(|marks| has(marks.open)).collect(),
            silent: SILENT.into_iter().filter(|mark| has(mark)).collect(),
            is_bare_json: has("<|start_header_id|>") && has("\"parameters\""),
        }
    }

    /// Of the model with this chat template and these special tokens, which may name marks that its template does not.
    pub fn of_model<'a>(template: &str, tokens: impl IntoIterator<Item = &'a str>) -> Self {
        let mut text = template.to_owned();
        for token in tokens {
            text.push('\n');
            text.push_str(token);
        }
        Self {
            // Only a template says who speaks in it.
            is_bare_json: Self::of(template).is_bare_json,
            ..Self::of(&text)
        }
    }

    /// Whether a control token of this text means something here.
    pub(super) fn knows(&self, mark: &str) -> bool {
        let in_thinks = self
            .thinks
            .iter()
            .any(|think| think.open.starts_with(mark) || think.close == mark);
        let in_calls = self
            .calls
            .iter()
            .any(|marks| marks.open == mark || marks.close == mark || marks.shape.uses(mark));
        in_thinks || in_calls || self.silent.contains(&mark)
    }
}
