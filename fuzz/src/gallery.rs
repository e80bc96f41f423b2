//! Gallery files of every code: what is accepted must be searchable.

use lookalike::gallery::SliceGallery;
use lookalike::{
    Binary, Code, Embedding, F32, GalleryFile, Int8, Match, Model, Projected, TwoStage, U8,
};
use lookalike_trainer::files::load_gallery;

use crate::{F32_MODEL, INT8_MODEL, as_file, with_checksum};

/// Opens the bytes as gallery files, and searches what opens.
pub fn run(data: &[u8]) {
    for bytes in with_checksum(data) {
        let opened = [
            open::<F32>(&bytes),
            open::<U8>(&bytes),
            open::<Projected>(&bytes),
            open::<Binary>(&bytes),
            open::<TwoStage>(&bytes),
        ];
        let opened = opened.into_iter().filter(|&opened| opened).count();
        assert!(opened <= 1, "one file in two codes");
        let loaded = as_file(&bytes, load_gallery);
        assert_eq!(loaded.is_ok(), opened == 1);
    }
}

fn open<C: Code>(bytes: &[u8]) -> bool {
    let Ok(file) = GalleryFile::<C>::from_bytes(bytes) else { return false };
    assert_eq!(file.embeddings().count(), file.len());
    for (id, words) in (0..).zip(file.embeddings()) {
        assert!(file.label(id).is_some());
        let embedding = Embedding::<C>::from_slice(words).expect("checked when opened");
        assert!(embedding.values().all(f32::is_finite));
    }
    assert_eq!(file.label(file.len() as u32), None);
    let f32_model = Model::<F32>::from_bytes(F32_MODEL).expect("a model");
    let int8_model = Model::<Int8>::from_bytes(INT8_MODEL).expect("a model");
    let galleries = [
        SliceGallery::<C>::new(&f32_model, Some(file), &mut [], &mut []),
        SliceGallery::<C>::new(&int8_model, Some(file), &mut [], &mut []),
    ];
    for gallery in galleries.into_iter().flatten() {
        search(&gallery, file);
    }
    true
}

/// Each of the first items is among those nearest to it.
fn search<C: Code>(gallery: &SliceGallery<'_, '_, C>, file: GalleryFile<'_, C>) {
    let mut room = [Match { id: 0, distance: 0.0 }; 5];
    for words in file.embeddings().take(8) {
        let query = Embedding::<C>::from_slice(words).expect("checked when opened");
        let nearest = gallery.search(&query, &mut room);
        assert_eq!(nearest.as_slice().len(), file.len().min(5));
        assert!(nearest.as_slice().is_sorted_by(|a, b| a.rank(b).is_le()));
        assert!(nearest.as_slice().iter().all(|found| (0.0..=4.1).contains(&found.distance)));
    }
}
