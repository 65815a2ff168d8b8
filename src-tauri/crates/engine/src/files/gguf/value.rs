//! Metadata values. Numbers keep what they mean, not how wide they were written: nobody asks for a `u16`.

use super::Error;
use super::reader::Reader;
use std::io::Read;

/// Arrays may hold arrays, but nobody needs more than this many levels.
const MAX_DEPTH: usize = 4;

/// A metadata value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Any unsigned integer.
    Unsigned(u64),
    /// Any signed integer.
    Signed(i64),
    /// Either float.
    Float(f64),
    /// True or false.
    Bool(bool),
    /// Text.
    Text(String),
    /// Values of one type.
    Array(Vec<Value>),
}

impl Value {
    pub(super) fn read<R: Read>(reader: &mut Reader<R>, key: &str) -> Result<Self, Error> {
        let kind = reader.u32(key)?;
        Self::read_kind(reader, key, kind, 0)
    }

    fn read_kind<R: Read>(
        reader: &mut Reader<R>,
        key: &str,
        kind: u32,
        depth: usize,
    ) -> Result<Self, Error> {
        Ok(match kind {
            0 => Self::Unsigned(u8::from_le_bytes(reader.array(key)?).into()),
            1 => Self::Signed(i8::from_le_bytes(reader.array(key)?).into()),
            2 => Self::Unsigned(u16::from_le_bytes(reader.array(key)?).into()),
            3 => Self::Signed(i16::from_le_bytes(reader.array(key)?).into()),
            4 => Self::Unsigned(reader.u32(key)?.into()),
            5 => Self::Signed(i32::from_le_bytes(reader.array(key)?).into()),
            6 => Self::Float(f32::from_le_bytes(reader.array(key)?).into()),
            7 => Self::Bool(reader.array::<1>(key)? != [0]),
            8 => Self::Text(reader.text(key)?),
            9 if depth < MAX_DEPTH => Self::read_array(reader, key, depth)?,
            10 => Self::Unsigned(reader.u64(key)?),
            11 => Self::Signed(i64::from_le_bytes(reader.array(key)?)),
            12 => Self::Float(f64::from_le_bytes(reader.array(key)?)),
            9 => {
                return Err(Error::Damaged(format!(
                    "{key} nests arrays more than {MAX_DEPTH} deep"
                )));
            }
            _ => {
                return Err(Error::Damaged(format!(
                    "{key} has the unknown value type {kind}"
                )));
            }
        })
    }

    fn read_array<R: Read>(reader: &mut Reader<R>, key: &str, depth: usize) -> Result<Self, Error> {
        let kind = reader.u32(key)?;
        let count = reader.u64(key)?;
        reader.expect_room(key, count, min_bytes(kind))?;
        reader.spend_values(key, count)?;
        // Grown as it is read: a value in memory is wider than in the file, and a file that lies ends early.
        let mut values = Vec::new();
        for _ in 0..count {
            values.push(Self::read_kind(reader, key, kind, depth + 1)?);
        }
        Ok(Self::Array(values))
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is whole and not negative.
    pub fn as_unsigned(&self) -> Option<u64> {
        match self {
            Self::Unsigned(number) => Some(*number),
            Self::Signed(number) => u64::try_from(*number).ok(),
            _ => None,
        }
    }

    /// The float, if it is one.
    pub fn as_float(&self) -> Option<f64> {
        match self {
            Self::Float(number) => Some(*number),
            _ => None,
        }
    }

    /// The truth, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(truth) => Some(*truth),
            _ => None,
        }
    }

    /// The values, if it is an array.
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Self::Array(values) => Some(values),
            _ => None,
        }
    }
}

/// The least that one value of this type takes in the file.
fn min_bytes(kind: u32) -> u64 {
    match kind {
        2 | 3 => 2,
        4..=6 => 4,
        8 | 10..=12 => 8,
        9 => 12,
        _ => 1,
    }
}
