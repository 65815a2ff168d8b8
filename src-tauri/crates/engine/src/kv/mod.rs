//! The KV cache in pages.
//!
//! A page holds the keys and values of [`PAGE_TOKENS`] positions of one sequence for all attention layers. Pages are
//! allocated when they are first needed, up to a hard budget, and are shared between sequences that begin alike: a page
//! is written only while one sequence holds it. Layout of a page: layer after layer, first K then V, each
//! `[kv_head][position in page][dim]`, so that a head's keys of a page are one run of memory.
//!
//! It deliberately knows neither tokens nor prefixes (that is the scheduler's), and computes nothing (that is `cpu`'s).

use crate::weights::AlignedBytes;
use crate::wipe::wipe;

/// Positions in a page. A multiple of every vector width, small enough to share system prompts tightly.
pub const PAGE_TOKENS: usize = 32;

/// How keys and values are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KvType {
    /// 4 bytes an element; for comparisons.
    F32,
    /// 2 bytes an element.
    F16,
    /// 34 bytes for 32 elements, as in GGUF's `Q8_0`; head dimensions must be multiples of 32.
    Q8_0,
}

impl KvType {
    /// Bytes of a vector of `elements`.
    pub fn bytes(self, elements: usize) -> usize {
        match self {
            Self::F32 => elements * 4,
            Self::F16 => elements * 2,
            Self::Q8_0 => elements / 32 * 34,
        }
    }
}

/// Sizes of one attention layer's keys and values. Layers without attention have no entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerKv {
    /// Heads that keys and values have.
    pub kv_heads: usize,
    /// Elements of a key.
    pub key_dim: usize,
    /// Elements of a value; 0 where values are read out of the keys (MLA's compressed cache).
    pub value_dim: usize,
}

/// What a page looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageShape {
    /// How elements are kept.
    pub kv_type: KvType,
    /// One for each attention layer, in order.
    pub layers: Vec<LayerKv>,
}

impl PageShape {
    /// Bytes of a layer's keys in a page.
    pub fn key_bytes(&self, layer: usize) -> usize {
        let LayerKv {
            kv_heads, key_dim, ..
        } = self.layers[layer];
        kv_heads * PAGE_TOKENS * self.kv_type.bytes(key_dim)
    }

    /// Bytes of a layer's values in a page.
    pub fn value_bytes(&self, layer: usize) -> usize {
        let LayerKv {
            kv_heads,
            value_dim,
            ..
        } = self.layers[layer];
        kv_heads * PAGE_TOKENS * self.kv_type.bytes(value_dim)
    }

    /// Where a layer's keys begin in a page; its values follow them.
    pub fn key_offset(&self, layer: usize) -> usize {
        (0..layer)
            .map(|layer| self.key_bytes(layer) + self.value_bytes(layer))
            .sum()
    }

    /// Bytes of a page.
    pub fn page_bytes(&self) -> usize {
        self.key_offset(self.layers.len())
    }
}

/// The name of a page in its [`PageStore`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PageId(pub u32);

/// What is to be done with pages that lie on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The second becomes what the first is.
    Copy(PageId, PageId),
    /// What is in it is overwritten.
    Wipe(PageId),
}

/// All pages of a loaded model.
#[derive(Debug)]
pub struct PageStore {
    shape: PageShape,
    offsets: Vec<usize>,
    pages: Vec<AlignedBytes>,
    /// Where the pages lie on a device: what it has not been told yet.
    elsewhere: Option<Vec<Change>>,
}

impl PageStore {
    /// A store without pages.
    pub fn new(shape: PageShape) -> Self {
        let offsets = (0..shape.layers.len())
            .map(|layer| shape.key_offset(layer))
            .collect();
        Self {
            shape,
            offsets,
            pages: Vec::new(),
            elsewhere: None,
        }
    }

    /// A store of names: the pages lie on a device, which asks with [`Self::take_changes`] before it computes.
    pub fn elsewhere(shape: PageShape) -> Self {
        Self {
            elsewhere: Some(Vec::new()),
            ..Self::new(shape)
        }
    }

    /// Whether a device has the pages.
    pub fn is_elsewhere(&self) -> bool {
        self.elsewhere.is_some()
    }

    /// What the device is to do before anything else, in this order.
    pub fn take_changes(&mut self) -> Vec<Change> {
        self.elsewhere
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }

    fn page(&self) -> AlignedBytes {
        let here = self.elsewhere.is_none();
        AlignedBytes::zeroed(if here { self.shape.page_bytes() } else { 0 })
    }

    /// What its pages look like.
    pub fn shape(&self) -> &PageShape {
        &self.shape
    }

    /// Allocates one more page. Who may ask for how many is the pager's to say.
    pub fn grow(&mut self) -> PageId {
        self.pages.push(self.page());
        PageId(u32::try_from(self.pages.len() - 1).unwrap_or(u32::MAX))
    }

    /// Overwrites a page and gives its memory back; its name stays for [`Self::refill`].
    pub fn release(&mut self, page: PageId) {
        if let Some(changes) = &mut self.elsewhere {
            changes.push(Change::Wipe(page));
        }
        let page = &mut self.pages[page.0 as usize];
        wipe(page);
        *page = AlignedBytes::zeroed(0);
    }

    /// Allocates the memory of a released page again.
    pub fn refill(&mut self, page: PageId) {
        self.pages[page.0 as usize] = self.page();
    }

    /// Pages that have a name, released ones included.
    pub fn len(&self) -> usize {
        self.pages.len()
    }

    /// Whether nothing is allocated.
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// A layer's keys in a page: `[kv_head][position][key_dim]`.
    pub fn keys(&self, page: PageId, layer: usize) -> &[u8] {
        let from = self.offsets[layer];
        &self.pages[page.0 as usize][from..from + self.shape.key_bytes(layer)]
    }

    /// A layer's values in a page: `[kv_head][position][value_dim]`.
    pub fn values(&self, page: PageId, layer: usize) -> &[u8] {
        let from = self.offsets[layer] + self.shape.key_bytes(layer);
        &self.pages[page.0 as usize][from..from + self.shape.value_bytes(layer)]
    }

    /// Both, to be written.
    pub fn layer_mut(&mut self, page: PageId, layer: usize) -> (&mut [u8], &mut [u8]) {
        let from = self.offsets[layer];
        let (keys, values) = (self.shape.key_bytes(layer), self.shape.value_bytes(layer));
        self.pages[page.0 as usize][from..from + keys + values].split_at_mut(keys)
    }

    /// Copies the first `positions` positions of `from` into `to` (a page that is about to be written must be held by
    /// one sequence alone).
    pub fn copy_page(&mut self, from: PageId, to: PageId) {
        if let Some(changes) = &mut self.elsewhere {
            changes.push(Change::Copy(from, to));
        }
        // In place: a copy beside it would stay in freed memory.
        if let Ok([from, to]) = self
            .pages
            .get_disjoint_mut([from.0 as usize, to.0 as usize])
        {
            to.copy_from_slice(from);
        }
    }
}
