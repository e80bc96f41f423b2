//! The desktop side of Lookalike: learns an embedding from labelled images,
//! measures how well it retrieves, and packs it for the device.
//!
//! The modules follow the data: [`data`] -> [`nn`] -> [`loss`] -> [`optim`],
//! tied together by [`train`]; [`quantize`] turns a model into integers; then
//! [`retrieval`] measures, [`files`] reads and writes, [`figures`] draws,
//! [`report`] puts it all on one page, and [`serve`] shows it live in a browser.

pub mod data;
pub mod device;
pub mod family;
pub mod figures;
pub mod files;
mod hog;
pub mod loss;
pub mod nn;
pub mod optim;
pub mod quantize;
pub mod report;
pub mod retrieval;
pub mod rng;
pub mod serve;
pub mod train;
