//! Weights to and from PyTorch: the state dict of the reference `Sequential`
//! as a safetensors file, `0.weight` to `10.bias`, all F32.
//!
//! Both directions copy bits: import followed by export gives the same tensors,
//! and the same file as the safetensors library writes without metadata.

mod error;

use std::path::Path;

use lookalike::{Network, Tensor};
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

use super::{AlignedBytes, WriteError, write_atomically};
pub use error::ImportError;

/// What the shapes of the tensors do not tell about a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportOptions {
    /// Height and width of the input in pixels.
    pub input: (u16, u16),
    /// Side of the average-pooling grid. With a classifier its columns tell
    /// the grid, so `None` will do.
    pub grid: Option<u16>,
}

impl Default for ImportOptions {
    /// The reference network's 28x28 pixels; the grid as the classifier tells.
    fn default() -> Self {
        ImportOptions { input: (28, 28), grid: None }
    }
}

/// Reads a network and its parameters, the latter in the flat order of
/// [`Network::tensors`].
///
/// Channels, widths and the number of classes come from the tensors' shapes;
/// `10.weight` and `10.bias` may both be absent (0 classes).
///
/// # Errors
/// The file is not readable safetensors, has other tensors, shapes or element
/// types, or a value that is not finite; see [`ImportError`].
pub fn import(path: &Path, options: ImportOptions) -> Result<(Network, Vec<f32>), ImportError> {
    // The length of the header, then the header, which is a JSON object.
    let bytes = AlignedBytes::read_if(path, |head| head.get(8) == Some(&b'{'))?;
    let tensors = SafeTensors::deserialize(&bytes)
        .map_err(|cause| ImportError::Format { path: path.to_path_buf(), cause })?;
    let file = WeightsFile { path, tensors };
    file.check_names()?;
    let network = file.network(options)?;
    let mut parameters = Vec::with_capacity(network.parameters());
    for tensor in network.tensors() {
        if file.tensors.tensor(tensor.name).is_ok() {
            file.append(&tensor, &mut parameters)?;
        }
    }
    Ok((network, parameters))
}

/// Writes the parameters, in the flat order of [`Network::tensors`], as
/// PyTorch's state dict; the classifier only if the network has classes.
///
/// # Errors
/// The file cannot be written; what was there before is unchanged.
///
/// # Panics
/// When `parameters` has another length than [`Network::parameters`].
pub fn export(path: &Path, network: &Network, parameters: &[f32]) -> Result<(), WriteError> {
    assert_eq!(parameters.len(), network.parameters(), "parameters of another network");
    let bytes: Vec<u8> = parameters.iter().flat_map(|value| value.to_le_bytes()).collect();
    let tensors = network.tensors();
    let views = tensors.iter().filter(|tensor| !tensor.is_empty()).map(|tensor| {
        let range = tensor.range();
        let data = &bytes[range.start * size_of::<f32>()..range.end * size_of::<f32>()];
        let view = TensorView::new(Dtype::F32, tensor.shape().to_vec(), data)
            .expect("a tensor's range has the length of its shape");
        (tensor.name, view)
    });
    let file = serialize(views, None).expect("F32 tensors with fixed names can be written");
    write_atomically(path, |writer| writer.write_all(&file))
}

struct WeightsFile<'a> {
    path: &'a Path,
    tensors: SafeTensors<'a>,
}

impl WeightsFile<'_> {
    fn check_names(&self) -> Result<(), ImportError> {
        let mut found: Vec<String> = self.tensors.names().into_iter().map(str::to_string).collect();
        found.sort();
        let has = |name: &str| found.iter().any(|other| other == name);
        let classifier = has("10.weight") || has("10.bias");
        let known = Network::REFERENCE.tensors().map(|tensor| tensor.name);
        let missing: Vec<String> = known
            .iter()
            .filter(|name| !has(name) && (classifier || !name.starts_with("10.")))
            .map(|name| name.to_string())
            .collect();
        let unexpected: Vec<String> =
            found.iter().filter(|name| !known.contains(&name.as_str())).cloned().collect();
        if missing.is_empty() && unexpected.is_empty() {
            return Ok(());
        }
        Err(ImportError::Names { path: self.path.to_path_buf(), missing, unexpected, found })
    }

    /// The network that the shapes describe.
    fn network(&self, options: ImportOptions) -> Result<Network, ImportError> {
        const CONVOLUTION: &str = "[outputs, inputs, 3, 3]";
        let [a, channels, ..] = self.dimensions::<4>("0.weight", CONVOLUTION)?;
        let [b, ..] = self.dimensions::<4>("3.weight", CONVOLUTION)?;
        let [d, ..] = self.dimensions::<4>("6.weight", CONVOLUTION)?;
        let (grid, classes) = if self.tensors.tensor("10.weight").is_ok() {
            let [classes, columns] = self.dimensions::<2>("10.weight", "[classes, embedding]")?;
            (self.grid(columns, d, options.grid)?, classes)
        } else {
            let path = self.path.to_path_buf();
            (options.grid.ok_or(ImportError::UnknownGrid { path })?, 0)
        };
        let (height, width) = options.input;
        Network::new([channels, height, width], [a, b, d], grid, classes)
            .map_err(|cause| ImportError::Network { path: self.path.to_path_buf(), cause })
    }

    /// The pooling grid g of a classifier with d g g columns.
    fn grid(&self, columns: u16, d: u16, asked: Option<u16>) -> Result<u16, ImportError> {
        let fits = |&g: &u16| u32::from(columns) == u32::from(d) * u32::from(g * g);
        match (1..=Network::MAX_GRID).find(fits) {
            Some(found) => match asked {
                Some(asked) if asked != found => {
                    Err(ImportError::GridMismatch { path: self.path.to_path_buf(), found, asked })
                }
                _ => Ok(found),
            },
            None => Err(self.shape_error(
                "10.weight",
                format!("[classes, {d} x grid x grid] with a grid of 1 to {}", Network::MAX_GRID),
            )),
        }
    }

    /// The shape of a tensor of this rank. Sizes beyond `u16` are outside the
    /// network family.
    fn dimensions<const RANK: usize>(
        &self,
        name: &str,
        expected: &str,
    ) -> Result<[u16; RANK], ImportError> {
        let error = || self.shape_error(name, expected.to_string());
        let shape: [usize; RANK] = self.view(name).shape().try_into().map_err(|_| error())?;
        let mut sizes = [0; RANK];
        for (size, value) in sizes.iter_mut().zip(shape) {
            *size = u16::try_from(value).map_err(|_| error())?;
        }
        Ok(sizes)
    }

    /// Checks one tensor and appends its values.
    fn append(&self, tensor: &Tensor, parameters: &mut Vec<f32>) -> Result<(), ImportError> {
        let view = self.view(tensor.name);
        let (path, name) = (self.path.to_path_buf(), tensor.name.to_string());
        if view.dtype() != Dtype::F32 {
            return Err(ImportError::ElementType { path, name, found: view.dtype() });
        }
        if view.shape() != tensor.shape() {
            return Err(self.shape_error(tensor.name, format!("{:?}", tensor.shape())));
        }
        let (values, _) = view.data().as_chunks::<4>();
        let start = parameters.len();
        parameters.extend(values.iter().map(|&bytes| f32::from_le_bytes(bytes)));
        match parameters[start..].iter().position(|value| !value.is_finite()) {
            Some(index) => {
                let value = parameters[start + index];
                Err(ImportError::NotFinite { path, name, index, value })
            }
            None => Ok(()),
        }
    }

    fn shape_error(&self, name: &str, expected: String) -> ImportError {
        ImportError::TensorShape {
            path: self.path.to_path_buf(),
            name: name.to_string(),
            found: self.view(name).shape().to_vec(),
            expected,
        }
    }

    fn view(&self, name: &str) -> TensorView<'_> {
        self.tensors.tensor(name).expect("names were checked")
    }
}

#[cfg(test)]
mod tests {
    use super::super::ReadError;
    use super::*;
    use proptest::prelude::*;
    use std::fs;
    use std::path::PathBuf;

    fn fixture(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(name)
    }

    /// A tensor as a file holds it: name, element type, shape, bytes.
    type Raw = (String, Dtype, Vec<usize>, Vec<u8>);

    /// The tensors of a small network, its parameters 0, 1, 2...
    fn raw(network: &Network) -> Vec<Raw> {
        let tensors = network.tensors();
        let present = tensors.iter().filter(|tensor| !tensor.is_empty());
        let bytes =
            |t: &Tensor| t.range().flat_map(|i| (i as f32).to_le_bytes()).collect::<Vec<u8>>();
        present.map(|t| (t.name.to_string(), Dtype::F32, t.shape().to_vec(), bytes(t))).collect()
    }

    fn import_raw(tensors: &[Raw], options: ImportOptions) -> Result<(Network, Vec<f32>), String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("w.safetensors");
        let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
            (name, TensorView::new(*dtype, shape.clone(), bytes).unwrap())
        });
        fs::write(&path, serialize(views, None).unwrap()).unwrap();
        import(&path, options).map_err(|error| {
            let message = error.to_string();
            assert!(message.starts_with(path.to_str().unwrap()), "{message}");
            message
        })
    }

    fn small() -> Network {
        Network::new([1, 28, 28], [2, 3, 4], 2, 5).unwrap()
    }

    /// What import says of `small` after `change`.
    fn error(change: impl FnOnce(&mut Vec<Raw>)) -> String {
        let mut tensors = raw(&small());
        change(&mut tensors);
        import_raw(&tensors, ImportOptions::default()).unwrap_err()
    }

    #[test]
    fn pytorch_files_survive_import_and_export_byte_for_byte() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("w.safetensors");
        let names = ["weights", "pytorch-cross-entropy", "pytorch-triplet"];
        for name in names.map(|name| fixture(&format!("{name}.safetensors"))) {
            let (network, parameters) = import(&name, ImportOptions::default()).unwrap();
            assert_eq!(network, Network::REFERENCE);
            export(&path, &network, &parameters).unwrap();
            assert!(fs::read(&path).unwrap() == fs::read(&name).unwrap(), "{}", name.display());
        }
    }

    #[test]
    fn every_tensor_is_at_its_place() {
        let bytes = fs::read(fixture("weights.safetensors")).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let (network, parameters) =
            import(&fixture("weights.safetensors"), ImportOptions::default()).unwrap();
        for tensor in network.tensors() {
            let bits: Vec<u8> =
                parameters[tensor.range()].iter().flat_map(|v| v.to_le_bytes()).collect();
            assert!(bits == file.tensor(tensor.name).unwrap().data(), "{}", tensor.name);
        }
    }

    #[test]
    fn a_network_without_classifier_needs_the_grid() {
        let tensors = raw(&small().with_classes(0).unwrap());
        let options = ImportOptions { input: (40, 32), grid: Some(3) };
        let (network, parameters) = import_raw(&tensors, options).unwrap();
        assert_eq!(network, Network::new([1, 40, 32], [2, 3, 4], 3, 0).unwrap());
        assert!(parameters.iter().enumerate().all(|(i, &value)| value == i as f32));
        let error = import_raw(&tensors, ImportOptions::default()).unwrap_err();
        assert!(error.contains("does not tell the pooling grid"), "{error}");
    }

    #[test]
    fn each_defect_is_named() {
        let short = |tensors: &mut Vec<Raw>, i: usize, shape: &[usize]| {
            let len = shape.iter().product::<usize>() * 4;
            tensors[i].2 = shape.to_vec();
            tensors[i].3 = vec![0; len];
        };
        let cases = [
            (error(|t| drop(t.remove(3))), "missing [3.bias], unexpected []"),
            (error(|t| drop(t.remove(7))), "missing [10.bias], unexpected []"),
            (
                error(|t| t[0].0 = "conv1.weight".into()),
                "missing [0.weight], unexpected [conv1.weight]",
            ),
            (error(|t| t[1].1 = Dtype::I32), "tensor 0.bias is I32, but only F32"),
            (
                error(|t| short(t, 0, &[2, 1, 5, 5])),
                "tensor 0.weight has shape [2, 1, 5, 5], expected [2, 1, 3, 3]",
            ),
            (
                error(|t| short(t, 0, &[2, 9])),
                "tensor 0.weight has shape [2, 9], expected [outputs, inputs, 3, 3]",
            ),
            (error(|t| short(t, 3, &[4])), "tensor 3.bias has shape [4], expected [3]"),
            (error(|t| short(t, 2, &[3, 1, 3, 3])), "expected [3, 2, 3, 3]"),
            (
                error(|t| short(t, 6, &[5, 17])),
                "tensor 10.weight has shape [5, 17], expected [classes, 4 x grid x grid]",
            ),
            (error(|t| short(t, 6, &[70_000, 16])), "tensor 10.weight has shape [70000, 16]"),
            (error(|t| short(t, 4, &[0, 3, 3, 3])), "10.weight has shape"),
            (error(|t| short(t, 0, &[0, 1, 3, 3])), "each convolution must have 1 to 512"),
            (error(|t| short(t, 0, &[2, 17, 3, 3])), "the input must have 1 to 16 channels"),
            (
                error(|t| t[5].3[4..8].copy_from_slice(&f32::NAN.to_le_bytes())),
                "tensor 6.bias has the value NaN at index 1",
            ),
            (
                error(|t| t[6].3[..4].copy_from_slice(&f32::INFINITY.to_le_bytes())),
                "tensor 10.weight has the value inf at index 0",
            ),
        ];
        for (message, wanted) in cases {
            assert!(message.contains(wanted), "{message:?} lacks {wanted:?}");
        }
        let wrong_grid = ImportOptions { grid: Some(3), ..ImportOptions::default() };
        let message = import_raw(&raw(&small()), wrong_grid).unwrap_err();
        assert!(message.contains("pooling grid of 2, not 3"), "{message}");
        let too_small = ImportOptions { input: (17, 28), grid: None };
        let message = import_raw(&raw(&small()), too_small).unwrap_err();
        assert!(message.contains("18 to 1024 pixels"), "{message}");
    }

    #[test]
    fn damaged_files_are_errors() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("w.safetensors");
        let network = Network::new([1, 18, 18], [1; 3], 1, 2).unwrap();
        export(&path, &network, &vec![0.5; network.parameters()]).unwrap();
        let bytes = fs::read(&path).unwrap();
        for cut in 0..bytes.len() {
            fs::write(&path, &bytes[..cut]).unwrap();
            let error = import(&path, ImportOptions::default()).unwrap_err();
            assert!(matches!(error, ImportError::Format { .. }), "cut at {cut}: {error}");
        }
        let missing = import(&directory.path().join("none"), ImportOptions::default());
        assert!(matches!(missing, Err(ImportError::Read(ReadError::Io { .. }))));
    }

    proptest! {
        #[test]
        fn every_member_of_the_family_survives(
            channels in 1u16..4, widths in prop::array::uniform3(1u16..6), grid in 1u16..=8, classes in 0u16..5,
        ) {
            let network = Network::new([channels, 30, 22], widths, grid, classes).unwrap();
            let parameters: Vec<f32> = (0..network.parameters()).map(|i| i as f32 - 0.5).collect();
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("w.safetensors");
            export(&path, &network, &parameters).unwrap();
            let options = ImportOptions { input: (30, 22), grid: (classes == 0).then_some(grid) };
            prop_assert_eq!(import(&path, options).unwrap(), (network, parameters));
        }

        #[test]
        fn corruption_never_panics(
            changes in prop::collection::vec((0usize..700, any::<u8>()), 1..4),
        ) {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("w.safetensors");
            let network = Network::new([1, 18, 18], [1; 3], 1, 2).unwrap();
            export(&path, &network, &vec![0.5; network.parameters()]).unwrap();
            let mut bytes = fs::read(&path).unwrap();
            for (place, value) in changes {
                let place = place % bytes.len();
                bytes[place] = value;
            }
            fs::write(&path, &bytes).unwrap();
            if let Ok((network, parameters)) = import(&path, ImportOptions::default()) {
                prop_assert_eq!(parameters.len(), network.parameters());
            }
        }
    }
}
