use std::fs;

use lookalike::{Network, Shape};
use ndarray_npy::read_npy;
use safetensors::SafeTensors;
use tempfile::TempDir;

use super::*;
use crate::files::{NewModel, NewParameters};
use crate::nn::Parameters;
use crate::rng::{Purpose, stream};

/// A model with random weights.
fn model(widths: [u16; 3], grid: u16) -> LoadedModel {
    let network = Network::new([1, 18, 18], widths, grid, 0).unwrap();
    let parameters = Parameters::random(&network, &mut stream(7, Purpose::Initialisation, 0));
    let new = NewModel {
        parameters: NewParameters::F32(&parameters),
        class_names: &[],
        acceptance: None,
        self_test_images: &[],
    };
    LoadedModel::new(&new).unwrap()
}

fn data(images: usize) -> Dataset {
    let shape = Shape { height: 18, width: 18, channels: 1 };
    Dataset {
        shape,
        pixels: (0..images * shape.len()).map(|i| (i * i % 251) as u8).collect(),
        labels: (0..images).map(|i| (i % 3) as u16).collect(),
        class_names: ["mug", "ключ", "a \"b\", c"].map(String::from).to_vec(),
    }
}

/// Writes a table as `x.EXTENSION` in a directory of its own.
fn written(model: &LoadedModel, data: &Dataset, extension: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x").with_extension(extension);
    let format = TableFormat::of_extension(OsStr::new(extension)).unwrap();
    let table = EmbeddingTable { model, model_name: "small", data, split: Split::Test };
    table.write(&path, format).unwrap();
    (directory, path)
}

#[test]
fn an_npy_file_has_its_labels_beside_it() {
    let (model, data) = (model([2, 3, 4], 2), data(7));
    let (directory, path) = written(&model, &data, "npy");
    assert_eq!(read_npy::<_, Array2<f32>>(&path).unwrap(), model.embed(&data));
    let labels: Array1<i64> = read_npy(directory.path().join("x.labels.npy")).unwrap();
    assert_eq!(labels.to_vec(), [0, 1, 2, 0, 1, 2, 0]);
}

#[test]
fn a_copy_file_is_its_rows_between_signature_and_trailer() {
    let (model, data) = (model([2, 3, 4], 2), data(ROWS + 2));
    let bytes = fs::read(written(&model, &data, "pgcopy").1).unwrap();
    let (signature, mut rest) = bytes.split_at(19);
    assert_eq!(signature, b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0");
    let mut take = |len| {
        let (taken, left) = rest.split_at(len);
        rest = left;
        taken.to_vec()
    };
    for (i, embedding) in model.embed(&data).outer_iter().enumerate() {
        let name = &data.class_names[i % 3];
        assert_eq!(take(2), [0, 4]);
        assert_eq!(take(12), [[0, 0, 0, 8].as_slice(), &(i as u64).to_be_bytes()].concat());
        assert_eq!(take(8), [0, 0, 0, 4, 0, 0, 0, (i % 3) as u8]);
        assert_eq!(take(4), (name.len() as u32).to_be_bytes());
        assert_eq!(take(name.len()), name.as_bytes());
        assert_eq!(take(8), [0, 0, 0, 4 + 4 * 16, 0, 16, 0, 0]);
        for value in embedding {
            assert_eq!(take(4), value.to_be_bytes());
        }
    }
    assert_eq!(rest, [0xff, 0xff]);
}

#[test]
fn embeddings_beyond_pgvector_are_refused() {
    let (model, data) = (model([1, 1, 400], 7), data(1));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.pgcopy");
    let table = EmbeddingTable { model: &model, model_name: "", data: &data, split: Split::Train };
    let error = table.write(&path, TableFormat::PgCopy).unwrap_err().to_string();
    assert!(error.contains("16000 dimensions") && error.contains("19600"), "{error}");
    assert!(!path.exists());
}

#[test]
fn safetensors_hold_embeddings_labels_and_what_they_are() {
    let (model, data) = (model([2, 3, 4], 2), data(5));
    let bytes = fs::read(written(&model, &data, "safetensors").1).unwrap();
    assert_eq!(bytes, fs::read(written(&model, &data, "safetensors").1).unwrap());
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let embeddings = tensors.tensor("embeddings").unwrap();
    assert_eq!((embeddings.dtype(), embeddings.shape()), (Dtype::F32, [5, 16].as_slice()));
    let expected: Vec<u8> = model.embed(&data).iter().flat_map(|v| v.to_le_bytes()).collect();
    assert_eq!(embeddings.data(), expected);
    let labels = tensors.tensor("labels").unwrap();
    assert_eq!((labels.dtype(), labels.shape()), (Dtype::I64, [5].as_slice()));
    let expected: Vec<u8> = [0i64, 1, 2, 0, 1].iter().flat_map(|v| v.to_le_bytes()).collect();
    assert_eq!(labels.data(), expected);

    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let about = &header.metadata().as_ref().unwrap()["lookalike"];
    let about: serde_json::Value = serde_json::from_str(about).unwrap();
    assert_eq!(about["lookalike.model_fingerprint"], format!("{:08x}", model.fingerprint));
    assert_eq!(about["lookalike.class_names"][1], "ключ");
}

#[cfg(feature = "parquet")]
mod parquet {
    use ::parquet::file::reader::{FileReader, SerializedFileReader};
    use ::parquet::record::RowAccessor;

    use super::*;

    fn open(path: &Path) -> SerializedFileReader<fs::File> {
        SerializedFileReader::new(fs::File::open(path).unwrap()).unwrap()
    }

    #[test]
    fn every_value_is_read_back() {
        let (model, data) = (model([2, 3, 4], 2), data(ROWS + 2));
        let (_directory, path) = written(&model, &data, "parquet");
        let reader = open(&path);
        let groups = reader.metadata().row_groups();
        let rows: Vec<i64> = groups.iter().map(|group| group.num_rows()).collect();
        assert_eq!(rows, [ROWS as i64, 2]);
        let embeddings = model.embed(&data);
        let mut read = 0;
        for (i, row) in reader.get_row_iter(None).unwrap().enumerate() {
            let row = row.unwrap();
            assert_eq!(row.get_long(0).unwrap(), i as i64);
            assert_eq!(row.get_int(1).unwrap(), (i % 3) as i32);
            assert_eq!(row.get_string(2).unwrap(), &data.class_names[i % 3]);
            assert_eq!(row.get_string(3).unwrap(), "test");
            let values = row.get_list(4).unwrap().elements().iter().map(|value| match value {
                ::parquet::record::Field::Float(value) => *value,
                other => panic!("{other}"),
            });
            assert!(values.eq(embeddings.row(i).iter().copied()), "row {i}");
            read += 1;
        }
        assert_eq!(read, data.len());
    }

    #[test]
    fn the_metadata_names_the_model() {
        let (model, data) = (model([2, 3, 4], 2), data(1));
        let (_directory, path) = written(&model, &data, "parquet");
        let reader = open(&path);
        let pairs = reader.metadata().file_metadata().key_value_metadata().unwrap();
        let value = |key: &str| {
            pairs.iter().find(|pair| pair.key == key).and_then(|pair| pair.value.as_deref())
        };
        assert_eq!(value("lookalike.model"), Some("small"));
        let fingerprint = format!("{:08x}", model.fingerprint);
        assert_eq!(value("lookalike.model_fingerprint"), Some(fingerprint.as_str()));
        assert_eq!(value("lookalike.code"), Some("f32"));
        assert_eq!(value("lookalike.dimension"), Some("16"));
        assert_eq!(value("lookalike.distance"), Some("squared L2"));
        let table =
            EmbeddingTable { model: &model, model_name: "small", data: &data, split: Split::Test };
        let schema = arrow_schema::encode(16, &table.metadata());
        assert_eq!(value("ARROW:schema"), Some(schema.as_str()));
    }

    #[test]
    fn a_table_without_rows_has_columns() {
        let (_directory, path) = written(&model([2, 3, 4], 2), &data(0), "parquet");
        let metadata = open(&path).metadata().file_metadata().clone();
        assert_eq!((metadata.num_rows(), metadata.schema_descr().num_columns()), (0, 5));
    }
}
