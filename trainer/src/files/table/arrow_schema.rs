//! The Arrow schema of a table, which a Parquet file carries under the key
//! `ARROW:schema`: with it Arrow's readers, LanceDB's among them, see
//! embeddings as fixed-size lists, which Parquet itself has not.
//!
//! It is the base64 text of an encapsulated IPC message whose flatbuffer is
//! described by `Schema.fbs` and `Message.fbs` of the
//! [Arrow format](https://arrow.apache.org/docs/format/Columnar.html).
//! The crates that write it would take several times as long to compile as
//! all that is needed to write Parquet.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flatbuffers::{
    FlatBufferBuilder, ForwardsUOffset, TableFinishedWIPOffset, VOffsetT, Vector, WIPOffset,
};

type Table = WIPOffset<TableFinishedWIPOffset>;
type Tables<'f> = WIPOffset<Vector<'f, ForwardsUOffset<TableFinishedWIPOffset>>>;

/// Where a table of a flatbuffer keeps the field with this index.
const fn slot(index: VOffsetT) -> VOffsetT {
    4 + 2 * index
}

/// A type: its number in the union `Type` of `Schema.fbs`, and its table.
struct Type {
    id: u8,
    table: Table,
}

/// The schema of tables with embeddings of `dimension` values, with metadata of
/// its own, as Parquet's metadata holds it.
pub fn encode(dimension: usize, metadata: &[(&str, String)]) -> String {
    let mut message = message(dimension, metadata);
    message.resize(message.len().next_multiple_of(8), 0);
    let mut bytes = vec![0xff; 4];
    bytes.extend((message.len() as u32).to_le_bytes());
    bytes.extend(message);
    STANDARD.encode(bytes)
}

fn message(dimension: usize, metadata: &[(&str, String)]) -> Vec<u8> {
    let fbb = &mut FlatBufferBuilder::new();
    let fields = [
        integer(fbb, "id", 64),
        integer(fbb, "label", 32),
        text(fbb, "class_name"),
        text(fbb, "split"),
        embedding(fbb, dimension as i32),
    ];
    let fields = fbb.create_vector(&fields);
    let metadata: Vec<Table> =
        metadata.iter().map(|(key, value)| key_value(fbb, key, value)).collect();
    let metadata = fbb.create_vector(&metadata);
    let schema = table(fbb, |fbb| {
        fbb.push_slot_always(slot(1), fields);
        fbb.push_slot_always(slot(2), metadata); // custom_metadata
    });
    let message = table(fbb, |fbb| {
        fbb.push_slot_always(slot(3), 0i64); // bodyLength
        fbb.push_slot_always(slot(2), schema); // header
        fbb.push_slot_always(slot(0), 4i16); // version: V5
        fbb.push_slot_always(slot(1), 1u8); // header_type: Schema
    });
    fbb.finish_minimal(message);
    fbb.finished_data().to_vec()
}

fn table<'f>(
    fbb: &mut FlatBufferBuilder<'f>,
    fill: impl FnOnce(&mut FlatBufferBuilder<'f>),
) -> Table {
    let start = fbb.start_table();
    fill(fbb);
    fbb.end_table(start)
}

fn key_value(fbb: &mut FlatBufferBuilder<'_>, key: &str, value: &str) -> Table {
    let (key, value) = (fbb.create_string(key), fbb.create_string(value));
    table(fbb, |fbb| {
        fbb.push_slot_always(slot(0), key);
        fbb.push_slot_always(slot(1), value);
    })
}

fn field<'f>(fbb: &mut FlatBufferBuilder<'f>, name: &str, of: Type, children: Tables<'f>) -> Table {
    let name = fbb.create_string(name);
    table(fbb, |fbb| {
        fbb.push_slot_always(slot(0), name);
        fbb.push_slot_always(slot(3), of.table);
        fbb.push_slot_always(slot(5), children);
        fbb.push_slot_always(slot(1), false); // nullable
        fbb.push_slot_always(slot(2), of.id);
    })
}

fn integer(fbb: &mut FlatBufferBuilder<'_>, name: &str, bits: i32) -> Table {
    let table = table(fbb, |fbb| {
        fbb.push_slot_always(slot(0), bits);
        fbb.push_slot_always(slot(1), true); // is_signed
    });
    let none = fbb.create_vector::<Table>(&[]);
    field(fbb, name, Type { id: 2, table }, none)
}

fn text(fbb: &mut FlatBufferBuilder<'_>, name: &str) -> Table {
    let table = table(fbb, |_| {});
    let none = fbb.create_vector::<Table>(&[]);
    field(fbb, name, Type { id: 5, table }, none)
}

fn embedding(fbb: &mut FlatBufferBuilder<'_>, dimension: i32) -> Table {
    let single = table(fbb, |fbb| fbb.push_slot_always(slot(0), 1i16)); // precision: SINGLE
    let none = fbb.create_vector::<Table>(&[]);
    let element = field(fbb, "element", Type { id: 3, table: single }, none);
    let children = fbb.create_vector(&[element]);
    let list = table(fbb, |fbb| fbb.push_slot_always(slot(0), dimension)); // listSize
    field(fbb, "embedding", Type { id: 16, table: list }, children)
}
