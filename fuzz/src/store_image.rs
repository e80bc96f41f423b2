//! What a flash may hold when a store is opened, and exports of stores.

use lookalike::{Embedding, F32, Model, Store};

use crate::F32_MODEL;
use crate::flash::Nor;
use crate::store_operations::DIMENSION;
use crate::with_checksum;

/// Pages of the region: three blocks.
pub const PAGES: usize = 12;
/// Bytes of a page.
pub const PAGE: usize = 256;

/// Opens a store on flash that holds the bytes, then imports them into an
/// empty one.
pub fn run(data: &[u8]) {
    let model = Model::<F32>::from_bytes(F32_MODEL).expect("a model");
    open(data, &model);
    for export in with_checksum(data) {
        let mut flash = Nor::<4, PAGE>::new(PAGES);
        let mut store = Store::<_, DIMENSION>::open(&mut flash, 0..(PAGES * PAGE) as u32, &model)
            .expect("an erased region");
        let mut told = 0;
        let imported = store.import(&export, |_, _| told += 1);
        assert_eq!(imported.unwrap_or(0), told);
        assert_eq!(store.len(), Ok(told));
    }
}

fn open(data: &[u8], model: &Model<'_, F32>) {
    let mut flash = Nor::<4, PAGE>::holding(data, PAGES);
    let region = 0..(PAGES * PAGE) as u32;
    let before = flash.bytes.clone();
    match Store::<_, DIMENSION>::open(&mut flash, region.clone(), model) {
        Ok(mut store) => {
            let mut items = 0;
            store
                .for_each(|item| {
                    assert!(item.label.len() <= 32);
                    items += 1;
                })
                .expect("the flash works");
            assert_eq!(store.len(), Ok(items));
            let mut values = [0.0; DIMENSION];
            values[3] = 1.0;
            let embedding = Embedding::from_slice(&values).expect("of norm 1");
            let nearest = store.search::<3>(&embedding).expect("the flash works");
            assert_eq!(nearest.len() as u32, items.min(3));
            // Whether there is room or an id left is the image's affair.
            if let Ok(id) = store.enrol("new", &embedding) {
                assert_eq!(store.label(id).expect("the flash works").as_deref(), Some("new"));
                store.remove(id).expect("it is there");
            }
            let _ = store.compact();
        }
        // A store that is refused is left as it is.
        Err(_) => assert_eq!(flash.bytes, before),
    }
    lookalike::store::erase(&mut flash, region.clone()).expect("whole pages");
    let mut store = Store::<_, DIMENSION>::open(&mut flash, region, model).expect("an empty store");
    assert_eq!(store.is_empty(), Ok(true));
}
