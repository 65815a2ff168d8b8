//! Who holds which page, and how many there may be.
//!
//! A page is free, or held by one or more holders: running sequences, the prefix tree, snapshots. It deliberately knows
//! neither tokens nor which holder would give a page up (that is [`super::held`]'s). Invariant: never more pages than the
//! budget, and a page with a holder is never handed out.

use crate::kv::{PageId, PageStore};

/// The pages of a loaded model, counted.
#[derive(Debug)]
pub struct Pager {
    store: PageStore,
    holders: Vec<u32>,
    /// Without holders, with memory.
    free: Vec<PageId>,
    /// Without holders and without memory.
    released: Vec<PageId>,
    budget: usize,
}

impl Pager {
    /// At most `budget` pages of this store, which has none yet.
    pub fn new(store: PageStore, budget: usize) -> Self {
        Self {
            store,
            holders: Vec::new(),
            free: Vec::new(),
            released: Vec::new(),
            budget,
        }
    }

    /// The pages themselves.
    pub fn store(&mut self) -> &mut PageStore {
        &mut self.store
    }

    /// The most pages that there will be.
    pub fn budget(&self) -> usize {
        self.budget
    }

    /// Pages that nobody holds, those that were never needed yet included.
    pub fn available(&self) -> usize {
        self.free.len() + self.released.len() + self.budget - self.holders.len()
    }

    /// Pages with a holder.
    pub fn held(&self) -> usize {
        self.budget - self.available()
    }

    /// Bytes of all pages that have memory, held or not. A device has taken that of all at once.
    pub fn allocated_bytes(&self) -> u64 {
        let pages = if self.store.is_elsewhere() {
            self.budget
        } else {
            self.holders.len() - self.released.len()
        };
        (pages * self.store.shape().page_bytes()) as u64
    }

    /// How many hold this page.
    pub fn holders(&self, page: PageId) -> u32 {
        self.holders[page.0 as usize]
    }

    /// A page for one holder; `None` when the budget is spent. What is in it is left from before.
    pub fn take(&mut self) -> Option<PageId> {
        let page = self
            .free
            .pop()
            .or_else(|| self.refill())
            .or_else(|| self.grow())?;
        self.holders[page.0 as usize] = 1;
        Some(page)
    }

    fn refill(&mut self) -> Option<PageId> {
        let page = self.released.pop()?;
        self.store.refill(page);
        Some(page)
    }

    fn grow(&mut self) -> Option<PageId> {
        if self.holders.len() >= self.budget {
            return None;
        }
        self.holders.push(0);
        Some(self.store.grow())
    }

    /// One more holder of a page that has one.
    pub fn hold(&mut self, page: PageId) {
        debug_assert!(self.holders(page) > 0, "{page:?} has no holder");
        self.holders[page.0 as usize] += 1;
    }

    /// One holder less; the last one frees the page.
    pub fn release(&mut self, page: PageId) {
        let holders = &mut self.holders[page.0 as usize];
        debug_assert!(*holders > 0, "{page:?} has no holder");
        *holders = holders.saturating_sub(1);
        if *holders == 0 {
            self.free.push(page);
        }
    }

    /// Overwrites all free pages and gives their memory back to the system.
    pub fn trim(&mut self) {
        for page in self.free.drain(..) {
            self.store.release(page);
            self.released.push(page);
        }
    }
}
