//! Models in several GGUF files, `-00001-of-00005` before their ending, which is llama.cpp's convention. Any part stands for
//! the whole. It deliberately trusts the names: whether a file is the part that its name says is the engine's to prove.

use super::file_name::split_part_number;
use std::io;
use std::path::{Path, PathBuf};

/// A file that is one of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    folder: PathBuf,
    /// What stands before the number.
    stem: String,
    count: u32,
    ending: String,
}

impl Part {
    /// `None` if the name says nothing of parts.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let stem = path.file_stem()?.to_str()?;
        let (stem, part) = split_part_number(stem);
        let (number, count) = part.strip_prefix('-')?.split_once("-of-")?;
        let (number, count): (u32, u32) = (number.parse().ok()?, count.parse().ok()?);
        (1..=count).contains(&number).then_some(Self {
            folder: path.parent()?.to_owned(),
            stem: stem.to_owned(),
            count,
            ending: path.extension()?.to_str()?.to_owned(),
        })
    }

    /// The first part, by which the whole is known.
    pub(crate) fn first(&self) -> PathBuf {
        self.path(1)
    }

    /// All of them, there or not. A name can claim 99,999.
    pub(crate) fn paths(&self) -> impl Iterator<Item = PathBuf> {
        (1..=self.count).map(|number| self.path(number))
    }

    fn path(&self, number: u32) -> PathBuf {
        let (stem, count, ending) = (&self.stem, self.count, &self.ending);
        let name = format!("{stem}-{number:05}-of-{count:05}.{ending}");
        self.folder.join(name)
    }

    /// Bytes of all parts, or which one is missing.
    pub(crate) fn size_bytes(&self) -> io::Result<Result<u64, String>> {
        let mut sum = 0;
        for number in 1..=self.count {
            let path = self.path(number);
            match path.metadata() {
                Ok(file) if file.is_file() => sum += file.len(),
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {
                    let name = path.file_name().unwrap_or_default().to_string_lossy();
                    let count = self.count;
                    return Ok(Err(format!(
                        "it is one of {count} parts of a model, and {name} is missing"
                    )));
                }
            }
        }
        Ok(Ok(sum))
    }
}
