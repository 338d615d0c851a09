-- The three designs: for each its table, and the statement that writes one enrolment to it.

-- design: insert
CREATE TABLE IF NOT EXISTS enrollments_insert (
    student_id  TEXT NOT NULL,
    course_code TEXT NOT NULL,
    timestamp   TIMESTAMPTZ NOT NULL
);
INSERT INTO enrollments_insert (student_id, course_code, timestamp)
VALUES (:student_id, :course_code, :timestamp);

-- design: offset
CREATE TABLE IF NOT EXISTS enrollments_offset (
    topic       TEXT NOT NULL,
    partition   INTEGER NOT NULL,
    "offset"    BIGINT NOT NULL,
    student_id  TEXT NOT NULL,
    course_code TEXT NOT NULL,
    timestamp   TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (topic, partition, "offset")
);
INSERT INTO enrollments_offset (topic, partition, "offset", student_id, course_code, timestamp)
VALUES (:topic, :partition, :offset, :student_id, :course_code, :timestamp)
ON CONFLICT (topic, partition, "offset") DO NOTHING;

-- design: business
CREATE TABLE IF NOT EXISTS enrollments_business (
    student_id  TEXT NOT NULL,
    course_code TEXT NOT NULL,
    timestamp   TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (student_id, course_code)
);
INSERT INTO enrollments_business (student_id, course_code, timestamp)
VALUES (:student_id, :course_code, :timestamp)
ON CONFLICT (student_id, course_code) DO UPDATE
SET timestamp = excluded.timestamp
WHERE excluded.timestamp > enrollments_business.timestamp;
