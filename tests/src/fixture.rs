//! A fixture file whose tensors are read by name, each at least once.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;

use safetensors::SafeTensors;

/// A file of golden tensors. [`Fixture::finish`] fails if one was not looked at.
pub struct Fixture {
    bytes: &'static [u8],
    unseen: RefCell<BTreeSet<String>>,
}

impl Fixture {
    /// Where fixture `name` lies.
    pub fn path(name: &str) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
    }

    /// Opens fixture `name`.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn open(name: &str) -> Fixture {
        let path = Fixture::path(name);
        let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let bytes: &'static [u8] = bytes.leak();
        let file = SafeTensors::deserialize(bytes).expect("a safetensors file");
        let unseen = RefCell::new(file.names().iter().map(ToString::to_string).collect());
        Fixture { bytes, unseen }
    }

    /// The values of tensor `name`.
    ///
    /// # Panics
    /// When there is no such tensor or its type has another size than `T`.
    pub fn get<T: bytemuck::Pod>(&self, name: &str) -> Vec<T> {
        self.unseen.borrow_mut().remove(name);
        let file = SafeTensors::deserialize(self.bytes).expect("a safetensors file");
        let tensor = file.tensor(name).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(tensor.dtype().bitsize(), 8 * size_of::<T>(), "{name}");
        bytemuck::pod_collect_to_vec(tensor.data())
    }

    /// The only value of tensor `name`.
    pub fn scalar<T: bytemuck::Pod>(&self, name: &str) -> T {
        let values = self.get(name);
        assert_eq!(values.len(), 1, "{name}");
        values[0]
    }

    /// Fails if `actual` differs from tensor `name` by more than `tolerance`
    /// times the tensor's largest magnitude.
    ///
    /// # Panics
    /// When it does, naming tensor, place and both values.
    pub fn check(&self, name: &str, actual: &[f32], tolerance: f32) {
        let expected: Vec<f32> = self.get(name);
        assert_eq!(actual.len(), expected.len(), "{name}: length");
        let largest = expected.iter().fold(0.0f32, |m, x| m.max(x.abs()));
        for (i, (a, e)) in actual.iter().zip(&expected).enumerate() {
            // Not `>`: a NaN must fail.
            assert!(
                (a - e).abs() <= tolerance * largest,
                "{name}[{i}]: {a}, expected {e} (largest magnitude {largest})"
            );
        }
    }

    /// # Panics
    /// When a tensor of the file was never looked at.
    pub fn finish(self) {
        let unseen = self.unseen.into_inner();
        assert!(unseen.is_empty(), "never checked: {unseen:?}");
    }
}
