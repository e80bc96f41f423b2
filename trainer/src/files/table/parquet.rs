//! Parquet, one row group a block of rows.

use std::io::{self, Write};
use std::sync::Arc;

use parquet::data_type::{ByteArray, ByteArrayType, DataType, FloatType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;

use super::{EmbeddingTable, arrow_schema};

/// The columns, as Parquet knows them: its lists have no length of their own.
const SCHEMA: &str = "message embeddings {
    required int64 id;
    required int32 label;
    required binary class_name (STRING);
    required binary split (STRING);
    required group embedding (LIST) {
        repeated group list {
            required float element;
        }
    }
}";

pub fn write(table: &EmbeddingTable<'_>, out: &mut (dyn Write + Send)) -> io::Result<()> {
    write_columns(table, out).map_err(|error| match error {
        // What the disk said, not what the library makes of it.
        ParquetError::External(cause) => {
            cause.downcast().map_or_else(io::Error::other, |cause: Box<io::Error>| *cause)
        }
        error => error.into(),
    })
}

fn write_columns(
    table: &EmbeddingTable<'_>,
    out: &mut (dyn Write + Send),
) -> Result<(), ParquetError> {
    let dimension = table.dimension();
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let mut writer = SerializedFileWriter::new(out, schema, Arc::new(properties(table)))?;
    for (rows, embeddings) in table.blocks() {
        let mut group = writer.next_row_group()?;
        let ids: Vec<i64> = rows.clone().map(|row| row as i64).collect();
        let labels = table.data.labels[rows.clone()].iter();
        let labels: Vec<i32> = labels.map(|&label| i32::from(label)).collect();
        let names: Vec<ByteArray> = rows.clone().map(|row| table.class_name(row).into()).collect();
        let splits = vec![ByteArray::from(table.split.to_string().as_str()); rows.len()];
        column::<Int64Type>(&mut group, &ids, None)?;
        column::<Int32Type>(&mut group, &labels, None)?;
        column::<ByteArrayType>(&mut group, &names, None)?;
        column::<ByteArrayType>(&mut group, &splits, None)?;
        let values = embeddings.as_slice().expect("standard layout");
        column::<FloatType>(&mut group, values, Some(dimension))?;
        group.close()?;
    }
    writer.close()?;
    Ok(())
}

/// Embeddings as they are: they neither repeat nor have an order that would
/// let a dictionary or their least and largest values help.
fn properties(table: &EmbeddingTable<'_>) -> WriterProperties {
    let embedding = ColumnPath::from(["embedding", "list", "element"].map(String::from).to_vec());
    let about = table.metadata();
    let schema = arrow_schema::encode(table.dimension(), &about);
    let mut metadata = about.map(|(key, value)| KeyValue::new(key.to_owned(), value)).to_vec();
    metadata.push(KeyValue::new("ARROW:schema".into(), schema));
    WriterProperties::builder()
        .set_key_value_metadata(Some(metadata))
        .set_column_dictionary_enabled(ColumnPath::from("id"), false)
        .set_column_dictionary_enabled(embedding.clone(), false)
        .set_column_statistics_enabled(embedding, EnabledStatistics::None)
        .build()
}

/// Writes the next column: a value a row, or lists of a length.
fn column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, &mut (dyn Write + Send)>,
    values: &[T::T],
    list: Option<usize>,
) -> Result<(), ParquetError> {
    let mut column = group.next_column()?.expect("a column of the schema");
    match list {
        None => column.typed::<T>().write_batch(values, None, None)?,
        Some(len) => {
            // Of a list, the first value repeats nothing; none is missing.
            let repetition: Vec<i16> = (0..values.len()).map(|i| i16::from(i % len != 0)).collect();
            let definition = vec![1; values.len()];
            column.typed::<T>().write_batch(values, Some(&definition), Some(&repetition))?
        }
    };
    column.close()
}
