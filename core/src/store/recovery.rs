//! What is done before the first operation after a restart or a failure.
//!
//! At most one operation was interrupted, so at most one block is between two
//! states. Where a half-erased block still looks intact, its content decides
//! nothing: the block that replaces it says which of the two is whole.

use embedded_storage::nor_flash::NorFlash;

use super::layout::{Header, Slot, VERSION};
use super::region::Block;
use super::{Store, StoreError};
use crate::Code;

/// What a walk over the region finds.
#[derive(Clone, Copy, Debug)]
pub(super) struct State {
    pub next_id: u32,
    pub next_sequence: u32,
    /// Number of items.
    pub live: u32,
    /// The block that was put to use last.
    pub newest: Option<u32>,
}

impl<F: NorFlash, const D: usize, C: Code> Store<F, D, C> {
    pub(super) fn ready(&mut self) -> Result<State, StoreError<F::Error>> {
        if let Some(state) = self.state {
            return Ok(state);
        }
        let newest = self.examine()?;
        if let Some((block, header)) = newest {
            self.finish_compaction(block, &header)?;
        }
        let state = self.count()?;
        self.state = Some(state);
        Ok(state)
    }

    /// Checks all headers, erases the one unreadable block that there may be,
    /// and gives the block that was put to use last.
    fn examine(&mut self) -> Result<Option<(u32, Header)>, StoreError<F::Error>> {
        let mut unreadable = None;
        let mut newest: Option<(u32, Header)> = None;
        for block in 0..self.region.blocks {
            match self.region.block(block)? {
                Block::Blank => {}
                Block::Unreadable if unreadable.is_some() => return Err(StoreError::Corrupted),
                Block::Unreadable => unreadable = Some(block),
                Block::Used(header) => {
                    self.check(&header)?;
                    if newest.is_none_or(|(_, newest)| newest.sequence < header.sequence) {
                        newest = Some((block, header));
                    }
                }
            }
        }
        if let Some(block) = unreadable {
            self.region.erase(block)?;
        }
        Ok(newest)
    }

    fn check(&self, header: &Header) -> Result<(), StoreError<F::Error>> {
        if header.version != VERSION {
            return Err(StoreError::Version { found: header.version, newest: VERSION });
        }
        let (expected, found) = (self.fingerprint, header.fingerprint);
        if found != expected {
            return Err(StoreError::OtherModel { expected, found });
        }
        if header.code != C::NUMBER {
            return Err(StoreError::Code { found: header.code });
        }
        match usize::try_from(header.dimension) {
            Ok(found) if found == D => Ok(()),
            Ok(found) => Err(StoreError::Dimension { expected: D, found }),
            Err(_) => Err(StoreError::Corrupted),
        }
    }

    /// If the block that the newest one replaces is still there, erases one of
    /// the two: the old one once everything was copied, else the new one.
    fn finish_compaction(
        &mut self,
        newest: u32,
        header: &Header,
    ) -> Result<(), StoreError<F::Error>> {
        let Some(replaced) = header.replaces else { return Ok(()) };
        for block in 0..self.region.blocks {
            if let Some(old) = self.region.header(block)?
                && old.sequence == replaced
                && block != newest
            {
                let condemned = if self.region.is_copied(newest)? { block } else { newest };
                return self.region.erase(condemned);
            }
        }
        Ok(())
    }

    fn count(&mut self) -> Result<State, StoreError<F::Error>> {
        let mut state = State { next_id: 0, next_sequence: 0, live: 0, newest: None };
        for block in 0..self.region.blocks {
            let Some(header) = self.region.header(block)? else { continue };
            state.next_id = state.next_id.max(header.next_id);
            if header.sequence >= state.next_sequence {
                state.next_sequence = header.sequence.saturating_add(1);
                state.newest = Some(block);
            }
            for slot in 0..self.region.layout.slots {
                let id = match self.region.slot::<C::Word>(block, slot, &mut [])? {
                    Slot::Blank | Slot::Torn => continue,
                    Slot::Removed { id } => id,
                    Slot::Live(head) => {
                        state.live += 1;
                        head.id
                    }
                };
                state.next_id = state.next_id.max(id.saturating_add(1));
            }
        }
        Ok(state)
    }
}
