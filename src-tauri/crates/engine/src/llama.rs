//! Why a tokenizer is not taken.

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("{0}")]
    Damaged(String),
    #[error("{0}")]
    Unsupported(String),
}
