//! Weights of PyTorch as safetensors files.

use lookalike_trainer::files::safetensors::{ImportOptions, export, import};

use crate::as_file;

/// Imports the bytes; what can be imported is exported and read back.
pub fn run(data: &[u8]) {
    let plain = ImportOptions::default();
    let other = ImportOptions { input: (18, 33), grid: Some(3) };
    for options in [plain, other] {
        match as_file(data, |path| import(path, options)) {
            Ok((network, parameters)) => {
                assert_eq!(parameters.len(), network.parameters());
                assert!(parameters.iter().all(|value| value.is_finite()));
                let grid = Some(network.grid() as u16);
                let read = as_file(&[], |path| {
                    export(path, &network, &parameters).expect("a file can be written");
                    import(path, ImportOptions { grid, ..options })
                });
                let (again, values) = read.expect("written by this program");
                assert_eq!(again, network);
                // Bit for bit: -0 is kept.
                assert!(
                    values.iter().map(|v| v.to_bits()).eq(parameters.iter().map(|v| v.to_bits()))
                );
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}
