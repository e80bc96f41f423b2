//! Enrolments as bytes, to be moved between devices or kept as a backup;
//! `docs/store.md` describes the format.

use core::str;

use embedded_storage::nor_flash::NorFlash;

use super::layout::{VERSION, checksum};
use super::{Store, StoreError};
use crate::gallery::MAX_LABEL;
use crate::{Code, Embedding, file};

const MAGIC: [u8; 8] = *b"LKENROL\0";

/// What every version of an export begins with.
struct ExportHeader {
    version: u8,
    code: u8,
    fingerprint: u32,
    dimension: u32,
    items: u32,
}

impl ExportHeader {
    const LEN: usize = 24;

    fn encode(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let fields = MAGIC
            .into_iter()
            .chain([self.version, self.code, 0, 0])
            .chain(self.fingerprint.to_le_bytes())
            .chain(self.dimension.to_le_bytes())
            .chain(self.items.to_le_bytes());
        for (byte, value) in bytes.iter_mut().zip(fields) {
            *byte = value;
        }
        bytes
    }
}

/// One item of an export.
struct Record<'a> {
    id: u32,
    label: &'a str,
    words: &'a [u8],
}

/// The items of an export, whose checksum is right.
#[derive(Clone)]
struct Records<'a> {
    rest: &'a [u8],
    left: u32,
    /// Words of an embedding.
    words: usize,
}

impl<'a> Records<'a> {
    /// `None` after the last; an error if the bytes do not hold the items.
    fn next<E>(&mut self) -> Result<Option<Record<'a>>, StoreError<E>> {
        let Some(left) = self.left.checked_sub(1) else {
            return if self.rest.is_empty() { Ok(None) } else { Err(StoreError::DamagedExport) };
        };
        self.left = left;
        self.record().map(Some).ok_or(StoreError::DamagedExport)
    }

    fn record(&mut self) -> Option<Record<'a>> {
        let (id, rest) = self.rest.split_first_chunk::<4>()?;
        let (&label_len, rest) = rest.split_first()?;
        let label_len = usize::from(label_len);
        if label_len > MAX_LABEL {
            return None;
        }
        let (label, rest) = rest.split_at_checked(label_len)?;
        let (words, rest) = rest.split_at_checked(self.words.checked_mul(4)?)?;
        self.rest = rest;
        let label = str::from_utf8(label).ok()?;
        Some(Record { id: u32::from_le_bytes(*id), label, words })
    }
}

impl<F: NorFlash, const D: usize, C: Code> Store<F, D, C> {
    /// Hands the export to `sink` piece by piece, and gives its length in bytes.
    ///
    /// # Errors
    /// As [`Store::for_each`]; what the sink has got is then to be thrown away.
    pub fn export(&mut self, mut sink: impl FnMut(&[u8])) -> Result<usize, StoreError<F::Error>> {
        let header = ExportHeader {
            version: VERSION,
            code: C::NUMBER,
            fingerprint: self.fingerprint,
            dimension: D as u32,
            items: self.len()?,
        };
        let mut digest = file::crc32();
        let mut len = 0;
        let mut put = |bytes: &[u8]| {
            digest.update(bytes);
            len += bytes.len();
            sink(bytes);
        };
        put(&header.encode());
        self.for_each(|item| {
            put(&item.id.to_le_bytes());
            put(&[u8::try_from(item.label.len()).unwrap_or(u8::MAX)]);
            put(item.label.as_bytes());
            put(bytemuck::cast_slice::<C::Word, u8>(item.embedding));
        })?;
        sink(&digest.finalize().to_le_bytes());
        Ok(len + 4)
    }

    /// Enrols the items of an export, and gives their number. They get new
    /// ids; `renamed` is told each old and new id.
    ///
    /// The export is checked entirely before the first item is enrolled. After
    /// a power cut or an error of the flash, the items that `renamed` was told
    /// of are there, one more may be, and the others are not.
    ///
    /// # Errors
    /// [`StoreError::NotAnExport`], [`StoreError::Version`],
    /// [`StoreError::Code`] and [`StoreError::DamagedExport`] for the bytes;
    /// [`StoreError::OtherModel`] and [`StoreError::Dimension`] for another
    /// model's; [`StoreError::Full`] unless all items have room. Nothing has
    /// changed then. [`StoreError::Flash`], [`StoreError::Verify`] and
    /// [`StoreError::Ids`] as [`Store::enrol`].
    pub fn import(
        &mut self,
        bytes: &[u8],
        mut renamed: impl FnMut(u32, u32),
    ) -> Result<u32, StoreError<F::Error>> {
        let records = self.records(bytes)?;
        let mut embedding = [C::ZERO; D];
        let mut unchecked = records.clone();
        while let Some(record) = unchecked.next()? {
            copy(record.words, &mut embedding);
            Embedding::<C>::from_slice(&embedding).map_err(|_| StoreError::DamagedExport)?;
        }
        if records.left > self.capacity().saturating_sub(self.len()?) {
            return Err(StoreError::Full);
        }
        let count = records.left;
        let mut records = records;
        while let Some(record) = records.next()? {
            copy(record.words, &mut embedding);
            let embedding =
                Embedding::<C>::from_slice(&embedding).map_err(|_| StoreError::DamagedExport)?;
            let id = self.enrol(record.label, &embedding)?;
            renamed(record.id, id);
        }
        Ok(count)
    }

    /// Checks the header and the checksum of an export.
    fn records<'a>(&self, bytes: &'a [u8]) -> Result<Records<'a>, StoreError<F::Error>> {
        let (magic, rest) = bytes.split_first_chunk::<8>().ok_or(StoreError::NotAnExport)?;
        if *magic != MAGIC {
            return Err(StoreError::NotAnExport);
        }
        let (&[version, code, _, _], rest) =
            rest.split_first_chunk::<4>().ok_or(StoreError::DamagedExport)?;
        if version != VERSION {
            return Err(StoreError::Version { found: version, newest: VERSION });
        }
        let (content, crc) = bytes.split_last_chunk::<4>().ok_or(StoreError::DamagedExport)?;
        if checksum(&[content]) != u32::from_le_bytes(*crc) {
            return Err(StoreError::DamagedExport);
        }
        if code != C::NUMBER {
            return Err(StoreError::Code { found: code });
        }
        let (words, _) = rest.as_chunks::<4>();
        let &[fingerprint, dimension, items] =
            words.first_chunk().ok_or(StoreError::DamagedExport)?;
        let (expected, found) = (self.fingerprint, u32::from_le_bytes(fingerprint));
        if found != expected {
            return Err(StoreError::OtherModel { expected, found });
        }
        let found = usize::try_from(u32::from_le_bytes(dimension)).unwrap_or(usize::MAX);
        if found != D {
            return Err(StoreError::Dimension { expected: D, found });
        }
        let rest = content.get(ExportHeader::LEN..).ok_or(StoreError::DamagedExport)?;
        Ok(Records { rest, left: u32::from_le_bytes(items), words: D })
    }
}

fn copy<W: bytemuck::Pod>(bytes: &[u8], words: &mut [W]) {
    for (to, from) in bytemuck::cast_slice_mut::<W, u8>(words).iter_mut().zip(bytes) {
        *to = *from;
    }
}
