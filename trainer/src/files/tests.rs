//! Every kind of file that the library writes, on a disk that fails at each
//! operation in turn.

use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use lookalike::{Network, Packing, Shape};

use super::*;
use crate::data::{Dataset, Split};
use crate::nn::Parameters;
use crate::quantize::{self, quantize};
use crate::rng::{Purpose, stream};

fn data() -> Dataset {
    let shape = Shape { height: 18, width: 18, channels: 1 };
    Dataset {
        shape,
        pixels: (0..12 * shape.len()).map(|i| (i * i % 251) as u8).collect(),
        labels: (0..12).map(|i| i % 3).collect(),
        class_names: ["cup", "fork", "plate"].map(String::from).to_vec(),
    }
}

fn parameters() -> Parameters {
    let network = Network::new([1, 18, 18], [4, 4, 8], 2, 3).unwrap();
    Parameters::random(&network, &mut stream(7, Purpose::Initialisation, 0))
}

fn new<'a>(parameters: &'a Parameters, data: &'a Dataset) -> NewModel<'a> {
    NewModel {
        parameters: NewParameters::F32(parameters),
        class_names: &data.class_names,
        acceptance: None,
        self_test_images: &[],
    }
}

type Outcome = Result<(), Box<dyn Error>>;

/// Fails each operation of `write`, which writes `names` into the directory
/// that it is given; returns how many there are.
fn fail_each(names: &[&str], write: impl Fn(&Path) -> Outcome) -> usize {
    let content = |directory: &Path| -> BTreeMap<_, _> {
        let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
        entries.map(|entry| (entry.file_name(), fs::read(entry.path()).unwrap())).collect()
    };
    for working in 0.. {
        let directory = tempfile::tempdir().unwrap();
        for name in names {
            fs::write(directory.path().join(name), "old").unwrap();
        }
        let before = content(directory.path());
        let (result, failed) =
            faults::with(working, true, ErrorKind::StorageFull, || write(directory.path()));
        let after = content(directory.path());
        assert!(after.keys().eq(before.keys()), "{working}: {:?}", after.keys());
        if !failed {
            result.unwrap();
            assert!(after.values().all(|content| content != b"old"));
            return working;
        }
        let error = result.unwrap_err().to_string();
        let named = names.iter().any(|name| error.contains(&format!("/{name}: cannot write")));
        assert!(named && error.contains("free some space"), "{error}");
        // Of two files, the first has its name already when the second fails to get it.
        assert!(after == before || (names.len() == 2 && after[OsStr::new(names[1])] == b"old"));
    }
    unreachable!("it never succeeds");
}

#[test]
fn a_fault_in_any_operation_leaves_every_kind_of_file_as_it_was() {
    let (data, parameters) = (data(), parameters());
    let model = LoadedModel::new(&new(&parameters, &data)).unwrap();
    let options = quantize::Options { thorough: false, ..quantize::Options::default() };
    let (int8, _) = quantize(&model, &data, Packing::Fast, &options).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.model");
    save_model(&path, &model.as_new()).unwrap();
    let source = FirmwareFile::load(&path).unwrap();

    let mut faults = fail_each(&["a.model"], |directory| {
        save_model(&directory.join("a.model"), &new(&parameters, &data))?;
        Ok(())
    });
    faults += fail_each(&["a.int8.model"], |directory| {
        save_model(&directory.join("a.int8.model"), &int8.as_new())?;
        Ok(())
    });
    for (model, code) in [
        (&model, CodeKind::F32),
        (&int8, CodeKind::U8),
        (&int8, CodeKind::Projected),
        (&int8, CodeKind::Binary),
        (&int8, CodeKind::TwoStage),
    ] {
        faults += fail_each(&["a.gallery"], |directory| {
            Ok(save_gallery(&directory.join("a.gallery"), model, &data, code)?)
        });
    }
    faults += fail_each(&["a.safetensors"], |directory| {
        let path = directory.join("a.safetensors");
        Ok(safetensors::export(&path, &parameters.network, &parameters.values)?)
    });
    for (name, language) in
        [("a.rs", Language::Rust), ("a.c", Language::C), ("a.h", Language::CHeader)]
    {
        faults += fail_each(&[name], |directory| {
            Ok(source.write_source(&directory.join(name), language, "a")?)
        });
    }
    let tables: [&[&str]; _] = [
        &["x.npy", "x.labels.npy"],
        #[cfg(feature = "parquet")]
        &["x.parquet"],
        &["x.pgcopy"],
        &["x.safetensors"],
    ];
    for names in tables {
        faults += fail_each(names, |directory| {
            let path = directory.join(names[0]);
            let format = TableFormat::of_extension(path.extension().unwrap()).unwrap();
            let data = &data;
            let table = EmbeddingTable { model: &model, model_name: "a", data, split: Split::Test };
            Ok(table.write(&path, format)?)
        });
    }
    println!("{faults} faults");
    // Each file is created, written, synced and renamed at least.
    assert!(faults >= 4 * 16, "{faults}");
}
