//! NOR flash in RAM that a restart keeps. The emulators have no flash that all
//! boards could write; on a product the chip's own driver takes this place.

use core::mem::MaybeUninit;

use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash, check_erase, check_read, check_write,
};

use crate::parameters::WORDS;

const WORD: usize = 4;
const PAGE: usize = 1024;
/// Three blocks of three items each, one of which is always free.
const PAGES: usize = if WORDS > 72 { 12 } else { 3 };

/// Bytes of flash.
pub const LEN: usize = PAGES * PAGE;

// A section that start-up code leaves alone.
#[unsafe(link_section = ".uninit.FLASH")]
static mut CELLS: MaybeUninit<[u8; LEN]> = MaybeUninit::uninit();

/// Programming clears bits and erasing sets a page's, as in the real thing.
pub struct RamFlash(&'static mut [u8; LEN]);

impl RamFlash {
    /// The flash, with what it held before a restart; after power-on anything.
    ///
    /// # Safety
    /// At most once in a run: the cells have one owner.
    pub unsafe fn take() -> RamFlash {
        let cells = &raw mut CELLS;
        // SAFETY: RAM holds some byte in each cell, and every byte is a `u8`;
        // the caller promises that there is no other reference.
        RamFlash(unsafe { (*cells).assume_init_mut() })
    }
}

impl ErrorType for RamFlash {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for RamFlash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        check_read(self, offset, bytes.len())?;
        for (byte, cell) in bytes.iter_mut().zip(self.0.iter().skip(offset as usize)) {
            *byte = *cell;
        }
        Ok(())
    }

    fn capacity(&self) -> usize {
        LEN
    }
}

impl NorFlash for RamFlash {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = PAGE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        check_erase(self, from, to)?;
        let cells = self.0.get_mut(from as usize..to as usize);
        cells.ok_or(NorFlashErrorKind::OutOfBounds)?.fill(0xff);
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        check_write(self, offset, bytes.len())?;
        for (cell, byte) in self.0.iter_mut().skip(offset as usize).zip(bytes) {
            *cell &= byte;
        }
        Ok(())
    }
}
