//! What goes with a model in Hugging Face's cache: its links, the blobs that nothing else links to, and what only told of
//! them, such as the ref of a commit of which nothing is left.

use super::plan::Plan;
use super::{Versions, shared};
use crate::cache::scan::{Cached, CachedRepo, hop};
use crate::library::companions::is_companion;
use crate::library::parts::Part;
use crate::library::survey::Found;
use crate::library::{checkpoint, is_gguf};
use crate::{Error, Format};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// More files of one repository are none of a person's.
const MAX_ENTRIES: usize = 100_000;

/// A repository's folder as it is.
struct Repo<'a> {
    repo: &'a CachedRepo,
    snapshots: Vec<Tree>,
}

/// What lies below a folder; links are not followed.
#[derive(Default)]
struct Tree {
    path: PathBuf,
    files: Vec<PathBuf>,
    /// Deepest first, itself the last.
    folders: Vec<PathBuf>,
}

pub(super) fn plan(
    plan: &mut Plan,
    cached: &Cached,
    shown: &Found,
    versions: Versions,
) -> Result<(), Error> {
    let repo = Repo::read(&cached.repo)?;
    let mut links = match shown.model.format {
        Format::Gguf => repo.links_of_file(plan, cached, shown, versions),
        Format::Safetensors => repo.links_of_folder(cached, versions),
    };
    let emptied = repo.emptied(&links);
    links.extend(emptied.iter().flat_map(|tree| tree.files.clone()));
    let blobs: BTreeSet<_> = links
        .iter()
        .filter_map(|link| hop(link).filter(|_| plan.delete(link)))
        .collect();
    for tree in &emptied {
        repo.forget(plan, tree)?;
    }
    let projector = shown.model.projector.as_ref().map(Path::new);
    let projector = projector.filter(|_| versions == Versions::Shown);
    if let Some(projector) = projector.filter(|projector| !plan.goes(projector)) {
        plan.keep(projector, "other models of its repository may use it");
    }
    for blob in &blobs {
        repo.blob(plan, blob);
    }
    repo.last_of_it(plan)
}

impl<'a> Repo<'a> {
    fn read(repo: &'a CachedRepo) -> Result<Self, Error> {
        let snapshots = repo.snapshots().unwrap_or_default();
        let trees = snapshots.iter().map(|path| Tree::below(path));
        let snapshots = trees.collect::<Result<_, _>>()?;
        Ok(Self { repo, snapshots })
    }

    /// The links of a GGUF file and its parts: in all snapshots those that lead to the same blob, or those that don't.
    fn links_of_file(
        &self,
        plan: &mut Plan,
        cached: &Cached,
        shown: &Found,
        versions: Versions,
    ) -> Vec<PathBuf> {
        let path = Path::new(&shown.model.path);
        let parts = Part::of(path).map(|part| part.paths().collect());
        let parts: Vec<_> = parts.unwrap_or_else(|| vec![path.to_owned()]);
        let mut links = Vec::new();
        for part in &parts {
            let Ok(name) = part.strip_prefix(&cached.snapshot) else {
                continue;
            };
            for tree in &self.snapshots {
                let link = tree.path.join(name);
                let is_same = link == *part || leads_to(&link) == leads_to(part);
                if !tree.files.contains(&link) {
                    continue;
                }
                match versions {
                    Versions::Shown if is_same => links.push(link),
                    Versions::Others if !is_same => links.push(link),
                    Versions::Shown => plan.keep(&link, "it is another version of the model"),
                    Versions::Others => {}
                }
            }
        }
        links
    }

    /// The files of a snapshot whose weights are a folder, without its GGUF files: those are models of their own.
    fn links_of_folder(&self, cached: &Cached, versions: Versions) -> Vec<PathBuf> {
        let is_meant = |tree: &&Tree| match versions {
            Versions::Shown => tree.path == cached.snapshot,
            Versions::Others => tree.path != cached.snapshot && checkpoint::is_meant(&tree.path),
        };
        let trees = self.snapshots.iter().filter(is_meant);
        let files = trees.flat_map(|tree| &tree.files);
        files.filter(|path| !is_gguf(path)).cloned().collect()
    }

    /// The snapshots in which no model is left when these links are gone.
    fn emptied(&self, links: &[PathBuf]) -> Vec<&Tree> {
        let goes = |path: &PathBuf| links.contains(path);
        let is_model = |path: &&PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            is_gguf(path) && !is_companion(&name)
        };
        let config = |tree: &Tree| tree.path.join("config.json");
        let is_emptied = |tree: &&Tree| {
            let is_touched = tree.files.iter().any(goes);
            let has_file = tree.files.iter().filter(is_model).any(|path| !goes(path));
            let has_folder = checkpoint::is_meant(&tree.path) && !goes(&config(tree));
            is_touched && !has_file && !has_folder
        };
        self.snapshots.iter().filter(is_emptied).collect()
    }

    /// A snapshot of which nothing is left: its folders, its refs, and what the Python client notes of its commit.
    fn forget(&self, plan: &mut Plan, tree: &Tree) -> Result<(), Error> {
        if !tree.files.iter().all(|path| plan.goes(path)) {
            return Ok(());
        }
        let commit = tree.path.file_name().unwrap_or_default();
        for reference in self.repo.references() {
            if *reference.commit == *commit {
                plan.delete(&reference.path);
            }
        }
        let listing = format!("{}.json", commit.to_string_lossy());
        let listing = self.repo.folder.join("trees").join(listing);
        if listing.is_file() {
            plan.delete(&listing);
        }
        delete_all(plan, &self.repo.folder.join(".no_exist").join(commit))?;
        for folder in &tree.folders {
            plan.delete_if_empty(folder.clone());
        }
        Ok(())
    }

    /// A blob goes if no link that stays leads to it.
    fn blob(&self, plan: &mut Plan, blob: &Path) {
        if blob.symlink_metadata().is_err() {
            return; // it is gone already
        }
        if blob.parent() != Some(&self.repo.folder.join("blobs")) {
            return plan.keep(blob, "it lies outside of its repository's blobs");
        }
        let files = self.snapshots.iter().flat_map(|tree| &tree.files);
        let mut staying = files.filter(|path| !plan.goes(path));
        if let Some(link) = staying.find(|path| hop(path).as_deref() == Some(blob)) {
            let name = link.strip_prefix(self.repo.folder.join("snapshots"));
            let because = format!("also used by {}", name.unwrap_or(link).display());
            return plan.keep(blob, because);
        }
        let content = shared::content(blob);
        if plan.delete_unless_used(blob)
            && let Some(content) = content
        {
            shared_content(plan, &content);
        }
    }

    /// When no snapshot is left: refs, notes, and blobs that nothing linked to, unless something is still being fetched.
    fn last_of_it(&self, plan: &mut Plan) -> Result<(), Error> {
        let mut files = self.snapshots.iter().flat_map(|tree| &tree.files);
        if plan.is_empty() || files.any(|path| !plan.goes(path)) {
            return Ok(());
        }
        let at = |name: &str| self.repo.folder.join(name);
        let blobs = Tree::below(&at("blobs"))?;
        let is_fetching = |path: &&PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.contains('.') // a whole blob is called by its hash alone
        };
        if let Some(unfinished) = blobs.files.iter().find(is_fetching) {
            plan.keep(unfinished, "it is not all fetched yet");
            return Ok(());
        }
        for blob in &blobs.files {
            if !plan.goes(blob) {
                plan.delete_unless_used(blob);
            }
        }
        if blobs.files.iter().any(|blob| !plan.goes(blob)) {
            return Ok(()); // the Python client takes blobs without snapshots for damage
        }
        for name in ["refs", "trees", ".no_exist"] {
            delete_all(plan, &at(name))?;
        }
        for name in ["snapshots", "blobs", ""] {
            plan.delete_if_empty(at(name));
        }
        Ok(())
    }
}

/// The content that a blob was a link to goes if all other links to it go too.
fn shared_content(plan: &mut Plan, content: &Path) {
    let Some(references) = shared::references(content) else {
        return plan.keep(content, "nothing tells what else uses it");
    };
    if let Some(other) = references.iter().find(|blob| !plan.goes(blob)) {
        let repo = other.ancestors().nth(2).and_then(CachedRepo::of);
        let name = repo.map_or_else(|| other.display().to_string(), |repo| repo.name);
        return plan.keep(content, format!("also used by {name}"));
    }
    // The list first: a content without one is left alone, a list without its content means nothing.
    if plan.is_unused(content) && plan.delete(&shared::list(content)) {
        plan.delete(content);
    }
}

fn delete_all(plan: &mut Plan, folder: &Path) -> Result<(), Error> {
    if folder.is_symlink() || !folder.is_dir() {
        return Ok(());
    }
    let tree = Tree::below(folder)?;
    for path in &tree.files {
        plan.delete(path);
    }
    for folder in tree.folders {
        plan.delete_if_empty(folder);
    }
    Ok(())
}

fn leads_to(link: &Path) -> Option<PathBuf> {
    link.canonicalize().ok()
}

impl Tree {
    fn below(folder: &Path) -> Result<Self, Error> {
        let mut tree = Self {
            path: folder.to_owned(),
            ..Self::default()
        };
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
                let list = if is_folder {
                    &mut folders
                } else {
                    &mut tree.files
                };
                list.push(entry.path());
            }
            tree.folders.push(folder);
            if tree.files.len() + tree.folders.len() + folders.len() > MAX_ENTRIES {
                let path = tree.path.display();
                return Err(Error::Invalid(format!(
                    "{path} holds more than {MAX_ENTRIES} files; nothing was removed"
                )));
            }
        }
        tree.files.sort();
        tree.folders.reverse();
        Ok(tree)
    }
}
