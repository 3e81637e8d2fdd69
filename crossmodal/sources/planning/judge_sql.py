"""Hold the SQL that turns what was seen and what is known into a plan.

The statements run in the order in which they stand here, on a connection of their own whose
temporary tables vanish with it. What is plainly unchanged is left out at the first step, so that
a run with nothing to do sorts and writes nothing.
"""

from __future__ import annotations

from crossmodal.files.archives.names import SUFFIXES

# A source belongs to a root by its path, but to a glob by what the ledger noted when it was found.
# What the run did not look at (hidden names) is out of its scope: it may well be there still.
IN_SCOPE = """
    (CASE WHEN r.kind = 'glob' THEN {t}.root = r.root
          ELSE {t}.uri = r.root OR starts_with({t}.uri, r.prefix) END)
    AND (r.sees_hidden OR NOT contains(substr({t}.uri, length(r.prefix)), '/.'))
"""

KNOWN_BY_ROOT = f"""
SELECT r.root, count(s.uri) FROM scope r LEFT JOIN source s ON {IN_SCOPE.format(t="s")}
GROUP BY r.root
"""

MEDIA_TYPES = "SELECT DISTINCT media_type FROM source WHERE media_type IS NOT NULL"

CANDIDATES = """
WITH judged AS (
    SELECT s.uri, s.size_bytes, s.mtime_ns FROM source s JOIN chunker_of c USING (media_type)
    WHERE s.mtime_ns <> 0 AND (s.content_hash IS NOT NULL OR c.fingerprint IS NULL)
      AND s.uri NOT IN (SELECT uri FROM quarantine WHERE content_hash IS NULL))
SELECT m.* FROM seen m ANTI JOIN judged USING (uri, size_bytes, mtime_ns) ORDER BY m.uri
"""
"""What size and time cannot judge: new, touched, unread so far, of a store that tells no times."""

EMBEDDED = """
CREATE TEMP VIEW embedded AS
SELECT content_hash, chunker FROM chunk ANTI JOIN (
    SELECT content_hash, chunker FROM chunk ANTI JOIN {vectors} USING (chunk_id)
) USING (content_hash, chunker)
"""
"""Content every chunk of which has its vector under the line-up; a row a chunk."""

LACKING = """
CREATE TEMP TABLE lacking AS
SELECT uri FROM (
    SELECT uri, content_hash, fingerprint AS chunker FROM source JOIN chunker_of USING (media_type)
    WHERE fingerprint IS NOT NULL)
ANTI JOIN embedded USING (content_hash, chunker)
"""
"""Known sources whose content, as known, lacks vectors: only these and what was read can have work.

Found by content alone, which is rarely any, it spares joining every path a second time.
"""

HELD = """
CREATE TEMP TABLE held AS
SELECT content_hash, any_value(reason) AS reason, max(attempts) AS attempts,
       $retry_failed OR (bool_or(transient) AND max(attempts) < $max_attempts
           AND NOT (bool_or(reason = 'timed_out') AND max(attempts) > 1)) AS retry
FROM quarantine
WHERE content_hash IS NOT NULL AND part = ''
  AND (model_version_id IS NULL OR model_version_id = $model_version_id)
GROUP BY content_hash
"""
"""Quarantined content: refused is the content, so a copy of it need not be tried again."""

STATE = """
CREATE TEMP TABLE state AS
SELECT m.uri, m.root, coalesce(i.size_bytes, m.size_bytes) AS size_bytes,
       coalesce(i.mtime_ns, m.mtime_ns) AS mtime_ns,
       c.media_type, c.fingerprint, c.modality, n.content_hash,
       s.uri IS NOT NULL AS known, s.content_hash AS old_hash,
       h.reason AS held_reason, h.attempts AS held_attempts,
       c.fingerprint IS NOT NULL AND e.content_hash IS NULL AND coalesce(h.retry, true) AS wanted
FROM seen m
SEMI JOIN (SELECT uri FROM inspected UNION ALL SELECT uri FROM lacking) USING (uri)
ANTI JOIN unjudged USING (uri)
LEFT JOIN source s ON s.uri = m.uri
LEFT JOIN inspected i ON i.uri = m.uri
LEFT JOIN chunker_of c ON c.media_type = coalesce(i.media_type, s.media_type),
LATERAL (SELECT CASE WHEN i.uri IS NULL THEN s.content_hash ELSE i.content_hash END) n(content_hash)
LEFT JOIN (
    SELECT DISTINCT content_hash, chunker FROM embedded SEMI JOIN inspected USING (content_hash)
) e ON e.content_hash = n.content_hash AND e.chunker = c.fingerprint
LEFT JOIN held h ON h.content_hash = n.content_hash
WHERE i.uri IS NOT NULL OR (s.uri IS NOT NULL AND wanted)
"""
"""Every seen source that has work or news; ``wanted``: its content lacks what this plan is for."""

ABSENT = f"""
CREATE TEMP TABLE absent AS
WITH known AS (
    SELECT uri, root, size_bytes, mtime_ns, media_type, content_hash, true AS indexed FROM source
    UNION ALL
    SELECT uri, '', size_bytes, mtime_ns, NULL, NULL, false
    FROM quarantine ANTI JOIN source USING (uri) WHERE part = '')
SELECT k.* FROM known k ANTI JOIN seen USING (uri) ANTI JOIN refused_now USING (uri)
WHERE NOT EXISTS (
    SELECT 1 FROM unreadable u WHERE k.uri = u.uri OR starts_with(k.uri, u.uri || '/'))
AND NOT EXISTS (
    SELECT 1 FROM (SELECT uri FROM seen WHERE regexp_matches(uri, '{SUFFIXES}$', 'i')) t
    WHERE starts_with(k.uri, t.uri || '/'))
"""
"""Known but not seen; nothing where this run could not look, nor in an archive unopened."""

COVERED = f"""
CREATE TEMP TABLE covered AS
SELECT a.uri, r.root, r.missing FROM absent a JOIN scope r ON {IN_SCOPE.format(t="a")}
"""

RENAMED = """
CREATE TEMP TABLE renamed AS
WITH free AS (
    SELECT uri, content_hash, row_number() OVER (PARTITION BY content_hash ORDER BY uri) AS nth
    FROM absent WHERE content_hash IS NOT NULL AND uri IN (
        SELECT uri FROM covered GROUP BY uri HAVING $allow_delete OR NOT bool_or(missing))),
fresh AS (
    SELECT uri, content_hash, row_number() OVER (PARTITION BY content_hash ORDER BY uri) AS nth
    FROM state WHERE NOT known AND content_hash IS NOT NULL)
SELECT fresh.uri, free.uri AS previous_uri FROM fresh JOIN free USING (content_hash, nth)
"""
"""Pair what vanished with what appeared, one to one by content."""

LOST_BY_ROOT = """
SELECT c.root, count(*) FROM covered c JOIN absent a USING (uri)
WHERE a.indexed AND a.uri NOT IN (SELECT previous_uri FROM renamed) GROUP BY c.root
"""

PLAN = """
WITH holder AS (
    SELECT content_hash, min(uri) AS uri FROM source SEMI JOIN state USING (content_hash)
    GROUP BY content_hash),
numbered AS (
    SELECT s.*, r.previous_uri, h.uri AS holder,
           s.content_hash IN (
               SELECT content_hash FROM embedded SEMI JOIN state USING (content_hash)
           ) AS embedded_otherwise,
           row_number() OVER same AS nth, first_value(s.uri) OVER same AS first_uri
    FROM state s LEFT JOIN renamed r ON r.uri = s.uri
    LEFT JOIN holder h ON h.content_hash = s.content_hash
    WINDOW same AS (PARTITION BY s.content_hash, s.fingerprint ORDER BY s.uri)),
judged AS (
    SELECT *, CASE
        WHEN fingerprint IS NULL THEN 'skipped'
        WHEN old_hash = content_hash AND NOT wanted THEN 'unchanged'
        WHEN old_hash = content_hash AND held_reason IS NOT NULL THEN 'retry'
        WHEN old_hash IS NOT NULL THEN 'changed'
        WHEN previous_uri IS NOT NULL THEN 'renamed'
        WHEN holder IS NOT NULL OR held_reason IS NOT NULL OR nth > 1 THEN 'duplicate'
        ELSE 'added' END AS action
    FROM numbered)
SELECT uri, root, size_bytes, mtime_ns, action,
       CASE action
           WHEN 'skipped' THEN 'no chunker for ' || media_type
           WHEN 'unchanged' THEN 'touched, same content'
           WHEN 'retry' THEN held_reason || ', attempt ' || (held_attempts + 1)
           WHEN 'renamed' THEN 'same content as a path that is gone'
           WHEN 'duplicate' THEN 'same content as ' || coalesce(holder, first_uri)
           WHEN 'added' THEN if(known, 'first chunker for ' || media_type, 'new')
           ELSE CASE
               WHEN old_hash <> content_hash THEN 'content changed'
               WHEN embedded_otherwise AND $changes <> '' THEN 'cut anew: ' || $changes
               WHEN embedded_otherwise THEN 'chunker changed to ' || fingerprint
               ELSE 'no vector under ' || $label END
       END AS reason,
       media_type, fingerprint AS chunker, modality, content_hash, previous_uri,
       wanted AND nth = 1 AS embed
FROM judged
UNION ALL
SELECT uri, root, size_bytes, mtime_ns, 'deleted',
       if(indexed, 'no longer found', 'no longer refused'),
       media_type, NULL, NULL, NULL, NULL, false
FROM absent
WHERE uri NOT IN (SELECT previous_uri FROM renamed)
  AND uri IN (SELECT uri FROM covered GROUP BY uri
              HAVING NOT bool_or(list_contains($withheld::VARCHAR[], root)))
ORDER BY uri
"""

SUMMARY = """
SELECT action, count(*), count(*) FILTER (embed), coalesce(sum(size_bytes) FILTER (embed), 0)
FROM read_parquet($plan) GROUP BY action
"""

NUM_PLAIN = """
SELECT (SELECT count(*) FROM seen) - (SELECT count(*) FROM state)
     - (SELECT count(*) FROM seen SEMI JOIN unjudged USING (uri))
"""
