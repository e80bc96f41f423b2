//! Where the next item goes, and how the room of removed items is won back.

use embedded_storage::nor_flash::NorFlash;

use super::layout::{Header, Slot, VERSION};
use super::recovery::State;
use super::region::Block;
use super::{Place, Store, StoreError};
use crate::Code;

impl<F: NorFlash, const D: usize, C: Code> Store<F, D, C> {
    /// Where the next item goes; may put a block to use or compact one.
    pub(super) fn blank_slot(&mut self, state: &mut State) -> Result<Place, StoreError<F::Error>> {
        if let Some(newest) = state.newest
            && let Some(slot) = self.blank_slot_of(newest)?
        {
            return Ok((newest, slot));
        }
        let mut blank_blocks = 0;
        for block in 0..self.region.blocks {
            match self.region.block(block)? {
                Block::Used(_) => {
                    if let Some(slot) = self.blank_slot_of(block)? {
                        return Ok((block, slot));
                    }
                }
                Block::Blank => blank_blocks += 1,
                Block::Unreadable => return Err(StoreError::Corrupted),
            }
        }
        if blank_blocks > 1 {
            return Ok((self.put_to_use(state, None)?, 0));
        }
        let (victim, header) = self.oldest_with_dead_slots()?.ok_or(StoreError::Full)?;
        let target = self.compact_block(state, victim, &header)?;
        let slot = self.blank_slot_of(target)?.ok_or(StoreError::Full)?;
        Ok((target, slot))
    }

    fn blank_slot_of(&mut self, block: u32) -> Result<Option<u32>, StoreError<F::Error>> {
        for slot in 0..self.region.layout.slots {
            if self.region.slot::<C::Word>(block, slot, &mut [])? == Slot::Blank {
                return Ok(Some(slot));
            }
        }
        Ok(None)
    }

    pub(super) fn oldest_with_dead_slots(
        &mut self,
    ) -> Result<Option<(u32, Header)>, StoreError<F::Error>> {
        let mut oldest: Option<(u32, Header)> = None;
        for block in 0..self.region.blocks {
            let Some(header) = self.region.header(block)? else { continue };
            if oldest.is_some_and(|(_, oldest)| oldest.sequence < header.sequence) {
                continue;
            }
            for slot in 0..self.region.layout.slots {
                if self.region.slot::<C::Word>(block, slot, &mut [])?.is_dead() {
                    oldest = Some((block, header));
                    break;
                }
            }
        }
        Ok(oldest)
    }

    /// Puts the next blank block after the newest one to use, in turn, so that
    /// blocks wear alike.
    fn put_to_use(
        &mut self,
        state: &mut State,
        replaces: Option<u32>,
    ) -> Result<u32, StoreError<F::Error>> {
        let blocks = self.region.blocks;
        let first = state.newest.map_or(0, |newest| newest + 1);
        for block in (first..blocks).chain(0..first.min(blocks)) {
            if self.region.block(block)? != Block::Blank {
                continue;
            }
            let header = Header {
                version: VERSION,
                code: C::NUMBER,
                fingerprint: self.fingerprint,
                dimension: D as u32,
                sequence: state.next_sequence,
                next_id: state.next_id,
                replaces,
            };
            let next_sequence = header.sequence.checked_add(1).ok_or(StoreError::Corrupted)?;
            self.region.write_header(block, &header)?;
            state.next_sequence = next_sequence;
            state.newest = Some(block);
            return Ok(block);
        }
        Err(StoreError::Corrupted)
    }

    /// Copies the live items of a block to a blank one, erases it, and gives
    /// the block that has taken its place.
    pub(super) fn compact_block(
        &mut self,
        state: &mut State,
        victim: u32,
        header: &Header,
    ) -> Result<u32, StoreError<F::Error>> {
        let target = self.put_to_use(state, Some(header.sequence))?;
        let mut embedding = [C::ZERO; D];
        let mut copied = 0;
        for slot in 0..self.region.layout.slots {
            if let Slot::Live(head) = self.region.slot(victim, slot, &mut embedding)? {
                self.region.write_item(target, copied, &head, &embedding)?;
                copied += 1;
            }
        }
        // From here on the victim is not read again, whatever is left of it.
        self.region.write_copied(target)?;
        self.region.erase(victim)?;
        Ok(target)
    }
}
