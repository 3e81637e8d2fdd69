"""Build the ledger's tables, one numbered step after another, and know which version a file has.

A step that was released is never edited: a later one changes what it made. Vector tables are not
made here but when a model version is registered (see ``models``), since their width is its dim.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import duckdb

from crossmodal.errors import CollectionTooNew
from crossmodal.ledger.sql import one_number

Step = Callable[[duckdb.DuckDBPyConnection], None]


def m001_sources_and_chunks(con: duckdb.DuckDBPyConnection) -> None:
    """Make what is indexed: chunks belong to content, so that copies share them."""
    con.execute("""
        CREATE TABLE source (
            uri VARCHAR PRIMARY KEY, root VARCHAR NOT NULL, media_type VARCHAR,
            size_bytes BIGINT NOT NULL, mtime_ns BIGINT NOT NULL, content_hash VARCHAR,
            run_id VARCHAR NOT NULL, indexed_at TIMESTAMPTZ NOT NULL);
        CREATE SEQUENCE chunk_id;
        CREATE TABLE chunk (
            chunk_id BIGINT PRIMARY KEY DEFAULT nextval('chunk_id'), content_hash VARCHAR NOT NULL,
            chunker VARCHAR NOT NULL, kind VARCHAR NOT NULL, ordinal INTEGER NOT NULL,
            meta VARCHAR NOT NULL, run_id VARCHAR NOT NULL)""")


def m002_model_versions(con: duckdb.DuckDBPyConnection) -> None:
    """Make the register of embedding spaces, and which of them searches use."""
    con.execute("""
        CREATE SEQUENCE model_version_id;
        CREATE TABLE model_version (
            id INTEGER PRIMARY KEY DEFAULT nextval('model_version_id'), name VARCHAR NOT NULL,
            revision VARCHAR NOT NULL, weights_hash VARCHAR NOT NULL,
            preprocessing VARCHAR NOT NULL, dim INTEGER NOT NULL, dtype VARCHAR NOT NULL,
            encoders VARCHAR NOT NULL, fingerprint VARCHAR NOT NULL UNIQUE,
            created_at TIMESTAMPTZ NOT NULL);
        CREATE TABLE model_files (stat_key VARCHAR PRIMARY KEY, weights_hash VARCHAR NOT NULL);
        CREATE TABLE collection_setting (key VARCHAR PRIMARY KEY, value VARCHAR NOT NULL)""")


def m003_runs(con: duckdb.DuckDBPyConnection) -> None:
    """Make the history: every run, and what each of its stages and operators took."""
    con.execute("""
        CREATE TABLE run (
            run_id VARCHAR PRIMARY KEY, flow VARCHAR NOT NULL, params VARCHAR NOT NULL,
            code_version VARCHAR NOT NULL, model_version_id INTEGER, host VARCHAR NOT NULL,
            pid INTEGER NOT NULL, started_at TIMESTAMPTZ NOT NULL, finished_at TIMESTAMPTZ,
            state VARCHAR NOT NULL, counts VARCHAR NOT NULL, message VARCHAR NOT NULL);
        CREATE TABLE span (
            run_id VARCHAR NOT NULL, stage VARCHAR NOT NULL, operator VARCHAR NOT NULL,
            worker VARCHAR NOT NULL, started_s DOUBLE NOT NULL, wall_s DOUBLE NOT NULL,
            num_items BIGINT NOT NULL, num_bytes BIGINT NOT NULL)""")


def m004_quarantine(con: duckdb.DuckDBPyConnection) -> None:
    """Make the place for what was refused."""
    con.execute("""
        CREATE TABLE quarantine (
            uri VARCHAR PRIMARY KEY, stage VARCHAR NOT NULL, reason VARCHAR NOT NULL,
            detail VARCHAR NOT NULL, transient BOOLEAN NOT NULL, attempts INTEGER NOT NULL,
            content_hash VARCHAR, size_bytes BIGINT NOT NULL, mtime_ns BIGINT NOT NULL,
            model_version_id INTEGER, run_id VARCHAR NOT NULL,
            first_seen TIMESTAMPTZ NOT NULL, last_seen TIMESTAMPTZ NOT NULL)""")


def m005_flow_runs(con: duckdb.DuckDBPyConnection) -> None:
    """Let a run be found from Prefect's flow run, and the other way round."""
    con.execute("ALTER TABLE run ADD COLUMN flow_run_id VARCHAR")


def m006_backfills(con: duckdb.DuckDBPyConnection) -> None:
    """Make the ledger of backfills: what each was asked for, and how far each partition is."""
    con.execute("""
        CREATE TABLE backfill (
            backfill_id VARCHAR PRIMARY KEY, spec VARCHAR NOT NULL,
            created_at TIMESTAMPTZ NOT NULL);
        CREATE TABLE backfill_partition (
            backfill_id VARCHAR NOT NULL, name VARCHAR NOT NULL, num_planned BIGINT NOT NULL,
            num_done BIGINT NOT NULL, num_failed BIGINT NOT NULL, num_vectors BIGINT NOT NULL,
            wall_s DOUBLE NOT NULL, state VARCHAR NOT NULL, run_id VARCHAR NOT NULL,
            started_at TIMESTAMPTZ, finished_at TIMESTAMPTZ, PRIMARY KEY (backfill_id, name))""")


def m007_chunks_in_context(con: duckdb.DuckDBPyConnection) -> None:
    """Let a chunk say what it is, what it reads and where it stands in its source."""
    con.execute("""
        ALTER TABLE chunk ADD COLUMN modality VARCHAR DEFAULT 'image';
        ALTER TABLE chunk ADD COLUMN parent INTEGER;
        ALTER TABLE chunk ADD COLUMN section VARCHAR DEFAULT '';
        ALTER TABLE chunk ADD COLUMN text VARCHAR DEFAULT ''""")


def m008_vectors_by_modality(con: duckdb.DuckDBPyConnection) -> None:
    """Give each modality of a version a table of its own, its rows numbered as they come."""
    con.execute("CREATE SEQUENCE vector_seq")
    versions = con.execute("SELECT id, dim, encoders FROM model_version ORDER BY id").fetchall()
    for number, dim, encoders in versions:
        for modality in json.loads(encoders):
            con.execute(f"""
                CREATE TABLE vector_{number}_{modality} (
                    chunk_id BIGINT PRIMARY KEY,
                    seq BIGINT NOT NULL DEFAULT nextval('vector_seq'),
                    run_id VARCHAR NOT NULL, v FLOAT[{dim}] NOT NULL)""")
        con.execute(f"""
            INSERT INTO vector_{number}_image (chunk_id, run_id, v)
            SELECT chunk_id, run_id, v FROM vector_{number} ORDER BY chunk_id;
            DROP TABLE vector_{number}""")
    con.execute("""
        UPDATE collection_setting SET value = '{"image": ' || value || ', "text": ' || value || '}'
        WHERE key = 'live_model_version'""")


def m009_refused_parts(con: duckdb.DuckDBPyConnection) -> None:
    """Let the quarantine hold parts of a source, beside whole ones."""
    con.execute("""
        ALTER TABLE quarantine RENAME TO whole_quarantine;
        CREATE TABLE quarantine (
            uri VARCHAR NOT NULL, stage VARCHAR NOT NULL, reason VARCHAR NOT NULL,
            detail VARCHAR NOT NULL, transient BOOLEAN NOT NULL, attempts INTEGER NOT NULL,
            content_hash VARCHAR, size_bytes BIGINT NOT NULL, mtime_ns BIGINT NOT NULL,
            model_version_id INTEGER, run_id VARCHAR NOT NULL,
            first_seen TIMESTAMPTZ NOT NULL, last_seen TIMESTAMPTZ NOT NULL,
            part VARCHAR NOT NULL, PRIMARY KEY (uri, part));
        INSERT INTO quarantine SELECT *, '' FROM whole_quarantine;
        DROP TABLE whole_quarantine""")


def m010_codes(con: duckdb.DuckDBPyConnection) -> None:
    """Make the register of the codes beside the collection, and of how well they find."""
    con.execute("""
        CREATE TABLE search_codes (
            model_version_id INTEGER NOT NULL, modality VARCHAR NOT NULL, token VARCHAR NOT NULL,
            covered_seq BIGINT NOT NULL, num_vectors BIGINT NOT NULL,
            built_at TIMESTAMPTZ NOT NULL, PRIMARY KEY (model_version_id, modality));
        CREATE TABLE search_audit (
            model_version_id INTEGER NOT NULL, modality VARCHAR NOT NULL,
            covered_seq BIGINT NOT NULL, num_vectors BIGINT NOT NULL, num_queries INTEGER NOT NULL,
            k INTEGER NOT NULL, recall DOUBLE NOT NULL, target DOUBLE NOT NULL,
            effort INTEGER NOT NULL, wall_s DOUBLE NOT NULL, audited_at TIMESTAMPTZ NOT NULL)""")


def m011_batch_sizes(con: duckdb.DuckDBPyConnection) -> None:
    """Make the memory of how many items a forward pass takes best, device by device."""
    con.execute("""
        CREATE TABLE batch_size (
            model_version_id INTEGER NOT NULL, modality VARCHAR NOT NULL, device VARCHAR NOT NULL,
            shape VARCHAR NOT NULL, num_items INTEGER NOT NULL, items_per_s DOUBLE NOT NULL,
            found_at TIMESTAMPTZ NOT NULL,
            PRIMARY KEY (model_version_id, modality, device, shape))""")


def m012_sources_by_content(con: duckdb.DuckDBPyConnection) -> None:
    """Let a hit find its sources without a look at every one: 1.5 ms in place of 9 for a million.

    It takes 120 bytes a source; what a run writes takes as long as before.
    """
    con.execute("CREATE INDEX source_by_content ON source (content_hash)")


def m013_audits_of_codes(con: duckdb.DuckDBPyConnection) -> None:
    """Keep the audit of codes with them, so that it speaks for no others, and one look finds both.

    What was kept before is of codes in an older format, which the next run builds anew.
    """
    con.execute("""
        DROP TABLE search_codes;
        DROP TABLE search_audit;
        CREATE TABLE search_codes (
            model_version_id INTEGER NOT NULL, modality VARCHAR NOT NULL, token VARCHAR NOT NULL,
            basis VARCHAR NOT NULL, covered_seq BIGINT NOT NULL, num_vectors BIGINT NOT NULL,
            built_at TIMESTAMPTZ NOT NULL,
            audit STRUCT(recall DOUBLE, target DOUBLE, effort INTEGER, covered_seq BIGINT,
                num_vectors BIGINT, num_queries INTEGER, k INTEGER, wall_s DOUBLE),
            audited_at TIMESTAMPTZ, PRIMARY KEY (model_version_id, modality))""")


def m014_calibration(con: duckdb.DuckDBPyConnection) -> None:
    """Make room for what makes scores comparable: probes a version, a hub term a vector, tables."""
    con.execute("""
        CREATE TABLE probe (
            model_version_id INTEGER PRIMARY KEY, revision VARCHAR NOT NULL, vectors BLOB NOT NULL,
            encoded_at TIMESTAMPTZ NOT NULL);
        CREATE TABLE calibration (
            model_version_id INTEGER NOT NULL, modality VARCHAR NOT NULL,
            num_vectors BIGINT NOT NULL, tail_start DOUBLE NOT NULL, tail_mean DOUBLE NOT NULL,
            tail_rate DOUBLE NOT NULL, mean_hub DOUBLE NOT NULL, knots BLOB NOT NULL,
            fitted_at TIMESTAMPTZ NOT NULL, PRIMARY KEY (model_version_id, modality))""")
    versions = con.execute("SELECT id, encoders FROM model_version ORDER BY id").fetchall()
    for number, encoders in versions:
        for modality in json.loads(encoders):
            con.execute(f"ALTER TABLE vector_{number}_{modality} ADD COLUMN hub FLOAT")


def m015_evaluations(con: duckdb.DuckDBPyConnection) -> None:
    """Make the memory of evaluations: their pairs, and what each query scored and found."""
    con.execute("""
        CREATE TABLE evaluation (
            evaluation_id VARCHAR PRIMARY KEY, model VARCHAR NOT NULL, versions VARCHAR NOT NULL,
            set_name VARCHAR NOT NULL, set_path VARCHAR NOT NULL, set_digest VARCHAR NOT NULL,
            settings VARCHAR NOT NULL, problems VARCHAR NOT NULL, overlap VARCHAR NOT NULL,
            created_at TIMESTAMPTZ NOT NULL);
        CREATE TABLE evaluation_pair (
            evaluation_id VARCHAR NOT NULL, pair VARCHAR NOT NULL, num_queries BIGINT NOT NULL,
            num_clusters BIGINT NOT NULL, gallery_size BIGINT NOT NULL,
            gallery_digest VARCHAR NOT NULL, measures VARCHAR NOT NULL, median_rank DOUBLE,
            ms_per_query DOUBLE NOT NULL, PRIMARY KEY (evaluation_id, pair));
        CREATE TABLE evaluation_query (
            evaluation_id VARCHAR NOT NULL, pair VARCHAR NOT NULL, query_id VARCHAR NOT NULL,
            cluster VARCHAR NOT NULL, title VARCHAR NOT NULL, first_rank INTEGER,
            scores DOUBLE[] NOT NULL, top_chunks BIGINT[] NOT NULL, top_scores DOUBLE[] NOT NULL);
        CREATE TABLE training_item (
            model_version_id INTEGER NOT NULL, kind VARCHAR NOT NULL, hash VARCHAR NOT NULL)""")


def m016_model_lifecycle(con: duckdb.DuckDBPyConnection) -> None:
    """Make the lineage of model versions, the log of what was live when, and the pins."""
    con.execute("""
        CREATE TABLE lineage (
            model_version_id INTEGER PRIMARY KEY, parent_id INTEGER NOT NULL,
            how VARCHAR NOT NULL, created_at TIMESTAMPTZ NOT NULL);
        CREATE SEQUENCE promotion_id;
        CREATE TABLE promotion_log (
            id INTEGER PRIMARY KEY DEFAULT nextval('promotion_id'), action VARCHAR NOT NULL,
            before VARCHAR NOT NULL, after VARCHAR NOT NULL, undoes INTEGER,
            who VARCHAR NOT NULL, why VARCHAR NOT NULL, logged_at TIMESTAMPTZ NOT NULL);
        CREATE TABLE pinned_version (
            model_version_id INTEGER PRIMARY KEY, why VARCHAR NOT NULL,
            pinned_at TIMESTAMPTZ NOT NULL)""")


def m017_moderation(con: duckdb.DuckDBPyConnection) -> None:
    """Make what policies found and what people decided; ``review_event`` is only ever added to.

    Policies and the vectors of their sentences are kept, so that a decision can be made out again
    after the files and the models are gone.
    """
    con.execute("""
        CREATE TABLE policy (
            policy_id VARCHAR NOT NULL, content_hash VARCHAR NOT NULL, said VARCHAR NOT NULL,
            run_id VARCHAR NOT NULL, first_seen TIMESTAMPTZ NOT NULL,
            PRIMARY KEY (policy_id, content_hash));
        CREATE TABLE policy_vector (
            model_version_id INTEGER NOT NULL, role VARCHAR NOT NULL,
            content_hash VARCHAR NOT NULL, v FLOAT[] NOT NULL,
            PRIMARY KEY (model_version_id, role, content_hash));
        CREATE TABLE policy_score (
            policy_id VARCHAR NOT NULL, policy_hash VARCHAR NOT NULL,
            model_version_id INTEGER NOT NULL, modality VARCHAR NOT NULL,
            covered_seq BIGINT NOT NULL, num_vectors BIGINT NOT NULL,
            calibration VARCHAR NOT NULL, refusal VARCHAR NOT NULL, run_id VARCHAR NOT NULL,
            scored_at TIMESTAMPTZ NOT NULL,
            PRIMARY KEY (policy_id, policy_hash, model_version_id, modality));
        CREATE SEQUENCE finding_id;
        CREATE TABLE finding (
            finding_id BIGINT PRIMARY KEY DEFAULT nextval('finding_id'), chunk_id BIGINT NOT NULL,
            policy_id VARCHAR NOT NULL, policy_hash VARCHAR NOT NULL,
            model_version_id INTEGER NOT NULL, modality VARCHAR NOT NULL, score DOUBLE NOT NULL,
            is_first BOOLEAN NOT NULL, evidence VARCHAR NOT NULL, run_id VARCHAR NOT NULL,
            found_at TIMESTAMPTZ NOT NULL, state VARCHAR NOT NULL, appeal VARCHAR NOT NULL,
            is_hidden BOOLEAN NOT NULL, num_skips INTEGER NOT NULL, holder VARCHAR,
            leased_until TIMESTAMPTZ);
        CREATE TABLE review_event (
            seq BIGINT PRIMARY KEY, finding_id BIGINT NOT NULL, event VARCHAR NOT NULL,
            said VARCHAR NOT NULL, previous VARCHAR NOT NULL, hash VARCHAR NOT NULL)""")


def m018_taste_profiles(con: duckdb.DuckDBPyConnection) -> None:
    """Make the place for likes and dislikes that somebody keeps under a name."""
    con.execute("""
        CREATE TABLE taste_profile (
            name VARCHAR PRIMARY KEY, likes VARCHAR NOT NULL, dislikes VARCHAR NOT NULL,
            changed_at TIMESTAMPTZ NOT NULL)""")


def m019_picture_hashes(con: duckdb.DuckDBPyConnection) -> None:
    """Make the memory of what each picture looks like, in 64 bits."""
    con.execute("""
        CREATE TABLE picture_hash (content_hash VARCHAR PRIMARY KEY, bits UBIGINT)""")


def m020_maps(con: duckdb.DuckDBPyConnection) -> None:
    """Make the place for maps: where each chunk of a space lies, and which others settled that."""
    con.execute("""
        CREATE TABLE map_point (
            model_version_id INTEGER NOT NULL, chunk_id BIGINT NOT NULL, x FLOAT NOT NULL,
            y FLOAT NOT NULL, cluster INTEGER NOT NULL, is_anchor BOOLEAN NOT NULL,
            PRIMARY KEY (model_version_id, chunk_id));
        CREATE TABLE map_cluster (
            model_version_id INTEGER NOT NULL, cluster INTEGER NOT NULL, name VARCHAR NOT NULL,
            PRIMARY KEY (model_version_id, cluster))""")


def m021_spaces(con: duckdb.DuckDBPyConnection) -> None:
    """Make the place for how the vectors of derived spaces are computed."""
    con.execute("""
        CREATE TABLE space (
            model_version_id INTEGER PRIMARY KEY, parent_id INTEGER NOT NULL,
            kind VARCHAR NOT NULL, maps BLOB NOT NULL)""")


def m022_words(con: duckdb.DuckDBPyConnection) -> None:
    """Make the postings of words; the next run counts the words of what is there already."""
    con.execute("""
        CREATE TABLE posting (
            term BIGINT NOT NULL, chunk_id BIGINT NOT NULL, tf FLOAT NOT NULL,
            num_words INTEGER NOT NULL);
        CREATE TABLE worded_chunk (chunk_id BIGINT NOT NULL, num_words INTEGER NOT NULL);
        CREATE TABLE source_words (uri VARCHAR PRIMARY KEY, terms BIGINT[] NOT NULL)""")


def m023_undo(con: duckdb.DuckDBPyConnection) -> None:
    """Make the place for what runs wrote over, so that a run can be undone.

    A step that later adds a column to source, chunk or quarantine adds it here too.
    """
    con.execute("""
        CREATE SEQUENCE undo_seq;
        CREATE TABLE undo_run (
            run_id VARCHAR PRIMARY KEY, seq BIGINT NOT NULL, undoes VARCHAR, undone_by VARCHAR,
            num_bytes BIGINT);
        CREATE TABLE undo_source AS
            SELECT '' AS undo_run, 0::BIGINT AS undo_seq, true AS existed, '' AS content_after,
            * FROM source LIMIT 0;
        CREATE TABLE undo_chunk AS
            SELECT '' AS undo_run, 0::BIGINT AS undo_seq, true AS existed, * FROM chunk LIMIT 0;
        CREATE TABLE undo_quarantine AS
            SELECT '' AS undo_run, 0::BIGINT AS undo_seq, true AS existed, *
            FROM quarantine LIMIT 0;
        CREATE TABLE undo_calibration AS
            SELECT '' AS undo_run, '' AS revision, * FROM calibration LIMIT 0;
        CREATE TABLE undo_vector (
            undo_run VARCHAR, undo_seq BIGINT, existed BOOLEAN, list VARCHAR, chunk_id BIGINT,
            run_id VARCHAR, v FLOAT[], hub FLOAT)""")


def m024_judgements(con: duckdb.DuckDBPyConnection) -> None:
    """Make the place for what people say of hits; only ever added to, the latest word counts."""
    con.execute("""
        CREATE SEQUENCE judgement_id;
        CREATE TABLE judgement (
            id BIGINT PRIMARY KEY DEFAULT nextval('judgement_id'), query_kind VARCHAR NOT NULL,
            query VARCHAR NOT NULL, chunk_id BIGINT NOT NULL, uri VARCHAR NOT NULL,
            fits BOOLEAN, model VARCHAR NOT NULL, rank INTEGER NOT NULL, who VARCHAR NOT NULL,
            judged_at TIMESTAMPTZ NOT NULL)""")


def m025_health(con: duckdb.DuckDBPyConnection) -> None:
    """Make the memory of how sound the vectors of each run were."""
    con.execute("""
        CREATE TABLE health (
            run_id VARCHAR NOT NULL, model_version_id INTEGER NOT NULL, modality VARCHAR NOT NULL,
            measures VARCHAR NOT NULL, findings VARCHAR[] NOT NULL,
            measured_at TIMESTAMPTZ NOT NULL,
            PRIMARY KEY (run_id, model_version_id, modality))""")


def m026_aliases(con: duckdb.DuckDBPyConnection) -> None:
    """Make the place for names that people give to model versions and move."""
    con.execute("""
        CREATE TABLE model_alias (
            name VARCHAR PRIMARY KEY, model_version_id INTEGER NOT NULL, why VARCHAR NOT NULL,
            set_at TIMESTAMPTZ NOT NULL)""")


def m027_own_columns(con: duckdb.DuckDBPyConnection) -> None:
    """Make the place for what a user's own tables say of sources, and for the language of words."""
    con.execute("""
        CREATE TABLE own_column (
            file VARCHAR NOT NULL, uri VARCHAR NOT NULL, name VARCHAR NOT NULL,
            value VARCHAR NOT NULL);
        CREATE TABLE column_file (
            file VARCHAR PRIMARY KEY, stat VARCHAR NOT NULL, sources VARCHAR NOT NULL,
            counts VARCHAR NOT NULL, read_at TIMESTAMPTZ NOT NULL);
        ALTER TABLE worded_chunk ADD COLUMN language VARCHAR""")


def m028_saved_searches(con: duckdb.DuckDBPyConnection) -> None:
    """Make the place for searches that alert, and for which contents were there when."""
    con.execute("""
        CREATE SEQUENCE content_seq;
        CREATE TABLE known_content (
            content_hash VARCHAR PRIMARY KEY, seq BIGINT NOT NULL DEFAULT nextval('content_seq'));
        CREATE TABLE saved_search (
            name VARCHAR PRIMARY KEY, text VARCHAR NOT NULL, conditions VARCHAR[] NOT NULL,
            modalities VARCHAR[] NOT NULL, min_strength VARCHAR NOT NULL,
            told_seq BIGINT NOT NULL, num_told BIGINT NOT NULL, saved_at TIMESTAMPTZ NOT NULL,
            told_at TIMESTAMPTZ)""")


def m029_word_index(con: duckdb.DuckDBPyConnection) -> None:
    """Make the place for which index of words is valid; one row at most."""
    con.execute("""
        CREATE TABLE word_index (
            covered_chunk BIGINT NOT NULL, num_chunks BIGINT NOT NULL, file VARCHAR NOT NULL,
            built_at TIMESTAMPTZ NOT NULL)""")


def m030_space_edges(con: duckdb.DuckDBPyConnection) -> None:
    """Make the place for the edges by which the vectors of a space were computed."""
    con.execute("""
        CREATE TABLE space_edge (
            model_version_id INTEGER NOT NULL, chunk_id BIGINT NOT NULL,
            neighbour_id BIGINT NOT NULL, weight FLOAT NOT NULL, kind VARCHAR NOT NULL)""")


def m031_findings_by_place(con: duckdb.DuckDBPyConnection) -> None:
    """Let findings say of which place in which content they are, so that they outlive a new cut."""
    con.execute("""
        ALTER TABLE finding ADD COLUMN content_hash VARCHAR;
        ALTER TABLE finding ADD COLUMN spot VARCHAR;
        UPDATE finding SET content_hash = evidence ->> '$.content_hash',
            spot = evidence ->> '$.spot';
        UPDATE finding f SET content_hash = c.content_hash, spot = concat_ws('|', c.kind,
            c.meta ->> '$.page', c.meta ->> '$.box', c.meta ->> '$.start_s', c.meta ->> '$.rows',
            md5(c.text))
        FROM chunk c WHERE c.chunk_id = f.chunk_id""")


def m032_publications(con: duckdb.DuckDBPyConnection) -> None:
    """Make the memory of what each store that is published to holds, and of each publication."""
    con.execute("""
        CREATE SEQUENCE published_store_id;
        CREATE TABLE published_store (
            store_id INTEGER PRIMARY KEY DEFAULT nextval('published_store_id'),
            address VARCHAR NOT NULL, written_by VARCHAR NOT NULL);
        CREATE TABLE published_chunk (
            store_id INTEGER NOT NULL, model_version_id INTEGER NOT NULL,
            chunk_id BIGINT NOT NULL, digest BIGINT NOT NULL);
        CREATE SEQUENCE publication_generation;
        CREATE TABLE publication (
            generation BIGINT NOT NULL DEFAULT nextval('publication_generation'),
            run_id VARCHAR NOT NULL, store_id INTEGER NOT NULL, watermark BIGINT NOT NULL,
            counts VARCHAR NOT NULL, started_at TIMESTAMPTZ NOT NULL, finished_at TIMESTAMPTZ)""")


def m033_caption_words(con: duckdb.DuckDBPyConnection) -> None:
    """Make the place for the words of captions, which the next run counts as it reads them anew."""
    con.execute("""
        CREATE TABLE caption_words (
            file VARCHAR NOT NULL, uri VARCHAR NOT NULL, digest VARCHAR NOT NULL,
            num_words INTEGER NOT NULL, terms BIGINT[] NOT NULL, tfs FLOAT[] NOT NULL);
        UPDATE column_file SET stat = ''""")


STEPS: tuple[Step, ...] = (
    m001_sources_and_chunks,
    m002_model_versions,
    m003_runs,
    m004_quarantine,
    m005_flow_runs,
    m006_backfills,
    m007_chunks_in_context,
    m008_vectors_by_modality,
    m009_refused_parts,
    m010_codes,
    m011_batch_sizes,
    m012_sources_by_content,
    m013_audits_of_codes,
    m014_calibration,
    m015_evaluations,
    m016_model_lifecycle,
    m017_moderation,
    m018_taste_profiles,
    m019_picture_hashes,
    m020_maps,
    m021_spaces,
    m022_words,
    m023_undo,
    m024_judgements,
    m025_health,
    m026_aliases,
    m027_own_columns,
    m028_saved_searches,
    m029_word_index,
    m030_space_edges,
    m031_findings_by_place,
    m032_publications,
    m033_caption_words,
)
LATEST = len(STEPS)

_VERSION = "SELECT coalesce(max(version), 0) FROM schema_migration"


def schema_version(con: duckdb.DuckDBPyConnection) -> int | None:
    """Return the number of the last step that was applied; None for a file that is not ours.

    Not for use within a transaction: a look at a file without tables of ours would undo it.
    """
    try:
        return one_number(con, _VERSION)
    except duckdb.CatalogException:
        # To list the tables first would take 6 ms, in every read and every commit.
        has_tables = con.execute("SELECT 1 FROM duckdb_tables() LIMIT 1").fetchall()
        return None if has_tables else 0


def migrate(con: duckdb.DuckDBPyConnection, steps: Sequence[Step] = STEPS) -> int:
    """Apply the steps that the file lacks and return how many that were.

    The caller holds the transaction, so a step that fails leaves nothing behind.

    Raises:
        CollectionTooNew: the file has steps that this crossmodal does not know.
    """
    con.execute("""
        CREATE TABLE IF NOT EXISTS schema_migration (
            version INTEGER PRIMARY KEY, name VARCHAR NOT NULL, applied_at TIMESTAMPTZ NOT NULL)""")
    version = one_number(con, _VERSION)
    if version > len(steps):
        raise CollectionTooNew(
            f"the collection has schema {version}, this crossmodal knows up to {len(steps)}: "
            "upgrade crossmodal, or index into a new file"
        )
    for number, step in enumerate(steps[version:], start=version + 1):
        step(con)
        con.execute("INSERT INTO schema_migration VALUES (?, ?, now())", [number, step.__name__])
    return len(steps) - version
