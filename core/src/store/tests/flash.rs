//! NOR flash in RAM, whose power can be cut at any word written and at any
//! stage of an erase.

extern crate std;

use core::fmt;
use std::vec;
use std::vec::Vec;

use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};

/// Every stage at which the erase of a page can be cut.
///
/// Erasing first programs all cells and then clears them together, in an order
/// that is the chip's own; so besides a page that is erased from its start,
/// words may be zero, random, or erased anywhere while others are as before.
const ERASE_STAGES: u64 = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlashError {
    PowerCut,
    OutOfBounds,
}

impl fmt::Display for FlashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl NorFlashError for FlashError {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            FlashError::PowerCut => NorFlashErrorKind::Other,
            FlashError::OutOfBounds => NorFlashErrorKind::OutOfBounds,
        }
    }
}

/// splitmix64: <https://prng.di.unimi.it/splitmix64.c>
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

/// Words of `WRITE` bytes, pages of `ERASE` bytes.
#[derive(Clone, Debug)]
pub struct Nor<const WRITE: usize, const ERASE: usize> {
    pub bytes: Vec<u8>,
    /// Words that were written since they were erased.
    programmed: Vec<bool>,
    /// Steps that the power lasts.
    power: Option<u64>,
    off: bool,
    /// A byte that stays erased whatever is written.
    pub stuck: Option<usize>,
    /// Words written and stages of erases so far.
    pub steps: u64,
    pub erases: u64,
    /// Erases of each page.
    pub wear: Vec<u32>,
    random: Random,
}

impl<const WRITE: usize, const ERASE: usize> Nor<WRITE, ERASE> {
    pub fn new(pages: usize) -> Self {
        Nor {
            bytes: vec![0xFF; pages * ERASE],
            programmed: vec![false; pages * ERASE / WRITE],
            power: None,
            off: false,
            stuck: None,
            steps: 0,
            erases: 0,
            wear: vec![0; pages],
            random: Random(7),
        }
    }

    /// A flash that holds `bytes` from its start on, cut off at its end.
    pub fn holding(bytes: &[u8], pages: usize) -> Self {
        let mut flash = Self::new(pages);
        for (byte, value) in flash.bytes.iter_mut().zip(bytes) {
            *byte = *value;
        }
        for (programmed, word) in flash.programmed.iter_mut().zip(flash.bytes.chunks(WRITE)) {
            *programmed = word.iter().any(|&byte| byte != 0xFF);
        }
        flash
    }

    pub fn with_power(&self, steps: u64) -> Self {
        let mut flash = self.clone();
        flash.random = Random(flash.steps ^ (steps << 32));
        flash.power = Some(steps);
        flash
    }

    pub fn restart(&mut self) {
        self.power = None;
        self.off = false;
    }

    /// Whether the power lasts for another step.
    fn step(&mut self) -> bool {
        self.steps += 1;
        match &mut self.power {
            None => {}
            Some(0) => self.off = true,
            Some(left) => *left -= 1,
        }
        !self.off
    }

    fn powered(&self) -> Result<(), FlashError> {
        if self.off { Err(FlashError::PowerCut) } else { Ok(()) }
    }

    fn cut_write(&mut self, at: usize, word: &[u8]) {
        let kind = self.random.below(4);
        for (byte, &value) in self.bytes[at..at + WRITE].iter_mut().zip(word) {
            *byte &= match kind {
                0 => 0xFF,
                1 => value,
                _ => value | self.random.next() as u8,
            };
        }
        self.programmed[at / WRITE] = self.bytes[at..at + WRITE].iter().any(|&b| b != 0xFF);
    }

    fn cut_erase(&mut self, page: usize, stage: u64) {
        let words = ERASE / WRITE;
        let prefix = self.random.below(words);
        for i in 0..words {
            let at = page + i * WRITE;
            let coin = self.random.next() & 1 == 0;
            for byte in at..at + WRITE {
                let noise = self.random.next() as u8;
                let old = self.bytes[byte];
                self.bytes[byte] = match stage {
                    0 => old,
                    1 if coin => 0,
                    1 => old,
                    2 => 0,
                    3 => noise,
                    4 => old | noise,
                    5 if coin => 0xFF,
                    5 => old,
                    6 if i <= prefix => 0xFF,
                    6 => old,
                    _ if i == prefix => noise,
                    _ => 0xFF,
                };
            }
            self.programmed[at / WRITE] = self.bytes[at..at + WRITE].iter().any(|&b| b != 0xFF);
        }
    }
}

impl<const WRITE: usize, const ERASE: usize> ErrorType for Nor<WRITE, ERASE> {
    type Error = FlashError;
}

impl<const WRITE: usize, const ERASE: usize> ReadNorFlash for Nor<WRITE, ERASE> {
    const READ_SIZE: usize = if WRITE < 4 { WRITE } else { 4 };

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashError> {
        let at = offset as usize;
        assert!(at.is_multiple_of(Self::READ_SIZE) && bytes.len().is_multiple_of(Self::READ_SIZE));
        self.powered()?;
        let found = self.bytes.get(at..at + bytes.len()).ok_or(FlashError::OutOfBounds)?;
        bytes.copy_from_slice(found);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

impl<const WRITE: usize, const ERASE: usize> NorFlash for Nor<WRITE, ERASE> {
    const WRITE_SIZE: usize = WRITE;
    const ERASE_SIZE: usize = ERASE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashError> {
        let (from, to) = (from as usize, to as usize);
        assert!(from <= to && from.is_multiple_of(ERASE) && to.is_multiple_of(ERASE));
        self.powered()?;
        for page in (from..to).step_by(ERASE) {
            for stage in 0..ERASE_STAGES {
                if !self.step() {
                    self.cut_erase(page, stage);
                    return Err(FlashError::PowerCut);
                }
            }
            self.erases += 1;
            self.wear[page / ERASE] += 1;
            self.bytes[page..page + ERASE].fill(0xFF);
            self.programmed[page / WRITE..(page + ERASE) / WRITE].fill(false);
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
        let at = offset as usize;
        assert!(at.is_multiple_of(WRITE) && bytes.len().is_multiple_of(WRITE));
        assert_eq!(bytes.as_ptr() as usize % 4, 0, "some drivers need an aligned buffer");
        assert!(at + bytes.len() <= self.bytes.len());
        self.powered()?;
        for (at, word) in (at..).step_by(WRITE).zip(bytes.chunks_exact(WRITE)) {
            assert!(!self.programmed[at / WRITE], "word at {at:#x} is written twice");
            if !self.step() {
                self.cut_write(at, word);
                return Err(FlashError::PowerCut);
            }
            self.bytes[at..at + WRITE].copy_from_slice(word);
            self.programmed[at / WRITE] = true;
        }
        if let Some(stuck) = self.stuck {
            self.bytes[stuck] = 0xFF;
        }
        Ok(())
    }
}
