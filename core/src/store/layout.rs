//! Where things lie in a store's region, and the encoding of block headers and
//! slots; `docs/store.md` describes them byte by byte.

use core::str;

use embedded_storage::nor_flash::NorFlash;

use crate::file;
use crate::gallery::MAX_LABEL;

/// Version of block headers, slots and exports.
pub(super) const VERSION: u8 = 1;

const MAGIC: [u8; 4] = *b"LKST";
/// Marks a block that holds everything of the block that it replaces.
pub(super) const COPIED: [u8; 4] = *b"COPY";
/// Marks a slot's item as removed. Any other value than erased flash does, too.
pub(super) const REMOVED: [u8; 4] = [0; 4];
/// Sequence number of the block that a block replaces, if there is none.
const NONE: u32 = u32::MAX;

/// Bytes of a block header.
pub(super) const HEADER_LEN: usize = 32;
/// Bytes of an item before its embedding.
pub(super) const HEAD_LEN: usize = 8 + MAX_LABEL;
/// Bytes that are read or written at once.
pub(super) const CHUNK: usize = 128;
/// A block has as many pages as this number of items needs, so that items
/// that are longer than a page fit, and waste little.
const MIN_SLOTS: u32 = 3;

/// Sizes in bytes; all are whole words of the flash.
///
/// ```text
/// region  block block ...                    one block is kept free
/// block   header | copied | slot slot ...    whole pages
/// slot    item | removed
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub align: u32,
    pub block_len: u32,
    pub slots: u32,
    /// Words of an embedding.
    words: u32,
    header_len: u32,
    item_len: u32,
    /// Bytes of a mark.
    pub mark_len: u32,
}

impl Layout {
    /// `None` for a flash whose words or pages have a size that is not supported.
    pub const fn new<F: NorFlash>(words: usize) -> Option<Layout> {
        let align = if F::WRITE_SIZE > F::READ_SIZE { F::WRITE_SIZE } else { F::READ_SIZE };
        if F::WRITE_SIZE == 0
            || F::READ_SIZE == 0
            || !align.is_multiple_of(F::WRITE_SIZE)
            || !align.is_multiple_of(F::READ_SIZE)
            || !CHUNK.is_multiple_of(align)
            || F::ERASE_SIZE == 0
            || !F::ERASE_SIZE.is_multiple_of(align)
            || F::ERASE_SIZE > 1 << 24
            || words == 0
            || words > 1 << 16
        {
            return None;
        }
        let page = F::ERASE_SIZE as u32;
        let header_len = HEADER_LEN.next_multiple_of(align) as u32;
        let mark_len = 4usize.next_multiple_of(align) as u32;
        let item_len = (HEAD_LEN + 4 * words + 4).next_multiple_of(align) as u32;
        let start = header_len + mark_len;
        let block_len = (start + MIN_SLOTS * (item_len + mark_len)).next_multiple_of(page);
        let slots = (block_len - start) / (item_len + mark_len);
        Some(Layout {
            align: align as u32,
            block_len,
            slots,
            words: words as u32,
            header_len,
            item_len,
            mark_len,
        })
    }

    /// Number of items that a region of so many bytes holds.
    pub const fn capacity(&self, region_len: u32) -> u32 {
        match region_len.checked_div(self.block_len) {
            Some(blocks) => blocks.saturating_sub(1) * self.slots,
            None => 0,
        }
    }

    /// Where a block's mark [`COPIED`] lies in the block.
    pub const fn copied(&self) -> u32 {
        self.header_len
    }

    /// Where a slot begins in its block.
    pub const fn slot(&self, slot: u32) -> u32 {
        self.header_len + self.mark_len + slot * self.slot_len()
    }

    /// Where a slot's mark [`REMOVED`] lies in the block.
    pub const fn removed(&self, slot: u32) -> u32 {
        self.slot(slot) + self.item_len
    }

    /// Bytes of an item before its checksum.
    pub const fn content_len(&self) -> usize {
        HEAD_LEN + 4 * self.words as usize
    }

    /// Bytes of a slot, its mark included.
    pub const fn slot_len(&self) -> u32 {
        self.item_len + self.mark_len
    }
}

/// The start of a block that is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub version: u8,
    pub code: u8,
    pub fingerprint: u32,
    /// Words of an embedding.
    pub dimension: u32,
    /// Larger than that of every block that was put to use before.
    pub sequence: u32,
    /// No id below this will be given again.
    pub next_id: u32,
    /// The block whose live items are copied here, before it is erased.
    pub replaces: Option<u32>,
}

impl Header {
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        let (content, crc) = bytes.split_at_mut(HEADER_LEN - 4);
        let (words, _) = content.as_chunks_mut::<4>();
        let values = [
            MAGIC,
            [self.version, self.code, 0, 0],
            self.fingerprint.to_le_bytes(),
            self.dimension.to_le_bytes(),
            self.sequence.to_le_bytes(),
            self.next_id.to_le_bytes(),
            self.replaces.unwrap_or(NONE).to_le_bytes(),
        ];
        for (word, value) in words.iter_mut().zip(values) {
            *word = value;
        }
        let sum = checksum(&[content]).to_le_bytes();
        for (byte, value) in crc.iter_mut().zip(sum) {
            *byte = value;
        }
        bytes
    }

    /// `None` unless magic and checksum fit.
    pub fn decode(bytes: &[u8; HEADER_LEN]) -> Option<Header> {
        let (content, crc) = bytes.split_last_chunk::<4>()?;
        let (words, _) = content.as_chunks::<4>();
        let &[magic, [version, code, _, _], fingerprint, dimension, sequence, next_id, replaces] =
            words.first_chunk()?;
        if magic != MAGIC || u32::from_le_bytes(*crc) != checksum(&[content]) {
            return None;
        }
        let replaces = u32::from_le_bytes(replaces);
        Some(Header {
            version,
            code,
            fingerprint: u32::from_le_bytes(fingerprint),
            dimension: u32::from_le_bytes(dimension),
            sequence: u32::from_le_bytes(sequence),
            next_id: u32::from_le_bytes(next_id),
            replaces: (replaces != NONE).then_some(replaces),
        })
    }
}

/// An item's fields before the embedding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub id: u32,
    label_len: u8,
    label: [u8; MAX_LABEL],
}

impl Head {
    /// `None` for a label of more than [`MAX_LABEL`] bytes.
    pub fn new(id: u32, label: &str) -> Option<Head> {
        let label_len = u8::try_from(label.len()).ok().filter(|&len| usize::from(len) <= MAX_LABEL);
        let mut bytes = [0; MAX_LABEL];
        for (byte, value) in bytes.iter_mut().zip(label.bytes()) {
            *byte = value;
        }
        Some(Head { id, label_len: label_len?, label: bytes })
    }

    /// `None` if no store has written it.
    pub fn decode(bytes: &[u8; HEAD_LEN]) -> Option<Head> {
        let (id, rest) = bytes.split_first_chunk::<4>()?;
        let (&[label_len, _, _, _], label) = rest.split_first_chunk::<4>()?;
        let head = Head { id: u32::from_le_bytes(*id), label_len, label: *label.first_chunk()? };
        let label = head.label.get(..usize::from(label_len))?;
        str::from_utf8(label).ok().map(|_| head)
    }

    pub fn encode(&self) -> [u8; HEAD_LEN] {
        let mut bytes = [0; HEAD_LEN];
        let fields = self.id.to_le_bytes().into_iter().chain([self.label_len, 0, 0, 0]);
        for (byte, value) in bytes.iter_mut().zip(fields.chain(self.label)) {
            *byte = value;
        }
        bytes
    }

    pub fn label(&self) -> &str {
        let label = self.label.get(..usize::from(self.label_len)).unwrap_or_default();
        str::from_utf8(label).unwrap_or_default()
    }
}

/// What a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// Nothing: it can be written.
    Blank,
    /// An interrupted enrolment.
    Torn,
    /// An item that was removed.
    Removed { id: u32 },
    /// An item.
    Live(Head),
}

impl Slot {
    /// Whether compaction gives its room back.
    pub fn is_dead(&self) -> bool {
        matches!(self, Slot::Torn | Slot::Removed { .. })
    }
}

/// CRC-32 of parts that follow each other.
pub(super) fn checksum(parts: &[&[u8]]) -> u32 {
    let mut digest = file::crc32();
    for part in parts {
        digest.update(part);
    }
    digest.finalize()
}
