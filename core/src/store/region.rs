//! Words, blocks and slots of a region of flash.

use core::ops::Range;

use bytemuck::Pod;
use embedded_storage::nor_flash::NorFlash;

use super::StoreError;
use super::layout::{
    CHUNK, COPIED, HEAD_LEN, HEADER_LEN, Head, Header, Layout, REMOVED, Slot, checksum,
};

/// Some drivers hand buffers to DMA, which asks for aligned ones.
#[repr(align(8))]
struct Chunk([u8; CHUNK]);

/// What a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// Nothing: it is erased.
    Blank,
    /// Slots.
    Used(Header),
    /// What an interrupted erase, or an interrupted write of a header, has left.
    Unreadable,
}

pub(super) struct Region<F> {
    flash: F,
    start: u32,
    pub blocks: u32,
    pub layout: Layout,
}

impl<F: NorFlash> Region<F> {
    pub fn new(flash: F, range: Range<u32>, words: usize) -> Result<Self, StoreError<F::Error>> {
        let layout = Layout::new::<F>(words).ok_or(StoreError::Region)?;
        check_range(&flash, &range)?;
        let region_len = range.end.saturating_sub(range.start);
        let blocks = region_len.checked_div(layout.block_len).filter(|&blocks| blocks >= 2);
        let blocks = blocks.ok_or(StoreError::Region)?;
        Ok(Region { flash, start: range.start, blocks, layout })
    }

    pub fn into_flash(self) -> F {
        self.flash
    }

    /// Address in the flash; `offset` is below the length of a block.
    fn address(&self, block: u32, offset: u32) -> u32 {
        self.start + block * self.layout.block_len + offset
    }

    /// Hands `len` bytes to `take` in pieces, with the offset of each piece.
    fn read(
        &mut self,
        block: u32,
        offset: u32,
        len: u32,
        mut take: impl FnMut(usize, &[u8]),
    ) -> Result<(), StoreError<F::Error>> {
        let mut chunk = Chunk([0; CHUNK]);
        let start = self.address(block, offset);
        for at in (0..len).step_by(CHUNK) {
            let n = CHUNK.min((len - at) as usize);
            let bytes = chunk.0.get_mut(..n).unwrap_or_default();
            self.flash.read(start + at, bytes).map_err(StoreError::Flash)?;
            take(at as usize, bytes);
        }
        Ok(())
    }

    /// Writes bytes, filled up to whole words with 0xFF.
    fn write(
        &mut self,
        block: u32,
        offset: u32,
        bytes: impl Iterator<Item = u8>,
    ) -> Result<(), StoreError<F::Error>> {
        let align = self.layout.align as usize;
        let mut address = self.address(block, offset);
        let mut bytes = bytes.peekable();
        while bytes.peek().is_some() {
            let mut chunk = Chunk([0xFF; CHUNK]);
            let mut len = 0;
            for (slot, byte) in chunk.0.iter_mut().zip(bytes.by_ref().take(CHUNK)) {
                *slot = byte;
                len += 1;
            }
            let whole = usize::checked_next_multiple_of(len, align).unwrap_or(CHUNK);
            let words = chunk.0.get(..whole).unwrap_or_default();
            self.flash.write(address, words).map_err(StoreError::Flash)?;
            address += words.len() as u32;
        }
        Ok(())
    }

    pub fn erase(&mut self, block: u32) -> Result<(), StoreError<F::Error>> {
        let (from, to) = (self.address(block, 0), self.address(block, self.layout.block_len));
        self.flash.erase(from, to).map_err(StoreError::Flash)
    }

    /// The header of a block in use.
    pub fn header(&mut self, block: u32) -> Result<Option<Header>, StoreError<F::Error>> {
        let mut header = [0; HEADER_LEN];
        self.read(block, 0, self.layout.copied(), |at, bytes| {
            copy_overlap(&mut header, 0, at, bytes);
        })?;
        Ok(Header::decode(&header))
    }

    pub fn block(&mut self, block: u32) -> Result<Block, StoreError<F::Error>> {
        if let Some(header) = self.header(block)? {
            return Ok(Block::Used(header));
        }
        let mut blank = true;
        self.read(block, 0, self.layout.block_len, |_, bytes| blank &= is_blank(bytes))?;
        Ok(if blank { Block::Blank } else { Block::Unreadable })
    }

    pub fn write_header(
        &mut self,
        block: u32,
        header: &Header,
    ) -> Result<(), StoreError<F::Error>> {
        self.write(block, 0, header.encode().into_iter())?;
        if self.header(block)? == Some(*header) { Ok(()) } else { Err(StoreError::Verify) }
    }

    /// Whether the block holds everything of the block that it replaces.
    pub fn is_copied(&mut self, block: u32) -> Result<bool, StoreError<F::Error>> {
        Ok(self.mark(block, self.layout.copied())? == COPIED)
    }

    pub fn write_copied(&mut self, block: u32) -> Result<(), StoreError<F::Error>> {
        self.write(block, self.layout.copied(), COPIED.into_iter())?;
        if self.is_copied(block)? { Ok(()) } else { Err(StoreError::Verify) }
    }

    fn mark(&mut self, block: u32, offset: u32) -> Result<[u8; 4], StoreError<F::Error>> {
        let mut mark = [0; 4];
        let mark_len = self.layout.mark_len;
        self.read(block, offset, mark_len, |at, bytes| copy_overlap(&mut mark, 0, at, bytes))?;
        Ok(mark)
    }

    /// Reads a slot, and as much of its embedding as there is room for.
    pub fn slot<W: Pod>(
        &mut self,
        block: u32,
        slot: u32,
        embedding: &mut [W],
    ) -> Result<Slot, StoreError<F::Error>> {
        let layout = self.layout;
        let values: &mut [u8] = bytemuck::cast_slice_mut(embedding);
        let crc_start = layout.content_len();
        let mark_start = (layout.removed(slot) - layout.slot(slot)) as usize;
        let (mut head, mut crc, mut blank, mut removed) = ([0; HEAD_LEN], [0; 4], true, false);
        let mut digest = crate::file::crc32();
        self.read(block, layout.slot(slot), layout.slot_len(), |at, bytes| {
            copy_overlap(&mut head, 0, at, bytes);
            copy_overlap(values, HEAD_LEN, at, bytes);
            copy_overlap(&mut crc, crc_start, at, bytes);
            let content = bytes.len().min(crc_start.saturating_sub(at));
            digest.update(bytes.get(..content).unwrap_or_default());
            let mark = bytes.get(mark_start.saturating_sub(at)..).unwrap_or_default();
            removed |= !is_blank(mark);
            blank &= is_blank(bytes);
        })?;
        if blank {
            return Ok(Slot::Blank);
        }
        if u32::from_le_bytes(crc) != digest.finalize() {
            return Ok(Slot::Torn);
        }
        Ok(match Head::decode(&head) {
            None => Slot::Torn,
            Some(head) if removed => Slot::Removed { id: head.id },
            Some(head) => Slot::Live(head),
        })
    }

    /// Writes an item to a blank slot. The checksum comes last.
    pub fn write_item<W: Pod>(
        &mut self,
        block: u32,
        slot: u32,
        head: &Head,
        embedding: &[W],
    ) -> Result<(), StoreError<F::Error>> {
        let head_bytes = head.encode();
        let values: &[u8] = bytemuck::cast_slice(embedding);
        let crc = checksum(&[&head_bytes, values]).to_le_bytes();
        let bytes = head_bytes.iter().chain(values).chain(&crc).copied();
        self.write(block, self.layout.slot(slot), bytes)?;
        match self.slot::<W>(block, slot, &mut [])? {
            Slot::Live(found) if found == *head => Ok(()),
            _ => Err(StoreError::Verify),
        }
    }

    pub fn write_removed(&mut self, block: u32, slot: u32) -> Result<(), StoreError<F::Error>> {
        let offset = self.layout.removed(slot);
        self.write(block, offset, REMOVED.into_iter())?;
        if is_blank(&self.mark(block, offset)?) { Err(StoreError::Verify) } else { Ok(()) }
    }
}

/// Checks that a range is whole pages inside the flash.
pub(super) fn check_range<F: NorFlash>(
    flash: &F,
    range: &Range<u32>,
) -> Result<(), StoreError<F::Error>> {
    let page = u32::try_from(F::ERASE_SIZE).map_err(|_| StoreError::Region)?;
    let inside = usize::try_from(range.end).is_ok_and(|end| end <= flash.capacity());
    let whole = [range.start, range.end].iter().all(|end| end.checked_rem(page) == Some(0));
    if inside && whole && range.start < range.end { Ok(()) } else { Err(StoreError::Region) }
}

fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0xFF)
}

/// Copies to `field`, which begins at `start`, what `bytes`, which begin at
/// `at`, hold of it.
fn copy_overlap(field: &mut [u8], start: usize, at: usize, bytes: &[u8]) {
    let field = field.get_mut(at.saturating_sub(start)..).unwrap_or_default();
    let bytes = bytes.get(start.saturating_sub(at)..).unwrap_or_default();
    for (value, byte) in field.iter_mut().zip(bytes) {
        *value = *byte;
    }
}
